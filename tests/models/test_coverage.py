"""Who should be there and who is, from the facts in the database: gaps, silences, lateness and the alarms of it (P10, P17)."""

from datetime import date, datetime, time, timedelta

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from chat import handover, presence
from config.watch import Watcher
from staffing import coverage
from staffing.models import Absence, Alarm, Closure, Duty, Employee, OpeningHours, Region, Role, Shift, Silence
from staffing.rules import AMSTERDAM, AlarmKind, Late
from tests.factories import DutyFactory, EmployeeFactory, HoursFactory, RegionFactory
from tests.threads import at_the_same_moment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

TODAY = date(2026, 11, 24)
SECOND = timedelta(seconds=1)
LATE, NOBODY, SILENT = AlarmKind.LATE, AlarmKind.NOBODY_ON_DUTY, AlarmKind.NOBODY_AVAILABLE


def at(text: str, day: date = TODAY) -> datetime:
    """'09:00' of the day in Amsterdam."""
    return datetime.combine(day, time.fromisoformat(text), AMSTERDAM)


def planned(employee: Employee, starts: str, ends: str) -> Shift:
    """`ends` earlier than `starts` is on the next day."""
    until = at(ends) if at(ends) > at(starts) else at(ends, TODAY + timedelta(days=1))
    return Shift.objects.create(employee=employee, starts_at=at(starts), ends_at=until)


def absent(employee: Employee, starts: str, ends: str) -> None:
    Absence.objects.create(employee=employee, starts_at=at(starts), ends_at=at(ends))


def on_duty(employee: Employee, starts: str, ends: str | None = None, heard: str | None = None) -> Duty:
    """Heard when it began, or at `heard`, or ('') never."""
    return DutyFactory(
        employee=employee,
        started_at=at(starts),
        ended_at=at(ends) if ends else None,
        heard_at=None if heard == "" else at(heard or starts),
    )


def heard(employee: Employee, *moments: datetime) -> None:
    """Heard on the line, in this order, each written at once."""
    for moment in moments:
        with transaction.atomic():
            Duty.objects.heard({employee.pk: moment})


def standing() -> list[tuple[str, int | None, int | None]]:
    return sorted(Alarm.objects.standing().values_list("kind", "region", "employee"))


def gaps(region: Region, day: date = TODAY, now: datetime | None = None) -> list[tuple[str, str]]:
    """The gaps of the day as clocks in Amsterdam show them."""
    found = coverage.day(region.pk, day, now or at("23:59", day)).gaps
    return [(f"{since.astimezone(AMSTERDAM):%H:%M:%S}", f"{until.astimezone(AMSTERDAM):%H:%M:%S}") for since, until in found]


def late_on(region: Region, day: date = TODAY, now: datetime | None = None) -> list[Late]:
    return coverage.day(region.pk, day, now or at("23:59", day)).late


@pytest.fixture
def region() -> Region:
    """Open on working days from 09:00 to 17:00."""
    return RegionFactory(open=True)


@pytest.fixture
def employee(region) -> Employee:
    return EmployeeFactory(region=region)


@pytest.fixture
def colleague(region) -> Employee:
    return EmployeeFactory(region=region)


# ---------------------------------------------------------------- start chat: open on working days from 09:00 to 17:00


def test_nobody_on_duty_at_opening_is_an_alarm_at_that_minute_and_a_recorded_gap(region, employee):
    coverage.check(at("08:59"))
    assert standing() == []

    assert coverage.check(at("09:00"))

    assert standing() == [(NOBODY, region.pk, None)]
    assert gaps(region, now=at("09:07")) == [("09:00:00", "09:07:00")]


def test_the_alarm_stands_until_somebody_is_available_and_there_is_one_of_it(region, employee):
    coverage.check(at("09:00"))
    handover.begin(employee, at=at("09:05"))
    assert not coverage.check(at("09:05") + SECOND)
    assert standing() == [(NOBODY, region.pk, None)]

    heard(employee, at("09:05") + 2 * SECOND)

    assert coverage.check(at("09:05") + 3 * SECOND)
    assert standing() == []
    assert Alarm.objects.count() == 1
    assert gaps(region, now=at("09:05:20")) == [("09:00:00", "09:05:02")]


def test_who_goes_on_duty_and_is_not_heard_does_not_cover_the_line(region, employee):
    coverage.check(at("09:00"))
    handover.begin(employee, at=at("09:05"))

    coverage.check(at("09:05:10"))

    assert standing() == [(SILENT, region.pk, None)]
    assert gaps(region, now=at("09:30")) == [("09:00:00", "09:30:00")]


