"""Handing over, on the real database: who takes a conversation, who loses it, and that of two at once only one does (P7, P8, P9)."""

import asyncio
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection

from chat import entries, handover, log, presence, queue, quick
from chat.entries import Stored
from chat.models import Conversation, Entry
from chat.rules import Author, State
from staffing import clock as product_clock
from staffing.models import Alarm, Employee, Region
from staffing.refusal import Refused
from staffing.rules import Refusal
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory
from tests.models.test_conversation import again, codes, says
from tests.models.test_log import Sending, line, nobody_writes, stored
from tests.threads import PATIENCE, Thread, at_the_same_moment, until

ROUNDS = 5  # of each small race


@pytest.fixture(autouse=True)
def _no_keys_of_another_test(clock) -> Iterator[None]:
    entries.forget_keys()
    yield
    entries.forget_keys()


@pytest.fixture
def region(db):
    return RegionFactory(open=True)


def somebody(region, name: str = "Bo", **fields) -> Employee:
    return EmployeeFactory(on_duty=True, region=region, name=name, **fields)


def held(region, by: Employee | None = None, **fields) -> Conversation:
    return ConversationFactory(region=region, held=by or somebody(region, "Ans"), **fields)


def passes(**duration: float):
    return product_clock.current.forward(**duration)


def heard(*employees: Employee) -> None:
    for employee in employees:
        presence.employee_heard(employee.pk, product_clock.now())
    presence.flush()


def is_watched() -> bool:
    return handover.look_after(product_clock.now(), blind=False)


def takes(conversation: Conversation, by: Employee) -> None:
    again(conversation).accept(by=by, at=product_clock.now())


def passes_on(conversation: Conversation, to: Employee, note: str = "", **fields) -> None:
    again(conversation).transfer(by=conversation.holder, to=to.pk, note=note, at=product_clock.now(), **fields)


def texts(conversation: Conversation) -> list[str]:
    return [text for _, text in stored(conversation)]


def refusal_of(verb, *args, **how) -> Refusal:
    with pytest.raises(Refused) as no:
        verb(*args, **how)
    return no.value.code


# ---------------------------------------------------------------- to whom it is offered


def test_a_region_that_waits_for_nobody_has_its_chats_offered_everywhere_at_once(region):
    """Its own value goes before that of the line, also when it is 0."""
    Region.objects.filter(pk=region.pk).update(overflow_after=timedelta(0))
    somebody(region)
    other, conversation = somebody(RegionFactory(open=True), "Cor"), ConversationFactory(region=region)

    offered = queue.look((), {other.pk}, product_clock.now()).offers[other.pk]

    assert [(one.conversation, one.kind) for one in offered] == [(conversation.pk, "overflow")]
    takes(conversation, other)
    assert again(conversation).holder == other


# ---------------------------------------------------------------- passing on


def test_who_passes_it_on_holds_it_until_the_colleague_has_accepted(region):
    conversation, colleague = held(region), somebody(region)

    passes_on(conversation, colleague, "Let op de buren")
    meanwhile = again(conversation)

    assert (meanwhile.holder, meanwhile.offered_to, meanwhile.assignment) == (conversation.holder, colleague, 1)
    assert says(conversation, conversation.holder, 1) == "stored"
    assert says(conversation, colleague, None) is Refusal.NOT_FOUND

    takes(conversation, colleague)
    taken = again(conversation)

    assert (taken.holder, taken.offered_to, taken.offered_at, taken.assignment) == (colleague, None, None, 2)
    assert says(conversation, conversation.holder, 1) is Refusal.NOT_FOUND


def test_the_chatter_reads_once_that_it_is_passed_on_and_then_who_it_is(region):
    conversation, first, second = held(region), somebody(region, "Bo"), somebody(region, "Cas")

    passes_on(conversation, first)
    passes_on(conversation, second)
    takes(conversation, second)

    assert [text for text in texts(conversation)[1:] if "Ans" in text] == texts(conversation)[1:2]
    assert len(texts(conversation)) == 3
    assert "Cas" in texts(conversation)[2]
    assert "Bo" not in " ".join(texts(conversation))


