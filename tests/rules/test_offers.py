"""Routing: who is offered a waiting chat, who may take it, write in it, and how it ended. Process 1.2, step Accept; P7, P8."""

from collections.abc import Collection
from dataclasses import dataclass, replace
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
    is_never_reached,
    kind_of_end,
    may_accept,
    may_append,
    may_transfer,
    must_reoffer,
    next_change,
    offer,
    offered_to_nobody,
    offers,
    position,
    room,
    staffed_regions,
)
from staffing.rules import WORKING_DAYS, Refusal, Timetable, closed_since, is_connected, is_open, may_leave, may_start_duty, next_opening

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
employees = st.integers(1, 8)
waits = {
    "conversation": st.integers(1, 10**6).map(lambda n: UUID(int=n)),
    "region": regions,
    "since": seconds.map(lambda ago: NOW - ago),
    "overflow_after": st.sampled_from([timedelta(seconds=n) for n in (1, 30, 90)]),
}
new_chats = st.builds(Waiting, **waits)
interrupted_ones = st.builds(Waiting, **waits, interrupted=st.just(True), lost_region=regions)
passed_on = st.builds(Waiting, **waits, to=employees)
new_ones = st.lists(new_chats, max_size=6, unique_by=lambda one: one.conversation)
waiting_chats = st.lists(new_chats | interrupted_ones | passed_on, max_size=6, unique_by=lambda one: one.conversation)
people = st.lists(
    st.builds(
        OnDuty,
        employees,
        st.sampled_from([HERE, THERE, ELSEWHERE]),
        st.integers(0, 3),  # none for who is on the telephone
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


def test_a_chat_of_a_closed_region_is_offered_elsewhere_at_once_whoever_is_still_there():
    """The interface: treated as of a region with nobody on duty, while another region is open."""
    waiting, on_duty = [chat(1, THERE)], [somebody(1, HERE), somebody(2, THERE)]

    found = offers(waiting, on_duty, NOW, closed={THERE})

    assert {who: [one.kind.value for one in its] for who, its in found.items()} == {1: ["overflow"], 2: ["own"]}
    assert offered_to_nobody(waiting, [somebody(1, HERE)], NOW, closed={THERE}) == set()


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
        assert sees_it or one.to or all(who.room == 0 and who.region not in one.home for who in available)


@given(waiting_chats, people, moments)
def test_what_was_interrupted_comes_first_then_transfers_then_the_own_region_and_the_longest_waiting_within_each(waiting, on_duty, at):
    order = [{OfferKind.INTERRUPTED}, {OfferKind.TRANSFER}, {OfferKind.OWN}, {OfferKind.OVERFLOW, OfferKind.ANYWHERE}]
    since = {one.conversation: one.since for one in waiting}

    for its in offers(waiting, on_duty, at).values():
        places = [next(n for n, kinds in enumerate(order) if one.kind in kinds) for one in its]
        assert places == sorted(places)
        for turn in range(len(order)):
            moments = [since[one.conversation] for one, place in zip(its, places, strict=True) if place == turn]
            assert moments == sorted(moments)


@given(waiting_chats, people, moments)
def test_what_is_offered_is_what_the_process_says(waiting, on_duty, at):
    """Process 1.2, step Accept, said once more and in other words."""
    found = offers(waiting, on_duty, at)
    staffed = {who.region for who in on_duty if who.available_until and at < who.available_until}

    for who in on_duty:
        kind_of = {one.conversation: one.kind for one in found[who.employee]}
        for one in waiting:
            assert (one.conversation in kind_of) == is_due_to(who, one, staffed, at)


def is_due_to(who: OnDuty, one: Waiting, staffed: set[int | None], at: datetime) -> bool:
    if one.to is not None:
        return who.employee == one.to
    own = {one.region} | ({one.lost_region} if one.interrupted else set())
    if who.region in own:
        return True
    nobody_there = not any(region in staffed for region in own if region is not None)
    return who.room > 0 and (one.region is None or nobody_there or at - one.since >= one.overflow_after)


@given(waiting_chats, people, moments)
def test_what_nobody_available_is_offered_is_named_and_nothing_else(waiting, on_duty, at):
    """P7: for each of these an alarm stands. What is passed on is with its giver."""
    here = [who for who in on_duty if who.is_available(at)]
    staffed = {who.region for who in here}

    nobodys = {one.conversation for one in waiting if one.to is None and not any(is_due_to(who, one, staffed, at) for who in here)}

    assert offered_to_nobody(waiting, on_duty, at) == nobodys


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


@given(waiting_chats, people, moments, st.floats(0, 1, exclude_max=True))
def test_between_now_and_the_next_change_nobody_is_left_alone_either(waiting, on_duty, at, part):
    moment = next_change(waiting, on_duty, at)
    between = at + (moment - at) * part if moment else at + timedelta(days=part * 10)
    if moment and between >= moment:
        between = at

    assert offered_to_nobody(waiting, on_duty, between) == offered_to_nobody(waiting, on_duty, at)


# ---------------------------------------------------------------- interrupted, and passed on


def interrupted(number: int = 1, region: int | None = HERE, lost_region: int | None = HERE, waits: int = 0) -> Waiting:
    return replace(chat(number, region, waits), interrupted=True, lost_region=lost_region)


def test_an_interrupted_conversation_is_offered_at_once_to_its_region_and_to_the_lost_employees_also_without_room():
    waiting = [interrupted(region=HERE, lost_region=THERE)]
    on_duty = [somebody(1, HERE, room=0), somebody(2, THERE, room=0), somebody(3, ELSEWHERE, room=3)]

    assert kinds(waiting, on_duty) == {1: [(1, "interrupted")], 2: [(1, "interrupted")], 3: []}


def test_an_interrupted_conversation_is_offered_to_others_with_room_as_overflow_and_ahead_of_their_own():
    waiting = [chat(1, ELSEWHERE, waits=500), interrupted(2, HERE, HERE, waits=89)]
    on_duty = [somebody(1, HERE), somebody(2, ELSEWHERE, room=1), somebody(3, ELSEWHERE, room=0)]

    before, after = kinds(waiting, on_duty), kinds(waiting, on_duty, NOW + timedelta(seconds=1))

    assert (before[2], before[3]) == ([(1, "own")], [(1, "own")])
    assert (after[2], after[3]) == ([(2, "interrupted"), (1, "own")], [(1, "own")])


def test_an_interrupted_conversation_goes_to_others_at_once_when_nobody_of_both_regions_is_available():
    waiting, gone = [interrupted(1, HERE, THERE)], {"available_until": NOW}

    assert kinds(waiting, [somebody(1, HERE, **gone), somebody(2, THERE, **gone), somebody(3, ELSEWHERE)])[3] == [(1, "interrupted")]


def test_a_transfer_is_offered_to_that_colleague_alone_also_without_room_and_never_overflows():
    waiting, on_duty = [replace(chat(1, HERE, waits=500), to=2)], [somebody(1, HERE), somebody(2, THERE, room=0), somebody(3, THERE)]

    assert kinds(waiting, on_duty) == {1: [], 2: [(1, "transfer")], 3: []}


def test_what_is_passed_on_to_somebody_who_is_gone_is_no_alarm_because_its_giver_holds_it():
    waiting = [replace(chat(1), to=2)]

    assert offered_to_nobody(waiting, [somebody(2, available_until=NOW)], NOW) == set()
    assert offered_to_nobody(waiting, [], NOW) == set()


def test_who_is_on_the_telephone_has_no_room_for_chats_of_others_and_is_offered_the_own_and_the_interrupted():
    assert room(3, 1, on_telephone=False) == 2
    assert room(3, 4, on_telephone=False) == 0
    busy = somebody(1, HERE, room=room(3, 0, on_telephone=True))
    waiting = [chat(1, HERE), chat(2, THERE, waits=500), chat(3, None, waits=500), interrupted(4, THERE, HERE)]

    assert kinds(waiting, [busy])[1] == [(4, "interrupted"), (1, "own")]


# ---------------------------------------------------------------- the place in the queue


def test_the_place_in_the_queue_counts_those_of_the_same_region_who_wait_longer():
    first, second, other, nowhere = chat(1, HERE, waits=20), chat(2, HERE, waits=10), chat(3, THERE, waits=90), chat(4, None, waits=1)
    waiting = [second, other, nowhere, first]

    assert [position(one, waiting) for one in (first, second, other, nowhere)] == [1, 2, 1, 1]


@given(new_ones)
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


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, None),
        ({"regions": {HERE, THERE}, "to": somebody(2, THERE, room=0)}, None),
        ({"holder": 3}, Refusal.NOT_FOUND),
        ({"holder": None}, Refusal.NOT_FOUND),
        ({"state": State.ENDED}, Refusal.ENDED),
        ({"state": State.ENDED, "holder": 3}, Refusal.NOT_FOUND),
        ({"to": None}, Refusal.NOT_ALLOWED),
        ({"to": somebody(1)}, Refusal.NOT_ALLOWED),
        ({"to": somebody(2, THERE)}, Refusal.NOT_ALLOWED),
    ],
)
def test_a_conversation_is_passed_on_by_its_holder_to_a_colleague_on_duty_of_one_of_both_regions(fields, refusal):
    asked = {"state": State.ACTIVE, "holder": 1, "by": 1, "to": somebody(2), "regions": {HERE, None}}

    assert may_transfer(**asked | fields) is refusal


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


