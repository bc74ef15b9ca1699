"""
Time and staffing: when the line is open, who should be there and who is, when duty may begin and end. Pure: values in, a decision out.

Moments are aware; opening hours are judged in Europe/Amsterdam.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from heapq import merge
from itertools import combinations, groupby, takewhile
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
LOOK_AHEAD = timedelta(days=370)
LOOK_BACK = timedelta(days=4)

Period = tuple[datetime, datetime]  # from (included) until (not included)


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

    def on(self, day: date, closed_days: Collection[date]) -> Period | None:
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

    def _closed(self, end: datetime) -> list[Period]:
        return [(closure.starts_at, closure.until_at or max(end, closure.starts_at)) for closure in self.closures]

    def stretches(self, at: datetime) -> Iterator[Period]:
        """From when to when the line is open, ordered by their begin, from the day of `at` to a year on. They may touch and overlap."""
        today = at.astimezone(AMSTERDAM).date()
        for n in range(LOOK_AHEAD.days + 2):
            day = today + timedelta(days=n)
            periods = [period for hours in self.hours if (period := hours.on(day, self.closed_days))]
            yield from sorted(piece for period in periods for piece in without(period, self._closed(period[1])))


def without(period: Period, taken: Iterable[Period]) -> Iterator[Period]:
    """The pieces of a period that none of these cover, in order."""
    start, end = period
    for begin, until in sorted(taken):
        if begin >= end or until <= max(start, begin):
            continue
        if start < begin:
            yield start, begin
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


class ClosingStep(StrEnum):
    """How far the line is on its way to closing: from 16:40 the page says it, from 16:55 who waits reads what will happen."""

    OPEN = "open"
    SOON = "soon"
    LAST = "last"
    CLOSED = "closed"


def closing_step(line: Opening, at: datetime, *, soon: timedelta, last: timedelta) -> ClosingStep:
    """Process 1.2, step Closing time: `soon` and `last` are how long before closing each step begins."""
    if not line.open:
        return ClosingStep.CLOSED
    if line.closes_at is None or at < line.closes_at - soon:
        return ClosingStep.OPEN
    return ClosingStep.SOON if at < line.closes_at - last else ClosingStep.LAST


def closed_since(timetable: Timetable, at: datetime) -> datetime | None:
    """Since when the line is closed; None while it is open. What was before LOOK_BACK is not looked for."""
    if is_open(timetable, at):
        return None
    over = takewhile(lambda period: period[0] <= at, timetable.stretches(at - LOOK_BACK))
    return max((until for _start, until in over), default=at - LOOK_BACK)


# ---------------------------------------------------------------- who should be there, and who was


@dataclass(frozen=True, slots=True)
class Planned:
    """Somebody's shift, without the time of absence: when this employee should be on duty."""

    shift: int
    employee: int
    period: Period


@dataclass(frozen=True, slots=True)
class WasOnDuty:
    """One duty with what was heard in it. `silences` are when its employee was not connected although heard again later."""

    employee: int
    started_at: datetime
    ended_at: datetime | None
    heard_at: datetime | None
    silences: tuple[Period, ...] = ()

    def covers(self, at: datetime) -> bool:
        return self.started_at <= at and (self.ended_at is None or at < self.ended_at)

    def available(self, until: datetime, silence: timedelta) -> list[Period]:
        """When this employee was available, that is on duty and connected, up to `until`."""
        if self.heard_at is None:
            return []
        end = min(moment for moment in (self.ended_at, self.heard_at + silence, until) if moment)
        return list(without((self.started_at, end), self.silences))


def gaps(duties: Iterable[WasOnDuty], hours: Iterable[Period], at: datetime, silence: timedelta) -> list[Period]:
    """
    When the line was open and nobody was available, up to `at` (P10).

    From stored facts only: a watcher that was dead can hide none of it.
    """
    covered = [period for duty in duties for period in duty.available(at, silence)]
    return [gap for opens, closes in joined(hours) if opens < at for gap in without((opens, min(closes, at)), covered)]


def joined(periods: Iterable[Period]) -> list[Period]:
    """The same time, as periods that neither touch nor overlap."""
    found: list[Period] = []
    for start, end in sorted(periods):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def unplanned(shifts: Iterable[Planned], hours: Iterable[Period]) -> list[Period]:
    """When the line will be open and nobody is planned."""
    planned = [shift.period for shift in shifts]
    return [gap for period in joined(hours) for gap in without(period, planned)]


