"""The rota in the database: a week with everybody in it, copying it, and a file of shifts; each all or nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection

from staffing import grid, rota
from staffing.models import ClosedDay, Closure, Role, Shift
from staffing.rota import Problem
from staffing.rules import AMSTERDAM
from staffing.shift_file import LARGEST, import_shifts
from tests.factories import AbsenceFactory, EmployeeFactory, RegionFactory, ShiftFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

MONDAY = date(2026, 11, 30)
HEAD = "account;dag;van;tot\n"


@pytest.fixture
def region():
    return RegionFactory(open=True)


@pytest.fixture
def employee(region):
    return EmployeeFactory(region=region, username="fo-1", name="Fatima")


def at(day: date, text: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(text), AMSTERDAM)


def shift(employee, day: date, begins: str, ends: str) -> Shift:
    return ShiftFactory(employee=employee, starts_at=at(day, begins), ends_at=at(day, ends))


def week(region, clock, monday=MONDAY):
    return grid.week(region.pk, monday, clock.now())


# ---------------------------------------------------------------- a week


def test_a_week_has_everybody_who_can_answer_chats_also_those_without_a_shift(region, employee, clock):
    EmployeeFactory(region=region, name="Zoë", role=Role.COORDINATOR)
    EmployeeFactory(region=region, name="Manager", role=Role.MANAGER)
    EmployeeFactory(region=region, name="Weg", is_active=False)
    EmployeeFactory(name="Elders")
    shift(employee, MONDAY, "09:00", "17:00")

    rows = week(region, clock).rows

    assert [str(row.employee) for row in rows] == ["Fatima", "Zoë"]
    assert [[piece.words for piece in row.cells[0].shifts] for row in rows] == [["09:00–17:00"], []]


def test_a_week_says_when_the_line_opens_and_when_nobody_is_planned(region, employee, clock):
    shift(employee, MONDAY, "10:30", "17:00")

    found = week(region, clock)

    assert [day.hours_in_words for day in found.days] == [["09:00–17:00"]] * 5 + [[]] * 2
    assert found.days[0].unplanned_in_words == [("09:00", "10:30", "09:00–10:30")]
    assert found.unplanned == 5


def test_who_is_absent_counts_for_nobody(region, employee, clock):
    shift(employee, MONDAY, "09:00", "17:00")
    AbsenceFactory(employee=employee, starts_at=at(MONDAY, "11:00"), ends_at=at(MONDAY, "12:00"))

    day, cell = week(region, clock).days[0], week(region, clock).rows[0].cells[0]

    assert day.unplanned_in_words == [("11:00", "12:00", "11:00–12:00")]
    assert [(piece.words, piece.away) for piece in cell.shifts] == [("09:00–17:00", False)]
    assert [piece.words for piece in cell.absences] == ["11:00–12:00"]


def test_an_absence_of_whole_days_takes_the_shifts_of_those_days(region, employee, clock):
    for n in range(3):
        shift(employee, MONDAY + timedelta(days=n), "09:00", "17:00")
    AbsenceFactory(employee=employee, starts_at=rota.midnight(MONDAY), ends_at=rota.midnight(MONDAY + timedelta(days=2)))

    cells = week(region, clock).rows[0].cells

    assert [[piece.away for piece in cell.shifts] for cell in cells[:3]] == [[True], [True], [False]]
    assert [[piece.words for piece in cell.absences] for cell in cells[:3]] == [[""], [""], []]


def test_who_is_planned_twice_at_the_same_time_is_shown(region, employee, clock):
    shift(employee, MONDAY, "09:00", "13:00")
    shift(employee, MONDAY, "12:00", "17:00")

    assert week(region, clock).days[0].twice_in_words == [(employee, "12:00–13:00")]


def test_a_shift_of_who_cannot_answer_chats_any_more_is_shown_and_counts_for_nobody(region, employee, clock):
    shift(employee, MONDAY, "09:00", "17:00")
    employee.is_active = False
    employee.save()

    found = week(region, clock)

    assert [(row.employee, row.answers) for row in found.rows] == [(employee, False)]
    assert found.days[0].unplanned_in_words == [("09:00", "17:00", "09:00–17:00")]


def test_closed_days_say_why_and_miss_nobody(region, clock):
    ClosedDay.objects.create(region=None, day=MONDAY, reason="landelijk")
    ClosedDay.objects.create(region=region, day=MONDAY, reason="studiedag")

    assert (week(region, clock).days[0].why_closed, week(region, clock).days[0].unplanned) == ("studiedag", [])
    assert week(region, clock, date(2026, 12, 21)).days[4].why_closed != ""


def test_a_closure_by_decision_does_not_empty_the_plan(region, clock):
    """It passes, and until then one plans as if the line will be open again."""
    Closure.objects.create(region=region, reason="storing", starts_at=clock.now())

    assert week(region, clock).unplanned == 5


def test_a_shift_past_midnight_stands_on_both_days(region, employee, clock):
    ShiftFactory(employee=employee, starts_at=at(MONDAY, "22:00"), ends_at=at(MONDAY + timedelta(days=1), "06:00"))

    cells = week(region, clock).rows[0].cells

    assert [piece.words for piece in cells[0].shifts] == ["22:00–06:00"]
    assert ["06:00" in piece.words for piece in cells[1].shifts] == [True]


def test_a_week_asks_the_database_as_often_for_many_people_as_for_few(region, clock, django_assert_max_num_queries):
    for n in range(12):
        colleague = EmployeeFactory(region=region)
        shift(colleague, MONDAY + timedelta(days=n % 5), "09:00", "17:00")
        AbsenceFactory(employee=colleague, starts_at=at(MONDAY, "09:00"), ends_at=at(MONDAY, "10:00"))

    with django_assert_max_num_queries(14):
        week(region, clock)


# ---------------------------------------------------------------- one shift


def test_nobody_can_be_planned_twice_at_the_same_time(employee):
    first = shift(employee, MONDAY, "09:00", "13:00")

    with pytest.raises(ValidationError, match="09:00 – 13:00"):
        Shift(employee=employee, starts_at=at(MONDAY, "12:59"), ends_at=at(MONDAY, "17:00")).clean()

    Shift(employee=employee, starts_at=at(MONDAY, "13:00"), ends_at=at(MONDAY, "17:00")).clean()
    Shift(employee=EmployeeFactory(), starts_at=at(MONDAY, "09:00"), ends_at=at(MONDAY, "17:00")).clean()
    first.clean()


# ---------------------------------------------------------------- copying


def test_copying_a_week_plans_the_next_ones_the_same(region, employee, clock):
    shift(employee, MONDAY, "09:00", "13:00")
    shift(employee, MONDAY + timedelta(days=6), "09:00", "13:00")
    shift(EmployeeFactory(), MONDAY, "09:00", "13:00")

    found = rota.copy_week(region.pk, MONDAY, weeks=2, at=clock.now())

    assert len(found) == 4
    assert [day.on for day in week(region, clock, MONDAY + timedelta(weeks=2)).days if day.unplanned] == [
        MONDAY + timedelta(days=n) for n in range(14, 19)
    ]
    stored = Shift.objects.filter(employee=employee).values_list("starts_at", flat=True)
    assert [f"{starts.astimezone(AMSTERDAM):%d-%m %H:%M}" for starts in stored] == [
        "30-11 09:00",
        "06-12 09:00",
        "07-12 09:00",
        "13-12 09:00",
        "14-12 09:00",
        "20-12 09:00",
    ]


def test_copying_a_week_twice_adds_nothing(region, employee, clock):
    shift(employee, MONDAY, "09:00", "13:00")
    rota.copy_week(region.pk, MONDAY, weeks=3, at=clock.now())

    again = rota.copy_week(region.pk, MONDAY, weeks=3, at=clock.now())

    assert {one.skipped for one in again} == {Problem.STANDS}
    assert Shift.objects.count() == 4


def test_what_cannot_be_copied_whole_is_not_copied(region, employee, clock, monkeypatch):
    for n in range(2):
        shift(employee, MONDAY + timedelta(days=n), "09:00", "13:00")

    def fails_at_the_end(slots):
        for one in list(slots)[:1]:
            Shift.objects.create(employee_id=one.employee, starts_at=one.period[0], ends_at=one.period[1])
        raise IntegrityError

    monkeypatch.setattr(rota, "store", fails_at_the_end)
    with pytest.raises(IntegrityError):
        rota.copy_week(region.pk, MONDAY, weeks=1, at=clock.now())

    assert Shift.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_who_copy_the_same_week_at_the_same_moment_plan_everybody_once(clock):
    region = RegionFactory(open=True)
    for _ in range(3):
        shift(EmployeeFactory(region=region), MONDAY, "09:00", "13:00")

    def copy(_n):
        try:
            return sum(1 for one in rota.copy_week(region.pk, MONDAY, weeks=4, at=clock.now()) if one.slot)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(copy, range(4)))

    assert sorted(made) == [0, 0, 0, 12]
    assert Shift.objects.count() == 15


# ---------------------------------------------------------------- a file


def test_the_shifts_of_a_file_are_planned(region, employee, clock):
    found = import_shifts(region.pk, (HEAD + "fo-1;2026-11-30;09:00;13:00\nfo-1;2026-12-01;09:00;13:00\n").encode(), at=clock.now())

    assert not found.is_wrong
    assert [f"{one.starts_at.astimezone(AMSTERDAM):%d-%m %H:%M}" for one in Shift.objects.all()] == ["30-11 09:00", "01-12 09:00"]


@pytest.mark.parametrize("wrong", ["fo-1;2026-12-01;09:00;09:00", "elders;2026-12-01;09:00;13:00", "weg;2026-12-01;09:00;13:00"])
def test_one_wrong_line_and_nothing_of_the_file_is_planned(region, employee, clock, wrong):
    EmployeeFactory(username="elders")
    EmployeeFactory(username="weg", region=region, is_active=False)

    found = import_shifts(region.pk, (HEAD + f"fo-1;2026-11-30;09:00;13:00\n{wrong}\n").encode(), at=clock.now())

    assert [line.is_wrong for line in found.lines] == [False, True]
    assert not Shift.objects.exists()


def test_the_same_file_again_adds_nothing(region, employee, clock):
    content = (HEAD + "fo-1;2026-11-30;09:00;13:00\n").encode()
    import_shifts(region.pk, content, at=clock.now())

    again = import_shifts(region.pk, content, at=clock.now())

    assert [line.problem for line in again.lines] == [Problem.STANDS]
    assert Shift.objects.count() == 1


def test_a_file_does_not_plan_over_a_shift_that_stands(region, employee, clock):
    shift(employee, MONDAY, "12:00", "17:00")

    found = import_shifts(region.pk, (HEAD + "fo-1;2026-11-30;09:00;13:00\n").encode(), at=clock.now())

    assert [line.problem for line in found.lines] == [Problem.TWICE]


@pytest.mark.parametrize("content", [b"x" * (LARGEST + 1), "account;dag;van;tot\nco\xf6;1;2;3".encode("cp1252"), b""])
def test_a_file_that_cannot_be_read_is_refused_whole(region, clock, content):
    assert import_shifts(region.pk, content, at=clock.now()).refused
