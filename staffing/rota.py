"""The rota: who is planned already, a week as it is planned, and copying one. Times of the day are Amsterdam's, whatever the clock does."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy

from staffing import opening, rules
from staffing.coverage import hours_between
from staffing.models import Employee, Role, Shift, planned
from staffing.rules import AMSTERDAM, Period, Planned, Timetable

MOST_WEEKS = 8
WEEK = timedelta(weeks=1)
QUARTER = timedelta(minutes=15)
END_OF_DAY = time(0)


class Problem(StrEnum):
    """Why a shift cannot be planned so."""

    COLUMNS = "columns"
    ACCOUNT = "account"
    DAY = "day"
    TIME = "time"
    NOT_LATER = "not_later"
    NO_SUCH_TIME = "no_such_time"
    BEGUN = "begun"
    FAR = "far"
    TWICE = "twice"
    CLOSED = "closed"
    STANDS = "stands"
    GONE = "gone"


SENTENCES = {
    Problem.COLUMNS: gettext_lazy("This line has too few columns."),
    Problem.ACCOUNT: gettext_lazy("This account is not known here, or does not answer chats."),
    Problem.DAY: gettext_lazy("The day was not understood. Write it as 2026-11-30 or 30-11-2026."),
    Problem.TIME: gettext_lazy("A time was not understood. Write it as 09:00."),
    Problem.NOT_LATER: gettext_lazy("The end has to be later than the beginning. Make two shifts of one that goes past midnight."),
    Problem.NO_SUCH_TIME: gettext_lazy("This time does not exist on that day: the clock goes forward."),
    Problem.BEGUN: gettext_lazy("This moment is over. What has begun stays as it was planned."),
    Problem.FAR: gettext_lazy("This is more than a year away. Is the date right?"),
    Problem.TWICE: gettext_lazy("There is another shift at that time. Nobody can be planned twice."),
    Problem.CLOSED: gettext_lazy("the line is closed that day"),
    Problem.STANDS: gettext_lazy("stands already"),
    Problem.GONE: gettext_lazy("does not answer chats any more"),
}

# ---------------------------------------------------------------- days and times


def midnight(day: date) -> datetime:
    """The moment at which that day begins in Amsterdam."""
    return datetime.combine(day, time(0), AMSTERDAM).astimezone(UTC)


def day_of(moment: datetime) -> date:
    return moment.astimezone(AMSTERDAM).date()


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def moment(day: date, at: time) -> datetime | None:
    """That time of that day; None when the clock leaves it out. What there is twice is the first."""
    found = datetime.combine(day, at, AMSTERDAM).astimezone(UTC)
    return found if found.astimezone(AMSTERDAM).time() == at else None


def period(day: date, begins: time, ends: time) -> Period | Problem:
    """From when until when, for two times of one day; 00:00 is the end of it."""
    starts, until = moment(day, begins), moment(day + timedelta(days=1) if ends == END_OF_DAY else day, ends)
    if not starts or not until:
        return Problem.NO_SUCH_TIME
    return (starts, until) if starts < until else Problem.NOT_LATER


def problem_of(found: Period, at: datetime) -> Problem | None:
    """What speaks against planning this now: lateness and gaps are judged from it, so nothing is planned afterwards."""
    if found[0] <= at:
        return Problem.BEGUN
    return Problem.FAR if found[0] > at + rules.LOOK_AHEAD else None


def soonest(starts: datetime, at: datetime) -> datetime:
    """When a shift that should begin then can begin: the next quarter of an hour when that has passed."""
    passed = at.astimezone(AMSTERDAM).replace(minute=0, second=0, microsecond=0)
    return max(starts, passed + (1 + (at - passed) // QUARTER) * QUARTER) if starts <= at else starts


def times(found: Period) -> str:
    """From until, in hours and minutes; the end of a day is 24:00."""
    starts, ends = (moment.astimezone(AMSTERDAM) for moment in found)
    return f"{starts:%H:%M}–{'24:00' if ends.time() == END_OF_DAY else f'{ends:%H:%M}'}"


def day_in_words(day: date) -> str:
    """'ma 30 nov'."""
    return date_format(day, "D j N")


def in_words(found: Period) -> str:
    """The days of it ('ma 30 nov'), and the times where they are not whole days."""
    starts, ends = (moment.astimezone(AMSTERDAM) for moment in found)
    first, last = (day_in_words(moment.date()) for moment in (starts, ends - timedelta(microseconds=1)))
    if starts.time() == ends.time() == time(0):
        return first if first == last else f"{first} – {last}"
    return f"{first} {times(found)}" if first == last else f"{first} {starts:%H:%M} – {date_format(ends, 'D j N H:i')}"


# ---------------------------------------------------------------- who is planned already


@dataclass(frozen=True, slots=True)
class Slot:
    """Whose shift, and from when until when."""

    employee: int
    period: Period


class Taken:
    """When these employees have a shift already; what is planned is added to it."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self._by_day: dict[tuple[int, date], list[Slot]] = defaultdict(list)
        for slot in slots:
            self.add(slot)

    def add(self, slot: Slot) -> None:
        for key in self._days(slot):
            self._by_day[key].append(slot)

    def against(self, slot: Slot) -> Problem | None:
        """Does this shift stand already, or another one at the same time?"""
        others = [other for key in self._days(slot) for other in self._by_day[key]]
        if slot in others:
            return Problem.STANDS
        starts, ends = slot.period
        return Problem.TWICE if any(other.period[0] < ends and starts < other.period[1] for other in others) else None

    @staticmethod
    def _days(slot: Slot) -> Iterator[tuple[int, date]]:
        day, last = (day_of(moment) for moment in slot.period)
        while day <= last:
            yield slot.employee, day
            day += timedelta(days=1)


