"""The rota in the admin: who sees and plans it, one shift, absence, copying a week, and a file of shifts."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from staffing import rota
from staffing.models import Absence, Look, Region, Role, Shift
from staffing.rules import AMSTERDAM
from tests.factories import AbsenceFactory, EmployeeFactory, RegionFactory, ShiftFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

GRID, ADD = "/admin/staffing/shift/", "/admin/staffing/shift/add/"
COPY, IMPORT = "/admin/staffing/shift/copy/", "/admin/staffing/shift/import/"
ABSENT = "/admin/staffing/absence/add/"
MONDAY, TODAY = date(2026, 11, 30), date(2026, 11, 24)
OVERSEEING = [Role.COORDINATOR, Role.MANAGER, Role.ADMINISTRATOR]
PLANNING = [Role.COORDINATOR, Role.ADMINISTRATOR]


@pytest.fixture
def region():
    return RegionFactory(open=True)


@pytest.fixture
def employee(region):
    return EmployeeFactory(region=region, username="fo-1", name="Fatima")


@pytest.fixture
def logged_in(region):
    def log_in(role: Role, of: Region | None = None) -> Client:
        who = EmployeeFactory(role=role, region=None if role == Role.ADMINISTRATOR else of or region)
        client = Client(HTTP_ACCEPT_LANGUAGE="en")
        client.force_login(who)
        client.employee = who
        return client

    return log_in


def at(day: date, text: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(text), AMSTERDAM)


def shift(employee, day: date, begins: str, ends: str) -> Shift:
    return ShiftFactory(employee=employee, starts_at=at(day, begins), ends_at=at(day, ends))


def page_of(row, name: str = "change") -> str:
    return reverse(f"admin:staffing_{row._meta.model_name}_{name}", args=[row.pk])


def text(response) -> str:
    """What stands on the page, its blanks as they are seen."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def told(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def wanted(employee, day="2026-11-30", starts_at="09:00", ends_at="17:00"):
    return {"employee": employee.pk, "day": day, "starts_at": starts_at, "ends_at": ends_at}


def sends(client, content: str | bytes, **fields):
    content = content.encode() if isinstance(content, str) else content
    return client.post(IMPORT, {"file": SimpleUploadedFile("diensten.csv", content)} | fields)


# ---------------------------------------------------------------- who sees it


@pytest.mark.parametrize("role", OVERSEEING)
def test_who_oversees_sees_the_week_of_the_region(logged_in, region, employee, role):
    shift(employee, MONDAY, "10:30", "17:00")

    page = text(logged_in(role).get(f"{GRID}?week=2026-12-03&region={region.pk}"))

    assert "Week 49" in page
    assert "Fatima" in page
    assert "10:30–17:00" in page
    assert "09:00–10:30 nobody planned" in page


def test_front_office_sees_and_plans_nothing(logged_in, employee):
    client = logged_in(Role.FRONT_OFFICE)

    for path in (GRID, ADD, COPY, IMPORT, ABSENT):
        assert client.get(path).status_code == 403
        assert client.post(path, wanted(employee)).status_code == 403
    assert not Shift.objects.exists()


def test_a_manager_reads_the_rota_and_plans_nothing(logged_in, employee):
    planned, absent = shift(employee, MONDAY, "09:00", "17:00"), AbsenceFactory(employee=employee)
    client = logged_in(Role.MANAGER)

    page = client.get(f"{GRID}?week=2026-11-30").content.decode()

    assert page_of(planned) in page
    assert ADD not in page
    assert COPY not in page
    assert client.get(page_of(planned)).status_code == 200
    assert client.post(page_of(planned), wanted(employee, ends_at="12:00")).status_code == 403
    for path in (ADD, ABSENT, page_of(planned, "delete"), page_of(absent, "delete"), page_of(absent)):
        assert client.post(path, wanted(employee) | {"post": "yes"}).status_code == 403
    assert client.post(COPY, {"week": "2026-11-30", "weeks": "1"}).status_code == 403
    assert sends(client, "account,dag,van,tot\nfo-1,2026-12-01,09:00,17:00\n").status_code == 403
    assert [(one.starts_at, one.ends_at) for one in Shift.objects.all()] == [(planned.starts_at, planned.ends_at)]
    assert Absence.objects.count() == 1


