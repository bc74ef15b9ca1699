"""The process step Handover on the real database: the colleague logs out only once the other is logged in (P10, P17)."""

from datetime import timedelta

import pytest

from chat import handover, presence, queue
from chat.models import Conversation
from chat.rules import Author
from staffing import coverage
from staffing.models import Alarm, Duty, Employee, Region
from staffing.refusal import Refused
from staffing.rules import AlarmKind, Refusal
from tests.factories import ConversationFactory, DutyFactory, EmployeeFactory, RegionFactory
from tests.models.test_conversation import ROUNDS, again, codes
from tests.threads import at_the_same_moment

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def region(db) -> Region:
    """An open line: nobody may leave it unmanned."""
    return RegionFactory(open=True)


@pytest.fixture
def many(transactional_db) -> Region:
    """The same, for several at once."""
    return RegionFactory(open=True)


def somebody(region: Region, **fields) -> Employee:
    """Available, unless told otherwise."""
    return EmployeeFactory(on_duty=True, region=region, **fields)


def leaves(employee: Employee, clock, ahead: timedelta = timedelta(0)) -> Refusal | None:
    """Why not, or None when the employee went off duty. The screen said the same before."""
    at = clock.now() + ahead
    shown = queue.look((), [employee.pk], at).duty(employee.pk, employee.region_id, "en")
    try:
        handover.leave(again(employee), at=at)
    except Refused as no:
        assert not shown.may_leave
        return no.code
    assert shown.may_leave
    return None


# ---------------------------------------------------------------- while the line is open


def test_the_colleague_logs_out_only_once_the_other_is_logged_in(region, clock):
    employee, colleague = somebody(region), EmployeeFactory(region=region)

    assert leaves(employee, clock) is Refusal.LAST_ONE
    handover.begin(colleague, at=clock.now())
    assert leaves(employee, clock) is Refusal.LAST_ONE  # on duty, and not heard yet
    presence.employee_heard(colleague.pk, clock.now())
    presence.flush()

    assert leaves(employee, clock) is None
    assert Duty.objects.running().get().employee == colleague


def test_a_colleague_who_was_not_heard_for_30_seconds_does_not_let_anybody_leave(region, clock):
    employee, _colleague = somebody(region), somebody(region)

    clock.forward(seconds=30)

    assert leaves(employee, clock) is Refusal.LAST_ONE


def test_a_colleague_of_another_region_does_not_count(region, clock):
    employee, _other = somebody(region), EmployeeFactory(on_duty=True)

    assert leaves(employee, clock) is Refusal.LAST_ONE


def test_a_colleague_on_the_telephone_is_there(region, clock):
    employee, _colleague = somebody(region), somebody(region, on_duty__on_telephone=True)

    assert leaves(employee, clock) is None


def test_nobody_leaves_while_conversations_are_still_held_until_each_is_ended_or_accepted(region, clock):
    employee, colleague = somebody(region), somebody(region)
    ended, accepted = (ConversationFactory(region=region, held=employee) for _ in range(2))

    assert leaves(employee, clock) is Refusal.HOLDS_CONVERSATIONS
    ended.end(by=Author.EMPLOYEE, employee=employee, at=clock.now())
    accepted.transfer(by=employee, to=colleague.pk, note="", at=clock.now())
    assert leaves(employee, clock) is Refusal.HOLDS_CONVERSATIONS  # the successor has not accepted it yet
    accepted.accept(by=colleague, at=clock.now())

    assert leaves(employee, clock) is None


def test_who_is_not_on_duty_cannot_leave(region, clock):
    with pytest.raises(Refused) as no:
        handover.leave(EmployeeFactory(region=region), at=clock.now())

    assert no.value.code is Refusal.NOT_ON_DUTY


def test_where_the_line_never_opens_everybody_may_go(db, clock):
    assert leaves(somebody(RegionFactory()), clock) is None


def test_only_an_employee_who_answers_chats_goes_on_duty(region, clock):
    with pytest.raises(Refused) as no:
        handover.begin(EmployeeFactory(region=region, role="manager"), at=clock.now())

    assert no.value.code is Refusal.NOT_ALLOWED
    assert not Duty.objects.exists()


# ---------------------------------------------------------------- after closing time


def test_after_closing_the_last_one_leaves_unless_somebody_of_the_region_still_waits(region, clock):
    employee = somebody(region)
    waits, _elsewhere = ConversationFactory(region=region), ConversationFactory(region=RegionFactory())
    clock.at("2026-11-24 17:00")

    assert leaves(employee, clock) is Refusal.LAST_ONE
    waits.end(by=Author.CHATTER, at=clock.now())

    assert leaves(employee, clock) is None


def test_after_closing_the_last_one_stays_for_what_has_lost_its_employee(region, clock):
    gone, employee = somebody(region), somebody(region)
    ConversationFactory(region=RegionFactory(), held=gone)
    handover.override(gone, by=employee, reason="ill", at=clock.now())
    clock.at("2026-11-24 17:00")

    assert leaves(employee, clock) is Refusal.LAST_ONE
    Conversation.objects.get().accept(by=employee, at=clock.now())
    assert leaves(employee, clock) is Refusal.HOLDS_CONVERSATIONS


def test_after_closing_the_last_one_stays_while_a_colleague_who_fell_silent_still_holds_a_conversation(region, clock):
    silent = somebody(region)
    held = ConversationFactory(region=region, held=silent)
    clock.at("2026-11-24 17:00")
    Duty.objects.update(heard_at=clock.now() - timedelta(seconds=40))
    employee = somebody(region)

    assert leaves(employee, clock) is Refusal.LAST_ONE
    Duty.objects.filter(employee=silent).update(heard_at=clock.now())
    assert leaves(employee, clock) is None  # the colleague is back, and has it

    assert again(held).holder == silent