def answering() -> QuerySet[Employee]:
    """Who can be planned: as Employee.answers_chats."""
    return Employee.objects.filter(is_active=True, role__in=[Role.FRONT_OFFICE, Role.COORDINATOR]).exclude(region=None)


def locked(region_id: int) -> list[Employee]:
    """Who can be planned in this region, under their locks: nobody else plans them meanwhile."""
    return list(answering().filter(region=region_id).order_by("pk").select_for_update(of=("self",), no_key=True))


def slots(region_id: int, start: datetime, end: datetime) -> list[Slot]:
    """The shifts of a region that touch this stretch."""
    shifts = Shift.objects.in_region(region_id).during(start, end)
    return [Slot(employee, (starts, ends)) for employee, starts, ends in shifts.values_list("employee", "starts_at", "ends_at")]


def store(slots: Iterable[Slot]) -> None:
    """Plan these. Who calls holds the locks of their employees, and has looked at what stands already."""
    Shift.objects.bulk_create(Shift(employee_id=one.employee, starts_at=one.period[0], ends_at=one.period[1]) for one in slots)


# ---------------------------------------------------------------- when somebody has to be there


def timetable(region_id: int, at: datetime) -> Timetable:
    """When the line will be open, for planning: a closure by decision passes, and the plan stays."""
    return replace(opening.timetables(at).get(region_id) or Timetable(()), closures=())


def coming(region_id: int, start: datetime, end: datetime, at: datetime) -> list[Planned]:
    """Who is expected in this stretch. A shift ahead of somebody who cannot answer chats any more counts for nothing."""
    there = set(answering().filter(region=region_id).values_list("pk", flat=True))
    return [one for one in planned(region_id, start, end) if one.employee in there or one.period[0] <= at]


def unplanned(region_id: int, start: datetime, end: datetime, at: datetime) -> list[Period]:
    """When the line will be open in this stretch, from `at` on, and nobody is planned."""
    start = max(start, at)
    if start >= end:
        return []
    hours = [(max(opens, start), min(closes, end)) for opens, closes in hours_between(timetable(region_id, at), start, end)]
    return rules.unplanned(coming(region_id, start, end, at), hours)


def open_on(region_id: int, on: date, at: datetime) -> list[Period]:
    """When the line will be open on that day."""
    return hours_on(timetable(region_id, min(at, midnight(on))), on)


def hours_on(table: Timetable, on: date) -> list[Period]:
    """When the line is open on that day, by this timetable."""
    starts, ends = midnight(on), midnight(on + timedelta(days=1))
    return rules.joined((max(opens, starts), min(closes, ends)) for opens, closes in hours_between(table, starts, ends))


def apart(periods: Iterable[Period], taken: Iterable[Period]) -> list[Period]:
    """What of these is in none of those."""
    others = list(taken)
    return [piece for period in periods for piece in rules.without(period, others)]


# ---------------------------------------------------------------- copying a week


@dataclass(frozen=True, slots=True)
class Copied:
    """One shift in one of the weeks: made, or left out and why."""

    employee: int
    on: date
    slot: Slot | None
    skipped: Problem | None


def copies(
    week: Sequence[Slot], weeks: int, *, table: Timetable, taken: Taken, answering: Collection[int], at: datetime
) -> Iterator[Copied]:
    """
    These shifts in each of the weeks after their own, at the same times of the day. `taken` grows with what is made.

    Left out is what stands already or would be a second shift at that time, what is over, and days on which the line is closed.
    """
    for weeks_later in range(1, weeks + 1):
        for slot in week:
            made = _later(slot, weeks_later * WEEK)
            on = day_of(slot.period[0]) + weeks_later * WEEK
            if slot.employee not in answering:
                problem: Problem | None = Problem.GONE
            elif on in table.closed_days and not any(hours.on(on, table.closed_days) for hours in table.hours):
                problem = Problem.CLOSED
            elif not made:
                problem = Problem.NO_SUCH_TIME
            else:
                problem = taken.against(made) or (Problem.BEGUN if made.period[0] <= at else None)
            if made and not problem:
                taken.add(made)
            yield Copied(slot.employee, on, None if problem else made, problem)


def _later(slot: Slot, by: timedelta) -> Slot | None:
    """The same times of the day, days later; None when the clock leaves one of them out."""
    local = [at.astimezone(AMSTERDAM) for at in slot.period]
    starts, ends = (moment(at.date() + by, at.time().replace(fold=0)) for at in local)
    return Slot(slot.employee, (starts, ends)) if starts and ends and starts < ends else None


@transaction.atomic
def copy_week(region_id: int, monday: date, *, weeks: int, at: datetime) -> list[Copied]:
    """Plan the weeks after this one as this one is; all of it or nothing. Absence is of one time, and stays where it is."""
    there = {employee.pk for employee in locked(region_id)}
    starts, ends = midnight(monday), midnight(monday + WEEK)
    own = [slot for slot in slots(region_id, starts, ends) if slot.period[0] >= starts]
    taken = Taken(slots(region_id, ends, midnight(monday + (weeks + 2) * WEEK)))
    table = timetable(region_id, min(at, starts))
    found = list(copies(own, weeks, table=table, taken=taken, answering=there, at=at))
    store(one.slot for one in found if one.slot)
    return found
