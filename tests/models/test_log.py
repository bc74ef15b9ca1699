"""The log: numbered without gaps, each line once, acknowledged when it is stored, closed to who has no key (P1, P2, P4, K1)."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.signals import connection_created
from django.test.utils import CaptureQueriesContext
from django.utils.translation import gettext
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from chat import entries, log
from chat.entries import New, Stored
from chat.models import Conversation, ConversationKey, Entry
from chat.protocol import Kind
from chat.rules import Author
from staffing import clock as product_clock
from staffing.rules import Refusal
from tests.factories import ConversationFactory, EmployeeFactory, writes
from tests.stored import everything_stored
from tests.threads import PATIENCE, at_the_same_moment, until


@pytest.fixture(autouse=True)
def _no_keys_of_another_test(clock) -> Iterator[None]:
    entries.forget_keys()
    yield
    entries.forget_keys()


def line(conversation: Conversation, text: str, id: uuid.UUID | None = None, **fields: Any) -> New:
    """A message of the chatter."""
    return New(conversation.pk, fields.pop("author", Author.CHATTER), id or uuid.uuid4(), text, product_clock.now(), **fields)


def append(*news: New) -> list[entries.Answer]:
    with transaction.atomic():
        return Entry.objects.append(news)


def stored(conversation: Conversation, after: int = 0) -> list[tuple[int, str]]:
    """Numbers and texts, as they are read."""
    return [(entry.seq, entry.text_) for entry in entries.after(conversation.pk, after, 10_000)]


# ---------------------------------------------------------------- numbering and idempotence, against a model


IDS = [uuid.UUID(int=n, version=4) for n in range(12)]
BATCHES = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from([Author.CHATTER, Author.EMPLOYEE]), st.sampled_from(IDS), st.sampled_from(["een", "twee"])
    ),
    min_size=1,
    max_size=5,
)


class LogMachine(RuleBasedStateMachine):
    """
    Three conversations of one employee, two readers of each. The model is a list of lines for each conversation.

    Steps: batches with ids that come again, batches that are rolled back, ends, exits, restarts, pages read in between.
    """

    @initialize()
    def begin(self) -> None:
        entries.forget_keys()
        self.employee = EmployeeFactory(on_duty=True)
        self.conversations = [ConversationFactory(region=self.employee.region, held=self.employee) for _ in range(3)]
        self.model = [[("system", str(entry.id), entry.text_) for entry in entries.after(one.pk, 0, 10)] for one in self.conversations]
        self.ended, self.left = set(), set()
        self.readers: list[list[Any]] = [[which, []] for which in (0, 1, 2, 0, 1, 2)]

    def news(self, batch: list[Any]) -> list[New]:
        by = {Author.EMPLOYEE: {"by": self.employee.pk, "name": self.employee.name}}
        return [line(self.conversations[which], text, id, author=author, **by.get(author, {})) for which, author, id, text in batch]

    def expected(self, model: list[list[Any]], which: int, author: Author, id: uuid.UUID, text: str) -> Any:
        """What the answer must be; the model's own log grows with it."""
        for number, (its_author, its_id, its_text) in enumerate(model[which], start=1):
            if (its_author, its_id) == (author, str(id)):
                return (number, True) if its_text == text else Refusal.ID_REUSED
        if which in self.ended:
            return Refusal.ENDED
        if which in self.left and author is Author.EMPLOYEE:
            return Refusal.NOT_ALLOWED
        model[which].append((str(author), str(id), text))
        return (len(model[which]), False)

    def check(self, batch: list[Any], answers: list[entries.Answer], model: list[list[Any]]) -> None:
        expected = [self.expected(model, *one) for one in batch]
        assert [(answer.entry.seq, answer.again) if isinstance(answer, Stored) else answer for answer in answers] == expected

    @rule(batch=BATCHES)
    def append(self, batch: list[Any]) -> None:
        self.check(batch, append(*self.news(batch)), self.model)

    @rule(batch=BATCHES)
    def append_and_roll_back(self, batch: list[Any]) -> None:
        with transaction.atomic():
            self.check(batch, Entry.objects.append(self.news(batch)), [list(lines) for lines in self.model])
            transaction.set_rollback(True)

    @rule(which=st.integers(0, 2))
    def end(self, which: int) -> None:
        self.conversations[which].end(by=Author.CHATTER, at=product_clock.now())
        self.ended.add(which)

    @rule(which=st.integers(0, 2))
    def leave_by_quick_exit(self, which: int) -> None:
        self.conversations[which].quick_exit(at=product_clock.now())
        self.left.add(which)

    @rule()
    def restart(self) -> None:
        entries.forget_keys()

    @rule(reader=st.integers(0, 5), page=st.integers(1, 4))
    def read_a_page(self, reader: int, page: int) -> None:
        which, seen = self.readers[reader]
        seen += entries.after(self.conversations[which].pk, seen[-1].seq if seen else 0, page)

    @invariant()
    def numbers_have_no_gap_and_the_texts_are_the_models(self) -> None:
        if not hasattr(self, "model"):
            return
        for conversation, lines in zip(self.conversations, self.model, strict=True):
            conversation.refresh_from_db()
            assert conversation.last_seq == len(lines)
            found = entries.after(conversation.pk, 0, 1_000)
            assert [entry.seq for entry in found] == list(range(1, len(lines) + 1))
            assert [(str(entry.author), str(entry.id), entry.text_) for entry in found] == lines

    def teardown(self) -> None:
        if not hasattr(self, "readers"):
            return
        for which, seen in self.readers:
            seen += entries.after(self.conversations[which].pk, seen[-1].seq if seen else 0, 1_000)
            assert [(str(entry.author), str(entry.id), entry.text_) for entry in seen] == self.model[which]


