"""The conversation's verbs on the real database: begun once, taken by one, written by its holder, ended once (P5, P8; threat-model D6)."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from chat import presence, signals
from chat.entries import New, Stored
from chat.models import CREDENTIALS_KEPT, Conversation, Credential, Entry, Halves, Presence
from chat.rules import Author, State
from staffing.refusal import Refused
from staffing.rules import Refusal
from tests.factories import ConversationFactory, EmployeeFactory, MunicipalityFactory, RegionFactory
from tests.stored import everything_stored
from tests.threads import Thread, at_the_same_moment

ROUNDS = 5  # of each race


def codes(answers: list) -> list[str]:
    """What each of those who tried got: `done` or why not."""
    assert all(answer is None or isinstance(answer, Refused) for answer in answers), answers
    return sorted(answer.code if answer else "done" for answer in answers)


def again(thing):
    """The same row in the hand of somebody else."""
    return type(thing).objects.get(pk=thing.pk)


# ---------------------------------------------------------------- start


@pytest.mark.django_db
def test_the_same_form_of_the_same_browser_is_the_same_conversation_with_one_more_cookie(clock):
    form = uuid.uuid4()

    first, one = Conversation.objects.start(form=form, browser="mine", at=clock.now(), text="Hoi")
    second, two = Conversation.objects.start(form=form, browser="mine", at=clock.now(), text="Hoi")

    assert first == second
    assert one != two
    for secret in (one, two):
        assert Conversation.objects.opened_by(secret, clock.now())[0] == first
    assert Entry.objects.count() == 1


@pytest.mark.django_db
def test_the_same_form_in_another_browser_is_another_conversation(clock):
    form = uuid.uuid4()

    mine, _ = Conversation.objects.start(form=form, browser="mine", at=clock.now())
    other, _ = Conversation.objects.start(form=form, browser="another", at=clock.now())

    assert mine != other
    assert form not in (mine.pk, other.pk)


@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_sent_several_times_at_the_same_moment_begins_one_conversation(clock):
    form = uuid.uuid4()

    def start():
        return Conversation.objects.start(form=form, browser="mine", at=clock.now(), text="Hoi")

    answers = at_the_same_moment([start] * CREDENTIALS_KEPT)

    assert Conversation.objects.count() == Entry.objects.count() == 1
    assert {conversation.pk for conversation, _ in answers} == {Conversation.objects.get().pk}
    assert all(Conversation.objects.opened_by(secret, clock.now()) for _, secret in answers)


@pytest.mark.django_db
def test_the_municipality_decides_the_region_and_is_kept_unreadable(clock):
    place = MunicipalityFactory()

    conversation = ConversationFactory(municipality=place, region=RegionFactory())

    assert conversation.region == place.region
    assert again(conversation).municipality_code() == place.cbs_code
    assert place.cbs_code.encode() not in bytes(conversation.municipality)


# ---------------------------------------------------------------- the cookie


@pytest.mark.django_db
def test_both_halves_open_the_conversation_and_nothing_else_does(clock):
    conversation, other = ConversationFactory(), ConversationFactory()
    mine = conversation.secret

    assert Conversation.objects.opened_by(mine, clock.now())[0] == conversation
    theirs = other.secret
    for wrong in (Halves(mine.first, theirs.second), Halves(theirs.first, mine.second), Halves(mine.second, mine.first), Halves("", "")):
        assert Conversation.objects.opened_by(wrong, clock.now()) is None


@pytest.mark.django_db(transaction=True)
def test_the_database_holds_digests_of_the_cookie_only(clock):
    secret = ConversationFactory().secret

    dump = everything_stored()

    assert len(secret.first) >= 43  # 256 bits
    assert secret.first != secret.second
    assert secret.first.encode() not in dump
    assert secret.second.encode() not in dump


@pytest.mark.django_db
def test_a_cookie_is_worthless_half_an_hour_after_the_last_sign_of_life(clock):
    secret = ConversationFactory().secret

    last = clock.now() + timedelta(minutes=30)

    assert Conversation.objects.opened_by(secret, last - timedelta(microseconds=1))
    assert Conversation.objects.opened_by(secret, last) is None


@pytest.mark.django_db
def test_of_one_browser_the_newest_cookies_are_kept(clock):
    conversation = ConversationFactory()
    secrets = [conversation.secret]

    for _ in range(CREDENTIALS_KEPT):
        clock.forward(seconds=1)
        secrets.append(conversation.new_credential(at=clock.now()))

    assert [bool(Conversation.objects.opened_by(secret, clock.now())) for secret in secrets] == [False] + [True] * CREDENTIALS_KEPT
    assert Credential.objects.count() == CREDENTIALS_KEPT


# ---------------------------------------------------------------- accept


@pytest.mark.django_db
def test_accepting_gives_holder_number_and_notice(clock):
    conversation, employee = ConversationFactory(), EmployeeFactory(on_duty=True, name="Ans")
    conversation.region = employee.region
    conversation.save()

    conversation.accept(by=employee, at=clock.now())

    taken = again(conversation)
    assert (taken.state, taken.holder, taken.assignment, taken.accepted_at) == (State.ACTIVE, employee, 1, clock.now())
    assert taken.last_seq == 1
    assert list(Conversation.objects.held_by(employee)) == [conversation]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ({"on_duty": False}, Refusal.NOT_ON_DUTY),
        ({"on_duty": True, "maximum": 0}, Refusal.NO_ROOM),
        ({"on_duty": True}, Refusal.NOT_ALLOWED),
    ],
)
def test_what_is_not_offered_cannot_be_taken(clock, who, refusal):
    conversation = ConversationFactory()
    EmployeeFactory(on_duty=True, region=conversation.region)  # its own region is staffed, and 90 s have not passed
    stranger = EmployeeFactory(**who)

    with pytest.raises(Refused) as no:
        conversation.accept(by=stranger, at=clock.now())

    assert no.value.code is refusal
    assert again(conversation).state == State.WAITING


@pytest.mark.django_db
def test_an_instance_that_was_read_before_somebody_elses_accept_is_refused(clock):
    conversation = ConversationFactory()
    old, colleague = again(conversation), EmployeeFactory(on_duty=True, region=conversation.region)
    conversation.accept(by=EmployeeFactory(on_duty=True, region=conversation.region), at=clock.now())

    with pytest.raises(Refused) as no:
        old.accept(by=colleague, at=clock.now())

    assert no.value.code is Refusal.ALREADY_ACCEPTED


@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_accept_at_the_same_moment_exactly_one_wins(clock):
    region = RegionFactory()
    people = [EmployeeFactory(on_duty=True, region=region) for _ in range(20)]

    for _ in range(ROUNDS):
        conversation = ConversationFactory(region=region)
        answers = at_the_same_moment([lambda who=who, it=conversation: again(it).accept(by=again(who), at=clock.now()) for who in people])

        assert codes(answers) == ["already_accepted"] * 19 + ["done"]
        taken = again(conversation)
        assert (taken.state, taken.assignment, taken.last_seq) == (State.ACTIVE, 1, 1)
        assert taken.holder == people[answers.index(None)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("own", "taken"), [(False, 3), (True, 20)])
def test_nobody_exceeds_the_maximum_by_a_race_but_the_own_region_is_always_taken(clock, own, taken):
    """Process 1.2: every chat of the own region, also above the usual maximum."""
    employee = EmployeeFactory(on_duty=True, maximum=3)
    region = employee.region if own else RegionFactory()
    conversations = [ConversationFactory(region=region) for _ in range(20)]

    answers = at_the_same_moment([lambda it=it: again(it).accept(by=again(employee), at=clock.now()) for it in conversations])

    assert codes(answers) == sorted(["done"] * taken + ["no_room"] * (20 - taken))
    assert Conversation.objects.active().filter(holder=employee).count() == taken


@pytest.mark.django_db(transaction=True)
def test_an_end_and_an_accept_at_the_same_moment_leave_one_story(clock):
    for _ in range(ROUNDS):
        conversation = ConversationFactory()
        employee = EmployeeFactory(on_duty=True, region=conversation.region)

        accepted, ended = at_the_same_moment(
            [
                lambda it=conversation, who=employee: again(it).accept(by=who, at=clock.now()),
                lambda it=conversation: again(it).end(by=Author.CHATTER, at=clock.now()),
            ]
        )

        over = again(conversation)
        assert ended is None
        assert (over.state, over.end_kind) == (State.ENDED, "chatter_ended")
        assert (over.holder_id is None) == (accepted is not None)
        assert over.last_seq == Entry.objects.filter(conversation=over).count() == (0 if accepted else 1)


@pytest.mark.django_db
def test_a_listener_that_fails_undoes_the_accept(clock):
    """What must be made with the accept (its registration) is made, or the accept is not."""
    conversation = ConversationFactory()
    employee = EmployeeFactory(on_duty=True, region=conversation.region)

    def fail(**kwargs) -> None:
        raise ZeroDivisionError

    signals.accepted.connect(fail)
    try:
        with pytest.raises(ZeroDivisionError):
            conversation.accept(by=employee, at=clock.now())
    finally:
        signals.accepted.disconnect(fail)

    left = again(conversation)
    assert (left.state, left.holder, left.assignment, left.last_seq) == (State.WAITING, None, 0, 0)
    assert not Entry.objects.exists()


# ---------------------------------------------------------------- who holds it writes


def says(conversation: Conversation, employee, assignment: int | None, text: str = "Dag"):
    new = New(conversation.pk, Author.EMPLOYEE, uuid.uuid4(), text, conversation.started_at, by=employee.pk, assignment=assignment)
    with transaction.atomic():
        (answer,) = Entry.objects.append([new])
    return "stored" if isinstance(answer, Stored) else answer


def hand_over(conversation: Conversation, to) -> None:
    """What a transfer does to the row."""
    Conversation.objects.filter(pk=conversation.pk).update(holder=to, assignment=again(conversation).assignment + 1)


@pytest.mark.django_db
def test_from_hand_to_hand_and_back_only_the_assignment_that_stands_writes(clock):
    """P8: A to B to A, and A's first window wakes up."""
    conversation = ConversationFactory(held=True)
    first, second = conversation.holder, EmployeeFactory(on_duty=True)
    assert says(conversation, first, 1) == "stored"

    hand_over(conversation, second)
    assert (says(conversation, first, 1), says(conversation, second, 2)) == (Refusal.NOT_FOUND, "stored")

    hand_over(conversation, first)
    assert (says(conversation, first, 1), says(conversation, first, 3)) == (Refusal.NOT_ALLOWED, "stored")
    with pytest.raises(Refused) as no:
        conversation.end(by=Author.EMPLOYEE, employee=first, assignment=1, at=clock.now())
    assert no.value.code is Refusal.NOT_ALLOWED


