"""The timetables as they stand in the database: hours, closed days and closures of one region and of all."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.utils.translation import override

from staffing import opening
from staffing.models import ClosedDay, Closure, OpeningHours, Region
from staffing.rules import AMSTERDAM, AROUND_THE_CLOCK, WORKING_DAYS, Opening, Timetable, closed_since, is_open
from staffing.rules import Closure as ClosureRule

pytestmark = pytest.mark.django_db

TUESDAY = datetime(2026, 11, 24, 10, 0, tzinfo=AMSTERDAM)
CLOSES = TUESDAY.replace(hour=17)
TOMORROW = TUESDAY.replace(day=25, hour=9)


def region_open_from(code: str, opens: time = time(9), closes: time = time(17)) -> Region:
    region = Region.objects.create(code=code, name=code)
    OpeningHours.objects.bulk_create(OpeningHours(region=region, weekday=h.weekday, opens=opens, closes=closes) for h in WORKING_DAYS)
    return region


def test_each_region_has_its_own_hours_and_the_line_is_open_when_any_is():
    early, late = region_open_from("early"), region_open_from("late", time(12), time(22))

    assert opening.opening(TUESDAY, early) == Opening(open=True, opens_at=None, closes_at=CLOSES)
    assert opening.opening(TUESDAY, late) == Opening(open=False, opens_at=TUESDAY.replace(hour=12), closes_at=None)
    assert opening.opening(TUESDAY) == Opening(open=True, opens_at=None, closes_at=TUESDAY.replace(hour=22))


def test_a_region_without_hours_is_closed_and_promises_nothing():
    region = Region.objects.create(code="new", name="new")

    assert opening.opening(TUESDAY, region) == Opening(open=False, opens_at=None, closes_at=None)


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_closed_day_counts_for_its_region_or_for_all(everywhere: bool):
    here, there = region_open_from("here"), region_open_from("there")
    ClosedDay.objects.create(region=None if everywhere else here, day=TUESDAY.date(), reason="a day of our own")

    assert opening.opening(TUESDAY, here) == Opening(open=False, opens_at=TOMORROW, closes_at=None)
    assert opening.opening(TUESDAY, there).open is not everywhere


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_closure_counts_for_its_region_or_for_all_until_it_is_lifted(everywhere: bool):
    here, there = region_open_from("here"), region_open_from("there")
    closure = Closure.objects.create(region=None if everywhere else here, reason="a fire drill", starts_at=TUESDAY)

    assert opening.opening(TUESDAY, here) == Opening(open=False, opens_at=None, closes_at=None)
    assert opening.opening(TUESDAY, there).open is not everywhere

    closure.lifted_at = TUESDAY + timedelta(minutes=5)
    closure.save()

    assert opening.opening(closure.lifted_at, here).open


@pytest.mark.parametrize("over", ["until_at", "lifted_at"])
def test_what_a_closure_has_closed_stays_so_when_it_is_over(over: str):
    region = region_open_from("here")
    Closure.objects.create(region=region, reason="a fire drill", starts_at=TUESDAY.replace(hour=16), **{over: TUESDAY.replace(hour=19)})
    evening = TUESDAY.replace(hour=20)

    assert closed_since(opening.timetables(evening)[region.pk], evening) == TUESDAY.replace(hour=16)


def test_the_new_year_is_closed_also_when_it_is_looked_at_from_the_old_one():
    region = region_open_from("here")
    friday_evening = datetime(2026, 12, 31, 18, 0, tzinfo=AMSTERDAM)

    assert opening.opening(friday_evening, region).opens_at == datetime(2027, 1, 4, 9, 0, tzinfo=AMSTERDAM)


def test_hours_that_all_regions_share_are_said_in_words():
    region_open_from("here")
    region_open_from("there")
    Region.objects.create(code="new", name="new")

    with override("en"):
        assert opening.usual_hours(TUESDAY) == "on working days from 09:00 to 17:00"


@pytest.mark.parametrize(
    "change",
    [
        lambda there: there.opening_hours.filter(weekday=4).delete(),
        lambda there: there.opening_hours.filter(weekday=4).update(closes=time(12)),
        lambda there: there.opening_hours.create(weekday=5, opens=time(9), closes=time(17)),
    ],
    ids=["a day less", "a shorter day", "a day more"],
)
def test_hours_that_differ_are_not_said(change):
    region_open_from("here")
    change(region_open_from("there"))

    assert opening.usual_hours(TUESDAY) == ""


def test_hours_of_the_past_and_of_the_future_are_not_usual():
    region = region_open_from("here")
    OpeningHours.objects.create(region=region, weekday=5, opens=time(9), closes=time(17), valid_until=date(2026, 11, 1))
    OpeningHours.objects.create(region=region, weekday=6, opens=time(9), closes=time(17), valid_from=date(2027, 1, 1))

    with override("en"):
        assert opening.usual_hours(TUESDAY) == "on working days from 09:00 to 17:00"
    assert opening.usual_hours(datetime(2027, 2, 1, tzinfo=AMSTERDAM)) == ""


# ---------------------------------------------------------------- what a change would do


def test_a_row_that_is_tried_changes_what_is_read_and_keeps_nothing():
    here, there = region_open_from("here"), region_open_from("there")
    day = ClosedDay(region=here, day=TUESDAY.date(), reason="study day")

    tried = opening.if_saved(day, TUESDAY)

    assert (is_open(tried[here.pk], TUESDAY), is_open(tried[there.pk], TUESDAY)) == (False, True)
    assert (day.pk, ClosedDay.objects.count(), opening.opening(TUESDAY, here).open) == (None, 0, True)


def test_hours_that_are_tried_take_the_place_of_what_stands():
    region = region_open_from("here")
    row = region.opening_hours.get(weekday=1)
    row.opens = time(12)

    tried = opening.if_saved(row, TUESDAY)

    assert not is_open(tried[region.pk], TUESDAY)
    assert is_open(opening.timetables(TUESDAY)[region.pk], TUESDAY)


@pytest.mark.parametrize(
    "today", ["2026-11-24", "2027-03-22", "2027-10-25"], ids=["winter", "the clock goes forward", "the clock goes back"]
)
@pytest.mark.parametrize(
    "table",
    [
        Timetable(WORKING_DAYS, frozenset({date(2026, 12, 1), date(2027, 3, 29)})),
        Timetable(AROUND_THE_CLOCK),
        Timetable((*WORKING_DAYS, *AROUND_THE_CLOCK[5:]), closures=(ClosureRule(datetime(2026, 11, 29, 3, tzinfo=AMSTERDAM)),)),
    ],
    ids=["working days", "around the clock", "weekends, closed by decision"],
)
def test_the_two_weeks_that_are_shown_are_what_the_line_does_in_every_quarter_of_an_hour(today: str, table: Timetable):
    at = datetime.fromisoformat(f"{today}T10:00").replace(tzinfo=AMSTERDAM)

    days = opening.two_weeks(table, table, at)

    assert [day.day for day in days] == [at.date() + timedelta(days=n) for n in range(14)]
    moment = datetime.combine(days[0].day, time(0), AMSTERDAM).astimezone(UTC)
    end = datetime.combine(days[-1].day + timedelta(days=1), time(0), AMSTERDAM)
    while moment < end:
        shown = next(day for day in days if day.day == moment.astimezone(AMSTERDAM).date())
        assert any(start <= moment < until for start, until in shown.now) is is_open(table, moment), moment
        moment += timedelta(minutes=15)
    assert not any(day.changes for day in days)