@pytest.mark.django_db
def test_any_interleaving_of_appends_rollbacks_ends_and_reads_keeps_the_log():
    steps = hypothesis_settings(
        max_examples=25, stateful_step_count=20, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
    )

    run_state_machine_as_test(LogMachine, settings=steps)


@pytest.mark.django_db
def test_a_conversation_that_does_not_exist_is_not_found():
    nowhere = New(uuid.uuid4(), Author.CHATTER, uuid.uuid4(), "Hoi", product_clock.now())

    assert append(nowhere) == [Refusal.NOT_FOUND]


@pytest.mark.django_db
def test_an_employee_who_does_not_hold_it_finds_nothing():
    conversation, other = ConversationFactory(held=True), EmployeeFactory(on_duty=True)

    assert append(line(conversation, "Hoi", author=Author.EMPLOYEE, by=other.pk)) == [Refusal.NOT_FOUND]


@pytest.mark.django_db
def test_chatter_and_employee_may_by_chance_use_the_same_id():
    conversation, id = ConversationFactory(held=True), uuid.uuid4()

    answers = append(
        line(conversation, "van haar", id), line(conversation, "van ons", id, author=Author.EMPLOYEE, by=conversation.holder_id, name="Ans")
    )

    assert [answer.entry.text_ for answer in answers] == ["van haar", "van ons"]


@pytest.mark.django_db
def test_the_database_itself_takes_no_line_twice_and_no_number_twice():
    conversation = ConversationFactory(text="een")
    entry = Entry.objects.get()
    fields = {"conversation": conversation, "author": "chatter", "kind": "message", "at": entry.at, "sealed": b""}

    with pytest.raises(Exception, match=r"(?i)unique"), transaction.atomic():
        Entry.objects.bulk_create([Entry(seq=2, id=entry.id, **fields)])
    with pytest.raises(Exception, match=r"(?i)unique"), transaction.atomic():
        Entry.objects.bulk_create([Entry(seq=1, id=uuid.uuid4(), **fields)])


@pytest.mark.django_db
def test_a_line_is_only_ever_appended():
    ConversationFactory(text="een")

    with pytest.raises(TypeError):
        Entry.objects.get().save()


@pytest.mark.django_db
@pytest.mark.parametrize("size", [1, 10, 200])
def test_a_batch_takes_the_same_statements_whatever_its_size(size):
    """design.md: numbers first, then the entries; never a statement per line."""
    conversations = [ConversationFactory() for _ in range(5)]
    news = [line(conversations[n % 5], f"regel {n}") for n in range(size)]
    entries.opened([one.pk for one in conversations])

    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        Entry.objects.append(news)
    kept = len(queries)
    entries.forget_keys()
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        Entry.objects.append([replace(new, id=uuid.uuid4()) for new in news])

    assert kept == 4  # lock, known ids, entries, numbers
    assert len(queries) == 5  # and the keys, when they are not opened yet


