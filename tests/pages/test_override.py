"""The process step Handover, against its rule: a coordinator ends somebody's duty, says why, and answers for it."""

import pytest
from django.test import Client

from chat import entries, handover
from chat.models import Conversation
from chat.rules import State
from staffing.models import Alarm, Duty, Look, Region, Role
from staffing.refusal import Refused
from staffing.rules import AlarmKind, Refusal
from tests.factories import ConversationFactory, DutyFactory, EmployeeFactory, RegionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
PASSWORD = "een lange zin die niemand raadt"
REASON = "Brandalarm, iedereen moet naar buiten"


@pytest.fixture
def region():
    return RegionFactory(open=True)


@pytest.fixture
def logged_in(region):
    """`logged_in(Role.COORDINATOR)`: the browser of somebody of `region` with PASSWORD."""

    def log_in(role: Role, of: Region | None = None) -> Client:
        employee = EmployeeFactory(role=role, region=None if role == Role.ADMINISTRATOR else of or region)
        employee.set_password(PASSWORD)
        employee.save()
        client = Client(HTTP_ACCEPT_LANGUAGE="en")
        client.force_login(employee)
        client.employee = employee
        return client

    return log_in


@pytest.fixture
def alone(region):
    """The running duty of the last one who is there."""
    return DutyFactory(employee__region=region)


def override(duty: Duty) -> str:
    return f"/admin/staffing/duty/{duty.pk}/override/"


def ends(client: Client, duty: Duty, reason: str = REASON, password: str = PASSWORD):
    return client.post(override(duty), {"reason": reason, "password": password})


def text(response) -> str:
    return response.content.decode()


def is_running(duty: Duty) -> bool:
    return Duty.objects.running().filter(pk=duty.pk).exists()


# ---------------------------------------------------------------- what it does


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.ADMINISTRATOR])
def test_a_coordinator_ends_a_duty_that_the_rule_would_keep_and_says_why(logged_in, alone, clock, role):
    client = logged_in(role)
    with pytest.raises(Refused):
        handover.leave(alone.employee, at=clock.now())

    done = ends(client, alone)

    alone.refresh_from_db()
    assert (done.status_code, done.headers["Location"]) == (302, f"/admin/staffing/duty/{alone.pk}/change/")
    assert (alone.ended_at, alone.ended_by, alone.reason) == (clock.now(), client.employee, REASON)
    alarm = Alarm.objects.get(kind=AlarmKind.OVERRIDE)
    assert (alarm.region, alarm.employee, alarm.over_at) == (alone.employee.region, alone.employee, None)
    assert alarm.text == f"{client.employee.name}: {REASON}"


def test_who_ended_it_and_why_is_recorded_as_a_look(logged_in, alone):
    client = logged_in(Role.COORDINATOR)

    ends(client, alone)

    look = Look.objects.get(action="change")
    assert (look.by, look.kind, look.object_id, look.part) == (client.employee, "duty", str(alone.pk), "override")
    assert (look.reason, look.basis, look.outcome) == (REASON, "region", "allowed")


def test_what_was_held_is_offered_again_at_once_and_the_chatter_reads_that_a_colleague_comes(logged_in, region, alone):
    held = [ConversationFactory(region=region, held=alone.employee) for _ in range(2)]

    ends(logged_in(Role.COORDINATOR), alone)

    for conversation in held:
        conversation.refresh_from_db()
        assert (conversation.state, conversation.holder, conversation.lost_holder) == (State.ACTIVE, None, alone.employee)
        assert "Er komt zo een collega." in entries.after(conversation.pk, 0, 100)[-1].text_
    assert Conversation.objects.work_of(region.pk).count() == 2


def test_before_it_is_decided_the_page_says_what_will_happen(logged_in, region, alone):
    ConversationFactory(region=region, held=alone.employee)
    ConversationFactory(region=region)

    page = text(logged_in(Role.COORDINATOR).get(override(alone)))

    assert "1 conversation is running. It is offered again at once" in page
    assert "1 chat of the region is waiting." in page
    assert "Nobody of the region can be reached then, and the line is open." in page
    assert is_running(alone)


def test_a_colleague_who_can_be_reached_is_counted(logged_in, region, alone, clock):
    EmployeeFactory(region=region, on_duty=True)
    EmployeeFactory(region=region, on_duty__heard_at=None)
    EmployeeFactory(on_duty=True)

    page = text(logged_in(Role.COORDINATOR).get(override(alone)))

    assert "1 colleague of the region can be reached." in page
    assert "No conversation is running" in page


def test_after_closing_a_forgotten_duty_is_no_gap(logged_in, alone, clock):
    clock.at("2026-11-24 19:00")

    page = text(logged_in(Role.COORDINATOR).get(override(alone)))

    assert "The line is closed and nobody waits." in page


