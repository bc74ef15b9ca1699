"""Somebody watches the line: one at a time, the next one when that one is gone, and whatever fails beside it (P10, P17, P18)."""

import asyncio
import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from chat import handover, presence
from chat.models import Conversation
from chat.rules import State
from config import promises, watch
from config.watch import Watcher
from registration.models import Delivery
from staffing import alarms, coverage, tally
from staffing.models import Alarm, Count, Watch
from staffing.rules import AlarmKind
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory
from tests.registering import closed, code_lists
from tests.threads import PATIENCE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture
def one():
    return Watcher()


@pytest.fixture
def other():
    return Watcher()


@pytest.fixture
def region():
    return RegionFactory(open=True)


def heartbeat():
    return Watch.objects.get().heartbeat_at


def standing() -> set[str]:
    return set(Alarm.objects.standing().values_list("kind", flat=True))


def fails(*args, **kwargs):
    raise RuntimeError("broken")


# ---------------------------------------------------------------- the lease


def test_one_watches_and_another_takes_over_within_thirty_seconds_when_it_is_gone(one, other, clock):
    assert one.look_after(clock.now())
    assert not other.look_after(clock.now())
    assert one.look_after(clock.forward(seconds=3))

    gone_at, took_over = clock.now(), False
    while not took_over:
        took_over = other.look_after(clock.forward(seconds=3))

    assert clock.now() - gone_at <= timedelta(seconds=30)
    assert heartbeat() == clock.now()
    assert not one.look_after(clock.now()), "who thaws finds that another one watches"


def test_who_ends_in_order_leaves_the_turn_at_once_and_what_was_counted_behind(one, other, clock):
    one.look_after(clock.now())
    tally.add("start_refused/closed", at=clock.now())

    one.end(clock.now())

    assert other.look_after(clock.now())
    assert Count.objects.get().number == 1


def test_who_lost_the_turn_while_it_was_frozen_writes_no_heartbeat(one, other, clock, monkeypatch):
    def frozen(at):
        other.look_after(clock.forward(seconds=20))
        return False

    with monkeypatch.context() as patched:
        patched.setattr(one, "_late_for_clavis", frozen)
        one.look_after(clock.now())

    assert Watch.objects.get().by == other.name
    assert heartbeat() == clock.now()


def test_a_lease_of_a_clock_that_was_moved_back_holds_nobody(one, other, clock):
    """The demonstration may begin at any moment, on the state of another one."""
    clock.at("2027-06-01 12:00")
    one.look_after(clock.now())

    clock.at("2026-11-24 12:00")

    assert other.look_after(clock.now())
    assert not Watch.objects.get().is_blind(clock.forward(seconds=31))


# ---------------------------------------------------------------- blind after a while without anybody


@pytest.fixture
def held(region):
    return ConversationFactory(region=region, held=True)


