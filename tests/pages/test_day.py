"""The day of a region, drawn and in words: what was planned, who was there, and when nobody was."""

import re
from datetime import datetime

import pytest
from django.test import Client

from staffing.admin.day import ToldDay
from staffing.models import Duty, Look, OpeningHours, Role, Shift, Silence
from staffing.rules import AMSTERDAM
from tests.factories import EmployeeFactory, RegionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
DAY = "/admin/staffing/duty/day/"


def moment(written: str, on: str = "2026-11-24") -> datetime:
    return datetime.fromisoformat(f"{on} {written}").replace(tzinfo=AMSTERDAM)


@pytest.fixture
def region():
    return RegionFactory(open=True)


@pytest.fixture
def page(region):
    """`page(Role.MANAGER, "?day=…")`: what somebody of the region reads there."""

    def get(role: Role = Role.COORDINATOR, query: str = ""):
        employee = EmployeeFactory(role=role, region=None if role == Role.ADMINISTRATOR else region)
        client = Client(HTTP_ACCEPT_LANGUAGE="en")
        client.force_login(employee)
        return client.get(DAY + query)

    return get


def shift(employee, start: str, end: str, on: str = "2026-11-24") -> Shift:
    return Shift.objects.create(employee=employee, starts_at=moment(start, on), ends_at=moment(end, on))


def duty(employee, start: str, end: str | None = None, heard: str | None = None, on: str = "2026-11-24", **fields) -> Duty:
    heard_at = moment(heard or end or start, on)
    return Duty.objects.create(
        employee=employee, started_at=moment(start, on), ended_at=moment(end, on) if end else None, heard_at=heard_at, **fields
    )


def cells(response, row: str) -> list[str]:
    """What the table says beside this name, a text for each column."""
    found = re.search(rf'<th role="rowheader" scope="row">{re.escape(row)}</th>(.*?)</tr>', response.content.decode(), re.S)
    assert found, row
    return [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in re.findall(r"<td[^>]*>(.*?)</td>", found[1], re.S)]


def stretches(response, what: str) -> list[list[str]]:
    rows = re.findall(rf'<th role="rowheader" scope="row">{re.escape(what)}</th>(.*?)</tr>', response.content.decode(), re.S)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]


def text(response) -> str:
    return response.content.decode()


# ---------------------------------------------------------------- what it says


def test_a_day_says_who_was_planned_who_was_there_and_who_came_late(region, clock, page):
    one, other = EmployeeFactory(region=region), EmployeeFactory(region=region)
    shift(one, "09:00", "13:00")
    shift(other, "13:00", "17:00")
    duty(one, "09:12", "13:04")
    duty(other, "12:55", "17:01")
    clock.at("2026-11-25 10:00")

    read = page(query="?day=2026-11-24")

    assert cells(read, one.name) == ["09:00 – 13:00", "09:12 – 13:04", "09:12 – 13:04", "late: 09:00, came 09:12"]
    assert cells(read, other.name) == ["13:00 – 17:00", "12:55 – 17:01", "12:55 – 17:01", ""]
    assert stretches(read, "Open") == [["09:00 – 17:00", "480"]]
    assert stretches(read, "Open, nobody can be reached") == [["09:00 – 09:12", "12"]]


def test_who_was_planned_and_never_came_is_late_too(region, clock, page):
    absent, there = EmployeeFactory(region=region), EmployeeFactory(region=region)
    shift(absent, "09:00", "17:00")
    duty(there, "08:45", "17:00")
    clock.at("2026-11-25 10:00")

    read = page(query="?day=2026-11-24")

    assert cells(read, absent.name) == ["09:00 – 17:00", "–", "–", "late: 09:00, has not come"]
    assert stretches(read, "Open, nobody can be reached") == [["never", "0"]]