@pytest.mark.postgresql_only
@pytest.mark.django_db(transaction=True)
def test_a_writer_that_waited_while_the_conversation_changed_hands_is_refused(clock):
    """P8: the check and the write share one transaction; whoever was frozen in between finds what stands now."""
    conversation, successor = ConversationFactory(held=True), EmployeeFactory(on_duty=True)
    with transaction.atomic():
        conversation.lock()
        frozen = Thread(lambda: says(conversation, conversation.holder, 1))
        hand_over(conversation, successor)

    assert frozen.ends() is Refusal.NOT_FOUND


# ---------------------------------------------------------------- end


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("situation", "end", "kind"),
    [
        ({"held": True}, {"by": Author.CHATTER}, "chatter_ended"),
        ({}, {"by": Author.CHATTER}, "chatter_ended"),
        ({"held": True}, {"by": Author.EMPLOYEE}, "agreed"),
        ({"held": True}, {"by": Author.EMPLOYEE, "misuse": True}, "misuse"),
        ({"held": True, "left": True}, {"by": Author.EMPLOYEE}, "quick_exit"),
        ({}, {"by": Author.SYSTEM}, "never_reached"),
    ],
)
def test_how_it_ended_is_kept(clock, situation, end, kind):
    conversation = ConversationFactory(**situation)

    conversation.end(**end, employee=conversation.holder, at=clock.now())

    ended = again(conversation)
    assert (ended.state, ended.end_kind, ended.ended_by, ended.ended_at) == (State.ENDED, kind, end["by"], clock.now())


