"""When the line is open, in the admin: looked at before it is saved, closed and opened by decision, and what was refused meanwhile."""

import re
from datetime import date, time, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from staffing import opening
from staffing.models import ClosedDay, Closure, Count, OpeningHours, Role
from tests.factories import EmployeeFactory, RegionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
PREVIEW = {"_preview": "Show the coming two weeks"}


@pytest.fixture
def region():
    return RegionFactory(open=True, name="Here")


@pytest.fixture
def logged_in(region):
    def log_in(role: Role) -> Client:
        client = Client(HTTP_ACCEPT_LANGUAGE="en")
        client.employee = EmployeeFactory(role=role, region=None if role == Role.ADMINISTRATOR else region)
        client.force_login(client.employee)
        return client

    return log_in


def add(model) -> str:
    return reverse(f"admin:staffing_{model._meta.model_name}_add")


def change(row) -> str:
    return reverse(f"admin:staffing_{row._meta.model_name}_change", args=[row.pk])


def days(page) -> dict[str, tuple[str, str]]:
    """Day → open now, and open with the change, as the page says it."""
    rows = re.findall(r'<th scope="row">(.*?)</th>\s*<td>(.*?)</td>\s*<td>(.*?)</td>', page.content.decode(), re.S)
    plain = [[" ".join(re.sub("<[^>]*>", " ", cell).split()).replace(" ,", ",") for cell in row] for row in rows]
    return {day: (now, then) for day, now, then in plain}


def ahead(page) -> list[tuple[str, str]]:
    """Each group of regions with what is said of it."""
    found = re.findall(r"<h3>(.*?)</h3>\s*<p>(.*?)</p>", page.content.decode())
    return [(regions, said) for regions, said in found]


# ---------------------------------------------------------------- the coming two weeks


def test_the_coming_two_weeks_are_shown_before_hours_are_saved_and_nothing_is_kept(logged_in, region):
    monday = region.opening_hours.get(weekday=0)
    typed = {"region": region.pk, "weekday": "0", "opens": "10:30", "closes": "22:00"}

    page = logged_in(Role.COORDINATOR).post(change(monday), typed | PREVIEW)

    monday.refresh_from_db()
    assert (page.status_code, monday.opens) == (200, time(9))
    assert ahead(page) == [("Here", "2 days change.")]
    found = days(page)
    assert len(found) == 14
    assert next(iter(found)) == "Tuesday 24 November"
    assert found["Monday 30 November"] == ("09:00-17:00", "10:30-22:00 changes")
    assert found["Tuesday 24 November"] == ("09:00-17:00", "09:00-17:00")
    assert found["Saturday 28 November"] == ("closed", "closed")
    assert 'value="10:30' in page.content.decode()
    assert "Nothing has been saved yet." in page.content.decode()


def test_what_was_looked_at_is_saved_by_saving(logged_in, region):
    client, typed = logged_in(Role.COORDINATOR), {"region": region.pk, "day": "2026-12-01", "reason": "study day"}

    page = client.post(add(ClosedDay), typed | PREVIEW)
    assert days(page)["Tuesday 1 December"] == ("09:00-17:00", "closed changes")
    assert not ClosedDay.objects.exists()
    client.post(add(ClosedDay), typed | {"_save": "Save"})

    assert ClosedDay.objects.get().day == date(2026, 12, 1)


def test_a_second_period_of_a_day_stands_beside_the_first(logged_in, region):
    typed = {"region": region.pk, "weekday": "2", "opens": "19:00", "closes": "00:00"}

    page = logged_in(Role.COORDINATOR).post(add(OpeningHours), typed | PREVIEW)

    assert days(page)["Wednesday 25 November"] == ("09:00-17:00", "09:00-17:00, 19:00-24:00 changes")


def test_a_change_that_begins_later_says_that_nothing_changes(logged_in, region):
    typed = {"region": region.pk, "weekday": "5", "opens": "10:00", "closes": "14:00", "valid_from": "2027-01-01"}

    page = logged_in(Role.COORDINATOR).post(add(OpeningHours), typed | PREVIEW)

    assert ahead(page) == [("Here", "Nothing changes in the coming two weeks.")]