def planned_twice(shifts: Iterable[Planned]) -> list[tuple[Planned, Planned]]:
    """Shifts of one employee that overlap, the earlier one first."""
    by_time = sorted(shifts, key=lambda shift: (shift.employee, shift.period))
    return [
        (one, other)
        for _employee, its in groupby(by_time, key=lambda shift: shift.employee)
        for one, other in combinations(its, 2)
        if other.period[0] < one.period[1]
    ]


def due_moments(shift: Planned, hours: Iterable[Period], before: timedelta) -> list[datetime]:
    """
    By when who is planned has to be on duty: when the shift begins, and when the line opens in it.

    Process 1.2, step Start chat. A shift that begins before duty may begin (`before` the opening) is due at the opening.
    """
    starts, ends = shift.period
    line = joined(hours)
    due = {starts for opens, closes in line if opens - before <= starts < closes}
    return sorted(due | {opens for opens, _closes in line if starts <= opens < ends})


@dataclass(frozen=True, slots=True)
class Late:
    """Somebody who was planned and not on duty when that was due. `came_at` is None for who has not come in that shift."""

    shift: int
    employee: int
    due_at: datetime
    came_at: datetime | None


def late(shifts: Iterable[Planned], duties: Iterable[WasOnDuty], hours: Sequence[Period], until: datetime, before: timedelta) -> list[Late]:
    """
    Who was not there when the shift or the opening began, even when a colleague was, for all that was due by `until`.

    Process 1.2, step Start chat: the employee with chat duty is logged in by 09:00 at the latest. Who has not come when the shift
    begins, nor when the line opens in it, is late once.
    """
    by_employee: dict[int, list[WasOnDuty]] = defaultdict(list)
    for duty in duties:
        by_employee[duty.employee].append(duty)
    found = []
    for shift in shifts:
        its = by_employee[shift.employee]
        missing_until = shift.period[0]
        for due in due_moments(shift, hours, before):
            if missing_until <= due <= until and not any(duty.covers(due) for duty in its):
                came = min((duty.started_at for duty in its if due < duty.started_at < shift.period[1]), default=None)
                found.append(Late(shift.shift, shift.employee, due, came))
                missing_until = came or shift.period[1]
    return sorted(found, key=lambda one: (one.due_at, one.employee))


class AlarmKind(StrEnum):
    """What asks for somebody's care, on the screens of its region until it is over."""

    NOBODY_ON_DUTY = "nobody_on_duty"
    NOBODY_AVAILABLE = "nobody_available"
    WAITING_OFFERED_TO_NOBODY = "waiting_offered_to_nobody"
    LATE = "late"
    INTERRUPTED = "interrupted"
    OVERRIDE = "override"
    DANGER = "danger"
    WATCH_DEAD = "watch_dead"
    FLOOD = "flood"
    CLAVIS = "clavis"
    PROMISE = "promise"  # for operators: a promise that `selfcheck` found broken


# These happened at one moment: no state of the line ends them, only somebody who takes care.
EVENTS = frozenset({AlarmKind.OVERRIDE, AlarmKind.DANGER})


def coverage(*, open_now: bool, on_duty: int, available: int) -> AlarmKind | None:
    """What is wrong with who is there, if anything. Process 1.2, steps Start chat and Handover; P10."""
    if not open_now or available:
        return None
    return AlarmKind.NOBODY_AVAILABLE if on_duty else AlarmKind.NOBODY_ON_DUTY


# ---------------------------------------------------------------- being there, coming and leaving


def left_to_others(timetables: Mapping[int, Timetable], at: datetime) -> frozenset[int]:
    """The regions that are closed while another one is open: their chats are as those of a region with nobody on duty."""
    closed = frozenset(region for region, table in timetables.items() if not is_open(table, at))
    return closed if len(closed) < len(timetables) else frozenset()


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
    so that no chat is lost. *Available* means on duty and heard; `waiting` counts what waits in the region, also what has lost
    its employee or is about to. After closing the last one may go when nobody of the region is waiting or held.
    """
    if held:
        return Refusal.HOLDS_CONVERSATIONS
    if (open_now or waiting) and not available_colleagues:
        return Refusal.LAST_ONE
    return None