def passes(watcher, clock, seconds: int, heard=None) -> None:
    for _ in range(seconds // 3):
        clock.forward(seconds=3)
        if heard:
            presence.employee_heard(heard.pk, clock.now())
        watcher.look_after(clock.now())


def test_after_an_outage_nothing_is_taken_from_somebody_who_is_on_the_way_back(one, held, clock):
    one.look_after(clock.now())
    clock.forward(minutes=10)

    one.look_after(clock.now())
    passes(one, clock, 60, heard=held.holder)

    held.refresh_from_db()
    assert held.holder
    assert standing() == set()


def test_after_an_outage_nobody_who_waits_after_closing_is_given_up_while_colleagues_come_back(one, region, clock):
    """What still waits half an hour after closing lives as long as somebody is there for it."""
    clock.at("2026-11-24 16:58")
    waiting, employee = ConversationFactory(region=region), EmployeeFactory(region=region, on_duty=True)
    clock.at("2026-11-24 17:50")
    presence.employee_heard(employee.pk, clock.now())
    one.look_after(clock.now())
    clock.forward(minutes=2)

    one.look_after(clock.now())
    assert standing() == set()
    passes(one, clock, 45, heard=employee)

    waiting.refresh_from_db()
    assert waiting.state == State.WAITING
    assert standing() == set()


def test_after_an_outage_who_does_not_come_back_is_found_within_a_minute(one, held, clock):
    one.look_after(clock.now())
    clock.forward(minutes=10)
    one.look_after(clock.now())

    passes(one, clock, 60)

    held.refresh_from_db()
    assert (held.state, held.holder) == (State.ACTIVE, None)
    assert AlarmKind.NOBODY_AVAILABLE in standing()


def test_another_one_that_takes_over_in_time_is_not_blind(one, other, held, clock):
    one.look_after(clock.now())

    other.look_after(clock.forward(seconds=18))

    assert not Watch.objects.get().is_blind(clock.now())


def test_a_part_that_is_broken_for_long_blinds_nobody(one, held, clock, monkeypatch):
    monkeypatch.setattr(coverage, "check", fails)
    one.look_after(clock.now())

    passes(one, clock, 90)

    held.refresh_from_db()
    assert held.holder is None


# ---------------------------------------------------------------- what fails beside it


@pytest.mark.parametrize(("room", "name"), [(coverage, "check"), (handover, "look_after")])
def test_a_part_that_fails_keeps_no_other_from_its_work_but_then_nobody_has_watched(one, region, clock, monkeypatch, room, name):
    """Two colleagues of two regions: one is gone while holding a conversation, the other was never there."""
    held = ConversationFactory(region=region, held=True)
    EmployeeFactory(region=RegionFactory(open=True))
    one.look_after(clock.now())
    last_well = heartbeat()
    Alarm.objects.all().delete()

    with monkeypatch.context() as patched:
        patched.setattr(room, name, fails)
        passes(one, clock, 120)

    held.refresh_from_db()
    if room is coverage:
        assert held.holder is None
        assert AlarmKind.NOBODY_ON_DUTY not in standing()
    else:
        assert held.holder
        assert standing() >= {AlarmKind.NOBODY_ON_DUTY, AlarmKind.NOBODY_AVAILABLE}
    assert heartbeat() == last_well
    one.look_after(clock.forward(seconds=3))
    assert heartbeat() == clock.now()


@pytest.mark.parametrize(("verb", "done_at"), [("interrupt", "12:01"), ("tell_closing", "16:55"), ("give_up", "17:30")])
def test_a_damaged_conversation_keeps_no_other_from_what_is_due_but_then_nobody_has_watched(one, region, clock, monkeypatch, verb, done_at):
    """Whatever is done with the first one of three raises: its row is damaged."""
    clock.at("2026-11-24 12:00")
    employee = EmployeeFactory(on_duty=True, region=region)
    chats = [ConversationFactory(region=region, held=employee if verb == "interrupt" else None) for _ in range(3)]
    damaged, *others = sorted(chats, key=lambda chat: chat.pk)
    whole = getattr(Conversation, verb)
    monkeypatch.setattr(Conversation, verb, lambda its, **how: fails() if its.pk == damaged.pk else whole(its, **how))
    clock.at(f"2026-11-24 {done_at}")

    passes(one, clock, 36)  # the first of which it is blind

    for chat in others:
        chat.refresh_from_db()
        assert {"interrupt": chat.lost_holder, "tell_closing": chat.told_closing_at, "give_up": chat.ended_at}[verb]
    assert heartbeat() is None or clock.now() - heartbeat() >= timedelta(seconds=6)


def test_what_cannot_be_counted_is_kept_and_nobody_stops_watching_for_it(one, clock, monkeypatch):
    tally.add("start_refused/closed", at=clock.now())
    with monkeypatch.context() as patched:
        patched.setattr(Count.objects, "add", lambda *args, **kwargs: (_ for _ in ()).throw(OperationalError("disk")))
        assert one.look_after(clock.now())
    assert Watch.objects.get().heartbeat_at is None

    one.look_after(clock.forward(seconds=3))

    assert Count.objects.get().number == 1


def test_when_all_employees_fall_silent_an_alarm_stands_within_a_minute(one, region, clock):
    employees = [EmployeeFactory(region=region, on_duty=True) for _ in range(2)]
    for _ in range(5):
        for employee in employees:
            presence.employee_heard(employee.pk, clock.forward(seconds=3))
        one.look_after(clock.now())
    assert standing() == set()

    passes(one, clock, 57)

    assert standing() == {AlarmKind.NOBODY_AVAILABLE}


def test_two_processes_whose_clocks_are_five_seconds_apart_are_late_and_not_wrong(one, other, region, held, clock):
    """P17: whoever of them watches, nobody who is heard is missed, and who is gone is found."""
    apart = timedelta(seconds=5)
    for watchers in ((one, other), (other, one)):
        for watcher in watchers:
            watcher.end(clock.now() - apart)  # the turn is free
        for _ in range(20):
            at = clock.forward(seconds=6)
            presence.employee_heard(held.holder.pk, at)
            watchers[0].look_after(at if watchers[0] is one else at + apart)
            watchers[1].look_after(at if watchers[1] is one else at + apart)
            assert standing() == set()
        assert Watch.objects.get().by == watchers[0].name

    gone_at = clock.now()
    while AlarmKind.INTERRUPTED not in standing():
        at = clock.forward(seconds=3)
        one.look_after(at)
        other.look_after(at + apart)

    assert timedelta(seconds=55) <= clock.now() - gone_at <= timedelta(seconds=65)
    assert AlarmKind.NOBODY_AVAILABLE in standing()


# ---------------------------------------------------------------- Clavis


def test_what_does_not_reach_clavis_is_an_alarm_of_its_region_until_it_has_arrived(one, region, clock, settings, tmp_path):
    code_lists()
    settings.CLAVIS_DIR = tmp_path / "clavis"
    kept = closed(region=region)
    Delivery.objects.update(state=Delivery.State.STUCK)

    one.look_after(clock.now())
    assert Alarm.objects.standing().get(kind=AlarmKind.CLAVIS).region == kept.region

    Delivery.objects.update(state=Delivery.State.DELIVERED)
    one.look_after(clock.forward(seconds=63))
    assert not Alarm.objects.standing().filter(kind=AlarmKind.CLAVIS).exists()


# ---------------------------------------------------------------- the promises


def damaged(region) -> None:
    """A conversation that was accepted and has no registration (P11)."""
    ConversationFactory(region=region, held=True).kept_in.delete()


def test_a_promise_that_is_broken_twice_is_an_alarm_until_it_is_kept(one, region, clock):
    damaged(region)
    one.look_after(clock.now())

    one.check(clock.now())
    assert standing() == set()
    one.check(clock.forward(seconds=6))

    alarm = Alarm.objects.standing().get()
    assert (alarm.kind, alarm.region) == (AlarmKind.PROMISE, None)
    assert alarm.text.startswith("P11: 1 ")
    assert Watch.objects.get().broken == [{"promise": "P11", "count": 1}]
    assert Watch.objects.get().checked_at == clock.now()


def test_the_promises_are_evaluated_every_five_minutes_by_who_watches(one, other, region, clock, monkeypatch):
    evaluated = []
    monkeypatch.setattr(promises, "broken", lambda at: evaluated.append(at) or {})
    one.look_after(clock.now())

    for _ in range(10 * 60 // 12):
        one.look_after(clock.forward(seconds=12))
        one.check(clock.now())
        other.check(clock.now())

    assert len(evaluated) == 2


def test_what_was_broken_once_is_none(one, region, clock, monkeypatch):
    """A chat that nobody sees any more since a second ago is an alarm in the next one."""
    answers = iter([{"P7": ["a"]}, {}])
    monkeypatch.setattr(promises, "broken", lambda at: next(answers))
    one.look_after(clock.now())

    one.check(clock.now())
    one.check(clock.forward(seconds=6))

    assert Watch.objects.get().broken == []
    assert standing() == set()


# ---------------------------------------------------------------- the loops


async def test_in_a_process_all_steps_go_on_whatever_happens_to_one_of_them(transactional_db, clock, monkeypatch):
    went: dict[str, int] = {}
    calm = asyncio.Event()

    def counts(name, problem=None):
        def step(*args):
            went[name] = went.get(name, 0) + 1
            if problem:
                raise problem

        return step

    monkeypatch.setattr(Watcher, "look_after", counts("look_after", OperationalError("away")))
    monkeypatch.setattr(Watcher, "mail", counts("mail", RuntimeError("broken")))
    monkeypatch.setattr(Watcher, "hook", counts("hook"))
    monkeypatch.setattr(Watcher, "end", counts("end"))

    watching = watch.begin()
    async with asyncio.timeout(PATIENCE):
        while went.get("look_after", 0) < 3 or went.get("mail", 0) < 3 or went.get("hook", 0) < 3:
            clock.forward(seconds=3)
            calm.clear()
            asyncio.get_running_loop().call_soon(calm.set)
            await calm.wait()
    await watch.end(watching)

    assert went["end"] == 1


async def test_who_is_slow_outside_keeps_nobody_from_watching_and_no_stop_from_ending(transactional_db, clock, monkeypatch):
    hangs, asked = threading.Event(), threading.Event()

    def slow(at):
        asked.set()
        hangs.wait(PATIENCE)
        return False

    def has_watched_after(moment):
        try:
            return Watch.objects.filter(heartbeat_at__gt=moment).exists()
        finally:
            connection.close()

    monkeypatch.setattr(alarms, "mail_next", slow)
    watching = watch.begin()
    try:
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.to_thread(asked.wait, PATIENCE)
            began = clock.now()
            while not await asyncio.to_thread(has_watched_after, began):
                clock.forward(seconds=3)
        async with asyncio.timeout(settings.FLUSH_LIMIT.total_seconds()):
            await watch.end(watching)
    finally:
        hangs.set()
    assert watching.cancelled()
