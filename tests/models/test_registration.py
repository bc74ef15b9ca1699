"""What is kept of a conversation: made at the accept, saved while somebody types, registered, closed (P11)."""

import uuid

import pytest
from django.db import connection, transaction

from chat import signals
from chat.models import Conversation
from chat.rules import State as ConversationState
from registration.models import Code, Delivery, RegisteredConversation, Registration, Version
from registration.rules import Answers, State
from staffing.models import Role
from staffing.refusal import Refused
from staffing.rules import Refusal
from tests.factories import ConversationFactory, EmployeeFactory, MunicipalityFactory, RegionFactory
from tests.registering import ADVICE, CONTENT, FILLED_IN, closed, code_lists, coordinator_of, draft, registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture(autouse=True)
def _lists(db):
    code_lists()


def refused(verb, *args, **kwargs):
    with pytest.raises(Refused) as no, transaction.atomic():
        verb(*args, **kwargs)
    return no.value.code


# ---------------------------------------------------------------- made at the accept


def test_accepting_makes_exactly_one_registration(clock):
    conversation = ConversationFactory(held=True)

    kept = Registration.objects.get()
    assert (kept.state, kept.region, kept.holder, kept.made_at) == (State.DRAFT, conversation.region, conversation.holder, clock.now())
    assert RegisteredConversation.objects.get().conversation == conversation
    assert str(kept.pk).upper().startswith(kept.reference)


def test_what_the_chatter_said_is_filled_in():
    place = MunicipalityFactory(name="Krommenie aan Zee")
    ConversationFactory(held=True, municipality=place, role="bystander")

    answers = Registration.objects.get().answers()
    assert answers.municipality == place.cbs_code
    assert answers.codes == {"enquirer_kind": {"bystander"}}


def test_a_chat_without_a_region_is_registered_in_the_region_of_who_accepts():
    employee = EmployeeFactory(on_duty=True)

    ConversationFactory(region=None, held=employee)

    assert Registration.objects.get().region == employee.region


def test_a_chat_of_another_region_is_registered_in_the_region_of_the_chatter():
    chatters, employee = RegionFactory(open=True), EmployeeFactory(on_duty=True)

    ConversationFactory(region=chatters, held=employee)

    assert Registration.objects.get().region == chatters


def test_the_registration_follows_the_holder(clock):
    kept, successor = draft(ended=False), EmployeeFactory()

    Registration.objects.follow(conversation=Conversation.objects.get(), by=successor, at=clock.now())

    kept.refresh_from_db()
    assert Registration.objects.count() == 1
    assert kept.holder == successor


@pytest.mark.django_db(transaction=True)
def test_a_listener_that_fails_undoes_the_accept(clock):
    employee = EmployeeFactory(on_duty=True)
    conversation = ConversationFactory(region=employee.region)

    def fails(sender, **kwargs):
        raise OSError("no room")

    signals.accepted.connect(fails)
    try:
        with pytest.raises(OSError, match="no room"):
            conversation.accept(by=employee, at=clock.now())
    finally:
        signals.accepted.disconnect(fails)

    conversation.refresh_from_db()
    assert (conversation.state, conversation.holder) == (ConversationState.WAITING, None)
    assert not Registration.objects.exists()


# ---------------------------------------------------------------- saved while somebody types


def test_a_draft_is_kept_as_it_was_typed(clock):
    kept = draft(ended=False)

    kept.save_draft(answers=FILLED_IN, seen=0, by=kept.holder, at=clock.now())

    found = Registration.objects.get()
    assert found.answers() == FILLED_IN
    assert (found.revision, found.saved_at, found.saved_by) == (1, clock.now(), kept.holder)


def test_of_two_editors_the_second_is_told_and_overwrites_nothing(clock):
    kept = draft(answers=FILLED_IN)
    coordinator = coordinator_of(kept)
    kept.save_draft(answers=Answers("van de medewerker", ""), seen=1, by=kept.holder, at=clock.now())

    late = Registration.objects.get()
    refusal = refused(late.save_draft, answers=Answers("van de coördinator", ""), seen=1, by=coordinator, at=clock.now())

    assert refusal is Refusal.CHANGED
    assert Registration.objects.get().answers().content == "van de medewerker"