def test_duty_that_began_before_opening_covers_the_opening(region, employee):
    handover.begin(employee, at=at("08:30"))
    heard(employee, at("08:30"), *(at("08:59:50") + n * 12 * SECOND for n in range(5)))

    coverage.check(at("09:00"))

    assert standing() == []
    assert gaps(region, now=at("09:01")) == []


def test_an_alarm_of_coverage_is_over_when_the_line_closes(region, employee):
    coverage.check(at("16:59"))
    coverage.check(at("17:00"))

    assert standing() == []
    assert Alarm.objects.get().over_at == at("17:00")


def test_on_a_closed_day_and_in_a_closure_nobody_has_to_be_there(region, employee):
    coverage.check(at("09:00", date(2026, 12, 25)))
    Closure.objects.create(region=region, reason="a fire drill", starts_at=at("10:00"))
    coverage.check(at("10:00"))

    assert standing() == []


@pytest.mark.parametrize("who", [{"role": Role.MANAGER}, {"role": Role.ADMINISTRATOR}, {"region": None}])
def test_a_region_that_never_had_anybody_to_answer_chats_has_no_alarms(region, who):
    EmployeeFactory(**{"region": region} | who)

    coverage.check(at("09:00"))

    assert standing() == []


def test_a_region_whose_only_employee_was_switched_off_still_has_to_be_staffed(region):
    EmployeeFactory(region=region, is_active=False)

    coverage.check(at("09:00"))

    assert standing() == [(NOBODY, region.pk, None)]


def test_each_region_is_looked_at_by_its_own_hours_and_its_own_people(region, employee):
    late_opener, another = RegionFactory(), RegionFactory(open=True)
    HoursFactory(region=late_opener, weekday=1, opens=time(12))
    for its in (late_opener, another):
        EmployeeFactory(region=its)
    on_duty(employee, "09:00")

    coverage.check(at("09:00"))

    assert standing() == [(NOBODY, another.pk, None)]


# ---------------------------------------------------------------- being there


def test_when_the_last_one_available_falls_silent_that_is_an_alarm_within_the_minute(region, employee, colleague):
    on_duty(employee, "09:00", heard="10:00")
    on_duty(colleague, "09:00", heard="10:00:20")

    coverage.check(at("10:00:50") - SECOND)
    assert standing() == []
    coverage.check(at("10:00:50"))

    assert standing() == [(SILENT, region.pk, None)]


def test_a_dead_watch_hides_no_gap(region, employee):
    """P10: nobody looks for an hour, and what was is known to the second."""
    on_duty(employee, "09:00", heard="10:00")
    heard(employee, at("10:41:07"), at("10:41:19"))

    assert gaps(region, now=at("11:00")) == [("10:00:30", "10:41:07"), ("10:41:49", "11:00:00")]
    assert not Alarm.objects.exists()


def test_a_gap_ends_with_the_duty_that_was_begun_and_begins_with_the_one_that_was_ended_by_override(region, employee, colleague):
    on_duty(employee, "09:00", heard="10:00")
    handover.override(employee, by=colleague, reason="ill", at=at("10:00:10"))
    on_duty(colleague, "10:15")

    assert gaps(region, now=at("10:15:05")) == [("10:00:10", "10:15:00")]


def test_what_was_heard_a_little_later_each_time_leaves_no_silence(region, employee):
    on_duty(employee, "09:00")

    heard(employee, *(at("09:00") + n * 30 * SECOND for n in range(20)))

    assert not Silence.objects.exists()
    assert Duty.objects.get().heard_at == at("09:09:30")


def test_the_first_sign_of_life_long_after_duty_began_leaves_the_silence_before_it(region, employee):
    on_duty(employee, "09:00", heard="")

    heard(employee, at("09:20:00.000001"))

    assert Silence.objects.values_list("from_at", "until_at").get() == (at("09:00"), at("09:20:00.000001"))


def test_a_sign_of_life_from_before_duty_began_is_no_silence(region, employee):
    on_duty(employee, "09:00", heard="")

    heard(employee, at("08:59:58"), at("09:00:10"))

    assert not Silence.objects.exists()
    assert gaps(region, now=at("09:00:20")) == []


def test_a_sign_of_life_that_is_told_too_late_moves_nothing_back(region, employee):
    on_duty(employee, "09:00", heard="10:00")

    heard(employee, at("10:05"), at("10:00:15"), at("10:02"), at("10:05"))

    assert Duty.objects.get().heard_at == at("10:05")
    assert Silence.objects.values_list("from_at", "until_at").get() == (at("10:00:30"), at("10:05"))