# ---------------------------------------------------------------- gone, and given up


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("on_duty", "heard", "accepted", "is_gone"),
    [
        (True, 59, 600, False),
        (True, 60, 600, True),
        (True, None, 59, False),  # never heard: counts from the accept
        (True, None, 60, True),
        (True, 600, 59, False),  # accepted since
        (False, 0, 0, True),
    ],
)
def test_an_employee_who_is_gone_for_60_seconds_or_off_duty_loses_the_conversation(on_duty, heard, accepted, is_gone):
    heard_at = None if heard is None else NOW - timedelta(seconds=heard)

    answer = must_reoffer(on_duty=on_duty, heard_at=heard_at, accepted_at=NOW - timedelta(seconds=accepted), at=NOW, after=MINUTE)

    assert answer is is_gone


@pytest.mark.parametrize(
    ("fields", "is_given_up"),
    [
        ({}, True),
        ({"closed_since": None}, False),
        ({"closed_since": NOW - timedelta(minutes=29)}, False),
        ({"anybody_available": True}, False),
        ({"chat": chat(waits=29 * 60)}, False),  # began to wait after closing
        ({"chat": replace(chat(waits=3_600), to=2)}, False),
        ({"chat": interrupted(waits=3_600)}, True),
    ],
)
def test_who_still_waits_30_minutes_after_closing_with_nobody_available_is_given_up(fields, is_given_up):
    asked = {"chat": chat(waits=3_600), "closed_since": NOW - timedelta(minutes=30), "anybody_available": False}

    assert is_never_reached(**asked | fields, at=NOW, after=timedelta(minutes=30)) is is_given_up


