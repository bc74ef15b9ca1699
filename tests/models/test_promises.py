"""`selfcheck` finds each kind of damage, made here by hand, and says nothing of what is well (P18)."""

import threading
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from chat.models import Entry
from config import promises
from config.watch import Watcher
from registration.models import Delivery, RegisteredConversation, Registration, Version
from staffing import clock as the_clock
from staffing.models import Alarm, Duty, Found
from staffing.rules import AlarmKind
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory, writes
from tests.registering import closed, code_lists, draft, registered

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture
def region():
    return RegionFactory(open=True)


@pytest.fixture
def healthy(region, settings, tmp_path):
    """Chats that wait, run, are over and registered, in a region that is staffed."""
    code_lists()
    settings.CLAVIS_DIR = tmp_path / "clavis"
    EmployeeFactory(region=region, on_duty=True)
    ConversationFactory(region=region)
    ConversationFactory(region=None)
    held = ConversationFactory(region=region, held=True)
    writes(held, "Hallo", "ben je daar?")
    draft(region=region)
    registered(region=region)
    closed(region=region)
    return held


def sql(statement: str, *parameters) -> None:
    """By hand, past every verb."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        assert cursor.rowcount > 0


def broken(at) -> dict[str, list[str]]:
    return promises.broken(at)


# ---------------------------------------------------------------- nothing is wrong


def test_a_healthy_line_keeps_every_promise(healthy, clock):
    assert broken(clock.now()) == {}


def test_a_new_installation_keeps_every_promise(clock):
    assert broken(clock.now()) == {}


def test_a_purged_conversation_has_no_messages_and_breaks_nothing(healthy, clock):
    Entry.objects.filter(conversation=healthy).delete()
    healthy.key.delete()

    assert broken(clock.now()) == {}


def test_a_line_that_was_closed_for_a_night_keeps_every_promise(healthy, clock):
    """Nobody is on duty, drafts and registrations wait; what runs was given back by the watch."""
    watcher = Watcher()
    clock.at("2026-11-25 03:00")
    watcher.look_after(clock.now())
    watcher.look_after(clock.forward(seconds=3))

    assert broken(clock.now()) == {}


def test_evaluating_takes_as_many_statements_for_many_as_for_one(healthy, region, clock):
    with connection.execute_wrapper(counted := Counted()):
        broken(clock.now())
    few = counted.statements
    for _ in range(5):
        other = RegionFactory(open=True)
        ConversationFactory(region=other)
        EmployeeFactory(region=other, on_duty=True)
        closed(region=region)
    sql("UPDATE chat_conversation SET last_seq = last_seq + 1")

    counted.statements = 0
    with connection.execute_wrapper(counted):
        assert set(broken(clock.now())) == {"P2"}

    assert counted.statements == few


class Counted:
    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute, *args):
        self.statements += 1
        return execute(*args)


# ---------------------------------------------------------------- one damage for each promise


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM chat_entry WHERE seq = 2",
        "DELETE FROM chat_entry WHERE seq = 1",
        "UPDATE chat_entry SET seq = 7 WHERE seq = 3",
        "UPDATE chat_conversation SET last_seq = last_seq + 1 WHERE last_seq = 3",
        "DELETE FROM chat_entry",
    ],
)
def test_p2_a_gap_in_the_log(region, clock, damage):
    held = ConversationFactory(region=region, held=True)
    writes(held, "Hallo", "ben je daar?")

    sql(damage)

    assert broken(clock.now()) == {"P2": [str(held.pk)]}


def test_p7_a_waiting_chat_that_nobody_is_offered_and_no_alarm_tells_of(clock):
    waiting = ConversationFactory(region=RegionFactory(open=True))

    assert broken(clock.forward(seconds=59)) == {}
    assert broken(clock.forward(seconds=1)) == {"P7": [str(waiting.pk)]}

    Watcher().look_after(clock.now())
    assert broken(clock.now()) == {}


def test_p7_a_chat_that_somebody_was_offered_a_minute_ago_is_about_to_be_an_alarm(region, clock):
    ConversationFactory(region=region)
    EmployeeFactory(region=region, on_duty=True)

    clock.forward(seconds=45)  # silent since 15 s

    assert broken(clock.now()) == {}
    assert "P7" in broken(clock.forward(seconds=46))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE chat_conversation SET holder_id = NULL",
        "UPDATE chat_conversation SET interrupted_at = started_at",
        "UPDATE chat_conversation SET state = 'waiting'",
    ],
)
def test_p8_a_conversation_with_no_holder_or_with_too_much_of_one(region, clock, damage):
    held = ConversationFactory(region=region, held=True)

    sql(damage)

    assert broken(clock.now())["P8"] == [str(held.pk)]


def test_p9_a_held_conversation_whose_employee_is_gone_and_that_nobody_has_offered_again(region, clock):
    held = ConversationFactory(region=region, held=True)
    Duty.objects.update(heard_at=clock.now())

    assert "P9" not in broken(clock.forward(seconds=89))
    assert broken(clock.forward(seconds=1))["P9"] == [str(held.pk)]

    Watcher().look_after(clock.now())
    assert broken(clock.now()) == {}


def test_p9_a_conversation_that_was_just_accepted_has_its_employee(region, clock):
    employee = EmployeeFactory(region=region, on_duty__heard_at=None)

    ConversationFactory(region=region, held=employee)

    assert broken(clock.now()) == {}


def test_p10_an_open_region_without_anybody_and_without_an_alarm(region, clock):
    EmployeeFactory(region=region)

    assert broken(clock.now()) == {"P10": [region.code]}

    Watcher().look_after(clock.now())
    assert broken(clock.now()) == {}


def test_p10_who_has_just_begun_or_fallen_silent_is_no_gap_yet_nor_is_an_opening_of_this_minute(region, clock):
    clock.at("2026-11-24 08:59")
    employee = EmployeeFactory(region=region)
    assert broken(clock.at("2026-11-24 09:00:59")) == {}
    assert broken(clock.at("2026-11-24 09:01")) == {"P10": [region.code]}

    duty = Duty.objects.create(employee=employee, started_at=clock.now())
    assert broken(clock.forward(seconds=50)) == {}

    Duty.objects.filter(pk=duty.pk).update(heard_at=clock.now())
    assert broken(clock.forward(seconds=89)) == {}
    assert broken(clock.forward(seconds=1)) == {"P10": [region.code]}


def test_p10_a_region_that_takes_no_part_needs_nobody(region, clock):
    assert broken(clock.now()) == {}


def test_p10_a_watch_that_is_silent(clock):
    Watcher().look_after(clock.now())

    assert broken(clock.forward(seconds=90)) == {}
    assert broken(clock.forward(seconds=1)) == {"P10": ["watch"]}


def test_p11_an_accepted_conversation_without_a_registration(region, clock):
    held = ConversationFactory(region=region, held=True)

    RegisteredConversation.objects.all().delete()

    assert broken(clock.now()) == {"P11": [str(held.pk)]}


def test_p12_a_closed_registration_without_a_version_and_a_version_without_a_delivery(healthy, clock):
    kept = Registration.objects.get(state="closed")
    Delivery.objects.all().delete()
    assert broken(clock.now()) == {"P12": [f"{kept.pk}-v1"]}

    Version.objects.all().delete()
    assert broken(clock.now()) == {"P12": [kept.reference]}


@pytest.mark.parametrize("damage", [{"state": "stuck"}, {"state": "due", "due_at": datetime(2026, 11, 24, 8, tzinfo=UTC)}])
def test_p12_a_delivery_that_is_late_or_stuck_and_no_alarm_tells_of_it(healthy, clock, damage):
    kept = Registration.objects.get(state="closed")

    Delivery.objects.update(**damage)

    assert broken(clock.now()) == {"P12": [f"{kept.pk}-v1"]}
    Watcher().look_after(clock.now())
    assert "P12" not in broken(clock.now())


def test_p12_the_alarm_of_another_region_is_none_for_this_one(healthy, clock):
    sql("UPDATE registration_delivery SET state = 'stuck'")
    Alarm.objects.stand(Found(AlarmKind.CLAVIS, RegionFactory().pk), at=clock.now())

    assert "P12" in broken(clock.now())


# ---------------------------------------------------------------- the command


def selfcheck(clock) -> str:
    """What the command prints, with time passing for it; with its error when there is one."""
    said, ended = StringIO(), threading.Event()

    def passes():
        while not ended.wait(0.01):
            if clock.waiting:
                clock.at(clock.waiting[0])

    time = threading.Thread(target=passes, daemon=True)
    time.start()
    try:
        call_command("selfcheck", stdout=said)
    except CommandError as error:
        said.write(f"{error} ({error.returncode})")
    finally:
        ended.set()
        time.join()
    return said.getvalue()


def test_the_command_has_a_line_for_each_promise(healthy, clock):
    lines = selfcheck(clock).splitlines()

    assert [line.split()[:3] for line in lines] == [[promise, "kept", "0"] for promise in promises.PROMISES]
    assert all(len(line.split()) > 5 for line in lines)


def test_the_command_names_what_breaks_a_promise_and_ends_with_an_error(healthy, clock):
    Entry.objects.filter(conversation=healthy, seq=2).delete()

    said = selfcheck(clock)

    assert "P2  BROKEN      1  conversations" in said
    assert str(healthy.pk) in said
    assert "P7  kept" in said
    assert said.endswith("broken: P2 (1)")


def test_the_command_gives_the_watch_the_time_to_see_it(clock, monkeypatch):
    """Before its second look an alarm stands."""
    ConversationFactory(region=RegionFactory(open=True))
    clock.forward(minutes=2)
    looks = []

    def once_more(at, evaluate=promises.broken):
        looks.append(at)
        if len(looks) == 2:
            Watcher().look_after(at)
        return evaluate(at)

    monkeypatch.setattr(promises, "broken", once_more)

    assert "BROKEN" not in selfcheck(clock)
    assert looks[1] - looks[0] == promises.AGAIN


def test_the_command_names_what_is_stuck_although_an_alarm_stands(healthy, clock):
    sql("UPDATE registration_delivery SET state = 'stuck'")
    Watcher().look_after(clock.now())

    said = selfcheck(clock)

    assert "BROKEN" not in said
    assert f"1: {Registration.objects.get(state='closed').pk}-v1" in said


# ---------------------------------------------------------------- P17


@pytest.mark.sqlite_only
def test_p17_on_sqlite_there_is_one_clock():
    assert promises.clock_ahead() is None


@pytest.mark.postgresql_only
def test_p17_the_difference_to_the_clock_of_the_database_is_known(monkeypatch):
    class Fast(the_clock.Clock):
        def now(self):
            return super().now() + timedelta(seconds=5)

    monkeypatch.setattr(the_clock, "current", the_clock.Clock(ahead=timedelta(days=30)))
    assert promises.clock_ahead() == timedelta(0), "the clock of the demonstration is moved on purpose"
    monkeypatch.setattr(the_clock, "current", Fast())
    assert timedelta(seconds=4) < promises.clock_ahead() <= timedelta(seconds=5)