def test_who_was_asked_first_finds_it_taken_when_it_is_passed_on_to_another(region):
    conversation, first, second = held(region), somebody(region), somebody(region)
    passes_on(conversation, first)
    passes_on(conversation, second)

    assert refusal_of(takes, conversation, first) is Refusal.ALREADY_ACCEPTED


def test_the_note_is_kept_unreadable_and_goes_with_the_offer(region):
    conversation, colleague = held(region), somebody(region)

    passes_on(conversation, colleague, "Let op de buren")
    note = bytes(again(conversation).note)

    assert note
    assert b"buren" not in note
    assert again(conversation).opened().cipher.open(note, "note") == "Let op de buren"
    again(conversation).end(by=Author.CHATTER, at=product_clock.now())
    ended = again(conversation)
    assert (bytes(ended.note), ended.offered_to, ended.holder) == (b"", None, conversation.holder)


def test_with_an_outdated_assignment_nothing_is_passed_on(region):
    conversation, colleague = held(region), somebody(region)

    assert refusal_of(passes_on, conversation, colleague, assignment=0) is Refusal.NOT_ALLOWED
    assert again(conversation).offered_to is None


def test_a_transfer_goes_above_the_maximum_and_through_the_telephone_because_a_colleague_said_yes(region):
    conversation, colleague = held(region), somebody(region, maximum=0)
    handover.telephone(colleague, busy=True)
    passes_on(conversation, colleague)

    takes(conversation, colleague)

    assert again(conversation).holder == colleague


# ---------------------------------------------------------------- interrupted


def test_a_conversation_whose_employee_is_gone_for_60_seconds_is_offered_again_and_stays_active(region):
    conversation, colleague = held(region), somebody(region)
    passes(seconds=59.999)
    heard(colleague)
    assert not is_watched()
    assert again(conversation).holder == conversation.holder

    passes(seconds=0.001)
    assert is_watched()
    lost = again(conversation)

    assert (lost.state, lost.holder, lost.lost_holder, lost.assignment) == (State.ACTIVE, None, conversation.holder, 2)
    assert lost.interrupted_at == product_clock.now()
    assert "Ans" in texts(conversation)[-1]
    assert [alarm.kind for alarm in Alarm.objects.standing()] == ["interrupted"]
    assert not is_watched()


def test_a_blink_of_a_few_seconds_starts_nothing(region):
    conversation = held(region)
    for _ in range(5):
        passes(seconds=29)
        heard(conversation.holder)
        is_watched()

    assert again(conversation).holder == conversation.holder
    assert len(texts(conversation)) == 1


def test_while_nobody_watched_nothing_is_taken_from_anybody_yet(region):
    conversation = held(region)
    passes(minutes=10)

    handover.look_after(product_clock.now(), blind=True)

    assert again(conversation).holder == conversation.holder


def test_who_takes_over_is_named_and_who_comes_back_too(region):
    first, second = held(region), held(region)
    colleague = somebody(region)
    passes(seconds=60)
    heard(colleague)
    is_watched()

    takes(first, colleague)
    takes(second, second.holder)

    assert [texts(one)[-1].split()[0] for one in (first, second)] == ["Bo", "Ans"]
    assert texts(second)[-1] != texts(first)[-1].replace("Bo", "Ans")
    assert is_watched()
    assert not Alarm.objects.standing().exists()


def test_an_interrupted_conversation_that_ends_is_registered_by_who_was_in_it_last(region):
    """P11: otherwise it would be on nobody's screen."""
    conversation = held(region)
    passes(seconds=60)
    is_watched()

    again(conversation).end(by=Author.CHATTER, at=product_clock.now())

    assert list(Conversation.objects.held_by(conversation.holder)) == [conversation]


def test_what_was_passed_on_and_is_interrupted_is_offered_to_all_and_its_note_is_gone(region):
    conversation, colleague = held(region), somebody(region)
    passes_on(conversation, colleague, "Let op")
    passes(seconds=60)

    is_watched()

    lost = again(conversation)
    assert (lost.holder, lost.offered_to, bytes(lost.note)) == (None, None, b"")


