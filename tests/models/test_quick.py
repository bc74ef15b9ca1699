"""The short way of the log on PostgreSQL: one statement, and nothing of it where the rows stand otherwise than was thought (P2, P8)."""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connections, transaction
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import rule, run_state_machine_as_test

from chat import entries, log, quick
from chat.entries import New, Stored
from chat.rules import Author
from staffing import clock as product_clock
from staffing.rules import Refusal
from tests.factories import ConversationFactory
from tests.models.test_log import BATCHES, LogMachine, Sending, append, line, stored
from tests.proxy import Proxy, Way
from tests.threads import PATIENCE

pytestmark = [pytest.mark.postgresql_only, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _nothing_seen_yet(clock) -> Iterator[None]:
    entries.forget_keys()
    yield
    entries.forget_keys()


class Process:
    """A server process as far as the log goes: what it has seen, and its short way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.way, self.seen = loop, quick.ShortWay(), OrderedDict[Any, entries.Opened]()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        before, entries._opened = entries._opened, self.seen
        try:
            yield
        finally:
            entries._opened = before

    def tries(self, *news: New) -> list[Stored | None]:
        """What the short way alone makes of these lines."""
        with self._at_work():
            return asyncio.run_coroutine_threadsafe(self.way.append(news), self.loop).result(PATIENCE)

    def appends(self, *news: New) -> list[entries.Answer]:
        """The short way, and the long one for what is left."""
        answers: list[Any] = list(self.tries(*news))
        left = [place for place, answer in enumerate(answers) if answer is None]
        with self._at_work():
            for place, answer in zip(left, append(*(news[place] for place in left)) if left else (), strict=True):
                answers[place] = answer
        return answers

    def closes(self) -> None:
        self.loop.call_soon_threadsafe(self.way.close)


@pytest.fixture
def process(loop) -> Iterator[Process]:
    process = Process(loop)
    yield process
    process.closes()


@pytest.fixture
def other(loop) -> Iterator[Process]:
    other = Process(loop)
    yield other
    other.closes()


def numbers(answers: list[Any]) -> list[Any]:
    return [answer.entry.seq if isinstance(answer, Stored) else answer for answer in answers]


def by_holder(conversation: Any, text: str, **fields: Any) -> New:
    return line(conversation, text, author=Author.EMPLOYEE, by=conversation.holder_id, name="Ans", **fields)


def test_who_was_never_seen_goes_the_long_way_and_then_the_short_one(process):
    conversation = ConversationFactory(held=True, text="een")

    first = process.tries(line(conversation, "twee"))
    process.appends(line(conversation, "twee"))
    then = process.tries(line(conversation, "drie"), by_holder(conversation, "vier"), line(conversation, "vijf"))

    assert first == [None]
    assert numbers(then) == [*numbers(then)[:1], numbers(then)[0] + 1, numbers(then)[0] + 2]
    assert [text for _, text in stored(conversation)][-4:] == ["twee", "drie", "vier", "vijf"]


def test_another_process_was_first_and_the_numbers_go_on_behind_it(process, other):
    conversation = ConversationFactory(held=True)
    process.appends(line(conversation, "een"))
    other.appends(line(conversation, "van elders"))

    (answer,) = process.tries(line(conversation, "twee"))

    assert isinstance(answer, Stored)
    assert [text for _, text in stored(conversation)][-3:] == ["een", "van elders", "twee"]


def test_nothing_is_stored_in_a_conversation_that_has_ended_elsewhere(process):
    conversation = ConversationFactory(held=True)
    process.appends(line(conversation, "een"))
    seen = dict(process.seen)
    conversation.end(by=Author.CHATTER, at=product_clock.now())
    process.seen.update(seen)

    assert process.tries(line(conversation, "te laat"), by_holder(conversation, "ook")) == [None, None]
    assert process.appends(line(conversation, "te laat")) == [Refusal.ENDED]


def test_who_no_longer_holds_a_conversation_stores_nothing_with_an_old_number(process, other):
    conversation = ConversationFactory(held=True)
    process.appends(by_holder(conversation, "een"))
    with transaction.atomic():
        conversation.refresh_from_db()
        type(conversation).objects.filter(pk=conversation.pk).update(assignment=conversation.assignment + 1)

    assert process.appends(by_holder(conversation, "twee", assignment=conversation.assignment)) == [Refusal.NOT_ALLOWED]
    assert [text for _, text in stored(conversation)][-1] == "een"


def test_the_same_line_again_has_its_old_number_and_another_text_is_refused(process):
    conversation, id = ConversationFactory(held=True), uuid.uuid4()
    process.appends(line(conversation, "eerst"))
    (answer,) = process.appends(line(conversation, "een", id))

    again = process.appends(line(conversation, "een", id), line(conversation, "daarna"))
    other_text = process.appends(line(conversation, "iets anders", id))

    assert numbers(again) == [answer.entry.seq, answer.entry.seq + 1]
    assert other_text == [Refusal.ID_REUSED]
    assert [text for _, text in stored(conversation)][-3:] == ["eerst", "een", "daarna"]


def test_a_conversation_that_is_locked_elsewhere_keeps_nobody_else_waiting(process):
    locked, free = ConversationFactory(held=True), ConversationFactory(held=True)
    process.appends(line(locked, "een"), line(free, "een"))

    with transaction.atomic():
        locked.lock()
        answers = process.tries(line(locked, "twee"), line(free, "twee"))

    assert answers[0] is None
    assert isinstance(answers[1], Stored)
    assert [text for _, text in stored(locked)][-1] == "een"


class TwoProcesses(LogMachine):
    """The log's own machine, with a process that goes the short way while another one and the verbs do what they do."""

    loop: asyncio.AbstractEventLoop

    @rule(batch=BATCHES)
    def append_quickly(self, batch: list[Any]) -> None:
        if not hasattr(self, "process"):
            self.process = Process(self.loop)
        self.check(batch, self.process.appends(*self.news(batch)), self.model)

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "process"):
            self.process.closes()