def test_a_closed_day_of_all_regions_shows_apart_who_is_open_otherwise(logged_in, region):
    for name in ("There", "Where", "Everywhere", "Nowhere", "Somewhere"):
        RegionFactory(open=True, name=name)
    always = RegionFactory(name="Always")
    OpeningHours.objects.create(region=always, weekday=1, opens=time(9), closes=time(21), on_closed_days=True)

    page = logged_in(Role.ADMINISTRATOR).post(add(ClosedDay), {"region": "", "day": "2026-12-01", "reason": "study day"} | PREVIEW)

    assert ahead(page) == [("Always", "Nothing changes in the coming two weeks."), ("All other regions", "1 day changes.")]


def test_a_closed_day_that_is_the_same_for_all_is_shown_once(logged_in, region):
    RegionFactory(open=True, name="There")

    page = logged_in(Role.ADMINISTRATOR).post(add(ClosedDay), {"region": "", "day": "2026-12-01", "reason": "study day"} | PREVIEW)

    assert ahead(page) == [("All regions", "1 day changes.")]


def test_what_is_over_today_does_not_cut_the_day_into_pieces(logged_in, region, clock):
    Closure.objects.create(region=region, reason="storing", starts_at=clock.now(), lifted_at=clock.forward(minutes=5))

    page = logged_in(Role.COORDINATOR).post(add(ClosedDay), {"region": region.pk, "day": "2026-12-01", "reason": "study day"} | PREVIEW)

    assert days(page)["Tuesday 24 November"] == ("09:00-17:00", "09:00-17:00")


def test_a_closure_is_shown_from_this_moment_until_its_end(logged_in, region):
    typed = {"region": region.pk, "reason": "storing", "until_at_0": "2026-11-25", "until_at_1": "12:00"}

    page = logged_in(Role.COORDINATOR).post(add(Closure), typed | PREVIEW)

    assert days(page)["Tuesday 24 November"] == ("09:00-17:00", "09:00-10:00 changes")
    assert days(page)["Wednesday 25 November"] == ("09:00-17:00", "12:00-17:00 changes")
    assert not Closure.objects.exists()


def test_hours_that_move_to_another_region_show_both(logged_in, region):
    there = RegionFactory(name="There")
    monday = region.opening_hours.get(weekday=0)

    page = logged_in(Role.ADMINISTRATOR).post(
        change(monday), {"region": there.pk, "weekday": "0", "opens": "09:00", "closes": "17:00"} | PREVIEW
    )

    assert ahead(page) == [("Here", "2 days change."), ("There", "2 days change.")]


def test_what_is_typed_wrong_is_said_and_shows_no_weeks(logged_in, region):
    typed = {"region": region.pk, "weekday": "0", "opens": "17:00", "closes": "09:00"}
    validity = {"closes": "18:00", "valid_from": "2026-12-02", "valid_until": "2026-12-01"}
    client = logged_in(Role.COORDINATOR)

    backwards, never = client.post(add(OpeningHours), typed | PREVIEW), client.post(add(OpeningHours), typed | validity | PREVIEW)

    assert "The line has to close after it opens." in backwards.content.decode()
    assert "The last day lies before the first one." in never.content.decode()
    assert days(backwards) == days(never) == {}


def test_who_may_not_change_it_sees_no_weeks_and_no_button(logged_in, region):
    national = ClosedDay.objects.create(day=date(2026, 12, 1), reason="study day")
    elsewhere = RegionFactory(open=True).opening_hours.first()
    client = logged_in(Role.COORDINATOR)

    assert "_preview" not in client.get(change(national)).content.decode()
    assert client.post(change(national), {"day": "2026-12-02", "reason": "x"} | PREVIEW).status_code == 403
    assert client.post(change(elsewhere), PREVIEW).status_code == 404
    assert logged_in(Role.MANAGER).post(add(ClosedDay), PREVIEW).status_code == 403


# ---------------------------------------------------------------- closing by decision, and opening again


@pytest.mark.parametrize("reason", ["", "   "])
def test_closing_the_line_needs_a_reason(logged_in, region, reason):
    page = logged_in(Role.COORDINATOR).post(add(Closure), {"region": region.pk, "reason": reason})

    assert page.status_code == 200
    assert not Closure.objects.exists()


def test_a_closure_cannot_end_before_now(logged_in, region):
    typed = {"region": region.pk, "reason": "storing", "until_at_0": "2026-11-24", "until_at_1": "10:00"}

    page = logged_in(Role.COORDINATOR).post(add(Closure), typed)

    assert "This moment is over." in page.content.decode()
    assert not Closure.objects.exists()