@pytest.mark.django_db
def test_an_end_after_30_seconds_of_silence_is_a_lost_line(clock):
    conversation = ConversationFactory(held=True)
    clock.forward(seconds=30)

    conversation.end(by=Author.EMPLOYEE, employee=conversation.holder, at=clock.now())

    assert again(conversation).end_kind == "line_lost_theirs"


@pytest.mark.django_db
def test_who_does_not_hold_it_cannot_end_it(clock):
    conversation = ConversationFactory(held=True)

    for nobody in (EmployeeFactory(on_duty=True), None):
        with pytest.raises(Refused) as no:
            conversation.end(by=Author.EMPLOYEE, employee=nobody, at=clock.now())
        assert no.value.code is Refusal.NOT_FOUND
    assert again(conversation).state == State.ACTIVE


@pytest.mark.django_db(transaction=True)
def test_when_both_end_at_the_same_moment_it_ends_once(clock):
    told = []

    def listen(conversation, **kwargs) -> None:
        told.append(conversation.pk)

    signals.ended.connect(listen)
    try:
        conversations = [ConversationFactory(held=True) for _ in range(ROUNDS)]
        for conversation in conversations:
            answers = at_the_same_moment(
                [
                    lambda it=conversation: again(it).end(by=Author.CHATTER, at=clock.now()),
                    lambda it=conversation: again(it).end(by=Author.EMPLOYEE, employee=it.holder, at=clock.now()),
                ]
            )
            assert answers == [None, None]
    finally:
        signals.ended.disconnect(listen)

    assert sorted(told) == sorted(one.pk for one in conversations)
    for conversation in conversations:
        ended = again(conversation)
        assert (ended.ended_by, ended.end_kind) in [("chatter", "chatter_ended"), ("employee", "agreed")]


