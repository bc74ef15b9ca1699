"""Alarms in the admin: what stands is the first thing on the first page, and one press says who takes care."""

import re

import pytest
from django.test import Client

from chat import hints
from staffing.models import Alarm, Found, Look, Role, Watch
from staffing.rules import AlarmKind
from tests.factories import EmployeeFactory, RegionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
ALARMS = "/admin/staffing/alarm/"
OVERSEEING = [Role.COORDINATOR, Role.MANAGER, Role.ADMINISTRATOR]


@pytest.fixture
def region():
    return RegionFactory(name="Zaanstreek-Waterland")


@pytest.fixture
def logged_in(region):
    def log_in(role: Role) -> Client:
        employee = EmployeeFactory(role=role, region=None if role == Role.ADMINISTRATOR else region)
        client = Client(HTTP_ACCEPT_LANGUAGE="en")
        client.force_login(employee)
        client.employee = employee
        return client

    return log_in


@pytest.fixture
def stands(region, clock):
    def stand(kind=AlarmKind.NOBODY_ON_DUTY, of=region, about="", **more) -> Alarm:
        found = Found(kind, of.pk if of else None, about, **more)
        Alarm.objects.stand(found, at=clock.now())
        return Alarm.objects.get(key=found.key, over_at=None)

    return stand


def items(client) -> list[str]:
    """The list `Alarmen` of the first page, each item as text."""
    page = client.get("/admin/").content.decode()
    found = re.search(r'<section class="alarms".*?</section>', page, re.S)
    assert found
    assert '<h2 id="alarms">Alarms</h2>' in found[0]
    texts = re.findall(r"<li.*?</li>", found[0], re.S) or re.findall(r"<p>.*?</p>", found[0], re.S)
    return [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for text in texts]


@pytest.mark.parametrize("role", OVERSEEING)
def test_without_an_alarm_the_first_page_says_so(logged_in, role):
    assert items(logged_in(role)) == ["There is no alarm."]


def test_an_alarm_says_in_words_what_about_whom_and_since_when(logged_in, region, stands, clock):
    stands(AlarmKind.LATE, about="1", employee=EmployeeFactory(name="Noor", region=region).pk)
    clock.forward(minutes=12)
    stands(AlarmKind.NOBODY_ON_DUTY)

    late, nobody = items(logged_in(Role.COORDINATOR))

    assert late.startswith("● Warning: Planned, and not on duty Noor since 24 Nov. 10:00 (12")
    assert nobody.startswith("▲ Alarm: Nobody is on duty since 24 Nov. 10:12 (0")
    assert late.endswith("I take care of it")


def test_a_coordinator_sees_the_own_region_and_what_is_everybodys(logged_in, stands):
    stands()
    stands(of=RegionFactory())
    stands(AlarmKind.WAITING_OFFERED_TO_NOBODY, of=None)
    stands(AlarmKind.PROMISE, of=None, about="P2")
    client = logged_in(Role.COORDINATOR)

    assert len(items(client)) == 2
    page = client.get(ALARMS).content.decode()
    assert len(re.findall(rf'href="{ALARMS}[^"]+/change/', page)) == 2


def test_a_national_administrator_sees_all_with_their_regions_and_no_more_than_can_be_read(logged_in, stands):
    for n in range(20):
        stands(of=RegionFactory(name=f"Veilig Thuis {n}"))
    client = logged_in(Role.ADMINISTRATOR)

    shown = items(client)

    assert len(shown) == 12
    assert all("Veilig Thuis" in item for item in shown)
    assert "All 20 alarms that stand" in client.get("/admin/").content.decode()
    assert len(re.findall(r"action-select", client.get(f"{ALARMS}?standing=yes").content.decode())) >= 20


def test_one_press_says_who_takes_care_and_the_next_one_hears_it(logged_in, stands):
    alarm = stands()
    first, second = logged_in(Role.COORDINATOR), logged_in(Role.COORDINATOR)

    answer = first.post(f"{ALARMS}{alarm.pk}/take/", follow=True)
    assert "You take care of it." in answer.content.decode()
    answer = second.post(f"{ALARMS}{alarm.pk}/take/", follow=True)
    assert f"{first.employee.name} takes care of it already." in answer.content.decode()

    alarm.refresh_from_db()
    assert alarm.taken_by == first.employee
    (item,) = items(second)
    assert item.endswith(f"{first.employee.name} takes care of it")
    assert Look.objects.filter(action="change", kind="alarm", part="take").count() == 2