def test_an_override_offers_again_at_once_what_is_held_and_says_who_and_why(region):
    conversation, coordinator = held(region), EmployeeFactory(region=region, name="Coördinator")

    handover.override(conversation.holder, by=coordinator, reason="Naar huis", at=product_clock.now())

    assert again(conversation).lost_holder == conversation.holder
    (alarm,) = Alarm.objects.standing()
    assert (alarm.kind, alarm.region, alarm.text) == ("override", region, "Coördinator: Naar huis")


# ---------------------------------------------------------------- from hand to hand and back


def test_from_one_to_another_who_vanishes_and_back_only_the_assignment_that_stands_writes(region):
    """P8: A to B to A, B vanishing in between."""
    conversation, second = held(region), somebody(region)
    first = conversation.holder
    passes_on(conversation, second)
    takes(conversation, second)
    passes(seconds=60)
    heard(first)
    is_watched()
    assert [says(conversation, who, None) for who in (first, second)] == [Refusal.NOT_FOUND] * 2

    takes(conversation, first)
    heard(second)

    now = again(conversation)
    assert (now.holder, now.lost_holder, now.assignment) == (first, None, 4)
    assert [says(conversation, first, number) for number in (1, 2, 3)] == [Refusal.NOT_ALLOWED] * 3
    assert [says(conversation, second, number) for number in (None, 2)] == [Refusal.NOT_FOUND] * 2
    for number in (1, 2, 3):
        assert refusal_of(again(conversation).end, by=Author.EMPLOYEE, employee=first, assignment=number, at=now.assigned_at) is (
            Refusal.NOT_ALLOWED
        )
        assert refusal_of(passes_on, now, second, assignment=number) is Refusal.NOT_ALLOWED
    assert says(conversation, first, 4) == "stored"
    is_watched()
    assert again(conversation).holder == first


# ---------------------------------------------------------------- at the same moment


@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_accept_at_the_same_moment_exactly_one_wins_in_each_of_a_hundred_rounds(clock):
    """P8. Nobody goes above the maximum but by the written rule: every chat of the own region is accepted."""
    rounds, maximum = 100, 3
    regions = [RegionFactory(), RegionFactory()]
    people = [EmployeeFactory(on_duty=True, region=regions[n % 2], maximum=maximum) for n in range(20)]
    conversations = [ConversationFactory(region=[*regions, None][n % 3]) for n in range(rounds)]
    clock.forward(seconds=90)  # offered to everybody who has room
    begin, end = threading.Barrier(len(people) + 1), threading.Barrier(len(people) + 1)

    def accepts_each(who: Employee) -> list[str]:
        answers = []
        for conversation in conversations:
            begin.wait(PATIENCE)
            try:
                Conversation.objects.get(pk=conversation.pk).accept(by=Employee.objects.get(pk=who.pk), at=clock.now())
                answers.append("done")
            except Refused as no:
                answers.append(no.code)
            except Exception as problem:
                answers.append(repr(problem))
            connection.close()  # to the pool, which has fewer than there are people
            end.wait(PATIENCE)
        return answers

    threads = [Thread(lambda who=who: accepts_each(who)) for who in people]
    for n in range(rounds):
        begin.wait(PATIENCE)
        end.wait(PATIENCE)
        from_elsewhere = Counter(
            one.holder_id
            for one in Conversation.objects.active().select_related("holder")
            if one.holder and one.region_id != one.holder.region_id
        )
        assert max(from_elsewhere.values(), default=0) <= maximum
        if n >= 30:  # room for the next ones
            again(conversations[n - 30]).end(by=Author.CHATTER, at=clock.now())
    answers = [thread.ends() for thread in threads]

    for conversation, its in zip(conversations, zip(*answers, strict=True), strict=True):
        assert Counter(its)["done"] == 1
        assert set(its) <= {"done", "already_accepted", "no_room"}
        taken = again(conversation)
        assert (taken.holder, taken.assignment, taken.last_seq) == (people[its.index("done")], 1, 1)


@pytest.fixture
def many(transactional_db, clock):
    """A region on a database that several connections share."""
    return RegionFactory(open=True)


