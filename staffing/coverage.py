"""Is the line staffed, and was it? Reads facts, asks the rules, and lets alarms stand (P10)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.conf import settings

from staffing import opening, rules
from staffing.models import Alarm, Duty, Employee, Found, planned, were_on_duty
from staffing.rules import AMSTERDAM, AlarmKind, Late, Period, Planned, Timetable, WasOnDuty

KINDS = [AlarmKind.NOBODY_ON_DUTY, AlarmKind.NOBODY_AVAILABLE, AlarmKind.LATE]
ARRIVING = timedelta(seconds=10)  # who has just gone on duty is about to be heard


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a region as planned and as it was, up to `until`: what the timeline draws and the figures count."""

    starts_at: datetime
    ends_at: datetime
    until: datetime
    hours: list[Period]
    shifts: list[Planned]
    duties: list[WasOnDuty]

    @property
    def gaps(self) -> list[Period]:
        """When the line was open and nobody was available."""
        return rules.gaps(self.duties, self.hours, self.until, settings.SILENCE)

    @property
    def unplanned(self) -> list[Period]:
        """When the line is open and nobody is planned."""
        return rules.unplanned(self.shifts, self.hours)

    @property
    def late(self) -> list[Late]:
        """Who was not there when the shift or the opening began."""
        return rules.late(self.shifts, self.duties, self.hours, self.until, settings.DUTY_BEFORE_OPENING)


def day(region_id: int, on: date, at: datetime, table: Timetable | None = None) -> Day:
    """What was planned and what was on that day in Amsterdam, as it is known at `at`."""
    starts, ends = (datetime.combine(when, time(0), AMSTERDAM) for when in (on, on + timedelta(days=1)))
    table = table or opening.timetables(min(at, starts)).get(region_id) or Timetable(())
    hours = [(max(opens, starts), min(closes, ends)) for opens, closes in hours_between(table, starts, ends)]
    return Day(starts, ends, min(at, ends), hours, planned(region_id, starts, ends), were_on_duty(region_id, starts, ends))


def hours_between(table: Timetable, starts: datetime, ends: datetime) -> Iterator[Period]:
    """When the line is open in this stretch, each period whole."""
    for opens, closes in table.stretches(starts):
        if opens >= ends:
            return
        if closes > starts:
            yield opens, closes


def taking_part() -> set[int]:
    """The regions that have ever had somebody to answer chats: the others do not use this line yet."""
    return {pk for pk in Employee.objects.exclude(region=None).values_list("region", flat=True).distinct() if pk}


def check(at: datetime) -> bool:
    """Let the alarms of who is there stand or be over, as the facts are at `at`. Did anything change?"""
    tables = opening.timetables(at)
    duties = list(Duty.objects.running().select_related("employee"))
    found: list[Found] = []
    for region in sorted(taking_part() & tables.keys()):
        its = [duty for duty in duties if duty.employee.region_id == region]
        available = [duty for duty in its if duty.is_connected(at, settings.SILENCE) or at - duty.started_at < ARRIVING]
        open_now = rules.is_open(tables[region], at)
        if kind := rules.coverage(open_now=open_now, on_duty=len(its), available=len(available)):
            found.append(Found(kind, region))
        found += _not_there(region, tables[region], at)
    return Alarm.objects.settle(KINDS, found, at=at)


def _not_there(region: int, table: Timetable, at: datetime) -> Iterator[Found]:
    """Who is planned and, ten minutes before it is due or later in the shift, is not on duty."""
    soon = at + settings.LATE_WARNING
    shifts = [shift for shift in planned(region, at, soon) if shift.period[0] <= soon]
    if not shifts:
        return
    first = min(shift.period[0] for shift in shifts)
    hours = list(hours_between(table, first, soon + timedelta(seconds=1)))
    duties = were_on_duty(region, first, at + timedelta(seconds=1))
    here = {duty.employee for duty in duties if duty.covers(at)}
    for one in rules.late(shifts, duties, hours, soon, settings.DUTY_BEFORE_OPENING):
        # Who came later is on record (rules.late), and no longer missed.
        if one.came_at is None and one.employee not in here:
            yield Found(AlarmKind.LATE, region, f"{one.shift}/{one.due_at.isoformat()}", employee=one.employee)