def test_who_is_taken_care_of_comes_after_who_is_not(logged_in, stands, clock):
    old = stands()
    old.take(by=EmployeeFactory(), at=clock.now())
    clock.forward(minutes=1)
    stands(AlarmKind.CLAVIS)

    assert ["Clavis" in item for item in items(logged_in(Role.COORDINATOR))] == [True, False]


def test_an_alarm_that_is_over_is_not_taken(logged_in, stands, clock):
    alarm = stands()
    Alarm.objects.update(over_at=clock.now())

    answer = logged_in(Role.COORDINATOR).post(f"{ALARMS}{alarm.pk}/take/", follow=True)

    assert "This alarm is over meanwhile." in answer.content.decode()
    assert Alarm.objects.get().taken_by is None


@pytest.mark.parametrize("role", [Role.FRONT_OFFICE, Role.MANAGER])
def test_who_only_reads_takes_nothing(logged_in, stands, role):
    alarm, client = stands(), logged_in(role)

    assert client.post(f"{ALARMS}{alarm.pk}/take/").status_code == 403
    client.post(ALARMS, {"action": "take", "_selected_action": str(alarm.pk)})

    assert Alarm.objects.get().taken_by is None
    if role == Role.MANAGER:
        assert items(client)[0].endswith("Nobody takes care of it yet")


@pytest.mark.parametrize("where", ["another region", "for operators", "no number"])
def test_what_is_not_for_this_region_is_not_here(logged_in, stands, where):
    alarm = stands(of=RegionFactory()) if where == "another region" else stands(AlarmKind.PROMISE, of=None)
    address = f"{ALARMS}{'x%00' if where == 'no number' else alarm.pk}/take/"

    assert logged_in(Role.COORDINATOR).post(address).status_code == 404

    assert Alarm.objects.get().taken_by is None


def test_nothing_is_taken_by_a_link(logged_in, stands):
    alarm = stands()

    logged_in(Role.COORDINATOR).get(f"{ALARMS}{alarm.pk}/take/")

    assert Alarm.objects.get().taken_by is None


def test_several_are_taken_at_once_in_the_list_and_nothing_else_is_changed_there(logged_in, stands, clock):
    mine, taken, over = stands(about="1"), stands(about="2"), stands(about="3")
    taken.take(by=EmployeeFactory(), at=clock.now())
    Alarm.objects.filter(pk=over.pk).update(over_at=clock.now())
    client = logged_in(Role.COORDINATOR)

    answer = client.post(ALARMS, {"action": "take", "_selected_action": [str(one.pk) for one in (mine, taken, over)]}, follow=True)

    assert "You take care of 1 alarm." in answer.content.decode()
    assert Alarm.objects.get(pk=mine.pk).taken_by == client.employee
    assert Alarm.objects.get(pk=over.pk).taken_by is None
    assert client.post(f"{ALARMS}{mine.pk}/change/", {"text": "anders"}).status_code == 403
    assert client.get(f"{ALARMS}add/").status_code == client.get(f"{ALARMS}{mine.pk}/delete/").status_code == 403


@pytest.mark.parametrize(("asked", "count"), [("", 3), ("yes", 2), ("free", 1), ("no", 1), ("nonsense", 3)])
def test_the_list_is_filtered_by_what_stands(logged_in, stands, clock, asked, count):
    stands(about="1")
    stands(about="2").take(by=EmployeeFactory(), at=clock.now())
    Alarm.objects.filter(pk=stands(about="3").pk).update(over_at=clock.now())

    page = logged_in(Role.COORDINATOR).get(f"{ALARMS}?standing={asked}").content.decode()

    assert len(set(re.findall(rf'href="{ALARMS}([^"/]+)/change/', page))) == count


def test_a_watch_that_is_silent_is_an_alarm_that_nobody_can_take(logged_in, clock, monkeypatch):
    Watch.objects.create(pk=1, by="x", until_at=clock.now(), heartbeat_at=clock.now())
    monkeypatch.setattr(hints, "here", type("Board", (), {"began_at": clock.now()}))
    client = logged_in(Role.COORDINATOR)
    clock.forward(seconds=90)
    assert items(client) == ["There is no alarm."]

    clock.forward(seconds=1)

    (item,) = items(client)
    assert item.startswith("▲ Alarm: Nobody watches the line")
    assert "I take care" not in item
