"""A missed hint costs seconds, never a message (P4); Redis away is slower, not wrong (P14)."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from channels.layers import channel_layers

from chat import hints, protocol
from chat.rules import Author
from tests.client import PATIENCE, Chatter, Employee
from tests.factories import ConversationFactory, EmployeeFactory, writes


class Never(asyncio.Event):
    def set(self) -> None:
        pass


class Silent(hints.Switchboard):
    """Delivers nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.something_changed = Never()

    def deliver(self, conversation: UUID, stored: Sequence[hints.Stored], sender: hints.Line | None) -> None:
        pass

    def tell(self, conversation: UUID, author: Author, read: int | None, sender: hints.Line | None) -> None:
        pass


class Wild(hints.Switchboard):
    """Doubles, delays and turns around: each second hint comes before the one before it, and twice. The last one may never come."""

    held: tuple[Any, ...] | None = None

    def deliver(self, conversation: UUID, stored: Sequence[hints.Stored], sender: hints.Line | None) -> None:
        if self.held is None:
            self.held = (conversation, stored, sender)
            return
        before, self.held = self.held, None
        for hint in ((conversation, stored, sender), before, (conversation, stored, sender)):
            super().deliver(*hint)

    def tell(self, conversation: UUID, author: Author, read: int | None, sender: hints.Line | None) -> None:
        for number in (read, read and read - 1, read):
            super().tell(conversation, author, number, sender)


@pytest.fixture(params=[hints.Switchboard, Silent, Wild])
async def switchboard(site, request):
    hints.here = request.param(asyncio.get_running_loop())
    return hints.here


async def test_everything_arrives_within_seconds_whatever_hints_do(site, switchboard):
    employee = await Employee(site).logs_in(await site.there_is(EmployeeFactory, on_duty=True, name="Ans"))
    conversation = await site.there_is(ConversationFactory, region=employee.who.region, text="een")
    chatter = Chatter(site).holds(conversation.secret)
    await employee.connects()
    await chatter.connects()
    await site.passes(seconds=5)
    assert [chat["conversation"] for chat in employee.line.screen.queue[0]] == [str(conversation.pk)]

    await employee.accepts(conversation)
    await site.passes(seconds=5)
    assert chatter.line.screen.states[""]["employee"] == "Ans"

    for text in ("drie", "vier", "vijf"):
        chatter.line.sends(text)
        await site.settled()
        employee.line.sends(f"{text}!", conversation=conversation.pk)
        await site.settled()
    chatter.line.says("read", seq=5)
    employee.line.says("read", conversation=conversation.pk, seq=4)
    await site.passes(seconds=5)

    texts = ["drie", "drie!", "vier", "vier!", "vijf", "vijf!"]
    for listening, fresh in ((chatter.line, await chatter.connects()), (employee.line, await employee.connects())):
        assert listening.screen.texts[2:] == texts
        assert listening.numbers == sorted(set(listening.numbers))
        assert (listening.screen.logs, listening.screen.reads) == (fresh.screen.logs, fresh.screen.reads)
    assert chatter.line.screen.reads == {"": 4}
    assert employee.line.screen.reads == {str(conversation.pk): 5}

    employee.line.says("end", conversation=conversation.pk)
    await site.passes(seconds=5)
    assert chatter.line.screen.states[""]["state"] == "ended"
    await site.passes(seconds=25)
    assert chatter.line.code == 1000


async def test_what_another_process_did_without_a_hint_is_noticed_within_5_seconds(site, employee, talk, chatter):
    await site.there_is(writes, talk, "van elders", told=False)

    await site.passes(seconds=5)

    assert chatter.line.screen.texts[1:] == employee.line.screen.texts[1:] == ["van elders"]


async def test_a_waiting_poll_finds_what_no_hint_told(site, switchboard, talk):
    poller = Chatter(site).holds(talk.secret)
    waiting = await poller.begins_to_poll(after=1, wait=25)
    await site.there_is(writes, talk, "van elders", told=False)

    await site.passes(seconds=25)

    assert [entry["text"] for entry in (await waiting).json()["entries"]] == ["van elders"]


# ---------------------------------------------------------------- hints between processes


class Recorder:
    """An open line of another process."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def take(self, conversation: UUID, entry: protocol.Entry) -> None:
        self.heard.append(("take", conversation, entry.seq))

    def grown(self, conversation: UUID, to: int) -> None:
        self.heard.append(("grown", conversation, to))

    def told(self, conversation: UUID, author: Author, read: int | None) -> None:
        self.heard.append(("told", conversation, author, read))


@pytest.fixture
async def other_process(site, talk):
    """Its switchboard, once it hears."""
    board = hints.Switchboard(asyncio.get_running_loop())
    board.line = Recorder()
    board.register(talk.pk, board.line)
    await until(lambda: bool(board.line.heard), lambda: hints.open_switchboard().publish(grown={str(talk.pk): 0}))
    board.line.heard.clear()
    yield board
    board.close()


async def until(condition, again=lambda: None) -> None:
    """Wait for what comes over the network; a hint that nobody heard yet is said again."""
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end, "never came"
        again()
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.02)


@pytest.mark.postgresql_only
async def test_a_hint_reaches_the_lines_of_another_process_and_carries_no_text(site, chatter, talk, other_process):
    chatter.line.sends("Geheim")
    chatter.line.says("read", seq=1)
    chatter.line.says("typing")
    await until(lambda: len(other_process.line.heard) == 3)

    assert sorted(other_process.line.heard, key=str) == [
        ("grown", talk.pk, 2),
        ("told", talk.pk, Author.CHATTER, 1),
        ("told", talk.pk, Author.CHATTER, None),
    ]


@pytest.mark.postgresql_only
async def test_a_hint_of_another_process_is_followed_at_once(site, employee, chatter, talk, other_process):
    await site.there_is(writes, talk, "van elders", told=False)

    other_process.publish(grown={str(talk.pk): 2}, told=[str(talk.pk), "employee", None])
    await until(lambda: {"typing", "entry"} <= {frame["type"] for frame in chatter.line.frames[3:]})

    assert chatter.line.screen.texts[1:] == ["van elders"]


@pytest.mark.postgresql_only
async def test_a_process_goes_on_hearing_after_every_heartbeat(site, settings, talk, employee):
    settings.HEARTBEAT = timedelta(milliseconds=20)
    mine, other = hints.open_switchboard(), hints.Switchboard(asyncio.get_running_loop())
    line = Recorder()
    other.register(talk.pk, line)

    end = monotonic() + 0.5  # many heartbeats
    while monotonic() < end:
        line.heard.clear()
        await until(lambda: bool(line.heard), lambda: mine.publish(grown={str(talk.pk): 1}))
    other.close()


# ---------------------------------------------------------------- Redis away


@pytest.fixture
async def redis_away(site, settings):
    """The layer of production, towards a port where nobody listens."""
    settings.REDIS_URL = ["redis://127.0.0.1:1/0"]
    hosts = [{"address": "redis://127.0.0.1:1/0", "socket_connect_timeout": 1}]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": hosts}}}
    before, channel_layers.backends = channel_layers.backends, {}
    yield
    channel_layers.backends = before


async def test_without_redis_messages_are_acknowledged_and_delivered(site, redis_away, employee, talk, chatter, caplog):
    id = chatter.line.sends("Hoi")

    assert await chatter.line.hears("ack", id=id)
    assert (await employee.line.hears("entry", seq=2))["text"] == "Hoi"
    await site.passes(seconds=24)
    assert employee.line.screen.states[str(talk.pk)]["peer"] == "here"
    assert "hints of other processes are not heard" in caplog.text
