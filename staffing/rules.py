"""
Time and staffing: when the line is open, when duty may begin and end. Pure: values in, a decision out.

Moments are aware; opening hours are judged in Europe/Amsterdam.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from heapq import merge
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
LOOK_AHEAD = timedelta(days=370)


class Refusal(StrEnum):
    """Every 'no' of the product: the code for machines. The sentence for people stands in refusal.py."""

    BAD_FRAME = "bad_frame"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    TOO_FAST = "too_fast"
    ENDED = "ended"
    ID_REUSED = "id_reused"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    UNAVAILABLE = "unavailable"
    ALREADY_ACCEPTED = "already_accepted"
    NO_ROOM = "no_room"
    NOT_ON_DUTY = "not_on_duty"
    LAST_ONE = "last_one"
    HOLDS_CONVERSATIONS = "holds_conversations"
    TOO_EARLY = "too_early"
    CLOSED = "closed"
    CHANGED = "changed"
    INCOMPLETE = "incomplete"
    FROZEN = "frozen"
    STILL_RUNNING = "still_running"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Hours:
    """One period of one weekday (0 is Monday). `closes` at midnight means the end of that day."""

    weekday: int
    opens: time
    closes: time
    valid_from: date | None = None
    valid_until: date | None = None
    on_closed_days: bool = False

    def counts_on(self, day: date) -> bool:
        """Is the day within the validity of this period?"""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_until is None or day <= self.valid_until)

    def on(self, day: date, closed_days: Collection[date]) -> tuple[datetime, datetime] | None:
        """From when to when the line is open on that day by this period."""
        if day.weekday() != self.weekday or (day in closed_days and not self.on_closed_days) or not self.counts_on(day):
            return None
        last = day + timedelta(days=1) if self.closes == time(0) else day
        start, end = (datetime.combine(d, t, AMSTERDAM).astimezone(UTC) for d, t in ((day, self.opens), (last, self.closes)))
        return (start, end) if start < end else None


# Process 1.2, step Start chat: on working days from 09:00 to 17:00.
WORKING_DAYS = tuple(Hours(weekday, time(9), time(17)) for weekday in range(5))
AROUND_THE_CLOCK = tuple(Hours(weekday, time(0), time(0), on_closed_days=True) for weekday in range(7))


@dataclass(frozen=True, slots=True)
class Closure:
    """The line is closed by decision, from a moment until a moment or until it is opened again."""

    starts_at: datetime
    until_at: datetime | None = None

    def covers(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.until_at is None or at < self.until_at)


@dataclass(frozen=True, slots=True)
class Timetable:
    """All that decides whether one region's line is open."""

    hours: tuple[Hours, ...]
    closed_days: frozenset[date] = frozenset()
    closures: tuple[Closure, ...] = ()

    def stretches(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """From when to when the line is open, ordered by their begin, from the day of `at` to a year on. They may touch and overlap."""
        today = at.astimezone(AMSTERDAM).date()
        closures = sorted(self.closures, key=lambda closure: closure.starts_at)
        for n in range(LOOK_AHEAD.days + 2):
            day = today + timedelta(days=n)
            periods = [period for hours in self.hours if (period := hours.on(day, self.closed_days))]
            yield from sorted(piece for period in periods for piece in _outside(period, closures))


def _outside(period: tuple[datetime, datetime], closures: Iterable[Closure]) -> Iterator[tuple[datetime, datetime]]:
    """The pieces of a period that no closure covers; the closures come ordered by their begin."""
    start, end = period
    for closure in closures:
        until = closure.until_at or end
        if closure.starts_at >= end or until <= max(start, closure.starts_at):
            continue
        if start < closure.starts_at:
            yield start, closure.starts_at
        start = until
    if start < end:
        yield start, end


def is_open(timetable: Timetable, at: datetime) -> bool:
    """
    May a new conversation begin at this moment?

    Process 1.2, step Start chat: open on working days from 09:00 to 17:00, unless the region says otherwise.
    """
    if any(closure.covers(at) for closure in timetable.closures):
        return False
    today = at.astimezone(AMSTERDAM).date()
    periods = (hours.on(today, timetable.closed_days) for hours in timetable.hours)
    return any(period[0] <= at < period[1] for period in periods if period)


def next_opening(timetable: Timetable, at: datetime) -> datetime | None:
    """The first moment from `at` on at which the line is open; None when none is in sight."""
    return at if is_open(timetable, at) else opening([timetable], at).opens_at


def closes_at(timetable: Timetable, at: datetime) -> datetime | None:
    """When the line that is open at `at` closes; None when it is closed, or open around the clock."""
    return opening([timetable], at).closes_at


@dataclass(frozen=True, slots=True)
class Opening:
    """What the page, `status.json`, the widget and the start say about the line."""

    open: bool
    opens_at: datetime | None
    closes_at: datetime | None


def opening(timetables: Iterable[Timetable], at: datetime) -> Opening:
    """
    Is the line open? For one region: its own timetable; for the whole line: open when any region is.

    `opens_at` is None while open, `closes_at` None while closed or open around the clock.
    """
    end = at
    for start, until in merge(*(table.stretches(at) for table in set(timetables))):
        if start > end:
            return Opening(open=True, opens_at=None, closes_at=end) if end > at else Opening(open=False, opens_at=start, closes_at=None)
        end = max(end, until)
    return Opening(open=end > at, opens_at=None, closes_at=end if at < end < at + LOOK_AHEAD else None)


def is_connected(heard_at: datetime | None, at: datetime, silence: timedelta) -> bool:
    """Heard from within `silence`? A closing socket changes nothing, only the time does."""
    return heard_at is not None and at - heard_at < silence


def may_start_duty(*, open_now: bool, opens_at: datetime | None, waiting: int, at: datetime, before: timedelta) -> Refusal | None:
    """
    May this employee go on duty now?

    Process 1.2, step Start chat: logged in at opening at the latest, so duty may begin `before` it;
    outside that only while a chat of the region still waits.
    """
    if open_now or waiting or (opens_at and opens_at - at <= before):
        return None
    return Refusal.TOO_EARLY


def may_leave(*, open_now: bool, waiting: int, available_colleagues: int, held: int) -> Refusal | None:
    """
    May this employee go off duty?

    Process 1.2, step Handover: the colleague logs out only once the other is logged in,
    so that no chat is lost. *Available* means on duty and heard.
    """
    if held:
        return Refusal.HOLDS_CONVERSATIONS
    if (open_now or waiting) and not available_colleagues:
        return Refusal.LAST_ONE
    return None
