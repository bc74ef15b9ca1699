"""Is the line staffed, and was it? Reads facts, asks the rules, and lets alarms stand (P10)."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings

from staffing import opening, rules
from staffing.models import Alarm, Duty, Employee, Found, Role, planned, planned_everywhere, were_on_duty
from staffing.rules import AMSTERDAM, AlarmKind, Late, Period, Planned, Timetable, WasOnDuty

KINDS = [AlarmKind.NOBODY_ON_DUTY, AlarmKind.NOBODY_AVAILABLE, AlarmKind.LATE]
ARRIVING = timedelta(seconds=10)  # who has just gone on duty is about to be heard, and changes no alarm until then
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a region as planned and as it was, up to `until`: what the timeline draws and the figures count."""

    starts_at: datetime
    ends_at: datetime
    until: datetime
    hours: list[Period]
    shifts: list[Planned]
    duties: list[WasOnDuty]
    late: list[Late]

    @property
    def gaps(self) -> list[Period]:
        """When the line was open and nobody was available."""
        return rules.gaps(self.duties, self.hours, self.until, settings.SILENCE)

    @property
    def unplanned(self) -> list[Period]:
        """When the line is open and nobody is planned."""
        return rules.unplanned(self.shifts, self.hours)


def bounds(on: date) -> Period:
    """When that day in Amsterdam begins and ends."""
    begin, end = (datetime.combine(when, time(0), AMSTERDAM).astimezone(UTC) for when in (on, on + timedelta(days=1)))
    return begin, end


def day(region_id: int, on: date, at: datetime, table: Timetable | None = None) -> Day:
    """What was planned and what was on that day in Amsterdam, as it is known at `at`."""
    starts, ends = bounds(on)
    table = table or opening.timetables(min(at, starts)).get(region_id) or Timetable(())
    shifts = planned(region_id, starts, ends)
    # Midnight is no opening for a line that is open then, and no coming or going for a shift that goes on: these are seen whole.
    first, last = min([starts, *(one.period[0] for one in shifts)]), max([ends, *(one.period[1] for one in shifts)])
    hours = list(hours_between(table, first, ends + settings.DUTY_BEFORE_OPENING))
    duties = were_on_duty(region_id, first, last)
    late = rules.late(shifts, duties, hours, at, settings.DUTY_BEFORE_OPENING)
    return Day(
        starts_at=starts,
        ends_at=ends,
        until=min(at, ends),
        hours=[(max(opens, starts), min(closes, ends)) for opens, closes in hours if opens < ends and starts < closes],
        shifts=shifts,
        duties=[duty for duty in duties if duty.started_at < ends and (duty.ended_at is None or starts < duty.ended_at)],
        late=[one for one in late if starts <= one.due_at < ends],
    )


def hours_between(table: Timetable, starts: datetime, ends: datetime) -> Iterator[Period]:
    """When the line is open in this stretch, each period whole."""
    for opens, closes in table.stretches(starts):
        if opens >= ends:
            return
        if closes > starts:
            yield opens, closes


def taking_part() -> set[int]:
    """The regions that have ever had somebody to answer chats: the others do not use this line yet."""
    answering = Employee.objects.filter(role__in=(Role.FRONT_OFFICE, Role.COORDINATOR))
    return {pk for pk in answering.exclude(region=None).values_list("region", flat=True).distinct() if pk}


def check(at: datetime) -> bool:
    """
    Let the alarms of who is there stand or be over, as the facts are at `at`. Did anything change?

    As many statements for all regions as for one.
    """
    regions = taking_part()
    tables = {region: table for region, table in opening.timetables(at).items() if region in regions}
    duties: dict[int | None, list[Duty]] = defaultdict(list)
    for duty in Duty.objects.running().select_related("employee"):
        duties[duty.employee.region_id].append(duty)
    found: list[Found] = []
    for region, table in tables.items():
        arrived = [duty for duty in duties[region] if duty.heard_at or at - duty.started_at >= ARRIVING]
        available = sum(duty.is_connected(at, settings.SILENCE) for duty in arrived)
        if kind := rules.coverage(open_now=rules.is_open(table, at), on_duty=len(arrived), available=available):
            found.append(Found(kind, region))
    on_duty = {duty.employee_id for its in duties.values() for duty in its}
    return Alarm.objects.settle(KINDS, [*found, *_not_there(tables, on_duty, at)], at=at)


def _not_there(tables: dict[int, Timetable], on_duty: Collection[int], at: datetime) -> Iterator[Found]:
    """Who is planned and, from ten minutes before it is due, is not on duty."""
    soon = at + settings.LATE_WARNING
    missing = {
        region: [shift for shift in shifts if shift.employee not in on_duty]
        for region, shifts in planned_everywhere(at, soon + INSTANT).items()
        if region in tables
    }
    employees = {shift.employee for shifts in missing.values() for shift in shifts}
    if not employees:
        return
    first = min(shift.period[0] for shifts in missing.values() for shift in shifts)
    duties = Duty.objects.during(first, at).filter(employee__in=employees).as_was_on_duty()
    for region, shifts in missing.items():
        hours = list(hours_between(tables[region], first, soon + settings.DUTY_BEFORE_OPENING + INSTANT))
        for one in rules.late(shifts, duties, hours, soon, settings.DUTY_BEFORE_OPENING):
            # Who came later is on record (rules.late), and no longer missed.
            if one.came_at is None:
                yield Found(AlarmKind.LATE, region, str(one.shift), employee=one.employee)