def test_a_sign_of_life_touches_only_the_running_duty_of_that_employee(region, employee, colleague):
    over, other = on_duty(employee, "09:00", "09:30", heard="09:29"), on_duty(colleague, "09:00", heard="09:29")

    heard(employee, at("10:00"))

    assert not Silence.objects.exists()
    assert set(Duty.objects.values_list("pk", "heard_at")) == {(over.pk, at("09:29")), (other.pk, at("09:29"))}


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_hear_the_same_employees_at_the_same_moment_leave_one_silence_each():
    region = RegionFactory(open=True)
    for round_ in range(10):
        people = [EmployeeFactory(region=region) for _ in range(4)]
        for one in people:
            on_duty(one, "09:00", heard="10:00")

        def hears(moment: datetime, order: int, people=people) -> None:
            with transaction.atomic():
                Duty.objects.heard({one.pk: moment for one in people[::order]})

        # One hears them just within the silence, the others after it, in both orders of the rows.
        moments = [at("10:00:29"), at("10:00:40"), at("10:00:41")][round_ % 2 :]
        answers = at_the_same_moment([lambda m=m, n=n: hears(m, 1 - 2 * (n % 2)) for n, m in enumerate(moments)])

        assert answers == [None] * len(moments)
        for duty in Duty.objects.filter(employee__in=people):
            assert duty.heard_at == at("10:00:41")
            # Which of them came first decides whether there was a silence, and there is no second one.
            assert {silence.from_at for silence in duty.silences.all()} <= {at("10:00:30")}
            assert {silence.until_at for silence in duty.silences.all()} <= {at("10:00:40"), at("10:00:41")}
            if round_ % 2:
                assert duty.silences.count() == 1


def test_what_could_not_be_written_is_written_later_and_the_silence_is_the_same(region, employee):
    on_duty(employee, "09:00", heard="10:00")

    presence.employee_heard(employee.pk, at("10:12"))
    presence.flush()

    assert Silence.objects.values_list("from_at", "until_at").get() == (at("10:00:30"), at("10:12"))


# ---------------------------------------------------------------- planned, and not on duty


def test_a_planned_employee_who_is_not_on_duty_at_opening_is_recorded_as_late_even_when_a_colleague_is_there(region, employee, colleague):
    on_duty(colleague, "08:45")
    shift = planned(employee, "09:00", "13:00")

    assert late_on(region, now=at("09:00") - SECOND) == []
    assert late_on(region, now=at("09:00")) == [Late(shift.pk, employee.pk, at("09:00"), None)]
    on_duty(employee, "09:12")

    assert late_on(region) == [Late(shift.pk, employee.pk, at("09:00"), at("09:12"))]


def test_ten_minutes_before_it_is_due_who_is_not_there_is_warned_of_until_duty_begins(region, employee, colleague):
    on_duty(colleague, "08:45", heard="09:10")
    planned(employee, "09:00", "13:00")

    coverage.check(at("08:50") - SECOND)
    assert standing() == []
    coverage.check(at("08:50"))
    assert standing() == [(LATE, region.pk, employee.pk)]
    coverage.check(at("09:05"))
    assert Alarm.objects.count() == 1

    handover.begin(employee, at=at("09:06"))
    coverage.check(at("09:06"))

    assert standing() == []


@pytest.mark.parametrize(("starts", "due"), [("07:00", "09:00"), ("08:29", "09:00"), ("08:30", "08:30"), ("08:45", "08:45")])
def test_a_shift_that_begins_before_duty_may_begin_is_due_at_the_opening(region, employee, starts, due):
    planned(employee, starts, "13:00")

    coverage.check(at(due) - settings.LATE_WARNING - SECOND)
    assert standing() == []
    coverage.check(at(due) - settings.LATE_WARNING)
    assert standing() == [(LATE, region.pk, employee.pk)]

    assert [one.due_at for one in late_on(region)] == [at(due)]


def test_who_was_there_and_has_left_is_not_missed(region, employee, colleague):
    planned(employee, "09:00", "17:00")
    on_duty(employee, "09:10", "11:00")
    on_duty(colleague, "09:00", heard="11:30")

    coverage.check(at("11:30"))

    assert standing() == []


def test_who_has_not_come_back_for_the_second_opening_of_the_day_is_missed(employee, region):
    region.opening_hours.filter(weekday=1).update(closes=time(12))
    HoursFactory(region=region, weekday=1, opens=time(13))
    planned(employee, "09:00", "17:00")
    on_duty(employee, "08:50", "12:00")

    coverage.check(at("12:49:59"))
    assert standing() == []
    coverage.check(at("12:50"))

    assert standing() == [(LATE, region.pk, employee.pk)]
    assert [(one.due_at, one.came_at) for one in late_on(region)] == [(at("13:00"), None)]