def test_a_form_whose_answer_was_lost_goes_on_from_its_own_save(clock):
    kept, form = draft(ended=False), uuid.uuid4()
    kept.save_draft(answers=Answers("een"), seen=0, by=kept.holder, at=clock.now(), form=form)

    kept.save_draft(answers=Answers("een twee"), seen=0, by=kept.holder, at=clock.now(), form=form)

    assert Registration.objects.get().answers().content == "een twee"


def test_a_form_whose_answer_was_lost_does_not_overwrite_what_came_after_it(clock):
    kept, form = draft(), uuid.uuid4()
    kept.save_draft(answers=Answers("een"), seen=0, by=kept.holder, at=clock.now(), form=form)
    kept.save_draft(answers=Answers("van een ander"), seen=1, by=coordinator_of(kept), at=clock.now(), form=uuid.uuid4())

    refusal = refused(kept.save_draft, answers=Answers("een twee"), seen=0, by=kept.holder, at=clock.now(), form=form)

    assert refusal is Refusal.CHANGED


def test_saving_again_what_stands_there_changes_nothing(clock):
    kept = draft(answers=FILLED_IN)

    kept.save_draft(answers=FILLED_IN, seen=0, by=kept.holder, at=clock.forward(minutes=1))

    assert Registration.objects.get().revision == 1


def test_a_colleague_who_does_not_hold_it_may_not_write(clock):
    kept = draft()
    colleague = EmployeeFactory(region=kept.region)

    assert refused(kept.save_draft, answers=FILLED_IN, seen=0, by=colleague, at=clock.now()) is Refusal.NOT_ALLOWED


def test_taking_a_code_away_takes_it_away(clock):
    kept = draft(answers=FILLED_IN)

    kept.save_draft(answers=Answers(CONTENT, ADVICE, "", {"nature": frozenset()}), seen=1, by=kept.holder, at=clock.now())

    assert Registration.objects.get().answers().codes == {"enquirer_kind": {"bystander"}}


# ---------------------------------------------------------------- registered


def test_registering_takes_the_conversation_from_the_screen(clock):
    kept = draft(answers=FILLED_IN)
    assert Conversation.objects.held_by(kept.holder).exists()

    kept.register(seen=1, by=kept.holder, at=clock.now())

    assert (kept.state, kept.registered_by, kept.registered_at) == (State.REGISTERED, kept.holder, clock.now())
    assert not Conversation.objects.held_by(kept.holder).exists()


def test_registering_twice_is_the_same(clock):
    kept = registered()
    first = kept.registered_at

    kept.register(seen=kept.revision, by=kept.holder, at=clock.forward(minutes=1))

    assert kept.registered_at == first


def test_nothing_is_registered_while_the_conversation_runs(clock):
    kept = draft(ended=False, answers=FILLED_IN)

    assert refused(kept.register, seen=1, by=kept.holder, at=clock.now()) is Refusal.STILL_RUNNING


def test_nothing_is_registered_without_content_and_advice(clock):
    kept = draft(answers=Answers(CONTENT))

    assert refused(kept.register, seen=1, by=kept.holder, at=clock.now()) is Refusal.INCOMPLETE


def test_what_is_registered_is_what_was_seen(clock):
    kept = draft(answers=FILLED_IN)
    kept.save_draft(answers=Answers("anders", "anders"), seen=1, by=coordinator_of(kept), at=clock.now())

    assert refused(kept.register, seen=1, by=kept.holder, at=clock.now()) is Refusal.CHANGED


# ---------------------------------------------------------------- closed


def test_closing_freezes_it_and_makes_its_delivery_due(clock):
    kept = registered()
    coordinator = coordinator_of(kept)

    kept.close(seen=kept.revision, by=coordinator, at=clock.now())

    version, delivery = Version.objects.get(), Delivery.objects.get()
    assert (kept.state, kept.closed_by, kept.closed_at) == (State.CLOSED, coordinator, clock.now())
    assert (version.registration, version.number, version.closed_by) == (kept, 1, coordinator)
    assert (delivery.version, delivery.state, delivery.due_at) == (version, Delivery.State.DUE, clock.now())