def test_after_closing_everybody_may_go_while_a_colleague_is_still_talking(region, clock):
    talking, employee = somebody(region), somebody(region)
    ConversationFactory(region=region, held=talking)
    ConversationFactory(region=region)
    clock.at("2026-11-24 17:00")
    Duty.objects.update(heard_at=clock.now())

    assert leaves(employee, clock) is None
    assert leaves(talking, clock) is Refusal.HOLDS_CONVERSATIONS


# ---------------------------------------------------------------- against the rule


def test_an_override_ends_duty_against_the_rule_and_is_an_alarm_with_the_reason(region, clock):
    employee = somebody(region, on_duty__started_at=clock.now() - timedelta(hours=1))
    coordinator = EmployeeFactory(region=region, role="coordinator", name="Bo")
    assert leaves(employee, clock) is Refusal.LAST_ONE

    handover.override(employee, by=coordinator, reason="gone home ill", at=clock.now())
    coverage.check(clock.now())

    duty = Duty.objects.get()
    assert (duty.ended_at, duty.ended_by, duty.reason) == (clock.now(), coordinator, "gone home ill")
    assert Alarm.objects.get(kind=AlarmKind.OVERRIDE).text == "Bo: gone home ill"
    # What it leaves behind is an alarm of its own, and a gap that begins then.
    assert Alarm.objects.standing().filter(kind=AlarmKind.NOBODY_ON_DUTY, region=region).exists()
    a_minute_later = clock.now() + timedelta(minutes=1)
    assert coverage.day(region.pk, clock.now().date(), a_minute_later).gaps == [(clock.now(), a_minute_later)]


# ---------------------------------------------------------------- races


def test_of_the_last_two_who_leave_at_the_same_moment_one_stays(many, clock):
    """P10."""
    for _ in range(ROUNDS):
        people = [somebody(many) for _ in range(2)]

        answers = at_the_same_moment([lambda who=who: handover.leave(again(who), at=clock.now()) for who in people])

        assert codes(answers) == ["done", "last_one"]
        assert Duty.objects.running().in_region(many.pk).count() == 1
        Duty.objects.running().update(ended_at=clock.now())


@pytest.mark.parametrize("ahead", [5, -5])
def test_of_the_last_two_one_stays_also_when_the_clocks_of_their_processes_differ_by_5_seconds(many, clock, ahead):
    """P17."""
    for _ in range(ROUNDS):
        people = [(somebody(many), timedelta(0)), (somebody(many), timedelta(seconds=ahead))]

        answers = at_the_same_moment([lambda who=who, by=by: handover.leave(again(who), at=clock.now() + by) for who, by in people])

        assert codes(answers) == ["done", "last_one"]
        Duty.objects.running().update(ended_at=clock.now())


def test_of_all_who_leave_at_the_same_moment_exactly_one_stays(many, clock):
    people = [somebody(many) for _ in range(6)]

    answers = at_the_same_moment([lambda who=who: handover.leave(again(who), at=clock.now()) for who in people])

    assert codes(answers) == ["done"] * 5 + ["last_one"]


def test_who_leaves_while_the_colleague_falls_silent_has_gone_by_what_was_known_or_stays(many, clock):
    """Silence is a time that passes, not a message: whoever asks before it is over may go, and then the alarm says what is missing."""
    employee, colleague = somebody(many), somebody(many)
    clock.forward(seconds=29)
    presence.employee_heard(employee.pk, clock.now())
    presence.flush()

    assert leaves(employee, clock, ahead=timedelta(seconds=1)) is Refusal.LAST_ONE
    assert leaves(employee, clock) is None
    clock.forward(seconds=1)
    coverage.check(clock.now())

    assert Duty.objects.running().get().employee == colleague
    assert Alarm.objects.standing().filter(region=many).values_list("kind", flat=True).get() == AlarmKind.NOBODY_AVAILABLE


def test_who_leaves_at_the_moment_that_a_silent_colleague_is_heard_again_goes_or_stays_and_nothing_is_between(many, clock):
    for _ in range(ROUNDS):
        employee, colleague = somebody(many), EmployeeFactory(region=many)
        DutyFactory(employee=colleague, heard_at=clock.now() - timedelta(minutes=5), started_at=clock.now() - timedelta(hours=1))

        def is_heard(who=colleague) -> None:
            presence.employee_heard(who.pk, clock.now())
            presence.flush()

        left, heard = at_the_same_moment([lambda who=employee: handover.leave(again(who), at=clock.now()), is_heard])

        assert heard is None
        assert codes([left]) in (["done"], ["last_one"])
        duty = Duty.objects.get(employee=colleague)
        assert (duty.ended_at, duty.heard_at, duty.silences.count()) == (None, clock.now(), 1)
        Duty.objects.running().update(ended_at=clock.now())


def test_leaving_and_accepting_at_the_same_moment_never_leaves_a_conversation_alone(many, clock):
    for _ in range(ROUNDS):
        employee, _ = [somebody(many) for _ in range(2)]
        conversation = ConversationFactory(region=many)

        left, accepted = at_the_same_moment(
            [
                lambda who=employee: handover.leave(again(who), at=clock.now()),
                lambda who=employee, it=conversation: again(it).accept(by=again(who), at=clock.now()),
            ]
        )

        assert codes([left, accepted]) in (["done", "holds_conversations"], ["done", "not_on_duty"])


def test_going_on_duty_twice_at_the_same_moment_is_one_duty(many, clock):
    employee = EmployeeFactory(region=many)

    answers = at_the_same_moment([lambda: handover.begin(again(employee), at=clock.now())] * 5)

    assert answers == [None] * 5
    assert Duty.objects.running().filter(employee=employee).count() == 1
