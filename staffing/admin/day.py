"""One day of a region, drawn and in words: who was planned, who was there, and when the line was open and nobody could be reached."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from math import ceil
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from staffing import coverage
from staffing.models import Duty, Employee
from staffing.rules import AMSTERDAM, Late, Period, joined, without

HOUR = timedelta(hours=1)
BLINK = timedelta(seconds=5)
AT_LEAST = timedelta(hours=8)  # what is drawn, also of a day on which nothing was planned
AROUND = timedelta(minutes=20)  # what is seen before the first thing and after the last, at least
LABELS = 12  # hours that are named along the top, at most
# Heights in pixels: a line of words, a bar, and what stays free between them.
LINE, BAR, SPACE = 20, 10, 4
NAME = 30  # characters of a name that fit on the narrowest screen; the table has the whole of it


def minutes(periods: Iterable[Period]) -> int:
    """How long these are together, in whole minutes: what has begun counts."""
    return ceil(sum((end - start for start, end in joined(periods)), timedelta()) / timedelta(minutes=1))


@dataclass(slots=True)
class Person:
    """What one employee was planned for, and what was of it."""

    employee: Employee
    planned: list[Period] = field(default_factory=list)
    on_duty: list[Period] = field(default_factory=list)
    available: list[Period] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    overridden: list[Duty] = field(default_factory=list)

    @property
    def silences(self) -> list[Period]:
        """When this employee was on duty and not connected. A blink is none: who begins duty is heard some seconds later."""
        silences = [silence for period in self.on_duty for silence in without(period, self.available)]
        return [(start, end) for start, end in silences if end - start > BLINK]

    @property
    def begins(self) -> datetime:
        return min(start for start, _end in [*self.planned, *self.on_duty])


class DayInWords:
    """The sentences of a day, in the language of the request and in Amsterdam's time."""

    def __init__(self, day: coverage.Day) -> None:
        self.day = day

    def moment(self, at: datetime, seconds: bool = False) -> str:
        """The clock's time; where the clock shows it twice that night, with which of the two it is."""
        local = at.astimezone(AMSTERDAM)
        if at == self.day.ends_at:
            return "24:00"
        words = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
        if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
            return words
        which = _("winter time") if local.fold else _("summer time")
        return f"{words} ({which})"

    def span(self, period: Period, *, planned: bool = False) -> str:
        """From when until when; what was not planned and still goes on has no end yet."""
        start, end = period
        if not planned and end == self.day.until < self.day.ends_at:
            return _("since {time}").format(time=self.moment(start))
        short = end - start < timedelta(minutes=2)
        return f"{self.moment(start, short)} – {self.moment(end, short)}"

    def late(self, one: Late) -> str:
        due = self.moment(one.due_at)
        if one.came_at is None:
            return _("late: {due}, has not come").format(due=due)
        return _("late: {due}, came {came}").format(due=due, came=self.moment(one.came_at))

    def silence(self, period: Period) -> str:
        return _("not connected: {span}").format(span=self.span(period))

    def ended(self, duty: Duty) -> str:
        """A duty that somebody else has ended against the rule."""
        assert duty.ended_at is not None
        return _("{time}: ended by {name}").format(time=self.moment(duty.ended_at), name=duty.ended_by)

    def reason(self, duty: Duty) -> str:
        return _("Reason: {reason}").format(reason=duty.reason)


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece of the drawing: where it stands and what it says. All of it as the drawing takes it, whatever the language."""

    x: str
    y: int
    width: str = ""
    height: int = 0
    words: str = ""
    kind: str = ""


class Drawing:
    """The day as marks along one line of time. Widths are shares of the whole, so that it fits every screen without growing its words."""

    def __init__(self, told: "ToldDay") -> None:
        self.told, self.day, self.words = told, told.day, told.words
        self.starts, self.ends = self._window()
        self.marks: list[Mark] = []
        self.y = LINE
        if not told.to_come:
            self._lane(_("Open, nobody can be reached: {minutes} min").format(minutes=told.minutes_uncovered), told.day.gaps, "gap")
        if told.unplanned:
            self._lane(_("Open, nobody planned: {minutes} min").format(minutes=told.minutes_unplanned), told.unplanned, "unplanned")
        for person in told.people:
            self._person(person)
        self.height = self.y + SPACE

    def _window(self) -> Period:
        """From the hour in which something begins to the hour in which the last of it ends."""
        day = self.day
        periods = [*day.hours, *(period for person in self.told.people for period in [*person.planned, *person.on_duty])]
        first = min((start for start, _end in periods), default=day.starts_at + HOUR * 8)
        last = max((end for _start, end in periods), default=first)
        # Amsterdam is whole hours from UTC, so an hour begins at the same moment in both.
        first = (first - AROUND).replace(minute=0, second=0, microsecond=0)
        last += AROUND
        last = max(first + ceil((last - first) / HOUR) * HOUR, first + AT_LEAST)
        return max(day.starts_at, min(first, day.ends_at - AT_LEAST)), min(last, day.ends_at)

    def _share(self, at: datetime) -> float:
        return max(0.0, min(1.0, (at - self.starts) / (self.ends - self.starts))) * 100

    def _x(self, at: datetime) -> str:
        return f"{self._share(at):.3f}%"

    def _bar(self, period: Period, y: int, height: int, kind: str, words: str = "") -> Mark:
        left, right = (self._share(at) for at in period)
        return Mark(f"{left:.3f}%", y, f"{max(0.15, right - left):.3f}%", height, words or self.words.span(period), kind)

    def _lane(self, title: str, periods: Iterable[Period], kind: str) -> None:
        self._line(title, "lane")
        self.marks += [self._bar(period, self.y, BAR, kind) for period in periods]
        self.y += BAR + SPACE * 2

    def _line(self, words: str, kind: str) -> None:
        self.y += LINE
        self.marks.append(Mark("0", self.y - 6, words=words, kind=kind))

    def _person(self, person: Person) -> None:
        self.y += SPACE * 2
        name = str(person.employee)
        self._line(name if len(name) <= NAME else name[: NAME - 1] + "…", "name")
        for one in person.late:
            self._line(f"▲ {self.words.late(one)}", "late")
        for ended in person.overridden:
            self._line(f"■ {self.words.ended(ended)}", "late")
        for periods, kind in ((person.planned, "planned"), (person.on_duty, "duty"), (person.available, "available")):
            self.marks += [self._bar(period, self.y, BAR, kind) for period in periods]
            if kind == "available":
                self.marks += [self._bar(period, self.y, BAR, "silence", self.words.silence(period)) for period in person.silences]
            self.y += BAR + SPACE
        moments = [one.due_at for one in person.late] + [ended.ended_at for ended in person.overridden if ended.ended_at]
        self.marks += [Mark(self._x(at), self.y - 3 * (BAR + SPACE) - 2, height=3 * (BAR + SPACE), kind="due") for at in moments]

    @cached_property
    def hours(self) -> list[Mark]:
        """The hours along the top; `fine` ones make place on a narrow screen."""
        count = round((self.ends - self.starts) / HOUR)
        step = ceil(count / LABELS)
        named = [self.starts + HOUR * n for n in range(0, count + 1, step)]
        return [Mark(self._x(at), 14, words=self.words.moment(at)[:5], kind=_place(n, len(named))) for n, at in enumerate(named)]

    @cached_property
    def open(self) -> list[Mark]:
        return [self._bar(period, LINE, 0, "open") for period in self.day.hours]

    @cached_property
    def gaps(self) -> list[Mark]:
        """Over all rows: open, and nobody there."""
        return [self._bar(period, LINE, 0, "over") for period in self.day.gaps]

    @property
    def now(self) -> str:
        """Where the drawing is at this moment; empty for another day."""
        return self._x(self.day.until) if self.starts < self.day.until < self.ends else ""


def _place(n: int, count: int) -> str:
    """How an hour's name stands to its line, so that the first and the last one stay on the screen."""
    return " ".join(kind for kind, so in (("first", n == 0), ("last", n == count - 1), ("fine", n % 2 == 1)) if so)


