"""
What has to happen although nobody asks. In every server process, and alone as `manage.py watch`; one acts, by a lease.

Each step calls one function per app. What is due stands in rows and is found, so nothing is lost while nobody watches.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.utils.translation import override

from chat import handover, hints, pool, presence
from config import promises
from registration import outbox
from registration.models import Delivery
from staffing import alarms, clock, coverage, tally
from staffing.models import Alarm, Found, Watch
from staffing.refusal import Refused
from staffing.rules import AlarmKind

logger = logging.getLogger("geruisloos.watch")
END_WITHIN = 2.0  # seconds, of the ten that a stop may take (P13)


class Watcher:
    """This process's part in the watch. Its steps are what tests call by hand; never inside a transaction."""

    def __init__(self) -> None:
        self.name = uuid4().hex
        self._next: dict[str, datetime] = {}
        self._suspected: set[str] = set()

    def look_after(self, at: datetime) -> bool:
        """
        Look after the line once, if it is this process's turn; was it?

        A part that fails keeps no other from its work, but then nobody has watched: without a heartbeat every screen says so.
        """
        _written, all_is_well = _each(presence.flush, tally.flush)
        watch = Watch.objects.claim(by=self.name, at=at, lease=settings.WATCH_LEASE, blind=settings.SILENCE)
        if watch is None:
            return False
        blind = watch.is_blind(at)
        news, all_looked_at = _each(
            partial(handover.look_after, at, blind=blind),
            # Who was not heard since nobody was there to hear them is no gap yet.
            *([] if blind else [partial(coverage.check, at)]),
            partial(Alarm.objects.put_away, at=at, after=settings.EVENT_SHOWN),
            partial(self._late_for_clavis, at),
        )
        if all_is_well and all_looked_at:
            watch.watched(at=at)
        if news:
            hints.changed()
        return True

    def _late_for_clavis(self, at: datetime) -> bool:
        """P12: registrations that are stuck, or on their way for an hour, are an alarm of their region."""
        if not self._is_time_to("ask for Clavis", at, settings.DELIVER_EVERY):
            return False
        late = Delivery.objects.overdue(at).order_by().values_list("version__registration__region", flat=True).distinct()
        return Alarm.objects.settle([AlarmKind.CLAVIS], [Found(AlarmKind.CLAVIS, region) for region in late], at=at)

    # What leaves the house may take long, so each has a loop of its own, and whatever it sends is claimed on its own.

    def mail(self, at: datetime) -> None:
        while alarms.mail_next(at):
            at = clock.now()

    def hook(self, at: datetime) -> None:
        while alarms.hook_next(at):
            at = clock.now()

    def deliver(self, at: datetime) -> None:
        if self._is_time_to("deliver", at, settings.DELIVER_EVERY):
            outbox.deliver_due(at)

    def check(self, at: datetime) -> None:
        """Evaluate the promises, if it is this process that watches: what is broken twice, some seconds apart, is an alarm (P18)."""
        if at < self._next.get("check", at):
            return
        watch = Watch.objects.held(by=self.name, at=at)
        if watch is None or watch.is_blind(at):
            return
        found = promises.broken(at)
        if found and not self._suspected:
            self._suspected, self._next["check"] = set(found), at + promises.AGAIN
            return
        broken = {promise: len(names) for promise, names in found.items() if promise in self._suspected}
        self._suspected, self._next["check"] = set(), at + settings.SELFCHECK_EVERY
        watch.checked(broken, ahead=promises.clock_ahead(), at=at)
        with override(settings.LANGUAGE_CODE):
            alarm = [Found(AlarmKind.PROMISE, None, one, text=f"{one}: {n} {promises.in_words(one)}") for one, n in broken.items()]
        Alarm.objects.settle([AlarmKind.PROMISE], alarm, at=at)

    def _is_time_to(self, do: str, at: datetime, every: timedelta) -> bool:
        if at < self._next.get(do, at):
            return False
        self._next[do] = at + every
        return True

    def end(self, at: datetime) -> None:
        """In order: what was counted is written, and another may watch at once."""
        tally.flush()
        Watch.objects.let_go(by=self.name, at=at)


def _each(*parts: Callable[[], object]) -> tuple[bool, bool]:
    """Do all of these: is there any news, and has each been done?"""
    news, whole = False, True
    for part in parts:
        try:
            news |= bool(part())
        except Exception as problem:
            whole = False
            _complain(problem)
            if isinstance(problem, (OperationalError, InterfaceError)) and not connection.in_atomic_block:
                connection.close()  # a broken one is not used again
    return news, whole


def _complain(problem: Exception) -> None:
    if isinstance(problem, (DatabaseError, InterfaceError)):
        logger.warning("a watch was not finished: %s", type(problem).__name__)
    else:
        logger.error("a watch was not finished", exc_info=problem)


def _once(step: Callable[[datetime], object], at: datetime) -> None:
    try:
        step(at)
    finally:
        connections.close_all()  # between its steps the watch takes no connection from those who answer people


async def _again(threads: pool.Pool, step: Callable[[datetime], object]) -> None:
    while True:
        at = clock.now()
        try:
            await threads.run(_once, step, at)
        except Refused:
            pass  # the database does not answer; it is asked again
        except Exception as problem:
            _complain(problem)
        await clock.sleep_until(at + settings.WATCH_EVERY)


async def watch() -> None:
    """Watch until cancelled. In threads of its own: neither much to do nor a slow receiver keeps it from the line."""
    watcher = Watcher()
    steps = [watcher.look_after, watcher.mail, watcher.hook, watcher.deliver, watcher.check]
    threads = pool.Pool(len(steps), 2 * len(steps))
    try:
        await asyncio.gather(*(_again(threads, step) for step in steps))
    finally:
        try:
            async with asyncio.timeout(END_WITHIN):
                await threads.run(_once, watcher.end, clock.now())
        except Exception as problem:
            _complain(problem)
        threads.stop(patience=0)  # who waits for a mail server is not waited for


def begin() -> asyncio.Task[None]:
    """Watch until `end`."""
    return asyncio.get_running_loop().create_task(watch())


async def end(watching: asyncio.Task[None]) -> None:
    watching.cancel()
    await asyncio.wait([watching])