def test_a_silence_is_a_gap_although_duty_went_on(region, clock, page):
    employee = EmployeeFactory(region=region)
    Silence.objects.create(duty=duty(employee, "08:50", "17:00"), from_at=moment("12:00"), until_at=moment("12:30"))
    clock.at("2026-11-25 10:00")

    read = page(query="?day=2026-11-24")

    planned, on_duty, available, remarks = cells(read, employee.name)
    assert (planned, on_duty, available) == ("not planned", "08:50 – 17:00", "08:50 – 12:00 12:30 – 17:00")
    assert remarks == "not connected: 12:00 – 12:30"
    assert stretches(read, "Open, nobody can be reached") == [["12:00 – 12:30", "30"]]


def test_who_was_never_heard_was_on_duty_and_not_there(region, clock, page):
    employee = EmployeeFactory(region=region)
    silent = duty(employee, "09:00", "17:00")
    Duty.objects.filter(pk=silent.pk).update(heard_at=None)
    clock.at("2026-11-25 10:00")

    read = page(query="?day=2026-11-24")

    assert cells(read, employee.name)[1:] == ["09:00 – 17:00", "–", "not connected: 09:00 – 17:00"]
    assert stretches(read, "Open, nobody can be reached") == [["09:00 – 17:00", "480"]]


def test_a_duty_that_somebody_else_has_ended_says_who_and_why(region, clock, page):
    employee, coordinator = EmployeeFactory(region=region), EmployeeFactory(region=region, role=Role.COORDINATOR)
    duty(employee, "08:55", "14:00", ended_by=coordinator, reason="Moest <plots> weg")
    clock.at("2026-11-25 10:00")

    read = page(query="?day=2026-11-24")

    assert cells(read, employee.name)[3] == f"14:00: ended by {coordinator.name}. Reason: Moest &lt;plots&gt; weg"


def test_a_duty_that_was_ended_at_midnight_stands_in_the_day_that_ended_then(region, clock, page):
    employee, coordinator = EmployeeFactory(region=region), EmployeeFactory(region=region, role=Role.COORDINATOR)
    at_midnight = moment("00:00", "2026-11-25")
    duty(employee, "20:00", heard="23:59", ended_by=coordinator)
    Duty.objects.update(ended_at=at_midnight)
    clock.at("2026-11-25 10:00")

    assert f"24:00: ended by {coordinator.name}" in cells(page(query="?day=2026-11-24"), employee.name)[3]
    assert employee.name not in text(page(query="?day=2026-11-25"))


def test_what_goes_on_now_has_no_end_yet(region, clock, page):
    employee = EmployeeFactory(region=region)
    clock.at("2026-11-24 10:00")
    duty(employee, "08:52", heard="10:00")

    read = page()

    assert cells(read, employee.name)[1:3] == ["since 08:52", "since 08:52"]
    assert "today, as it is now" in text(read)


def test_an_open_gap_is_counted_up_to_this_moment(region, clock, page):
    clock.at("2026-11-24 10:00")

    assert stretches(page(), "Open, nobody can be reached") == [["since 09:00", "60"]]


def test_of_a_day_to_come_the_plan_is_seen_and_what_is_not_planned(region, page):
    employee = EmployeeFactory(region=region)
    shift(employee, "09:00", "13:00", on="2026-11-26")

    read = page(query="?day=2026-11-26")

    assert cells(read, employee.name) == ["09:00 – 13:00", "–", "–", ""]
    assert stretches(read, "Open, nobody planned") == [["13:00 – 17:00", "240"]]
    assert stretches(read, "Open, nobody can be reached") == []
    assert "still to come" in text(read)


def test_who_is_on_duty_now_does_not_stand_in_tomorrow(region, page):
    employee = EmployeeFactory(region=region, on_duty=True)

    assert employee.name not in text(page(query="?day=2026-11-25"))


def test_a_closed_day_says_so(page):
    read = page(query="?day=2026-11-22")

    assert "The line is closed on this day." in text(read)
    assert "Nobody was planned, and nobody was on duty." in text(read)
    assert '<svg role="img"' not in text(read)