def test_a_version_and_its_delivery_come_together_or_not_at_all(clock, monkeypatch):
    kept = registered()

    def fails(**kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(Delivery.objects, "create", fails)
    with pytest.raises(OSError, match="disk full"), transaction.atomic():
        kept.close(seen=kept.revision, by=coordinator_of(kept), at=clock.now())

    assert Registration.objects.get().state == State.REGISTERED
    assert not Version.objects.exists()


def test_closing_needs_the_nature(clock):
    kept = registered(Answers(CONTENT, ADVICE))

    assert refused(kept.close, seen=kept.revision, by=coordinator_of(kept), at=clock.now()) is Refusal.INCOMPLETE


@pytest.mark.parametrize("role", [Role.FRONT_OFFICE, Role.MANAGER])
def test_only_the_responsible_person_closes(clock, role):
    kept = registered()

    assert refused(kept.close, seen=1, by=EmployeeFactory(role=role, region=kept.region), at=clock.now()) is Refusal.NOT_ALLOWED


def test_the_coordinator_of_another_region_does_not_close_it(clock):
    kept = registered()

    assert refused(kept.close, seen=1, by=EmployeeFactory(role=Role.COORDINATOR), at=clock.now()) is Refusal.NOT_ALLOWED


def test_a_national_administrator_closes_for_every_region(clock):
    kept = registered()

    kept.close(seen=1, by=EmployeeFactory(role=Role.ADMINISTRATOR, region=None), at=clock.now())

    assert kept.state == State.CLOSED


def test_closing_a_draft_that_nobody_registered_registers_it_too(clock):
    kept = draft(answers=FILLED_IN)
    coordinator = coordinator_of(kept)

    kept.close(seen=1, by=coordinator, at=clock.now())

    assert (kept.registered_by, kept.closed_by) == (coordinator, coordinator)
    assert not Conversation.objects.held_by(kept.holder).exists()


def test_what_is_closed_is_what_was_seen(clock):
    kept = registered()
    kept.save_draft(answers=Answers("anders", "anders"), seen=1, by=kept.holder, at=clock.now())

    late = Registration.objects.get()
    assert refused(late.close, seen=1, by=coordinator_of(kept), at=clock.now()) in (Refusal.CHANGED, Refusal.INCOMPLETE)


def test_a_closed_one_is_frozen(clock):
    kept = closed()
    coordinator = coordinator_of(kept)

    assert refused(kept.save_draft, answers=Answers("anders"), seen=1, by=coordinator, at=clock.now()) is Refusal.FROZEN
    assert refused(kept.register, seen=1, by=kept.holder, at=clock.now()) is Refusal.FROZEN
    assert refused(kept.close, seen=1, by=coordinator, at=clock.now()) is Refusal.FROZEN


def test_a_code_that_was_renamed_stays_in_the_version_as_it_was():
    kept = closed()

    Code.objects.filter(code="witness").update(label_nl="anders genoemd")

    assert '"omschrijving": "witness (nl)"' in kept.versions.get().text()


# ---------------------------------------------------------------- at rest (K1)


def stored_bytes() -> bytes:
    """Every value of every table."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            found += [value for row in cursor.fetchall() for value in row]
    return b"\0".join(bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in found)


def test_the_database_holds_nothing_of_what_was_typed():
    closed(nickname="NAAM-MERK")

    stored = stored_bytes()
    assert b"Medewerker" in stored  # what is looked for would be found
    assert [mark for mark in (CONTENT, ADVICE, "MERK") if mark.encode() in stored] == []


def test_an_older_text_put_back_is_not_read_as_the_newer_one(clock):
    kept = draft(answers=FILLED_IN)
    older = Registration.objects.get().content
    kept.save_draft(answers=Answers("anders", "anders"), seen=1, by=kept.holder, at=clock.now())

    Registration.objects.update(content=older)

    assert refused(Registration.objects.get().answers) is Refusal.UNREADABLE


def test_a_text_moved_to_another_registration_is_not_read():
    first, second = draft(answers=FILLED_IN), draft(answers=FILLED_IN)

    Registration.objects.filter(pk=second.pk).update(content=Registration.objects.get(pk=first.pk).content)

    assert refused(Registration.objects.get(pk=second.pk).answers) is Refusal.UNREADABLE