def test_any_interleaving_with_the_long_way_keeps_the_log(loop):
    TwoProcesses.loop = loop
    steps = hypothesis_settings(
        max_examples=15, stateful_step_count=20, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
    )

    run_state_machine_as_test(TwoProcesses, settings=steps)


def test_the_statement_finds_its_rows_by_index_whatever_was_known_of_the_tables_when_it_was_planned():
    parameters = [[], [], [], [], [], [], "[]"]
    with psycopg.connect(**plain_parameters(), options=quick.PLANNED_FOR_MANY) as planning:
        planning.execute("SET plan_cache_mode = force_generic_plan")
        plan = "\n".join(row[0] for row in planning.execute("EXPLAIN " + quick.STORE, parameters))

    assert "Seq Scan on chat" not in plan
    assert "using sent_once on chat_entry" in plan


def plain_parameters() -> dict[str, Any]:
    wanted = ("dbname", "user", "password", "host", "port")
    return {name: value for name, value in connections["default"].get_connection_params().items() if name in wanted}


# ---------------------------------------------------------------- the writer with both ways


@pytest.fixture
def writer(loop) -> Iterator[log.Writer]:
    writer = log.new_writer(loop)
    yield writer
    writer.stop()


def test_lines_keep_their_order_when_some_go_the_long_way(writer):
    conversation, source = ConversationFactory(held=True), log.Source()
    news = [line(conversation, f"regel {n}") for n in range(30)]
    news.insert(10, news[3])  # said again: the short way does not take it

    sent = Sending(writer, *news, source=source).get()

    assert sent[10] == sent[3]
    assert [text for _, text in stored(conversation)][-30:] == [f"regel {n}" for n in range(30)]


async def aside(do: Callable[..., Any], *what: Any, **how: Any) -> Any:
    """In a thread, which gives back its connection."""

    def work() -> Any:
        try:
            return do(*what, **how)
        finally:
            connections.close_all()

    return await asyncio.to_thread(work)


async def test_a_database_that_freezes_is_unavailable_within_the_limit_and_then_used_again(settings):
    """P14: frozen, not down: nobody answers, and nobody hangs up."""
    settings.STORE_LIMIT = timedelta(seconds=1)
    conversation = await aside(ConversationFactory, held=True)
    await aside(append, line(conversation, "een"))
    ours, way = plain_parameters(), quick.ShortWay()
    async with Proxy(f"{ours['host']}:{ours['port']}") as proxy:
        host, port = proxy.address.split(":")
        usual = dict(connections["default"].settings_dict)
        connections["default"].settings_dict |= {"HOST": host, "PORT": port}
        try:
            before = await way.append([line(conversation, "twee")])
            proxy.swallows(Way.TO_CLIENT)
            with pytest.raises(TimeoutError):
                await way.append([line(conversation, "drie")])
            proxy.passes()
            after = await way.append([line(conversation, "vier")])
        finally:
            connections["default"].settings_dict |= usual
            way.close()

    assert isinstance(before[0], Stored)
    assert isinstance(after[0], Stored)
    assert (await aside(stored, conversation))[-1][1] == "vier"