def test_a_coordinator_sees_and_plans_the_own_region_only(logged_in, region):
    elsewhere = RegionFactory(open=True)
    stranger = EmployeeFactory(region=elsewhere, name="Elders", username="elders")
    theirs = shift(stranger, MONDAY, "09:00", "17:00")
    client = logged_in(Role.COORDINATOR)

    page = client.get(f"{GRID}?week=2026-11-30&region={elsewhere.pk}")
    client.post(COPY, {"week": "2026-11-30", "weeks": "1", "region": elsewhere.pk})
    sent = sends(client, "account,dag,van,tot\nelders,2026-12-01,09:00,17:00\n", region=elsewhere.pk)

    assert "Elders" not in text(page)
    assert client.get(page_of(theirs)).status_code == 404
    assert client.post(page_of(theirs, "delete"), {"post": "yes"}).status_code == 404
    assert client.post(ADD, wanted(stranger, day="2026-12-01")).status_code == 200
    assert client.post(ABSENT, {"employee": stranger.pk, "starts_at": "2026-12-01"}).status_code == 200
    assert "not known here" in text(sent)
    assert list(Shift.objects.all()) == [theirs]
    assert not Absence.objects.exists()


def test_the_national_administrator_chooses_the_region(logged_in, employee):
    other = RegionFactory(open=True, name="Andere regio")
    EmployeeFactory(region=other, name="Elders")
    client = logged_in(Role.ADMINISTRATOR)

    assert "Elders" in text(client.get(f"{GRID}?region={other.pk}"))
    assert "Fatima" in text(client.get(f"{GRID}?region={employee.region_id}"))
    assert client.get(f"{GRID}?region=x").status_code == 200


@pytest.mark.parametrize("week", ["", "x", "2026-13-01", "0001-01-01", "9999-12-31", "2026-W48"])
def test_a_week_that_is_none_is_this_week(logged_in, week):
    assert "Week 48" in text(logged_in(Role.COORDINATOR).get(f"{GRID}?week={week}"))


def test_every_look_and_every_change_of_the_rota_is_recorded(logged_in, region, employee):
    client = logged_in(Role.COORDINATOR)
    client.get(f"{GRID}?week=2026-11-30")
    client.post(ADD, wanted(employee))
    planned = Shift.objects.get()
    client.get(page_of(planned))
    client.post(page_of(planned), wanted(employee, ends_at="12:00"))
    client.post(COPY, {"week": "2026-11-30", "weeks": "2"})
    sends(client, "account,dag,van,tot\n")
    client.post(page_of(planned, "delete"), {"post": "yes"})

    looks = Look.objects.filter(by=client.employee, kind="shift").values_list("action", "part")

    assert sorted(looks) == sorted(
        [
            ("list", "week=2026-11-30"),
            ("add", ""),
            ("see", ""),
            ("change", ""),
            ("add", "copy 2026-11-30 2"),
            ("add", "import"),
            ("change", "remove"),
        ]
    )


# ---------------------------------------------------------------- one shift


@pytest.mark.parametrize("role", PLANNING)
def test_a_shift_is_planned_in_the_time_of_amsterdam(logged_in, employee, role):
    answer = logged_in(role).post(ADD, wanted(employee))

    planned = Shift.objects.get()
    assert (planned.employee, planned.starts_at, planned.ends_at) == (employee, at(MONDAY, "09:00"), at(MONDAY, "17:00"))
    assert answer.headers["Location"] == f"{GRID}?week=2026-11-30&region={employee.region_id}"


def test_the_grid_leads_to_the_form_with_person_and_day(logged_in, employee):
    client = logged_in(Role.COORDINATOR)
    grid = client.get(f"{GRID}?week=2026-11-30").content.decode()
    link = re.search(rf'href="({re.escape(ADD)}\?employee={employee.pk}&amp;day=2026-11-30[^"]*)"', grid)[1].replace("&amp;", "&")

    form = client.get(link).content.decode()

    assert re.search(rf'<option value="{employee.pk}" selected', form)
    for value in ("2026-11-30", "09:00", "17:00"):
        assert f'value="{value}"' in form


def test_a_gap_leads_to_the_form_with_its_times(logged_in, employee):
    shift(employee, MONDAY, "10:30", "17:00")
    client = logged_in(Role.COORDINATOR)
    grid = client.get(f"{GRID}?week=2026-11-30").content.decode()
    link = re.search(r'class="gap"><a href="([^"]+)"', grid)[1].replace("&amp;", "&")

    form = client.get(link).content.decode()

    for value in ("2026-11-30", "09:00", "10:30"):
        assert f'value="{value}"' in form


def test_the_form_for_today_begins_at_the_next_quarter(logged_in, employee, clock):
    clock.at("2026-11-24 10:07")

    form = logged_in(Role.COORDINATOR).get(f"{ADD}?employee={employee.pk}&day=2026-11-24").content.decode()

    assert 'value="10:15"' in form


