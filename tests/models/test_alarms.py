"""What asks for somebody's care stands until it is over, and is told outside the screens once, whatever the receivers do (P10)."""

import json
import threading
import uuid
from datetime import timedelta
from email.header import decode_header, make_header

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from staffing import alarms
from staffing.alarms import LEASE, OLD
from staffing.models import Alarm, Found, Role
from staffing.refusal import Refused
from staffing.rules import AlarmKind, Refusal
from tests.factories import EmployeeFactory, RegionFactory
from tests.receivers import HookServer, MailServer, serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]
NOBODY, UNSEEN, DANGER = AlarmKind.NOBODY_AVAILABLE, AlarmKind.WAITING_OFFERED_TO_NOBODY, AlarmKind.DANGER


@pytest.fixture
def mail(settings):
    with serving(MailServer()) as server:
        settings.EMAIL_URL = {"EMAIL_HOST": "127.0.0.1"}
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 5
        yield server


@pytest.fixture
def hook(settings):
    with serving(HookServer()) as server:
        settings.ALARM_HOOK = server.address
        yield server


@pytest.fixture
def region():
    return RegionFactory(name="Zaanstreek-Waterland", alarm_addresses="wacht@vt.example\ncoordinator@vt.example")


def stands(kind=NOBODY, region=None, about="", at=None, clock=None, **more) -> Alarm:
    found = Found(kind, region.pk if region else None, about, **more)
    assert Alarm.objects.stand(found, at=at or clock.now())
    return Alarm.objects.get(key=found.key, over_at=None)


def tells(clock) -> int:
    """As the watch does it: one after the other until there is none, or one fails."""
    told = 0
    for tell in (alarms.mail_next, alarms.hook_next):
        while tell(clock.now()):
            told += 1
    return told


def subjects(mail) -> list[str]:
    return [str(make_header(decode_header(one["Subject"]))) for _receivers, one in mail.arrived]


# ---------------------------------------------------------------- standing


def test_an_alarm_stands_once_until_it_is_over_and_may_stand_again(region, clock):
    found = Found(NOBODY, region.pk)

    assert Alarm.objects.settle([NOBODY], [found], at=clock.now())
    assert not Alarm.objects.settle([NOBODY], [found], at=clock.forward(minutes=1))
    assert Alarm.objects.settle([NOBODY], [], at=clock.forward(minutes=1))
    assert Alarm.objects.settle([NOBODY], [found], at=clock.forward(minutes=1))

    first, second = Alarm.objects.order_by("since_at")
    assert (first.over_at - first.since_at, second.over_at) == (timedelta(minutes=2), None)


@pytest.mark.parametrize("many", [1, 50])
def test_alarms_stand_and_are_over_in_as_many_statements_for_many_as_for_one(region, clock, many):
    found = [Found(UNSEEN, region.pk, str(n)) for n in range(many)]

    with CaptureQueriesContext(connection) as begin:
        Alarm.objects.settle([UNSEEN], found, at=clock.now())
    with CaptureQueriesContext(connection) as end:
        Alarm.objects.settle([UNSEEN], [], at=clock.now())

    assert Alarm.objects.filter(over_at=clock.now()).count() == many
    assert (len(begin), len(end)) == (5, 2)  # with begin and commit


def test_settling_one_kind_leaves_the_others_standing(region, clock):
    stands(AlarmKind.LATE, region, clock=clock)

    Alarm.objects.settle([NOBODY], [], at=clock.now())

    assert Alarm.objects.standing().get().kind == AlarmKind.LATE


