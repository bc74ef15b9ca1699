"""The timetables of the regions, read from the database for the rules: one function for page, status, widget and start."""

from collections import defaultdict
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import takewhile

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from holidays.countries.netherlands import Netherlands

from staffing import rules
from staffing.models import ClosedDay, Closure, OpeningHours, Region

# domain facts, section 7: ordinary working days for the chat, unless a region closes them itself.
ORDINARY_DAYS = {"Goede vrijdag", "Bevrijdingsdag"}


@lru_cache(maxsize=8)
def public_holidays(year: int) -> frozenset[date]:
    """The Dutch public holidays of one year on which the chat is closed by default."""
    found = Netherlands(years=year, language="nl")
    return frozenset(day for day, name in found.items() if name not in ORDINARY_DAYS)


def timetables(at: datetime) -> dict[int, rules.Timetable]:
    """Every region's timetable as it stands at `at`, by the region's primary key; true from rules.LOOK_BACK before on."""
    since = at - rules.LOOK_BACK
    days: dict[int | None, set[date]] = defaultdict(set)
    for year in range(since.year, (at + rules.LOOK_AHEAD).year + 2):
        days[None] |= public_holidays(year)
    for region, day in ClosedDay.objects.filter(day__gte=since.date() - timedelta(days=2)).values_list("region", "day"):
        days[region].add(day)
    closures: dict[int | None, list[rules.Closure]] = defaultdict(list)
    for closure in Closure.objects.since(since):
        closures[closure.region_id].append(closure.as_closure())
    hours: dict[int, list[rules.Hours]] = {pk: [] for pk in Region.objects.values_list("pk", flat=True)}
    for row in OpeningHours.objects.all():
        hours[row.region_id].append(row.as_hours())
    return {
        region: rules.Timetable(tuple(its), frozenset(days[None] | days[region]), (*closures[None], *closures[region]))
        for region, its in hours.items()
    }


def opening(at: datetime, region: Region | None = None) -> rules.Opening:
    """Is the line open, of that region or (without one) of any."""
    tables = timetables(at)
    return rules.opening([tables[region.pk]] if region else tables.values(), at)


def when(opens_at: datetime, at: datetime) -> str:
    """The next opening in words: 'morgen vanaf 09:00'."""
    then, today = opens_at.astimezone(rules.AMSTERDAM), at.astimezone(rules.AMSTERDAM).date()
    words = {"time": f"{then:%H:%M}", "weekday": WEEKDAY_NAMES[then.weekday()], "date": f"{then.day} {MONTH_NAMES[then.month - 1]}"}
    match (then.date() - today).days:
        case 0:
            return str(_("today from {time}")).format(**words)
        case 1:
            return str(_("tomorrow from {time}")).format(**words)
    return str(_("{weekday} {date} from {time}")).format(**words)


WEEKDAY_NAMES = [_("on Monday"), _("on Tuesday"), _("on Wednesday"), _("on Thursday"), _("on Friday"), _("on Saturday"), _("on Sunday")]
MONTH_NAMES = [
    _("January"),
    _("February"),
    _("March"),
    _("April"),
    _("May"),
    _("June"),
    _("July"),
    _("August"),
    _("September"),
    _("October"),
    _("November"),
    _("December"),
]


def usual_hours(at: datetime) -> str:
    """The ordinary hours in words, when all regions that open share them and they are the same each working day; else ''."""
    today = at.astimezone(rules.AMSTERDAM).date()
    weeks = [{(h.weekday, h.opens, h.closes) for h in table.hours if h.counts_on(today)} for table in timetables(at).values()]
    shared, *others = [week for week in weeks if week] or [set()]
    times = {(opens, closes) for _weekday, opens, closes in shared}
    if any(week != shared for week in others) or len(times) != 1 or {weekday for weekday, _opens, _closes in shared} != set(range(5)):
        return ""
    opens, closes = times.pop()
    return str(_("on working days from {opens} to {closes}")).format(opens=f"{opens:%H:%M}", closes=f"{closes:%H:%M}")


# ---------------------------------------------------------------- what a change would do

WEEKS = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class DayAhead:
    """When the line is open on a day, each period cut off at midnight: as it stands, and with a change."""

    day: date
    now: tuple[rules.Period, ...]
    then: tuple[rules.Period, ...]

    @property
    def changes(self) -> bool:
        return self.now != self.then


def if_saved(row: OpeningHours | ClosedDay | Closure, at: datetime) -> dict[int, rules.Timetable]:
    """The timetables as they would stand with this row in the database. Nothing is kept: it is saved, read and undone."""
    with transaction.atomic():
        copy(row).save()
        found = timetables(at)
        transaction.set_rollback(True)
    return found


def two_weeks(now: rules.Timetable, then: rules.Timetable, at: datetime) -> list[DayAhead]:
    """Day by day from today when one region's line would be open."""
    today = at.astimezone(rules.AMSTERDAM).date()
    # From the first moment of today, so that the day is shown whole.
    begins = datetime.combine(today, time(0), rules.AMSTERDAM)
    ends = datetime.combine(today + WEEKS, time(0), rules.AMSTERDAM)
    # A closure that is over is no news, and would cut today into pieces.
    standing = (replace(table, closures=tuple(c for c in table.closures if c.until_at is None or c.until_at > at)) for table in (now, then))
    open_now, open_then = (rules.joined(takewhile(lambda period: period[0] < ends, table.stretches(begins))) for table in standing)
    days = [today + timedelta(days=n) for n in range(WEEKS.days)]
    return [DayAhead(day, _on(day, open_now), _on(day, open_then)) for day in days]


def _on(day: date, periods: list[rules.Period]) -> tuple[rules.Period, ...]:
    midnight, next_midnight = (datetime.combine(one, time(0), rules.AMSTERDAM) for one in (day, day + timedelta(days=1)))
    pieces = ((max(start, midnight), min(until, next_midnight)) for start, until in periods)
    return tuple(piece for piece in pieces if piece[0] < piece[1])