@pytest.mark.parametrize("day", ["x", "2026-02-30", "0001-01-01", "9999-12-31", "2026-11-30&starts_at=x", "2026-11-30&employee=x"])
def test_the_form_opens_whatever_stands_in_its_address(logged_in, day):
    assert logged_in(Role.COORDINATOR).get(f"{ADD}?day={day}").status_code == 200


def test_a_second_shift_at_the_same_time_is_refused_with_the_first(logged_in, employee):
    shift(employee, MONDAY, "09:00", "13:00")

    answer = logged_in(Role.COORDINATOR).post(ADD, wanted(employee, starts_at="12:00"))

    assert answer.status_code == 200
    assert "30-11-2026 09:00 – 13:00. Nobody can be planned twice." in text(answer)
    assert Shift.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_is_planned_by_several_at_the_same_moment_is_planned_once(logged_in, employee):
    clients = [logged_in(Role.COORDINATOR) for _ in range(4)]

    def plans(n: int) -> int:
        try:
            return clients[n].post(ADD, wanted(employee, starts_at=f"{9 + n:02}:00")).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(plans, range(4)))

    assert sorted(answers) == [200, 200, 200, 302]
    assert Shift.objects.count() == 1


def test_a_shift_is_changed_and_may_go_to_a_colleague(logged_in, region, employee):
    planned, colleague = shift(employee, MONDAY, "09:00", "13:00"), EmployeeFactory(region=region)

    logged_in(Role.COORDINATOR).post(page_of(planned), wanted(colleague, ends_at="12:30"))

    planned.refresh_from_db()
    assert (planned.employee, planned.ends_at) == (colleague, at(MONDAY, "12:30"))


def test_a_gap_is_told_after_saving_and_blocks_nothing(logged_in, employee):
    client = logged_in(Role.COORDINATOR)

    part, whole = client.post(ADD, wanted(employee, starts_at="10:30")), client.post(ADD, wanted(employee, day="2026-12-01"))

    assert Shift.objects.count() == 2
    assert "Nobody is planned yet: Mon 30 Nov. 09:00–10:30." in told(part)
    assert "Nobody is planned" not in told(whole).removeprefix(told(part))


def test_the_gap_of_a_shift_that_is_removed_is_told(logged_in, employee):
    planned = shift(employee, MONDAY, "09:00", "17:00")

    answer = logged_in(Role.COORDINATOR).post(page_of(planned, "delete"), {"post": "yes"})

    assert not Shift.objects.exists()
    assert "Nobody is planned yet: Mon 30 Nov. 09:00–17:00." in told(answer)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"starts_at": "17:00", "ends_at": "09:00"}, "The end has to be later"),
        ({"day": "2026-11-23"}, "This moment is over"),
        ({"day": "2026-11-24", "starts_at": "10:00"}, "This moment is over"),
        ({"day": "2028-11-24"}, "more than a year away"),
        ({"day": "2027-03-28", "starts_at": "02:30"}, "does not exist on that day"),
        ({"day": "9999-12-31", "ends_at": "00:00"}, ""),
        ({"day": "0001-01-01", "starts_at": "00:00"}, ""),
        ({"day": ""}, "required"),
    ],
)
def test_what_cannot_be_planned_says_why(logged_in, employee, fields, sentence):
    answer = logged_in(Role.COORDINATOR).post(ADD, wanted(employee) | fields)

    assert answer.status_code == 200
    assert sentence in text(answer)
    assert not Shift.objects.exists()


def test_who_cannot_answer_chats_is_not_planned(logged_in, region):
    gone, manager = EmployeeFactory(region=region, is_active=False), EmployeeFactory(region=region, role=Role.MANAGER)
    client = logged_in(Role.COORDINATOR)

    for who in (gone, manager):
        assert client.post(ADD, wanted(who)).status_code == 200
    assert not Shift.objects.exists()


# ---------------------------------------------------------------- what has begun


@pytest.mark.parametrize("role", PLANNING)
def test_a_shift_that_has_begun_stays_as_it_was_planned(logged_in, employee, role):
    begun = shift(employee, TODAY, "10:00", "17:00")
    client = logged_in(role)

    page = client.get(page_of(begun))
    changed = client.post(page_of(begun), wanted(employee, day="2026-11-24", starts_at="11:00"))
    removed = client.post(page_of(begun, "delete"), {"post": "yes"})

    assert "stays as it was planned" in text(page)
    assert 'name="_save"' not in page.content.decode()
    assert [changed.status_code, removed.status_code] == [302, 302]
    assert "stays as it was planned" in told(changed)
    begun.refresh_from_db()
    assert begun.starts_at == at(TODAY, "10:00")