# ---------------------------------------------------------------- whole days


SILENCE, HALF_AN_HOUR, MAXIMUM = timedelta(seconds=30), timedelta(minutes=30), 2
HOURS = Timetable(WORKING_DAYS)
steps = st.tuples(
    st.sampled_from(["start", "accept", "pass on", "end", "begin duty", "end duty", "silent", "telephone", "time", "time", "time"]),
    st.integers(0, 5),
    st.integers(0, 5),
)


@dataclass
class Person:
    region: int
    on_duty: bool = False
    heard_at: datetime | None = None
    silent: bool = False
    telephone: bool = False


class Line:
    """A line that is nothing but the rules and what they are asked about."""

    def __init__(self, begins: datetime) -> None:
        self.at = begins
        self.people = {n: Person([HERE, THERE, ELSEWHERE][n % 3]) for n in range(1, 6)}
        self.waiting: dict[int, Waiting] = {}
        self.held: dict[int, tuple[int, datetime, int | None]] = {}  # by whom, since when, of which region the chat is
        self.number = 0

    @property
    def on_duty(self) -> list[OnDuty]:
        held = [by for by, _, _ in self.held.values()]
        return [
            OnDuty(n, one.region, room(MAXIMUM, held.count(n), one.telephone), one.heard_at and one.heard_at + SILENCE)
            for n, one in self.people.items()
            if one.on_duty
        ]

    @property
    def to_take(self) -> list[Waiting]:
        return list(self.waiting.values())

    def goes(self, step: str, one: int, other: int) -> None:
        person, number = self.people[one % 5 + 1], one % 5 + 1
        mine = [chat for chat, (by, _, _) in self.held.items() if by == number]
        if step == "start":
            self.number += 1
            self.waiting[self.number] = Waiting(UUID(int=self.number), [None, HERE, THERE, ELSEWHERE][one % 4], self.at, OVERFLOW)
        elif step == "accept" and person.on_duty:
            for offered in offers(self.to_take, self.on_duty, self.at)[number][:1]:
                taken = self.waiting.pop(offered.conversation.int)
                self.held[offered.conversation.int] = number, self.at, taken.region
        elif step == "pass on" and mine:
            region, to = self.held[mine[0]][2], other % 5 + 1
            colleague = next((who for who in self.on_duty if who.employee == to), None)
            if not may_transfer(state=State.ACTIVE, holder=number, by=number, to=colleague, regions={region, person.region}):
                self.waiting[mine[0]] = Waiting(UUID(int=mine[0]), region, self.at, OVERFLOW, to=to)
        elif step == "end" and (self.held or self.waiting):
            over = sorted({*self.held, *self.waiting})[other % len({*self.held, *self.waiting})]
            self.held.pop(over, None)
            self.waiting.pop(over, None)
        elif step == "begin duty" and not person.on_duty:
            its = sum(1 for chat in self.to_take if chat.to is None and person.region in chat.home)
            opens = next_opening(HOURS, self.at)
            if not may_start_duty(open_now=is_open(HOURS, self.at), opens_at=opens, waiting=its, at=self.at, before=HALF_AN_HOUR):
                self.people[number] = Person(person.region, True, self.at)
        elif step == "end duty" and person.on_duty:
            its = sum(1 for chat in self.to_take if chat.to is None and person.region in chat.home)
            others = [p for n, p in self.people.items() if n != number and p.region == person.region and self._is_here(p)]
            if not may_leave(open_now=is_open(HOURS, self.at), waiting=its, available_colleagues=len(others), held=len(mine)):
                self.people[number] = Person(person.region)
        elif step == "silent":
            person.silent = not person.silent
        elif step == "telephone" and person.on_duty:
            person.telephone = not person.telephone
        elif step == "time":
            self.at += [timedelta(seconds=n) for n in (3, 20, 45, 100, 600, 3_000)][one]
        self._is_watched()

    def _is_here(self, person: Person) -> bool:
        return person.on_duty and is_connected(person.heard_at, self.at, SILENCE)

    def _is_watched(self) -> None:
        for person in self.people.values():
            if person.on_duty and not person.silent:
                person.heard_at = self.at
        for number, (by, since, region) in list(self.held.items()):
            holder = self.people[by]
            if must_reoffer(on_duty=holder.on_duty, heard_at=holder.heard_at, accepted_at=since, at=self.at, after=MINUTE):
                self.waiting[number] = Waiting(UUID(int=number), region, self.at, OVERFLOW, interrupted=True, lost_region=holder.region)
                del self.held[number]
        anybody, closed = any(map(self._is_here, self.people.values())), closed_since(HOURS, self.at)
        for number, chat in list(self.waiting.items()):
            if is_never_reached(chat=chat, closed_since=closed, anybody_available=anybody, at=self.at, after=HALF_AN_HOUR):
                assert not is_open(HOURS, self.at)
                assert not anybody
                del self.waiting[number]

    def seen(self) -> Collection[UUID]:
        """What somebody sees who is there to see it."""
        found = offers(self.to_take, self.on_duty, self.at)
        return {one.conversation for n, its in found.items() if self._is_here(self.people[n]) for one in its}


@given(st.integers(0, 3).map(lambda hours: NOW.replace(hour=7, minute=20) + timedelta(hours=3 * hours)), st.lists(steps, max_size=60))
def test_after_every_step_of_any_day_each_waiting_chat_is_seen_by_somebody_or_is_an_alarm(begins, day):
    """P7, over starts, duties, drops, transfers, telephone, opening hours and the clock. Never both, and a held one is its holder's."""
    line = Line(begins)

    for step in day:
        line.goes(*step)

        seen, alarms = line.seen(), offered_to_nobody(line.to_take, line.on_duty, line.at)
        for number, chat in line.waiting.items():
            if chat.to is None:
                assert (chat.conversation in seen) != (chat.conversation in alarms)
                assert number not in line.held
            else:
                assert number in line.held
                assert chat.conversation not in alarms
        for by, since, _ in line.held.values():
            heard = line.people[by].heard_at
            assert line.people[by].on_duty
            assert heard is not None
            assert max(heard, since) > line.at - MINUTE