@pytest.mark.django_db
def test_a_registered_conversation_leaves_the_screen_of_its_employee(clock):
    conversation = ConversationFactory(held=True, ended=True)
    assert list(Conversation.objects.held_by(conversation.holder)) == [conversation]

    conversation.registered(at=clock.now())

    assert not Conversation.objects.held_by(conversation.holder).exists()


# ---------------------------------------------------------------- quick exit


@pytest.mark.django_db
@pytest.mark.parametrize("situation", [{}, {"held": True}])
def test_a_quick_exit_takes_the_right_of_the_browser_and_leaves_the_conversation(clock, situation):
    conversation = ConversationFactory(text="Hoi", **situation)
    state = conversation.state

    conversation.quick_exit(at=clock.now())

    left = again(conversation)
    assert Conversation.objects.opened_by(conversation.secret, clock.now()) is None
    assert (left.state, left.left_at) == (state, clock.now())
    assert Entry.objects.filter(conversation=left).exists()


@pytest.mark.django_db
def test_a_quick_exit_from_the_end_page_does_not_change_how_it_ended(clock):
    conversation = ConversationFactory(held=True, ended=True)

    conversation.quick_exit(at=clock.now())

    left = again(conversation)
    assert (left.left_at, left.end_kind) == (None, "agreed")
    assert Conversation.objects.opened_by(conversation.secret, clock.now()) is None


# ---------------------------------------------------------------- who was heard


@pytest.mark.django_db(transaction=True)
def test_signs_of_life_are_written_together_and_never_go_back(clock):
    conversations = [ConversationFactory() for _ in range(20)]
    later = clock.forward(seconds=10)
    for conversation in conversations:
        presence.heard(conversation.pk, later)
        presence.has_read(conversation.pk, Author.CHATTER, 7)
        presence.has_read(conversation.pk, Author.CHATTER, 3)
    presence.has_read(conversations[0].pk, Author.EMPLOYEE, 4)

    with CaptureQueriesContext(connection) as queries:
        presence.flush()
    presence.heard(conversations[0].pk, later - timedelta(seconds=5))
    presence.has_read(conversations[0].pk, Author.CHATTER, 5)
    presence.flush()

    assert len([query for query in queries if "chat_presence" in query["sql"]]) == 1
    assert set(Presence.objects.values_list("heard_at", "chatter_read")) == {(later, 7)}
    assert Presence.objects.get(conversation=conversations[0]).employee_read == 4
