"""A week of a region as it is planned, as the grid of the rota shows it: a row for each employee, a column for each day."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import F, Q
from django.utils.translation import gettext

from staffing import rota, rules
from staffing.models import Absence, ClosedDay, Employee, Shift
from staffing.rules import AMSTERDAM, Period


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the week: when the line is open, and what the plan misses as it is at `at`. `why_closed` is of a closed day."""

    on: date
    hours: list[Period]
    unplanned: list[Period]
    twice: list[tuple[Employee, Period]]
    why_closed: str
    at: datetime

    @property
    def is_today(self) -> bool:
        return self.on == rota.day_of(self.at)

    @property
    def is_over(self) -> bool:
        return self.on < rota.day_of(self.at)

    @property
    def hours_in_words(self) -> list[str]:
        return [rota.times(period) for period in self.hours]

    @property
    def unplanned_in_words(self) -> list[tuple[str, str, str]]:
        """Each stretch in words, before it what is left to plan of it: from and until as a form takes them, empty when it is over."""
        found = []
        for starts, ends in self.unplanned:
            begins = rota.soonest(starts, self.at)
            left = [f"{moment.astimezone(AMSTERDAM):%H:%M}" for moment in (begins, ends)] if begins < ends else ["", ""]
            found.append((*left, rota.times((starts, ends))))
        return found  # type: ignore[return-value]

    @property
    def twice_in_words(self) -> list[tuple[Employee, str]]:
        return [(employee, rota.times(period)) for employee, period in self.twice]


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands in a cell: a shift or an absence, with its times of that day in words. `away`: absent in all of it."""

    pk: int
    words: str
    away: bool = False
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    day: Day
    shifts: list[Piece]
    absences: list[Piece]


@dataclass(frozen=True, slots=True)
class Row:
    """An employee's week. `answers` is false for who has shifts, and cannot be planned any more."""

    employee: Employee
    answers: bool
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Week:
    monday: date
    days: list[Day]
    rows: list[Row]

    @property
    def sunday(self) -> date:
        return self.monday + rota.WEEK - timedelta(days=1)

    @property
    def unplanned(self) -> int:
        """How many stretches of what is still to come nobody is planned in."""
        return sum(1 for day in self.days for _starts, ends in day.unplanned if ends > day.at)


def week(region_id: int, monday: date, at: datetime) -> Week:
    """The rota of a region from this Monday to Sunday, with everybody who can answer chats, also those without a shift."""
    starts, ends = rota.midnight(monday), rota.midnight(monday + rota.WEEK)
    shifts = list(Shift.objects.in_region(region_id).during(starts, ends).select_related("employee"))
    absences = list(Absence.objects.in_region(region_id).during(starts, ends).select_related("employee"))
    days = list(_days(region_id, monday, at, {shift.employee_id: shift.employee for shift in shifts}))
    people = {*rota.answering().filter(region=region_id), *(shift.employee for shift in shifts)}
    rows = []
    for employee in sorted(people, key=lambda one: (not one.answers_chats, one.name.casefold(), one.pk)):
        its = [shift for shift in shifts if shift.employee_id == employee.pk]
        away = [absence for absence in absences if absence.employee_id == employee.pk]
        rows.append(Row(employee, employee.answers_chats, [_cell(day, its, away, at) for day in days]))
    return Week(monday, days, rows)


def _days(region_id: int, monday: date, at: datetime, people: Mapping[int, Employee]) -> Iterator[Day]:
    table = rota.timetable(region_id, min(at, rota.midnight(monday)))
    expected = rota.coming(region_id, rota.midnight(monday), rota.midnight(monday + rota.WEEK), at)
    twice = [
        (people[one.employee], (max(one.period[0], other.period[0]), min(one.period[1], other.period[1])))
        for one, other in rules.planned_twice(expected)
        if one.employee in people
    ]
    closed = ClosedDay.objects.filter(Q(region=None) | Q(region=region_id), day__range=(monday, monday + rota.WEEK))
    reasons = dict(closed.order_by(F("region").asc(nulls_first=True)).values_list("day", "reason"))
    for n in range(7):
        on = monday + timedelta(days=n)
        hours = rota.hours_on(table, on)
        yield Day(
            on=on,
            hours=hours,
            unplanned=rules.unplanned(expected, hours),
            twice=[(who, when) for who, when in twice if rota.day_of(when[0]) == on],
            why_closed=(reasons.get(on) or gettext("public holiday")) if on in table.closed_days and not hours else "",
            at=at,
        )


def _cell(day: Day, shifts: Iterable[Shift], absences: Iterable[Absence], at: datetime) -> Cell:
    starts, ends = rota.midnight(day.on), rota.midnight(day.on + timedelta(days=1))
    away = [(one.starts_at, one.ends_at) for one in absences]

    def here(one: Shift | Absence) -> bool:
        return one.starts_at < ends and starts < one.ends_at

    def shift(one: Shift) -> Piece:
        whole = one.starts_at, one.ends_at
        words = rota.times(whole) if starts <= one.starts_at else gettext("until %s") % f"{one.ends_at.astimezone(AMSTERDAM):%H:%M}"
        return Piece(one.pk, words, away=not list(rules.without(whole, away)), begun=one.has_begun(at))

    def absence(one: Absence) -> Piece:
        first, last = max(one.starts_at, starts), min(one.ends_at, ends)
        return Piece(one.pk, "" if (first, last) == (starts, ends) else rota.times((first, last)))

    return Cell(day, [shift(one) for one in shifts if here(one)], [absence(one) for one in absences if here(one)])