def test_a_coordinator_closes_the_own_region_only_and_the_administrator_all(logged_in, region):
    elsewhere = RegionFactory(open=True)
    client = logged_in(Role.COORDINATOR)

    for other in (elsewhere.pk, ""):
        assert client.post(add(Closure), {"region": other, "reason": "storing"}).status_code == 200
    assert not Closure.objects.exists()
    logged_in(Role.ADMINISTRATOR).post(add(Closure), {"region": "", "reason": "storing"})

    assert Closure.objects.get().region is None


def test_the_line_is_opened_again_from_the_page_of_the_closure_and_that_is_recorded(logged_in, region, clock):
    client = logged_in(Role.COORDINATOR)
    client.post(add(Closure), {"region": region.pk, "reason": "storing"})
    closure = Closure.objects.get()
    assert not opening.opening(clock.now(), region).open
    assert 'name="_open"' in client.get(change(closure)).content.decode()

    clock.forward(minutes=5)
    answer = client.post(change(closure), {"_open": "Open the line again"})

    closure.refresh_from_db()
    assert (answer.status_code, closure.lifted_at) == (302, clock.now())
    assert opening.opening(clock.now(), region).open
    history = client.get(reverse("admin:staffing_closure_history", args=[closure.pk])).content.decode()
    assert "Opened again" in history
    assert str(client.employee) in history
    assert 'name="_open"' not in client.get(change(closure)).content.decode()


def test_a_coordinator_does_not_open_what_closes_the_whole_line(logged_in, clock):
    closure = Closure.objects.create(reason="landelijk", starts_at=clock.now())
    client = logged_in(Role.COORDINATOR)

    assert 'name="_open"' not in client.get(change(closure)).content.decode()
    assert client.post(change(closure), {"_open": "Open the line again"}).status_code == 403
    assert Closure.objects.get().lifted_at is None


def test_the_line_is_closed_and_opened_by_command_for_one_region_or_for_all(region, clock):
    there = RegionFactory(open=True)

    call_command("close", reason="brandoefening", region=region.code, until="2026-11-24T12:00")
    one = Closure.objects.get()
    assert (one.reason, one.region, one.starts_at, one.by) == ("brandoefening", region, clock.now(), None)
    assert (opening.opening(clock.now(), region).open, opening.opening(clock.now(), there).open) == (False, True)
    call_command("close", reason="storing")
    assert not opening.opening(clock.now()).open

    call_command("open")
    assert (opening.opening(clock.now(), region).open, opening.opening(clock.now()).open) == (False, True)
    call_command("open", region=region.code)
    assert opening.opening(clock.now(), region).open
    assert Closure.objects.filter(lifted_at=clock.now()).count() == 2


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"reason": " "}, "--reason"),
        ({"reason": "storing", "until": "2026-11-24T09:59"}, "--until"),
        ({"reason": "storing", "until": "straks"}, "--until"),
        ({"reason": "storing", "region": "nergens"}, "--region"),
    ],
)
def test_a_command_that_is_not_understood_closes_nothing_and_says_which_part(region, asked, named):
    with pytest.raises(CommandError, match=named):
        call_command("close", **asked)

    assert not Closure.objects.exists()


# ---------------------------------------------------------------- what was refused


def test_a_manager_sees_how_often_a_start_was_refused_and_why_for_the_own_region_and_the_whole_line(logged_in, region):
    elsewhere = RegionFactory(name="Elsewhere")
    day = date(2026, 11, 23)
    for what, of, number in (("closed", region.code, 7), ("too_fast", "", 3), ("closed", elsewhere.code, 5)):
        Count.objects.add(f"start_refused/{what}", day=day, region=of, number=number)
    Count.objects.add("start_refused/closed", day=day - timedelta(days=40), region=region.code, number=9)
    client, counts = logged_in(Role.MANAGER), reverse("admin:staffing_count_changelist")

    page = client.get(counts).content.decode()
    assert "Start refused: the line was closed" in page
    assert "Start refused: too many from one connection" in page
    assert ("Here" in page, "Elsewhere" in page) == (True, False)
    assert numbers(client.get(counts, {"what": "start_refused/too_fast"})) == ["3"]
    assert sorted(numbers(client.get(counts, {"day__year": 2026, "day__month": 11, "day__day": 23}))) == ["3", "7"]
    assert sorted(numbers(logged_in(Role.ADMINISTRATOR).get(counts))) == ["3", "5", "7", "9"]
    assert client.get("/admin/").content.decode().count(counts) == 1


def numbers(page) -> list[str]:
    return re.findall(r'field-how_often">(\d+)<', page.content.decode())