# ---------------------------------------------------------------- what it does not do


@pytest.mark.parametrize("reason", ["", "   ", "\n\t "])
def test_nobody_ends_a_duty_without_a_reason(logged_in, alone, clock, reason):
    client = logged_in(Role.COORDINATOR)

    answer = ends(client, alone, reason=reason)

    assert (answer.status_code, is_running(alone)) == (400, True)
    assert "Without a reason no duty is ended." in text(answer)
    with pytest.raises(Refused) as no:
        handover.override(alone.employee, by=client.employee, reason=reason, at=clock.now())
    assert no.value.code is Refusal.INCOMPLETE
    assert is_running(alone)


def test_a_reason_can_be_read(logged_in, alone):
    """It stands in an alarm between the words of others."""
    client = logged_in(Role.COORDINATOR)

    assert ends(client, alone, reason="\u200b\u202e .").status_code == 400
    assert ends(client, alone, reason="\u202eZiek\x07 naar\r\n huis").status_code == 302

    alone.refresh_from_db()
    assert alone.reason == "Ziek naar huis"


def test_a_reason_has_an_end(logged_in, alone):
    answer = ends(logged_in(Role.COORDINATOR), alone, reason="a" * 401)

    assert (answer.status_code, is_running(alone)) == (400, True)


@pytest.mark.parametrize("password", ["", "van iemand anders", PASSWORD + " "])
def test_without_the_own_password_nothing_is_ended_and_that_is_recorded(logged_in, alone, password):
    client = logged_in(Role.COORDINATOR)

    answer = ends(client, alone, password=password)

    assert (answer.status_code, is_running(alone)) == (400, True)
    assert REASON in text(answer)
    assert not password or password not in text(answer)
    assert Look.objects.filter(outcome="refused", part="override", object_id=str(alone.pk)).exists() is bool(password)


def test_a_manager_ends_no_duty(logged_in, alone):
    client = logged_in(Role.MANAGER)

    assert (client.get(override(alone)).status_code, ends(client, alone).status_code) == (403, 403)

    assert is_running(alone)
    assert set(Look.objects.values_list("outcome", flat=True)) == {"refused"}


def test_front_office_ends_no_duty_of_others(logged_in, alone):
    assert ends(logged_in(Role.FRONT_OFFICE), alone).status_code == 403

    assert is_running(alone)


def test_a_duty_of_another_region_is_not_here_and_that_is_recorded(logged_in, alone):
    client = logged_in(Role.COORDINATOR, of=RegionFactory(open=True))

    assert ends(client, alone).status_code == 404

    look = Look.objects.get()
    assert (look.kind, look.object_id, look.part, look.outcome) == ("duty", str(alone.pk), "override", "refused")
    assert is_running(alone)


@pytest.mark.parametrize("number", ["0", "99999999999999999999", "x", "%00"])
def test_a_duty_that_is_none_is_not_here(logged_in, number):
    assert logged_in(Role.COORDINATOR).get(f"/admin/staffing/duty/{number}/override/").status_code == 404


def test_a_duty_that_is_over_is_not_ended_again(logged_in, alone, clock):
    EmployeeFactory(region=alone.employee.region, on_duty=True)
    handover.leave(alone.employee, at=clock.now())
    again = DutyFactory(employee=alone.employee)

    answer = ends(logged_in(Role.COORDINATOR), alone)

    alone.refresh_from_db()
    assert (answer.status_code, alone.ended_by, is_running(again)) == (302, None, True)
    assert not Alarm.objects.exists()


# ---------------------------------------------------------------- the way there


@pytest.mark.parametrize(("role", "offered"), [(Role.COORDINATOR, True), (Role.ADMINISTRATOR, True), (Role.MANAGER, False)])
def test_the_way_to_it_stands_at_the_running_duty_for_who_may(logged_in, alone, role, offered):
    page = text(logged_in(role).get(f"/admin/staffing/duty/{alone.pk}/change/"))

    assert (override(alone) in page) is offered


def test_at_a_duty_that_is_over_there_is_no_way_to_end_it(logged_in, alone, clock):
    Duty.objects.update(ended_at=clock.now())

    assert "override" not in text(logged_in(Role.COORDINATOR).get(f"/admin/staffing/duty/{alone.pk}/change/"))


def test_what_was_overridden_reads_so_at_the_duty(logged_in, alone):
    client = logged_in(Role.COORDINATOR)
    ends(client, alone)

    page = text(client.get(f"/admin/staffing/duty/{alone.pk}/change/"))

    assert REASON in page
    assert client.employee.name in page