# ---------------------------------------------------------------- the writer


@pytest.fixture
def writer(transactional_db: None, loop: asyncio.AbstractEventLoop) -> Iterator[log.Writer]:
    writer = log.new_writer(loop)
    yield writer
    writer.stop()


class Sending:
    """Messages on their way through the writer."""

    def __init__(self, writer: log.Writer, *news: New, source: log.Source | None = None) -> None:
        self.answers: list[Future[Any]] = []
        for new in news:
            answer: Future[Any] = Future()
            self.answers.append(answer)
            writer.submit(new, source, answer.set_result)

    def get(self) -> list[Any]:
        """The numbers under which they were stored, or why not."""
        found = [answer.result(PATIENCE) for answer in self.answers]
        return [answer.entry.seq if isinstance(answer, Stored) else answer for answer in found]

    @property
    def is_answered(self) -> bool:
        return all(answer.done() for answer in self.answers)


@contextmanager
def nobody_writes() -> Iterator[None]:
    """The writer stands before a closed door: what is sent meanwhile waits together."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE chat_conversation IN EXCLUSIVE MODE")
        yield


@contextmanager
def each_new_connection(do: Callable[[Any], None]) -> Iterator[None]:
    def handle(sender: Any, connection: Any, **kwargs: Any) -> None:
        do(connection)

    connection_created.connect(handle)
    try:
        yield
    finally:
        connection_created.disconnect(handle)


def bad(conversation: Conversation, id: uuid.UUID | None = None) -> New:
    """A line that the database refuses at the commit: its employee does not exist."""
    return line(conversation, "slecht", id, author=Author.SYSTEM, by=2**30)


def test_everything_that_waits_is_stored_in_one_transaction(writer):
    conversations = [ConversationFactory() for _ in range(3)]
    locks: list[str] = []

    def watch(new_connection: Any) -> None:
        def record(execute: Any, sql: str, *rest: Any) -> Any:
            if "last_seq, state" in sql:
                locks.append(threading.current_thread().name)
            return execute(sql, *rest)

        new_connection.execute_wrappers.append(record)

    with each_new_connection(watch):
        with nobody_writes():
            first = Sending(writer, line(conversations[0], "eerste"))
            until(lambda: writer.waiting == 0)
            others = Sending(writer, *(line(conversations[n % 3], f"regel {n}") for n in range(60)))
        assert first.get() == [1]
        assert Refusal.UNAVAILABLE not in others.get()

    assert set(locks) == {"writer"}
    assert len(locks) <= 2


def test_an_answer_comes_after_the_commit(writer):
    conversation = ConversationFactory()

    (number,) = Sending(writer, line(conversation, "Hoi")).get()

    assert stored(conversation) == [(number, "Hoi")]


def test_a_bad_line_fails_alone(writer):
    conversation, other = ConversationFactory(), ConversationFactory()

    with nobody_writes():
        waits = Sending(writer, line(other, "eerst"))
        until(lambda: writer.waiting == 0)
        batch = Sending(writer, line(conversation, "een"), bad(conversation), line(conversation, "twee"), line(other, "daarna"))

    assert waits.get() == [1]
    assert batch.get() == [1, Refusal.UNAVAILABLE, 2, 2]
    assert stored(conversation) == [(1, "een"), (2, "twee")]


@pytest.mark.parametrize("together", [True, False])
def test_after_a_line_that_failed_its_connection_waits_until_it_comes_again(writer, together):
    """P2: otherwise what was written later would stand before it."""
    conversation, elsewhere, source, other = ConversationFactory(), ConversationFactory(), log.Source(), log.Source()
    first, second, third = (uuid.uuid4() for _ in range(3))
    follow = [line(conversation, "twee", second), line(conversation, "drie", third)]

    if together:
        with nobody_writes():
            waits = Sending(writer, line(elsewhere, "eerst"))
            until(lambda: writer.waiting == 0)
            refused = Sending(writer, bad(conversation, first), *follow, source=source)
            aside = Sending(writer, line(conversation, "intussen"), source=other)
        waits.get()
        answers = refused.get()
    else:
        answers = [answer for new in (bad(conversation, first), *follow) for answer in Sending(writer, new, source=source).get()]
        aside = Sending(writer, line(conversation, "intussen"), source=other)
    assert answers == [Refusal.UNAVAILABLE] * 3
    assert aside.get() == [1]

    again = Sending(writer, line(conversation, "een", first), *follow, source=source)

    assert again.get() == [2, 3, 4]
    assert [text for _, text in stored(conversation)] == ["intussen", "een", "twee", "drie"]


def test_when_too_much_waits_what_comes_is_refused_and_the_order_is_kept(writer, monkeypatch):
    monkeypatch.setattr(log, "MOST_WAITING", 5)
    conversation, source = ConversationFactory(), log.Source()
    news = [line(conversation, f"regel {n}") for n in range(12)]

    with nobody_writes():
        waits = Sending(writer, line(conversation, "eerst"))
        until(lambda: writer.waiting == 0)
        sent = Sending(writer, *news, source=source)
    waits.get()
    answers = sent.get()
    assert Refusal.UNAVAILABLE in answers

    for _ in range(3):  # a careful client begins again at the oldest that is not acknowledged
        pending = [new for new, answer in zip(news, answers, strict=True) if answer is Refusal.UNAVAILABLE]
        again = {new.id: answer for new in pending for answer in Sending(writer, new, source=source).get()}
        answers = [again.get(new.id, answer) for new, answer in zip(news, answers, strict=True)]

    assert Refusal.UNAVAILABLE not in answers
    assert [text for _, text in stored(conversation)] == ["eerst", *(new.text for new in news)]


def test_an_append_goes_on_when_nobody_waits_for_it_any_more(writer, loop):
    """P1: it belongs to the process, not to the connection."""
    conversation = ConversationFactory()

    try:
        with nobody_writes():
            sending = asyncio.run_coroutine_threadsafe(log.append(line(conversation, "nog net")), loop)
            until(lambda: log._writer and log._writer.waiting == 0)
            sending.cancel()
        until(lambda: stored(conversation))
    finally:
        log.stop()

    assert stored(conversation) == [(1, "nog net")]


def test_an_ordinary_stop_stores_what_waits(transactional_db, loop):
    """P13."""
    conversation, writer = ConversationFactory(), log.new_writer(loop)
    with nobody_writes():
        sending = Sending(writer, *(line(conversation, f"regel {n}") for n in range(20)))
        stopping = threading.Thread(target=writer.stop)
        stopping.start()
    stopping.join(PATIENCE)

    assert sending.get() == list(range(1, 21))
    assert len(stored(conversation)) == 20


def test_fifty_who_write_at_the_same_moment_share_one_numbering(writer):
    """Forty through the writer, ten as other processes do it."""
    conversation = ConversationFactory()

    def through_the_writer(who: int) -> list[Any]:
        return [Sending(writer, line(conversation, f"{who} {n}")).get()[0] for n in range(5)]

    def beside_it(who: int) -> list[Any]:
        return [append(line(conversation, f"{who} {n}"))[0].entry.seq for n in range(5)]

    works = [lambda who=who: through_the_writer(who) if who < 40 else beside_it(who) for who in range(50)]
    numbers = at_the_same_moment(works)

    found = stored(conversation)
    assert [seq for seq, _ in found] == list(range(1, 251))
    for who, its in enumerate(numbers):
        assert its == sorted(its)
        assert [text for seq, text in found if seq in its] == [f"{who} {n}" for n in range(5)]


def test_the_same_id_at_the_same_moment_is_one_line(writer):
    conversation, id = ConversationFactory(), uuid.uuid4()

    def through_the_writer() -> list[Any]:
        return Sending(writer, line(conversation, "Hoi", id)).get()

    def beside_it() -> list[Any]:
        return [append(line(conversation, "Hoi", id))[0].entry.seq]

    numbers = at_the_same_moment([through_the_writer, beside_it] * 10)

    assert numbers == [[1]] * 20
    assert stored(conversation) == [(1, "Hoi")]


@pytest.mark.sqlite_only
def test_a_full_disk_is_refused_and_nothing_is_half_stored(transactional_db, loop):
    conversation, full = ConversationFactory(), True

    def limit(new_connection: Any) -> None:
        if full and threading.current_thread().name == "writer":
            with new_connection.cursor() as cursor:
                cursor.execute("PRAGMA max_page_count = 1")  # as small as what is there already

    with each_new_connection(limit):
        writer = log.new_writer(loop)
        answers = Sending(writer, *(line(conversation, "a" * 16_000) for _ in range(20))).get()
        full = False
        again = Sending(writer, line(conversation, "Hoi")).get()
        writer.stop()

    kept = [answer for answer in answers if answer is not Refusal.UNAVAILABLE]
    assert len(kept) < 20
    assert again == [len(kept) + 1]
    assert [seq for seq, _ in stored(conversation)] == [*kept, *again]


# ---------------------------------------------------------------- a conversation that another process holds


@pytest.mark.postgresql_only
def test_what_another_process_has_locked_keeps_nobody_elses_lines_waiting(writer):
    """P8: a process that is frozen in the middle of a transaction stalls its own conversation only."""
    frozen, free = ConversationFactory(), ConversationFactory()

    with transaction.atomic():
        frozen.lock()
        waits = Sending(writer, line(frozen, "een"))
        for n in range(3):
            assert Sending(writer, line(free, f"regel {n}")).get() == [n + 1]
        more = Sending(writer, line(frozen, "twee"), line(frozen, "drie"))
        assert Sending(writer, line(free, "regel 3")).get() == [4]
        assert not waits.is_answered

    assert waits.get() + more.get() == [1, 2, 3]
    assert stored(frozen) == [(1, "een"), (2, "twee"), (3, "drie")]


@pytest.mark.postgresql_only
def test_an_employee_who_is_locked_by_an_accept_writes_on(writer):
    """Otherwise an accept that waits for a conversation and a batch that holds it would wait for each other."""
    conversation = ConversationFactory(held=True)
    employee = conversation.holder

    with transaction.atomic():
        employee.lock()
        said = Sending(writer, line(conversation, "Dag", author=Author.EMPLOYEE, by=employee.pk, name=employee.name))
        assert said.get() == [2]


@pytest.mark.postgresql_only
def test_what_stays_locked_is_refused_after_the_lock_limit_and_its_connection_waits(writer):
    frozen, source = ConversationFactory(), log.Source()

    def be_quick(new_connection: Any) -> None:
        with new_connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")

    with each_new_connection(be_quick):
        first, second = line(frozen, "een"), line(frozen, "twee")
        with transaction.atomic():
            frozen.lock()
            refused = Sending(writer, first, second, source=source).get()
        again = Sending(writer, first, second, source=source).get()

    assert refused == [Refusal.UNAVAILABLE] * 2
    assert again == [1, 2]


# ---------------------------------------------------------------- closed to who has no key (K1, K4)


MARKERS = ["Zeemeermin", "Ik ben vannacht geslagen", "Ga naar je zus"]


@pytest.fixture
def told(db: None) -> Conversation:
    """A conversation in which things were typed that must be found nowhere."""
    conversation = ConversationFactory(nickname=MARKERS[0], text=MARKERS[1], held=True)
    writes(conversation, MARKERS[2], author=Author.EMPLOYEE)
    writes(conversation, "tot straks")
    return conversation


def test_the_whole_database_holds_nothing_of_what_was_typed(transactional_db):
    conversation = ConversationFactory(nickname=MARKERS[0], text=MARKERS[1], held=True)
    writes(conversation, MARKERS[2], author=Author.EMPLOYEE)

    dump = everything_stored()

    assert conversation.region.name.encode() in dump  # the search finds what is there
    assert [marker for marker in MARKERS if marker.encode() in dump or marker[1:].encode() in dump] == []


def texts(conversation: Conversation) -> list[str | None]:
    """The texts by number; None for what cannot be read."""
    unreadable = gettext("This message cannot be read.")
    return [None if text == unreadable else text for _, text in stored(conversation)]


def test_two_texts_that_are_swapped_cannot_be_read_and_the_others_can(told):
    one, two = Entry.objects.get(conversation=told, seq=1), Entry.objects.get(conversation=told, seq=3)
    Entry.objects.filter(conversation=told, seq=1).update(sealed=two.sealed)
    Entry.objects.filter(conversation=told, seq=3).update(sealed=one.sealed)

    assert texts(told)[0] is texts(told)[2] is None
    assert texts(told)[3] == "tot straks"


def test_a_text_of_another_conversation_cannot_be_read(told):
    other = ConversationFactory(text="anders")
    Entry.objects.filter(conversation=other).update(sealed=Entry.objects.get(conversation=told, seq=1).sealed)

    assert texts(other) == [None]


@pytest.mark.parametrize("fields", [{"author": "employee"}, {"kind": "notice"}])
def test_a_text_that_is_put_into_somebody_elses_mouth_cannot_be_read(told, fields):
    Entry.objects.filter(conversation=told, seq=1).update(**fields)

    assert texts(told)[0] is None
    assert None not in texts(told)[1:]


DAMAGES = {
    "cut": lambda sealed: sealed[:-1],
    "cut to less than a nonce": lambda sealed: sealed[:5],
    "empty": lambda sealed: b"",
    "one bit": lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]),
    "longer": lambda sealed: sealed + b"\0",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_text_that_is_damaged_cannot_be_read(told, damage):
    sealed = bytes(Entry.objects.get(conversation=told, seq=3).sealed)
    Entry.objects.filter(conversation=told, seq=3).update(sealed=DAMAGES[damage](sealed))

    assert texts(told) == [MARKERS[1], texts(told)[1], None, "tot straks"]


def test_a_key_of_another_conversation_opens_nothing(told):
    other = ConversationFactory(text="anders")
    ConversationKey.objects.filter(conversation=told).update(wrapped=other.key.wrapped)
    entries.forget_keys()

    assert texts(told) == [None] * 4
    assert texts(other) == ["anders"]


def test_a_key_that_is_destroyed_leaves_times_and_numbers_only(told):
    told.key.delete()
    entries.forget_keys()

    assert texts(told) == [None] * 4
    assert append(line(told, "Hallo?")) == [Refusal.UNAVAILABLE]


def test_the_same_text_is_sealed_differently_each_time(told):
    writes(told, "Hoi", "Hoi")

    one, two = (bytes(entry.sealed) for entry in Entry.objects.filter(conversation=told, seq__gt=4))
    assert one != two
    assert one[:12] != two[:12]


def test_with_a_wrong_key_nothing_is_shown_and_nothing_is_stored(told, settings):
    settings.TRANSCRIPT_KEYS = [b"x" * 32]
    entries.forget_keys()

    assert texts(told) == [None] * 4
    assert told.opened() is None
    assert append(line(told, "Hallo?")) == [Refusal.UNAVAILABLE]


def test_the_first_key_encrypts_and_all_decrypt(told, settings):
    """Rotation: the old key moves to the second place."""
    settings.TRANSCRIPT_KEYS = [b"n" * 32, *settings.TRANSCRIPT_KEYS]
    entries.forget_keys()
    new = ConversationFactory(text="nieuw")

    assert texts(told)[0] == MARKERS[1]
    assert isinstance(append(line(told, "en verder"))[0], Stored)
    settings.TRANSCRIPT_KEYS = settings.TRANSCRIPT_KEYS[:1]
    entries.forget_keys()
    assert texts(told) == [None] * 5
    assert texts(new) == ["nieuw"]


def test_the_nickname_of_an_entry_is_read_under_its_own_place(told):
    told.nickname = told.municipality
    told.save(update_fields=["nickname"])
    entries.forget_keys()

    assert told.opened() is None


def test_a_notice_is_a_line_like_any_other(told):
    (notice,) = [entry for entry in entries.after(told.pk, 0, 10) if entry.kind is Kind.NOTICE]

    assert (notice.seq, notice.author, notice.name) == (2, Author.SYSTEM, "")