def test_two_processes_that_find_the_same_let_one_alarm_stand(region, clock):
    at, found, new = clock.now(), Found(NOBODY, region.pk), []
    together = threading.Barrier(4)

    def finds():
        together.wait(30)
        new.append(Alarm.objects.settle([NOBODY], [found], at=at))
        connections.close_all()

    threads = [threading.Thread(target=finds) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(new) == [False, False, False, True]
    assert Alarm.objects.count() == 1


def test_who_takes_it_first_has_it_and_what_is_over_cannot_be_taken(region, clock):
    alarm, first, second = stands(NOBODY, region, clock=clock), EmployeeFactory(), EmployeeFactory()

    alarm.take(by=first, at=clock.now())
    Alarm.objects.get().take(by=second, at=clock.forward(seconds=1))
    assert Alarm.objects.get().taken_by == first

    Alarm.objects.settle([NOBODY], [], at=clock.now())
    with pytest.raises(Refused) as refused:
        alarm.take(by=second, at=clock.now())
    assert refused.value.code is Refusal.NOT_FOUND


def test_what_happened_at_one_moment_stands_until_somebody_has_taken_it_and_a_while_longer(region, clock):
    alarm, shown = stands(DANGER, region, clock=clock), timedelta(minutes=10)
    assert not Alarm.objects.put_away(at=clock.forward(hours=5), after=shown)

    alarm.take(by=EmployeeFactory(), at=clock.now())

    assert not Alarm.objects.put_away(at=clock.forward(minutes=9), after=shown)
    assert Alarm.objects.put_away(at=clock.forward(minutes=1), after=shown)
    assert not Alarm.objects.standing().exists()


def test_a_region_sees_its_own_and_everybodys_but_not_what_is_for_operators(region, clock):
    stands(NOBODY, region, clock=clock)
    stands(NOBODY, RegionFactory(), clock=clock)
    stands(UNSEEN, None, clock=clock)
    stands(AlarmKind.PROMISE, None, "P2", clock=clock)

    seen = Alarm.objects.for_region(region.pk).values_list("kind", flat=True)

    assert sorted(seen) == [NOBODY, UNSEEN]


# ---------------------------------------------------------------- by mail


def test_an_alarm_is_mailed_once_to_the_addresses_of_its_region(region, mail, clock):
    RegionFactory(alarm_addresses="anders@vt.example")
    stands(NOBODY, region, clock=clock)

    assert tells(clock) == 2
    assert tells(clock) == 0

    ((receivers, message),) = mail.arrived
    assert receivers == ["wacht@vt.example", "coordinator@vt.example"]
    assert "10:00" in message.get_payload(decode=True).decode()
    assert message["Auto-Submitted"] == "auto-generated"
    assert "vt.example" not in message["To"]


def test_mail_and_hook_carry_no_word_and_no_name_of_anybody(region, mail, hook, clock):
    who = EmployeeFactory(name="NAAM-MERK", region=region)
    conversation = uuid.uuid4()
    stands(DANGER, region, "x", clock=clock, employee=who.pk, conversation=conversation, text="WOORD-MERK")

    tells(clock)

    ((_receivers, message),) = mail.arrived
    (posted,) = hook.arrived
    told = message.as_string() + message.get_payload(decode=True).decode() + str(subjects(mail)) + json.dumps(posted)
    assert not any(secret in told for secret in ("MERK", str(conversation), who.username))
    assert set(posted) == {"alarm", "kind", "region", "since", "over"}
    assert (posted["kind"], posted["region"], posted["since"]) == ("danger", region.code, "2026-11-24T09:00:00+00:00")


def test_what_is_everybodys_goes_to_every_region_and_nobody_reads_the_others_addresses(region, mail, clock):
    RegionFactory(alarm_addresses="anders@vt.example\nwacht@vt.example")
    stands(UNSEEN, None, clock=clock)

    tells(clock)

    ((receivers, message),) = mail.arrived
    assert sorted(receivers) == ["anders@vt.example", "coordinator@vt.example", "wacht@vt.example"]
    assert "@vt.example" not in message.as_string()


def test_a_broken_promise_goes_to_the_national_administrators_and_to_no_region(region, mail, clock):
    EmployeeFactory(role=Role.ADMINISTRATOR, region=None, email="beheer@line.example")
    EmployeeFactory(role=Role.ADMINISTRATOR, region=None, email="weg@line.example", is_active=False)
    EmployeeFactory(role=Role.COORDINATOR, region=region, email="iemand@vt.example")
    stands(AlarmKind.PROMISE, None, "P2", clock=clock)

    tells(clock)

    assert [receivers for receivers, _mail in mail.arrived] == [["beheer@line.example"]]


def test_an_address_that_is_none_reaches_no_head_of_a_mail_and_keeps_no_alarm_from_the_others(mail, clock):
    wrong = ["geen adres", "a@b.example\rBcc: weg@x.example", "x@y.example, z@y.example", "", "Naam <n@y.example>"]
    region = RegionFactory(alarm_addresses="\n".join([*wrong, "  goed@vt.example  "]))
    stands(NOBODY, region, clock=clock)

    tells(clock)

    ((receivers, message),) = mail.arrived
    assert receivers[-1] == "goed@vt.example"
    assert "weg@x.example" not in receivers
    assert message["Bcc"] is None


def test_many_waiting_chats_of_one_region_are_one_mail_until_none_of_them_stands(region, mail, clock):
    """Anybody can let chats wait; nobody may fill a coordinator's mailbox by that."""
    Alarm.objects.settle([UNSEEN], [Found(UNSEEN, region.pk, str(n)) for n in range(20)], at=clock.now())
    tells(clock)
    assert len(mail.arrived) == 1

    Alarm.objects.settle([UNSEEN], [Found(UNSEEN, region.pk, "7"), Found(UNSEEN, region.pk, "new")], at=clock.forward(minutes=1))
    tells(clock)
    assert len(mail.arrived) == 1

    Alarm.objects.settle([UNSEEN], [], at=clock.forward(minutes=1))
    Alarm.objects.settle([UNSEEN], [Found(UNSEEN, region.pk, "later")], at=clock.forward(minutes=1))
    tells(clock)
    assert len(mail.arrived) == 2


def test_each_acute_danger_is_told(region, mail, clock):
    stands(DANGER, region, "1", clock=clock)
    stands(DANGER, region, "2", clock=clock)

    tells(clock)

    assert len(mail.arrived) == 2


def test_without_a_mail_server_and_a_hook_nothing_waits_to_be_told(region, clock, settings):
    assert not settings.EMAIL_URL
    stands(NOBODY, region, clock=clock)

    tells(clock)

    assert Alarm.objects.filter(mail_at=None, hook_at=None).count() == 1


# ---------------------------------------------------------------- unwilling receivers


@pytest.mark.parametrize("how", ["silent", "refuses", "gone"])
def test_a_mail_server_that_does_not_take_it_is_asked_again_ever_later_and_the_hook_is_told_meanwhile(
    region, mail, hook, clock, settings, how
):
    settings.EMAIL_TIMEOUT = 0.2
    if how == "gone":
        mail.shutdown()
        mail.server_close()
    else:
        setattr(mail, how, True)
    stands(NOBODY, region, clock=clock)

    waits = []
    for _ in range(5):
        assert not alarms.mail_next(clock.now())
        waits.append(int((Alarm.objects.get().mail_at - clock.now()).total_seconds()))
        clock.at(Alarm.objects.get().mail_at)
    alarms.hook_next(clock.now())

    assert waits == [15, 15, 30, 60, 120]
    assert Alarm.objects.get().attempts == 5
    assert len(hook.arrived) == 1
    if how == "refuses":
        mail.refuses = False
        assert alarms.mail_next(clock.now())
        assert len(mail.arrived) == 1


def test_what_is_told_late_says_when_it_was_over(region, mail, hook, clock):
    mail.refuses = True
    hook.answer = 503
    stands(NOBODY, region, clock=clock)
    tells(clock)
    Alarm.objects.settle([NOBODY], [], at=clock.forward(minutes=3))
    mail.refuses, hook.answer = False, 200

    tells(clock)

    assert "10:03" in mail.arrived[0][1].get_payload(decode=True).decode()
    assert hook.arrived[0]["over"] == "2026-11-24T09:03:00+00:00"


def test_what_could_not_be_told_for_a_day_is_history(region, mail, clock):
    mail.refuses = True
    stands(NOBODY, region, clock=clock)
    tells(clock)
    mail.refuses = False

    clock.at(clock.now() + OLD)

    assert tells(clock) == 0
    assert mail.arrived == []


def test_addresses_that_are_always_refused_do_not_keep_the_alarm_of_another_region(region, mail, clock):
    stands(NOBODY, RegionFactory(alarm_addresses="weg@vt.example"), clock=clock)
    mail.refuses = True
    tells(clock)
    mail.refuses = False
    stands(NOBODY, region, clock=clock)

    tells(clock)

    assert [receivers[0] for receivers, _mail in mail.arrived] == ["wacht@vt.example"]


@pytest.mark.parametrize("answer", [302, 307, 404, 500])
def test_a_hook_that_answers_anything_but_yes_is_asked_again_and_sends_us_nowhere(hook, clock, answer):
    elsewhere = HookServer()
    with serving(elsewhere):
        hook.answer, hook.elsewhere = answer, elsewhere.address
        stands(NOBODY, RegionFactory(), clock=clock)

        assert not alarms.hook_next(clock.now())

        hook.answer = 200
        assert not alarms.hook_next(clock.forward(seconds=14))
        assert alarms.hook_next(clock.forward(seconds=1))
    assert elsewhere.asked == 0
    assert len(hook.arrived) == 1


def test_two_processes_tell_each_alarm_once(region, hook, clock):
    for about in range(6):
        stands(DANGER, region, str(about), clock=clock)
    at, together = clock.now(), threading.Barrier(3)

    def process():
        together.wait(30)
        while alarms.hook_next(at):
            pass
        connections.close_all()

    processes = [threading.Thread(target=process) for _ in range(3)]
    for one in processes:
        one.start()
    for one in processes:
        one.join(30)

    assert sorted(one["alarm"] for one in hook.arrived) == sorted(str(pk) for pk in Alarm.objects.values_list("pk", flat=True))


def test_what_a_process_had_begun_to_tell_when_it_died_is_told_by_another(region, hook, clock, monkeypatch):
    stands(NOBODY, region, clock=clock)
    with monkeypatch.context() as patched:
        patched.setattr(alarms._opener, "open", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            alarms.hook_next(clock.now())

    assert not alarms.hook_next(clock.now()), "somebody may still be at it"
    assert alarms.hook_next(clock.at(clock.now() + LEASE))
    assert len(hook.arrived) == 1