def test_a_colleague_accepts_while_it_is_interrupted(many):
    for _ in range(ROUNDS):
        conversation, colleague = held(many), somebody(many)
        passes_on(conversation, colleague)
        passes(seconds=60)

        accepted, interrupted = at_the_same_moment(
            [
                lambda it=conversation, who=colleague: takes(it, who),
                lambda it=conversation: again(it).interrupt(at=product_clock.now()),
            ]
        )

        taken = again(conversation)
        assert accepted is None
        assert (taken.holder, taken.lost_holder, taken.offered_to) == (colleague, None, None)
        assert taken.assignment == (3 if interrupted else 2)
        assert taken.last_seq == Entry.objects.filter(conversation=taken).count()


def test_a_colleague_accepts_while_it_is_passed_on_to_another(many):
    for _ in range(ROUNDS):
        conversation, first, second = held(many), somebody(many), somebody(many)
        passes_on(conversation, first)

        answers = at_the_same_moment(
            [lambda it=conversation, who=first: takes(it, who), lambda it=conversation, who=second: passes_on(it, who)]
        )

        now = again(conversation)
        if answers[0] is None:
            assert (codes(answers[1:]), now.holder, now.offered_to) == (["not_found"], first, None)
        else:
            assert (codes(answers), now.holder, now.offered_to) == (["already_accepted", "done"], conversation.holder, second)


def test_somebody_accepts_what_was_interrupted_while_the_chatter_ends_it(many):
    for _ in range(ROUNDS):
        conversation, colleague = held(many), somebody(many)
        passes(seconds=60)
        is_watched()

        accepted, ended = at_the_same_moment(
            [
                lambda it=conversation, who=colleague: takes(it, who),
                lambda it=conversation: again(it).end(by=Author.CHATTER, at=product_clock.now()),
            ]
        )

        over = again(conversation)
        assert ended is None
        assert over.state == State.ENDED
        assert over.holder == (colleague if accepted is None else conversation.holder)


def test_several_who_watch_interrupt_once(many):
    conversation = held(many)
    passes(seconds=60)

    answers = at_the_same_moment([lambda: again(conversation).interrupt(at=product_clock.now())] * 5)

    assert sorted(answers) == [False] * 4 + [True]
    assert again(conversation).assignment == 2


def test_who_accepts_while_the_duty_is_ended_against_the_rule_keeps_nothing(many):
    for _ in range(ROUNDS):
        employee, conversation = somebody(many), ConversationFactory(region=many)

        at_the_same_moment(
            [
                lambda it=conversation, who=employee: takes(it, again(who)),
                lambda who=employee: handover.override(again(who), by=who, reason="Brand", at=product_clock.now()),
            ]
        )

        assert not Conversation.objects.active().filter(holder=employee).exists()
        assert again(conversation).state == State.WAITING or again(conversation).lost_holder == employee


# ---------------------------------------------------------------- frozen between check and commit


@pytest.fixture
def writer(many, loop) -> Iterator[log.Writer]:
    writer = log.new_writer(loop)
    yield writer
    writer.stop()


def by(employee: Employee, conversation: Conversation, text: str, assignment: int | None = None):
    return line(conversation, text, author=Author.EMPLOYEE, by=employee.pk, name=employee.name, assignment=assignment)


@pytest.mark.parametrize("assignment", [None, 1])
def test_a_message_that_was_on_its_way_while_another_took_over_is_refused(many, writer, assignment):
    """P8: frozen before the commit, and thawed after the handover. Nothing of it is in the log."""
    conversation, colleague = held(many), somebody(many)
    first = conversation.holder
    assert Sending(writer, by(first, conversation, "een")).get() == [2]
    passes(seconds=60)

    with nobody_writes():
        frozen = Sending(writer, by(first, conversation, "twee", assignment))
        until(lambda: writer.waiting == 0)
        again(conversation).interrupt(at=product_clock.now())
        takes(conversation, colleague)
    answer = frozen.get()

    assert answer == [Refusal.NOT_FOUND]
    assert "twee" not in texts(conversation)
    assert Sending(writer, by(colleague, conversation, "drie", 3)).get() == [5]


def test_a_message_of_before_is_refused_also_when_the_same_employee_has_taken_it_again(many, writer):
    conversation = held(many)
    first = conversation.holder
    assert Sending(writer, by(first, conversation, "een", 1)).get() == [2]
    passes(seconds=60)

    with nobody_writes():
        frozen = Sending(writer, by(first, conversation, "twee", 1))
        until(lambda: writer.waiting == 0)
        again(conversation).interrupt(at=product_clock.now())
        takes(conversation, first)

    assert frozen.get() == [Refusal.NOT_ALLOWED]
    assert "twee" not in texts(conversation)