def test_a_shift_that_begins_in_a_minute_can_still_be_changed(logged_in, employee, clock):
    planned = shift(employee, TODAY, "10:01", "17:00")
    client = logged_in(Role.COORDINATOR)

    client.post(page_of(planned), wanted(employee, day="2026-11-24", starts_at="11:00"))
    planned.refresh_from_db()
    assert planned.starts_at == at(TODAY, "11:00")

    clock.at("2026-11-24 11:00")
    client.post(page_of(planned), wanted(employee, day="2026-11-24", starts_at="12:00"))
    planned.refresh_from_db()
    assert planned.starts_at == at(TODAY, "11:00")


# ---------------------------------------------------------------- absence


def test_absence_of_whole_days_needs_the_days_alone(logged_in, employee):
    client = logged_in(Role.COORDINATOR)

    client.post(ABSENT, {"employee": employee.pk, "starts_at": "2026-11-30", "ends_at": "2026-12-02", "begins": "", "ends": ""})
    client.post(ABSENT, {"employee": employee.pk, "starts_at": "2026-12-10", "ends_at": "", "begins": "", "ends": ""})

    with override("en"):
        found = [rota.in_words((one.starts_at, one.ends_at)) for one in Absence.objects.all()]
    assert found == ["Mon 30 Nov. – Wed 2 Dec.", "Thu 10 Dec."]


def test_absence_of_a_part_of_a_day_has_its_times(logged_in, employee):
    client = logged_in(Role.COORDINATOR)
    client.post(ABSENT, {"employee": employee.pk, "starts_at": "2026-11-30", "begins": "11:00", "ends": "12:30"})
    absent = Absence.objects.get()

    form = client.get(page_of(absent)).content.decode()

    assert (absent.starts_at, absent.ends_at) == (at(MONDAY, "11:00"), at(MONDAY, "12:30"))
    for value in ("2026-11-30", "11:00", "12:30"):
        assert f'value="{value}"' in form


def test_absence_that_leaves_the_line_without_anybody_says_so(logged_in, region, employee):
    colleague = EmployeeFactory(region=region)
    shift(employee, MONDAY, "09:00", "17:00")
    shift(colleague, MONDAY, "12:00", "17:00")
    client = logged_in(Role.COORDINATOR)

    alone = client.post(ABSENT, {"employee": employee.pk, "starts_at": "2026-11-30"})

    assert "By this absence nobody is planned any more: Mon 30 Nov. 09:00–12:00." in told(alone)


def test_absence_of_somebody_who_is_not_needed_says_nothing(logged_in, employee):
    answer = logged_in(Role.COORDINATOR).post(ABSENT, {"employee": employee.pk, "starts_at": "2026-11-30"})

    assert "nobody is planned" not in told(answer)


def test_absence_is_added_to_a_shift_that_has_begun(logged_in, employee):
    shift(employee, TODAY, "09:00", "17:00")

    answer = logged_in(Role.COORDINATOR).post(ABSENT, {"employee": employee.pk, "starts_at": "2026-11-24"})

    assert "nobody is planned any more: Tue 24 Nov. 10:00–17:00." in told(answer)
    assert Absence.objects.get().starts_at == rota.midnight(TODAY)


@pytest.mark.parametrize(
    "fields",
    [
        {"ends_at": "2026-11-29"},
        {"begins": "12:00", "ends": "11:00"},
        {"starts_at": "2036-11-30"},
        {"ends_at": "2036-11-30"},
        {"starts_at": "0001-01-01"},
        {"ends_at": "9999-12-31"},
        {"starts_at": "2027-03-28", "begins": "02:30"},
    ],
)
def test_absence_that_cannot_be_is_refused(logged_in, employee, fields):
    answer = logged_in(Role.COORDINATOR).post(ABSENT, {"employee": employee.pk, "starts_at": "2026-11-30"} | fields)

    assert answer.status_code == 200
    assert not Absence.objects.exists()


def test_no_reason_of_an_absence_is_kept():
    """Privacy: only who and when."""
    assert {field.name for field in Absence._meta.get_fields()} == {"id", "employee", "starts_at", "ends_at"}


def test_absence_can_be_changed_and_taken_back(logged_in, employee):
    absent = AbsenceFactory(employee=employee, starts_at=rota.midnight(MONDAY), ends_at=rota.midnight(MONDAY + timedelta(days=1)))
    client = logged_in(Role.COORDINATOR)

    client.post(page_of(absent), {"employee": employee.pk, "starts_at": "2026-12-01"})
    absent.refresh_from_db()
    assert absent.starts_at == rota.midnight(date(2026, 12, 1))

    client.post(page_of(absent, "delete"), {"post": "yes"})
    assert not Absence.objects.exists()