@pytest.mark.parametrize(("on", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-22", 24)])
def test_the_days_on_which_the_clock_changes_have_23_and_25_hours(region, clock, page, on, hours):
    OpeningHours.objects.create(region=region, weekday=6, opens="00:00", closes="00:00")
    employee = EmployeeFactory(region=region)
    duty(employee, "00:00", on=on)
    Duty.objects.update(ended_at=moment("06:00", "2026-11-23"), heard_at=moment("06:00", "2026-11-23"))
    clock.at("2026-11-24 10:00")

    read = page(query=f"?day={on}")

    assert stretches(read, "Open") == [["00:00 – 24:00", str(hours * 60)]]
    assert cells(read, employee.name)[1:3] == ["00:00 – 24:00", "00:00 – 24:00"]


def test_an_hour_that_comes_twice_says_which_one_it_was(region, clock, page):
    employee = EmployeeFactory(region=region)
    first, second = (moment("02:30", "2026-10-25").replace(fold=fold) for fold in (0, 1))
    Duty.objects.create(employee=employee, started_at=first, ended_at=second, heard_at=second)
    clock.at("2026-11-24 10:00")

    assert cells(page(query="?day=2026-10-25"), employee.name)[1] == "02:30 (summer time) – 02:30 (winter time)"


def test_a_shift_over_midnight_stands_on_both_days_with_its_part(region, clock, page):
    employee = EmployeeFactory(region=region)
    Shift.objects.create(employee=employee, starts_at=moment("22:00"), ends_at=moment("06:00", "2026-11-25"))

    assert cells(page(query="?day=2026-11-24"), employee.name)[0] == "22:00 – 24:00"
    assert cells(page(query="?day=2026-11-25"), employee.name)[0] == "00:00 – 06:00"


# ---------------------------------------------------------------- the drawing


def test_the_drawing_marks_gaps_over_all_rows_and_stays_within_the_day(region, clock):
    employee = EmployeeFactory(region=region)
    shift(employee, "09:00", "17:00")
    duty(employee, "09:12", "17:05")
    clock.at("2026-11-25 10:00")

    drawing = ToldDay(region.pk, moment("00:00").date(), clock.now()).drawing

    assert [mark.words for mark in drawing.gaps] == ["09:00 – 09:12"]
    assert [mark.words for mark in drawing.marks if mark.kind == "gap"] == ["09:00 – 09:12"]
    assert {mark.kind for mark in drawing.marks} == {"lane", "gap", "name", "late", "planned", "duty", "available", "due"}
    for mark in [*drawing.marks, *drawing.open, *drawing.gaps]:
        left, width = (float(share.removesuffix("%") or 0) for share in (mark.x, mark.width))
        assert 0 <= left <= left + width <= 100.2
        assert mark.y + mark.height <= drawing.height
    assert [mark.words for mark in drawing.hours] == [f"{hour:02}:00" for hour in range(8, 19)]


@pytest.mark.parametrize(("on", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_whole_day_is_drawn_with_the_hours_that_it_has(region, clock, on, hours):
    OpeningHours.objects.create(region=region, weekday=6, opens="00:00", closes="00:00")

    drawing = ToldDay(region.pk, moment("00:00", on).date(), clock.now()).drawing

    assert (drawing.ends - drawing.starts).total_seconds() == hours * 3600
    assert len(drawing.hours) <= 13


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_drawing_is_one_picture_with_a_name_that_leads_to_the_tables(region, language, page):
    EmployeeFactory(region=region, on_duty=True)
    client = Client(HTTP_ACCEPT_LANGUAGE=language)
    client.force_login(EmployeeFactory(region=region, role=Role.COORDINATOR))

    read = text(client.get(DAY))

    assert re.search(r'<svg role="img" aria-label="[^"]{20,}"', read)
    assert "style=" not in read[read.index("<svg") : read.index("</figure>")]
    # In Dutch a number is written with a comma, which no drawing understands.
    assert re.findall(r'(?:x|width|x1|x2)="[^"]*,[^"]*"', read) == []
    assert read.count("<table") == read.count("<caption") == 2


def test_a_name_that_is_too_long_for_the_drawing_is_whole_in_the_table(region, clock, page):
    name = "Wilhelmina van der Heijden-Oudekerk van Waterland"
    EmployeeFactory(region=region, name=name, on_duty=True)
    clock.forward(seconds=10)

    read = page()

    assert cells(read, name)
    assert "…</text>" in text(read)


# ---------------------------------------------------------------- who may see which day


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.MANAGER, Role.ADMINISTRATOR])
def test_who_oversees_sees_the_day_and_that_is_recorded(region, page, role):
    read = page(role, f"?region={region.code}&day=2026-11-24")

    look = Look.objects.get()
    assert read.status_code == 200
    assert (look.action, look.kind, look.outcome, look.part) == ("list", "duty", "allowed", f"2026-11-24 {region.code}")


def test_another_regions_day_is_not_here_and_asking_is_recorded(page):
    other = RegionFactory(open=True)

    assert page(query=f"?region={other.code}").status_code == 404

    look = Look.objects.get()
    assert (look.kind, look.object_id, look.part, look.outcome) == ("duty", other.code, "day", "refused")


def test_a_national_administrator_chooses_the_region(region, page):
    other = RegionFactory(open=True)

    read = page(Role.ADMINISTRATOR, f"?region={other.code}")

    assert f'<option value="{other.code}" selected>' in text(read)
    assert f'<option value="{region.code}">' in text(read)


def test_a_coordinator_has_no_choice_of_region(region, page):
    RegionFactory(open=True)

    assert "<option" not in text(page())


@pytest.mark.parametrize(
    "query", ["?day=gisteren", "?day=2026-02-30", "?day=9999-12-31", "?day=0001-01-01", "?region=nergens", "?region=%00"]
)
def test_what_is_no_day_or_region_is_not_here(page, query):
    assert page(Role.ADMINISTRATOR, query).status_code == 404


def test_one_goes_from_day_to_day_and_back_to_today(region, page):
    read = text(page(query="?day=2026-11-23"))

    at = f'href="?region={region.code}&amp;day='
    assert [f"{at}{day}" in read for day in ("2026-11-22", "2026-11-24")] == [True, True]
    assert "Today" in read
    assert "Today" not in text(page())


def test_the_day_is_one_press_from_the_first_page_and_from_the_list_of_duties(region):
    client = Client(HTTP_ACCEPT_LANGUAGE="en")
    client.force_login(EmployeeFactory(region=region, role=Role.COORDINATOR))

    assert f'href="{DAY}"' in text(client.get("/admin/"))
    assert f'href="{DAY}"' in text(client.get("/admin/staffing/duty/"))


def test_the_day_is_only_looked_at(region):
    client = Client(HTTP_ACCEPT_LANGUAGE="en")
    client.force_login(EmployeeFactory(region=region, role=Role.COORDINATOR))

    assert client.post(DAY).status_code == 405


# ---------------------------------------------------------------- the list of duties


def test_the_list_says_which_duty_began_late_and_who_ended_one(region, clock):
    late, other = EmployeeFactory(region=region), EmployeeFactory(region=region)
    coordinator = EmployeeFactory(region=region, role=Role.COORDINATOR)
    shift(late, "09:00", "13:00")
    shift(other, "09:00", "13:00")
    duty(late, "09:12", "13:00")
    duty(other, "08:50", "12:00", ended_by=coordinator, reason="naar huis")
    clock.at("2026-11-25 10:00")
    client = Client(HTTP_ACCEPT_LANGUAGE="en")
    client.force_login(coordinator)

    rows = re.findall(r"<tr><th.*?</tr>", text(client.get("/admin/staffing/duty/")), re.S)

    assert [("due at 09:00" in row, "naar huis" in row, "24-11-2026 09:12" in row) for row in rows] == [
        (True, False, True),
        (False, True, False),
    ]


def test_the_title_of_a_duty_has_the_time_of_the_region(region, clock):
    employee = EmployeeFactory(region=region)

    assert str(duty(employee, "09:12")) in (f"{employee.name}, 24 November 2026 09:12", f"{employee.name}, 24 november 2026 09:12")
