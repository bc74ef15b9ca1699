"""The one clock: the only place that reads the time or waits for it."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path


class Clock:
    """The machine's clock, moved by `ahead` (zero but for the demonstration)."""

    def __init__(self, ahead: timedelta = timedelta(0)) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def sleep_until(self, moment: datetime) -> None:
        await asyncio.sleep(max(0.0, (moment - self.now()).total_seconds()))


current = Clock()


def now() -> datetime:
    """This moment, aware, in UTC."""
    return current.now()


async def sleep_until(moment: datetime) -> None:
    """Wait until the clock says `moment`; at once when that is over."""
    await current.sleep_until(moment)


def begin_at(moment: datetime, kept_in: Path) -> None:
    """
    Let the clock of the demonstration begin at `moment` and run on from there.

    When that was is kept in the file for each moment, so that commands and restarts go on from it.
    """
    global current
    begun = json.loads(kept_in.read_text()) if kept_in.exists() else {}
    key = moment.astimezone(UTC).isoformat()
    if key not in begun:
        begun[key] = datetime.now(UTC).isoformat()
        kept_in.parent.mkdir(parents=True, exist_ok=True)
        aside = kept_in.with_name(f".{kept_in.name}-{os.getpid()}")
        aside.write_text(json.dumps(begun))
        aside.replace(kept_in)  # a command that starts meanwhile never reads half a file
    current = Clock(ahead=moment - datetime.fromisoformat(begun[key]))