class ToldDay:
    """What the page shows of one day: the people, the sums, the words and the drawing."""

    def __init__(self, region_id: int, on: date, at: datetime) -> None:
        self.day = day = coverage.day(region_id, on, at)
        self.words = DayInWords(day)
        self.over, self.to_come = day.until == day.ends_at, at < day.starts_at
        self.minutes_open, self.minutes_uncovered = minutes(day.hours), minutes(day.gaps)
        # What is over tells who was there; planning asks about what is still to come.
        self.unplanned = [] if self.over else [(max(start, at), end) for start, end in day.unplanned if end > at]
        self.minutes_unplanned = minutes(self.unplanned)
        self.late = len({(one.employee, one.shift) for one in day.late})
        self.people = self._people(region_id)
        self.overridden = sum(len(person.overridden) for person in self.people)

    def _people(self, region_id: int) -> list[Person]:
        day = self.day
        found: dict[int, Person] = {}
        named = Employee.objects.in_bulk({shift.employee for shift in day.shifts} | {duty.employee for duty in day.duties})
        for shift in day.shifts:
            found.setdefault(shift.employee, Person(named[shift.employee])).planned += self._clipped([shift.period])
        for duty in day.duties:
            person = found.setdefault(duty.employee, Person(named[duty.employee]))
            person.on_duty += self._clipped([(duty.started_at, min(duty.ended_at or day.until, day.until))])
            person.available += self._clipped(duty.available(day.until, settings.SILENCE))
        for one in day.late:
            found[one.employee].late.append(one)
        overridden = Duty.objects.in_region(region_id).filter(ended_at__gt=day.starts_at, ended_at__lte=day.ends_at).exclude(ended_by=None)
        for ended in overridden.select_related("ended_by").order_by("ended_at"):
            found[ended.employee_id].overridden.append(ended)
        people = [person for person in found.values() if person.planned or person.on_duty]
        for person in people:
            person.planned.sort()
            person.on_duty.sort()
            person.available.sort()
        return sorted(people, key=lambda person: (person.begins, str(person.employee)))

    def _clipped(self, periods: Iterable[Period]) -> list[Period]:
        starts, ends = self.day.starts_at, self.day.ends_at
        return [(max(start, starts), min(end, ends)) for start, end in periods if start < ends and end > starts and start < end]

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The table: the same as the drawing, in words."""
        say = self.words
        return [
            {
                "employee": person.employee,
                "planned": [say.span(period, planned=True) for period in person.planned],
                "on_duty": [say.span(period) for period in person.on_duty],
                "available": [say.span(period) for period in person.available],
                "remarks": [
                    *((say.late(one), True) for one in person.late),
                    *((say.silence(silence), False) for silence in person.silences),
                    *((f"{say.ended(ended)}. {say.reason(ended)}", True) for ended in person.overridden),
                ],
            }
            for person in self.people
        ]

    @cached_property
    def stretches(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """The stretches of the line itself, each with its minutes, and what they are."""
        kinds = (
            (pgettext("the line", "Open"), joined(self.day.hours), True),
            (_("Open, nobody can be reached"), self.day.gaps, False),
            (_("Open, nobody planned"), self.unplanned, True),
        )
        return [
            (name, [(self.words.span(period, planned=planned), minutes([period])) for period in periods])
            for name, periods, planned in kinds
        ]

    @cached_property
    def drawing(self) -> Drawing:
        return Drawing(self)


def bounds(at: datetime) -> tuple[date, date]:
    """The first and the last day that can be asked: as long as duties are kept, and as far as holidays are known."""
    today = at.astimezone(AMSTERDAM).date()
    return today - timedelta(days=2 * 366), today + timedelta(days=366)