def test_absence_excuses_for_as_long_as_it_lasts(region, employee, colleague):
    on_duty(colleague, "08:45", heard="12:00")
    planned(employee, "09:00", "17:00")
    absent(employee, "08:00", "12:00")

    coverage.check(at("11:49:59"))
    assert standing() == []
    coverage.check(at("11:50"))

    assert standing() == [(LATE, region.pk, employee.pk)]
    assert [one.due_at for one in late_on(region)] == [at("12:00")]


def test_absence_in_the_middle_of_a_shift_ends_the_alarm_of_its_first_part(region, employee, colleague):
    on_duty(colleague, "08:45", heard="12:00")
    planned(employee, "09:00", "17:00")
    coverage.check(at("09:00"))
    assert standing() == [(LATE, region.pk, employee.pk)]

    absent(employee, "10:00", "12:00")
    coverage.check(at("10:00"))

    assert standing() == []


def test_an_absence_of_the_whole_shift_leaves_nothing_that_is_due(region, employee):
    planned(employee, "09:00", "17:00")
    absent(employee, "00:00", "23:00")

    coverage.check(at("08:55"))

    assert standing() == []
    assert late_on(region) == []
    assert coverage.day(region.pk, TODAY, at("18:00")).unplanned == [(at("09:00"), at("17:00"))]


def test_nobody_is_late_where_the_line_is_closed(employee, region):
    region.opening_hours.all().delete()
    planned(employee, "09:00", "17:00")

    coverage.check(at("09:00"))

    assert standing() == []
    assert late_on(region) == []


# ---------------------------------------------------------------- days


def test_a_day_is_what_was_planned_and_what_was(region, employee, colleague):
    shift = planned(employee, "09:00", "13:00")
    planned(EmployeeFactory(), "09:00", "17:00")
    absent(employee, "12:30", "14:00")
    on_duty(employee, "08:55", "12:00", heard="12:00")
    on_duty(colleague, "11:30", heard="11:45")

    day = coverage.day(region.pk, TODAY, at("12:10"))

    assert (day.starts_at, day.ends_at, day.until) == (at("00:00"), at("00:00", date(2026, 11, 25)), at("12:10"))
    assert day.hours == [(at("09:00"), at("17:00"))]
    assert [(one.shift, one.period) for one in day.shifts] == [(shift.pk, (at("09:00"), at("12:30")))]
    assert {one.employee for one in day.duties} == {employee.pk, colleague.pk}
    assert day.gaps == [(at("12:00"), at("12:10"))]
    assert day.unplanned == [(at("12:30"), at("17:00"))]


def test_a_day_that_is_still_to_come_has_no_gaps_and_nobody_is_late(region, employee):
    planned(employee, "09:00", "17:00")

    day = coverage.day(region.pk, TODAY, at("18:00", date(2026, 11, 23)))

    assert (day.gaps, day.late, day.unplanned) == ([], [], [])


@pytest.mark.parametrize(("day", "length"), [(date(2027, 3, 28), 23), (date(2027, 10, 31), 25), (date(2026, 12, 31), 24)])
def test_a_day_is_as_long_as_it_is_in_amsterdam(employee, region, day, length):
    for weekday in range(7):
        HoursFactory(region=region, weekday=weekday, opens=time(0), closes=time(0), on_closed_days=True)

    found = coverage.day(region.pk, day, at("12:00", day + timedelta(days=1)))

    assert found.ends_at - found.starts_at == timedelta(hours=length)
    assert found.gaps == found.unplanned == [(found.starts_at, found.ends_at)]


@pytest.fixture
def night(region) -> Region:
    """Open every evening from 18:00 until 02:00."""
    region.opening_hours.all().delete()
    for weekday in range(7):
        HoursFactory(region=region, weekday=weekday, opens=time(18), closes=time(0))
        HoursFactory(region=region, weekday=weekday, opens=time(0), closes=time(2))
    return region


TOMORROW = TODAY + timedelta(days=1)


def test_midnight_is_no_opening_for_a_line_that_is_open_then(night, employee):
    planned(employee, "22:00", "02:00")
    on_duty(employee, "22:00", "23:00")

    assert late_on(night, TODAY, at("12:00", TOMORROW)) == late_on(night, TOMORROW, at("12:00", TOMORROW)) == []


