"""Routing: who is offered a waiting chat, who may take it, write in it, and how it ended. Process 1.2, step Accept; P7, P8."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.rules import (
    Author,
    EndKind,
    OfferKind,
    OnDuty,
    Peer,
    State,
    Waiting,
    kind_of_end,
    may_accept,
    may_append,
    next_change,
    offer,
    offers,
    position,
    staffed_regions,
)
from staffing.rules import Refusal

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=30)
HERE, THERE, ELSEWHERE = 1, 2, 3
OVERFLOW = timedelta(seconds=90)


def chat(number: int = 1, region: int | None = HERE, waits: int = 0, overflow_after: timedelta = OVERFLOW) -> Waiting:
    """A chat that has waited this many seconds."""
    return Waiting(UUID(int=number), region, NOW - timedelta(seconds=waits), overflow_after)


def somebody(number: int = 1, region: int | None = HERE, room: int = 1, available_until: datetime | None = SOON) -> OnDuty:
    return OnDuty(number, region, room, available_until)


def kinds(waiting: list[Waiting], on_duty: list[OnDuty], at: datetime = NOW) -> dict[int, list[tuple[int, str]]]:
    """What each employee is offered, as (number of the chat, why)."""
    return {who: [(one.conversation.int, one.kind.value) for one in found] for who, found in offers(waiting, on_duty, at).items()}


seconds = st.integers(0, 200).map(lambda n: timedelta(seconds=n))
regions = st.sampled_from([None, HERE, THERE, ELSEWHERE])
waiting_chats = st.lists(
    st.builds(
        Waiting,
        st.integers(1, 10**6).map(lambda n: UUID(int=n)),
        regions,
        seconds.map(lambda ago: NOW - ago),
        st.sampled_from([timedelta(seconds=n) for n in (1, 30, 90)]),
    ),
    max_size=6,
    unique_by=lambda one: one.conversation,
)
people = st.lists(
    st.builds(
        OnDuty,
        st.integers(1, 10**6),
        st.sampled_from([HERE, THERE, ELSEWHERE]),
        st.integers(0, 3),
        st.none() | seconds.map(lambda n: NOW - timedelta(seconds=60) + n),
    ),
    max_size=5,
    unique_by=lambda one: one.employee,
)
moments = seconds.map(lambda n: NOW + n)


# ---------------------------------------------------------------- whom a chat is offered


def test_every_chat_of_the_own_region_is_offered_at_once_to_all_of_that_region_also_without_room():
    waiting, on_duty = [chat(1, HERE)], [somebody(1, HERE, room=0), somebody(2, HERE, room=3)]

    assert kinds(waiting, on_duty) == {1: [(1, "own")], 2: [(1, "own")]}


def test_a_chat_of_another_region_is_offered_once_its_own_region_has_let_it_wait_for_90_seconds():
    waiting, on_duty = [chat(1, THERE, waits=89)], [somebody(1, HERE), somebody(2, THERE)]

    before, after = kinds(waiting, on_duty), kinds(waiting, on_duty, NOW + timedelta(seconds=1))

    assert before[1] == []
    assert after[1] == [(1, "overflow")]


def test_a_chat_of_a_region_with_nobody_available_is_offered_elsewhere_at_once():
    waiting = [chat(1, THERE)]

    assert kinds(waiting, [somebody(1, HERE)])[1] == [(1, "overflow")]
    assert kinds(waiting, [somebody(1, HERE), somebody(2, THERE, available_until=NOW)])[1] == [(1, "overflow")]
    assert kinds(waiting, [somebody(1, HERE), somebody(2, THERE, available_until=None)])[1] == [(1, "overflow")]


def test_somebody_without_room_is_offered_nothing_from_beyond_the_own_region():
    waiting, on_duty = [chat(1, THERE, waits=500), chat(2, None, waits=500)], [somebody(1, HERE, room=0)]

    assert kinds(waiting, on_duty)[1] == []


def test_a_chat_without_a_region_is_offered_to_everybody_with_room():
    waiting, on_duty = [chat(1, None)], [somebody(1, HERE), somebody(2, THERE), somebody(3, ELSEWHERE, room=0)]

    assert kinds(waiting, on_duty) == {1: [(1, "anywhere")], 2: [(1, "anywhere")], 3: []}


def test_somebody_without_a_region_is_not_at_home_in_chats_without_a_region():
    assert kinds([chat(1, None)], [somebody(1, None, room=0)])[1] == []


def test_the_own_region_comes_before_all_others_and_then_the_longest_waiting():
    waiting = [chat(1, THERE, waits=300), chat(2, HERE, waits=5), chat(3, None, waits=400), chat(4, HERE, waits=10)]

    assert kinds(waiting, [somebody(1, HERE)])[1] == [(4, "own"), (2, "own"), (3, "anywhere"), (1, "overflow")]


@given(waiting_chats, people, moments)
def test_the_order_in_which_facts_were_read_changes_no_offer(waiting, on_duty, at):
    assert offers(reversed(waiting), list(reversed(on_duty)), at) == offers(waiting, on_duty, at)


@given(waiting_chats, people, moments)
def test_everybody_on_duty_gets_an_answer_and_no_chat_twice(waiting, on_duty, at):
    found = offers(waiting, on_duty, at)

    assert found.keys() == {who.employee for who in on_duty}
    assert all(len({one.conversation for one in its}) == len(its) for its in found.values())


@given(waiting_chats, people, moments)
def test_a_waiting_chat_is_offered_to_somebody_available_or_nobody_available_has_room_for_it(waiting, on_duty, at):
    """P7: a waiting chat is never invisible."""
    found = offers(waiting, on_duty, at)
    available = [who for who in on_duty if who.is_available(at)]

    for one in waiting:
        sees_it = [who for who in available if one.conversation in {o.conversation for o in found[who.employee]}]
        assert sees_it or all(who.room == 0 and who.region != one.region for who in available)


@given(waiting_chats, people, moments)
def test_more_waiting_never_takes_an_offer_away(waiting, on_duty, at):
    later = at + max((one.overflow_after for one in waiting), default=OVERFLOW) * 10
    forever = [replace(who, available_until=later + OVERFLOW) if who.available_until else who for who in on_duty]
    now, then = offers(waiting, forever, at), offers(waiting, forever, later)

    for who in forever:
        assert {o.conversation for o in now[who.employee]} <= {o.conversation for o in then[who.employee]}


# ---------------------------------------------------------------- when the answer changes


@given(waiting_chats, people, moments, st.floats(0, 1, exclude_max=True))
def test_between_now_and_the_next_change_nothing_changes(waiting, on_duty, at, part):
    moment = next_change(waiting, on_duty, at)
    between = at + (moment - at) * part if moment else at + timedelta(days=part * 10)
    if moment and between >= moment:  # rounded up to it
        between = at

    assert offers(waiting, on_duty, between) == offers(waiting, on_duty, at)


@given(waiting_chats, people, moments)
def test_whoever_wakes_at_each_next_change_ends_where_whoever_always_looks_is(waiting, on_duty, at):
    end, shown, moment = NOW + timedelta(seconds=500), offers(waiting, on_duty, at), at

    while (moment := next_change(waiting, on_duty, moment)) and moment <= end:
        assert moment > at
        shown = offers(waiting, on_duty, moment)

    assert shown == offers(waiting, on_duty, end)


def test_when_nobody_waits_and_nobody_is_on_duty_nothing_changes_by_itself():
    assert next_change([], [], NOW) is None
    assert next_change([chat(1, None)], [somebody(available_until=None)], NOW) is None


# ---------------------------------------------------------------- the place in the queue


def test_the_place_in_the_queue_counts_those_of_the_same_region_who_wait_longer():
    first, second, other, nowhere = chat(1, HERE, waits=20), chat(2, HERE, waits=10), chat(3, THERE, waits=90), chat(4, None, waits=1)
    waiting = [second, other, nowhere, first]

    assert [position(one, waiting) for one in (first, second, other, nowhere)] == [1, 2, 1, 1]


@given(waiting_chats)
def test_the_places_of_a_region_are_1_2_3_without_a_gap(waiting):
    for region in (None, HERE, THERE, ELSEWHERE):
        its = [one for one in waiting if one.region == region]

        assert sorted(position(one, waiting) for one in its) == list(range(1, len(its) + 1))


# ---------------------------------------------------------------- accepting


@given(waiting_chats, people, moments)
def test_exactly_what_is_offered_can_be_taken(waiting, on_duty, at):
    found, staffed = offers(waiting, on_duty, at), staffed_regions(on_duty, at)

    for who in on_duty:
        offered = {one.conversation for one in found[who.employee]}
        for one in waiting:
            no = may_accept(chat=one, by=who, staffed=staffed, at=at)
            assert (no is None) == (one.conversation in offered)


@pytest.mark.parametrize(
    ("one", "by", "refusal"),
    [
        (chat(), None, Refusal.NOT_ON_DUTY),
        (None, None, Refusal.NOT_ON_DUTY),
        (None, somebody(), Refusal.ALREADY_ACCEPTED),
        (replace(chat(), to=2), somebody(1), Refusal.ALREADY_ACCEPTED),
        (replace(chat(), to=1), somebody(1, THERE, room=0), None),
        (chat(), somebody(region=THERE, room=0), Refusal.NO_ROOM),
        (chat(), somebody(region=THERE, room=-1), Refusal.NO_ROOM),
        (chat(), somebody(region=THERE, room=1), Refusal.NOT_ALLOWED),
        (chat(), somebody(room=0), None),
        (chat(), somebody(room=-2), None),
    ],
)
def test_an_accept_is_refused_with_the_reason_that_helps(one, by, refusal):
    assert may_accept(chat=one, by=by, staffed={HERE}, at=NOW) is refusal


def test_an_offer_is_named_by_why_it_is_made():
    assert offer(chat(region=HERE), somebody(region=HERE), {HERE}, NOW) is OfferKind.OWN
    assert offer(chat(region=THERE), somebody(region=HERE), {HERE}, NOW) is OfferKind.OVERFLOW
    assert offer(chat(region=None), somebody(region=HERE), {HERE}, NOW) is OfferKind.ANYWHERE
    assert offer(replace(chat(region=THERE), interrupted=True), somebody(region=HERE), {HERE}, NOW) is OfferKind.INTERRUPTED
    assert offer(replace(chat(region=THERE), to=1), somebody(1, region=HERE), {HERE}, NOW) is OfferKind.TRANSFER


# ---------------------------------------------------------------- writing


HOLDER, SOMEBODY_ELSE = 7, 8


def may(author=Author.EMPLOYEE, by=HOLDER, assignment=2, state=State.ACTIVE, holder=HOLDER, current=2, left=False) -> Refusal | None:
    return may_append(author=author, by=by, assignment=assignment, state=state, holder=holder, current=current, left=left)


@pytest.mark.parametrize(
    ("situation", "refusal"),
    [
        ({}, None),
        ({"assignment": None}, None),
        ({"assignment": 1}, Refusal.NOT_ALLOWED),
        ({"assignment": 3}, Refusal.NOT_ALLOWED),
        ({"left": True}, Refusal.NOT_ALLOWED),
        ({"by": SOMEBODY_ELSE}, Refusal.NOT_FOUND),
        ({"holder": None}, Refusal.NOT_FOUND),
        ({"state": State.ENDED}, Refusal.ENDED),
        ({"state": State.ENDED, "by": SOMEBODY_ELSE}, Refusal.NOT_FOUND),
    ],
)
def test_only_the_holder_writes_with_the_assignment_that_stands_to_a_chatter_who_is_there(situation, refusal):
    """P8; an employee who does not hold it learns nothing of it (N9)."""
    assert may(**situation) is refusal


@pytest.mark.parametrize("state", [State.WAITING, State.ACTIVE])
@pytest.mark.parametrize("left", [False, True])
def test_a_chatter_writes_until_the_end_whoever_holds_it(state, left):
    assert may(author=Author.CHATTER, by=None, assignment=None, state=state, holder=None, left=left) is None
    assert may(author=Author.CHATTER, by=None, assignment=None, state=State.ENDED) is Refusal.ENDED


# ---------------------------------------------------------------- how it ended


@pytest.mark.parametrize(
    ("by", "misuse", "accepted", "peer", "kind"),
    [
        (Author.CHATTER, False, False, Peer.HERE, EndKind.CHATTER_ENDED),
        (Author.CHATTER, False, True, Peer.HERE, EndKind.CHATTER_ENDED),
        (Author.EMPLOYEE, False, True, Peer.HERE, EndKind.AGREED),
        (Author.EMPLOYEE, False, True, Peer.LOST, EndKind.LINE_LOST_THEIRS),
        (Author.EMPLOYEE, False, True, Peer.LEFT, EndKind.QUICK_EXIT),
        (Author.EMPLOYEE, True, True, Peer.LEFT, EndKind.MISUSE),
        (Author.SYSTEM, False, False, Peer.HERE, EndKind.NEVER_REACHED),
    ],
)
def test_how_it_ended_follows_from_who_ended_it_and_where_the_chatter_was(by, misuse, accepted, peer, kind):
    assert kind_of_end(by=by, misuse=misuse, accepted=accepted, peer=peer) is kind
