"""A clock that stands still until the test moves it."""

import asyncio
import heapq
import itertools
import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


class StandingClock:
    """Takes the place of `staffing.clock.current`; safe across threads and event loops."""

    def __init__(self, moment: str | datetime):
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.AbstractEventLoop, asyncio.Future]] = []
        self._now = datetime.min.replace(tzinfo=UTC)
        self.at(moment)

    def now(self) -> datetime:
        return self._now

    @property
    def ahead(self) -> timedelta:
        """As the clock of the demonstration, it is moved on purpose."""
        return self._now - datetime.now(UTC)  # noqa: TID251 - there is no other way to know

    def at(self, moment: str | datetime) -> datetime:
        """Move to a moment, without zone in Europe/Amsterdam, and wake everybody who waits up to it, in order."""
        moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        moment = moment.replace(tzinfo=AMSTERDAM) if moment.tzinfo is None else moment
        with self._lock:
            self._now = moment.astimezone(UTC)
            while self._sleepers and self._sleepers[0][0] <= self._now:
                *_, loop, sleeper = heapq.heappop(self._sleepers)
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_wake, sleeper)
        return self._now

    def forward(self, **duration: float) -> datetime:
        """`clock.forward(minutes=5)`."""
        return self.at(self._now + timedelta(**duration))

    async def sleep_until(self, moment: datetime) -> None:
        loop = asyncio.get_running_loop()
        with self._lock:
            sleeper = loop.create_future()
            due = self._now if moment <= self._now else moment
            if due > self._now:
                heapq.heappush(self._sleepers, (due, next(self._order), loop, sleeper))
            else:
                loop.call_soon(_wake, sleeper)  # gives way once, as a sleep of zero does
        await sleeper

    @property
    def waiting(self) -> list[datetime]:
        """The moments that somebody waits for, the earliest first."""
        with self._lock:
            return [moment for moment, _, _, sleeper in sorted(self._sleepers) if not sleeper.done()]


def _wake(sleeper: asyncio.Future) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
