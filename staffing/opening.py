"""The timetables of the regions, read from the database for the rules: one function for page, status, widget and start."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from functools import lru_cache

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