# ---------------------------------------------------------------- many shifts


def test_copying_tells_what_was_made_and_what_was_left_out_and_why(logged_in, employee):
    for n in range(5):
        shift(employee, date(2026, 12, 14) + timedelta(days=n), "09:00", "17:00")
    shift(employee, date(2026, 12, 21), "09:00", "17:00")

    answer = logged_in(Role.COORDINATOR).post(COPY, {"week": "2026-12-14", "weeks": "1"})

    assert "3 shifts made." in told(answer)
    assert "1 shift left out (stands already): Fatima Mon 21 Dec." in told(answer)
    assert "1 shift left out (the line is closed that day): Fatima Fri 25 Dec." in told(answer)
    assert answer.headers["Location"].startswith(f"{GRID}?week=2026-12-21")


@pytest.mark.parametrize("weeks", ["0", "9", "-1", "x", "", "1000000000000000000000"])
def test_only_one_to_eight_weeks_are_planned_at_once(logged_in, employee, weeks):
    shift(employee, MONDAY, "09:00", "17:00")

    answer = logged_in(Role.COORDINATOR).post(COPY, {"week": "2026-11-30", "weeks": weeks})

    assert "from 1 to 8" in told(answer)
    assert Shift.objects.count() == 1


def test_an_empty_week_says_that_there_was_nothing_to_copy(logged_in):
    answer = logged_in(Role.COORDINATOR).post(COPY, {"week": "2026-11-30", "weeks": "1"})

    assert "nothing to copy" in told(answer)


def test_the_administrator_plans_for_the_region_that_was_chosen(logged_in, employee):
    EmployeeFactory(region=RegionFactory(name="Aaa"))
    client = logged_in(Role.ADMINISTRATOR)

    sends(client, "account,dag,van,tot\nfo-1,2026-11-30,09:00,17:00\n", region=employee.region_id)
    client.post(COPY, {"week": "2026-11-30", "weeks": "1", "region": employee.region_id})

    assert Shift.objects.filter(employee=employee).count() == 2


def test_every_line_of_a_file_gets_its_verdict(logged_in, employee):
    shift(employee, MONDAY, "09:00", "17:00")
    client = logged_in(Role.COORDINATOR)

    good = text(sends(client, "account;dag;van;tot\nfo-1;30-11-2026;09:00;17:00\nfo-1;1-12-2026;09:00;17:00\n"))
    bad = text(sends(client, "account;dag;van;tot\nfo-1;2-12-2026;09:00;17:00\nfo-9;2-12-2026;09:00;17:00\n"))

    assert "1 shift made" in good
    assert "1 stood already." in good
    assert "1 line is wrong, so nothing is stored." in bad
    assert "good, not stored" in bad
    assert "This account is not known here" in bad
    assert Shift.objects.count() == 2


def test_what_stands_in_a_file_is_shown_as_text(logged_in, employee):
    page = sends(logged_in(Role.COORDINATOR), "account,dag,van,tot\n<script>alert(1)</script>,=1+1,\x00,{{ 7 }}\n").content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x" * (129 * 1024), "account;dag;van;tot\nco\xf6;1;2;3".encode("cp1252")])
def test_a_file_that_cannot_be_read_says_why_and_stores_nothing(logged_in, content):
    page = text(sends(logged_in(Role.COORDINATOR), content))

    assert "Nothing is stored." in page


def test_a_form_without_a_file_is_answered(logged_in):
    assert "Nothing is stored." in text(logged_in(Role.COORDINATOR).post(IMPORT, {}))


def test_who_comes_to_the_desk_reads_who_of_the_region_is_planned_today(client):
    me = EmployeeFactory(name="Ans")
    at = datetime(2026, 11, 24, 12, 30, tzinfo=AMSTERDAM)
    ShiftFactory(employee=me, starts_at=at, ends_at=at + timedelta(hours=4))
    ShiftFactory(employee=EmployeeFactory(name="Bo", region=me.region), starts_at=at - timedelta(hours=3, minutes=30), ends_at=at)
    ShiftFactory(employee=EmployeeFactory(name="Cas", region=me.region), starts_at=at + timedelta(days=1))
    ShiftFactory(employee=EmployeeFactory(name="Dia"), starts_at=at)
    client.force_login(me)

    boot = client.get("/staff/").context["boot"]

    assert boot["rota"] == [{"name": "Bo", "time": "09:00-12:30"}, {"name": "Ans", "time": "12:30-16:30"}]