def test_who_comes_after_midnight_is_late_on_the_day_that_it_was_due(night, employee):
    shift = planned(employee, "23:45", "02:00")
    DutyFactory(employee=employee, started_at=at("00:10", TOMORROW))

    assert late_on(night, TODAY, at("12:00", TOMORROW)) == [Late(shift.pk, employee.pk, at("23:45"), at("00:10", TOMORROW))]
    assert late_on(night, TOMORROW, at("12:00", TOMORROW)) == []


def test_a_shift_from_just_before_a_midnight_opening_is_due_when_it_begins(employee, region):
    HoursFactory(region=region, weekday=2, opens=time(0), closes=time(2))
    planned(employee, "23:45", "02:00")

    coverage.check(at("23:36"))

    assert [one.due_at for one in late_on(region, now=at("23:50"))] == [at("23:45")]
    assert standing() == [(LATE, region.pk, employee.pk)]


def test_a_day_in_the_past_is_judged_by_the_closures_that_stood_then(region, employee):
    Closure.objects.create(region=region, reason="lifted", starts_at=at("10:00"), until_at=at("16:00"), lifted_at=at("11:00"))
    Closure.objects.create(region=None, reason="over", starts_at=at("13:00"), until_at=at("14:00"))
    Closure.objects.create(region=region, reason="lifted before it began", starts_at=at("15:00"), lifted_at=at("14:30"))
    a_month_later = at("12:00") + timedelta(days=30)

    assert gaps(region, now=a_month_later) == [("09:00:00", "10:00:00"), ("11:00:00", "13:00:00"), ("14:00:00", "17:00:00")]


def test_a_day_in_the_past_is_judged_by_the_hours_that_held_then(region, employee):
    region.opening_hours.update(valid_until=TODAY)
    OpeningHours.objects.create(region=region, weekday=1, opens=time(12), closes=time(13), valid_from=TOMORROW)

    assert gaps(region, now=at("12:00") + timedelta(days=30)) == [("09:00:00", "17:00:00")]


def test_who_is_planned_from_nine_is_due_when_a_closure_is_lifted(region, employee):
    planned(employee, "09:00", "17:00")
    Closure.objects.create(region=region, reason="a fire drill", starts_at=at("08:00"), lifted_at=at("10:00"))
    on_duty(employee, "10:00")

    assert late_on(region, now=at("12:00")) == []


# ---------------------------------------------------------------- two clocks, many regions


@pytest.mark.parametrize("order", [1, -1])
def test_with_two_watchers_whose_clocks_differ_by_5_seconds_an_alarm_is_late_and_not_wrong(region, employee, order):
    """P17."""
    ahead = 5 * SECOND
    on_duty(employee, "09:00", heard="10:00")  # by the slow clock; silent since
    watchers = [(Watcher(), timedelta(0)), (Watcher(), ahead)][::order]

    stood = []
    for n in range(0, 60, 3):
        for watcher, by in watchers:
            watcher.look_after(at("10:00") + n * SECOND + by)
        stood.append((n, bool(standing())))

    assert not any(stands for n, stands in stood if n < 25)
    assert all(stands for n, stands in stood if n >= 33)
    assert stood == sorted(stood, key=lambda one: one[1])  # it does not come and go
    assert Alarm.objects.count() == 1


@pytest.mark.parametrize("order", [1, -1])
def test_signs_of_life_by_two_clocks_that_differ_by_5_seconds_make_no_silence(region, employee, order):
    """P17."""
    on_duty(employee, "09:00")
    clocks = [timedelta(0), 5 * SECOND][::order]

    for n in range(12, 600, 12):
        heard(employee, at("09:00") + n * SECOND + clocks[n // 12 % 2])

    assert not Silence.objects.exists()


def test_who_went_on_duty_by_a_clock_that_is_ahead_is_not_missed_by_one_that_is_behind(region, employee):
    """P17."""
    planned(employee, "09:00", "13:00")
    handover.begin(employee, at=at("09:00:05"))
    heard(employee, at("09:00:05"))

    coverage.check(at("09:00:01"))

    assert standing() == []


def test_a_look_at_many_regions_costs_as_many_statements_as_a_look_at_one(region, employee):
    def statements() -> int:
        coverage.check(at("09:20"))
        with CaptureQueriesContext(connection) as queries:
            assert not coverage.check(at("09:20"))
        return len(queries)

    planned(employee, "09:00", "13:00")
    absent(employee, "12:00", "13:00")
    alone = statements()
    for its in RegionFactory.create_batch(5, open=True):
        missing, there = EmployeeFactory.create_batch(2, region=its)
        planned(missing, "09:00", "13:00")
        on_duty(there, "09:00", heard="09:20")

    assert statements() == alone <= 11
