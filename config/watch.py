"""
What has to happen although nobody asks. In every server process, and alone as `manage.py watch`; one acts, by a lease.

Each step calls one function per app. What is due stands in rows and is found, so nothing is lost while nobody watches.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from chat import handover, hints, pool, presence
from registration import outbox
from staffing import alarms, clock, coverage, tally
from staffing.models import Alarm, Watch
from staffing.refusal import Refused

logger = logging.getLogger("geruisloos.watch")


class Watcher:
    """This process's part in the watch. Its steps are what tests call by hand; never inside a transaction."""

    def __init__(self) -> None:
        self.name = uuid4().hex
        self._deliver_at: datetime | None = None

    def look_after(self, at: datetime) -> bool:
        """Look after the line once, if it is this process's turn; was it?"""
        presence.flush()
        tally.flush()
        watch = Watch.objects.claim(by=self.name, at=at, lease=settings.WATCH_LEASE, blind=settings.SILENCE)
        if watch is None:
            return False
        news = handover.look_after(at, blind=watch.is_blind(at))
        news |= coverage.check(at)
        news |= Alarm.objects.put_away(at=at, after=settings.EVENT_SHOWN)
        watch.watched(at=at)
        if news:
            hints.changed()
        return True

    def send(self, at: datetime) -> None:
        """What leaves the house and may take long: alarms by mail and hook, registrations to Clavis. Each is claimed on its own."""
        alarms.send_due(at)
        if self._deliver_at is None or at >= self._deliver_at:
            self._deliver_at = at + settings.DELIVER_EVERY
            outbox.deliver_due(at)


async def _again(step: Callable[[datetime], object]) -> None:
    while True:
        at = clock.now()
        try:
            await pool.run(step, at)
        except Refused:
            pass  # the database does not answer; it is asked again
        except (DatabaseError, InterfaceError) as problem:
            logger.warning("a watch was not finished: %s", type(problem).__name__)
        except Exception:
            logger.exception("a watch was not finished")
        await clock.sleep_until(at + settings.WATCH_EVERY)


async def watch() -> None:
    """Watch until cancelled. What leaves the house has a loop of its own, so that a slow receiver never keeps the line waiting."""
    watcher = Watcher()
    await asyncio.gather(_again(watcher.look_after), _again(watcher.send))


def begin() -> asyncio.Task[None]:
    """Watch until the task is cancelled."""
    return asyncio.get_running_loop().create_task(watch())