class Frozen(quick.ShortWay):
    """Numbers and seals, as it does; then the process stands still until it is thawed."""

    def __init__(self) -> None:
        super().__init__()
        self.stands_still, self.thawed = threading.Event(), asyncio.Event()

    async def _execute(self, parameters):
        self.stands_still.set()
        await self.thawed.wait()
        return await super()._execute(parameters)


@pytest.mark.postgresql_only
@pytest.mark.parametrize("taken_by", ["a colleague", "the same employee"])
def test_what_was_numbered_and_sealed_before_the_handover_is_not_stored_after_it(many, loop, taken_by):
    """P8, the short way: the statement itself compares holder and assignment with what was taken to be true."""
    conversation = held(many)
    first = conversation.holder
    successor = first if taken_by == "the same employee" else somebody(many)
    entries.opened([conversation.pk])
    assert says(conversation, first, 1) == "stored"  # now it is known how the row stands
    way = Frozen()
    sending = asyncio.run_coroutine_threadsafe(way.append([by(first, conversation, "twee", 1)]), loop)
    assert way.stands_still.wait(PATIENCE)

    passes(seconds=60)
    again(conversation).interrupt(at=product_clock.now())
    takes(conversation, successor)
    grown = again(conversation).last_seq
    entries.kept(conversation.pk).standing = None  # another process did it: this one has not seen it
    loop.call_soon_threadsafe(way.thawed.set)
    answers = sending.result(PATIENCE)
    loop.call_soon_threadsafe(way.close)

    assert answers == [None]
    assert again(conversation).last_seq == grown
    assert "twee" not in texts(conversation)


@pytest.mark.postgresql_only
def test_the_statement_of_the_short_way_stores_nothing_when_only_holder_or_assignment_differ(many, loop):
    """Each for itself, with the same last number: so that no other difference hides that it is compared."""
    for field in ("holder", "assignment"):
        conversation, colleague = held(many), somebody(many)
        entries.opened([conversation.pk])
        assert says(conversation, conversation.holder, 1) == "stored"
        way = Frozen()
        sending = asyncio.run_coroutine_threadsafe(way.append([by(conversation.holder, conversation, "twee", 1)]), loop)
        assert way.stands_still.wait(PATIENCE)

        Conversation.objects.filter(pk=conversation.pk).update(**{field: colleague if field == "holder" else 2})
        loop.call_soon_threadsafe(way.thawed.set)
        answers = sending.result(PATIENCE)
        loop.call_soon_threadsafe(way.close)

        assert answers == [None]
        assert "twee" not in texts(conversation)


def test_frozen_lines_of_others_are_stored(many, writer):
    """What is refused to the one who lost it keeps nobody else's words back."""
    conversation, other = held(many), held(many)
    colleague = somebody(many)
    passes(seconds=60)

    with nobody_writes():
        waits = Sending(writer, line(other, "eerst"))
        until(lambda: writer.waiting == 0)
        batch = Sending(writer, by(conversation.holder, conversation, "te laat", 1), line(conversation, "Hoi"), line(other, "Hoi"))
        again(conversation).interrupt(at=product_clock.now())
        takes(conversation, colleague)

    assert waits.get() == [2]
    answers = batch.get()
    assert answers[0] is Refusal.NOT_FOUND
    assert answers[1:] == [4, 3]


def test_what_was_stored_before_the_handover_is_acknowledged_to_nobody_who_does_not_hold_it_any_more(many):
    """N9."""
    conversation, colleague, id = held(many), somebody(many), uuid.uuid4()
    first = conversation.holder
    with nobody_writes():
        (answer,) = Entry.objects.append([line(conversation, "een", id, author=Author.EMPLOYEE, by=first.pk, name="Ans")])
    assert isinstance(answer, Stored)
    passes(seconds=60)
    is_watched()
    takes(conversation, colleague)

    with nobody_writes():
        (answer,) = Entry.objects.append([line(conversation, "een", id, author=Author.EMPLOYEE, by=first.pk, name="Ans")])

    assert answer is Refusal.NOT_FOUND
