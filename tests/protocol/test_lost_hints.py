"""
A missed hint costs seconds, never a message (P4); Redis away is slower, not wrong (P14).

`--hints=none` and `--hints=wild` try everything else here at the doors with such hints; the last tests are about those two.
"""

import asyncio
from collections import Counter
from datetime import timedelta
from time import monotonic
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from channels.layers import channel_layers

from chat import hints, protocol
from chat.rules import Author
from tests.client import NOTICED, PATIENCE, Chatter, Employee, give_way
from tests.factories import ConversationFactory, EmployeeFactory, writes
from tests.switchboards import BOARDS, Silent, Wild


@pytest.fixture(params=[hints.Switchboard, Silent, Wild])
async def switchboard(site, request):
    hints.here = request.param(asyncio.get_running_loop())
    return hints.here


@pytest.mark.hints
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


@pytest.mark.hints
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


@pytest.mark.hints
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


@pytest.mark.hints
@pytest.mark.postgresql_only
async def test_a_hint_of_another_process_is_followed_at_once(site, employee, chatter, talk, other_process):
    await site.there_is(writes, talk, "van elders", told=False)

    other_process.publish(grown={str(talk.pk): 2}, told=[str(talk.pk), "employee", None])
    await until(lambda: {"typing", "entry"} <= {frame["type"] for frame in chatter.line.frames[3:]})

    assert chatter.line.screen.texts[1:] == ["van elders"]


@pytest.mark.hints
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


# ---------------------------------------------------------------- hints at their worst

ABOUT = UUID(int=1, version=4)
CHANGED = ("something changed",)
SAID = [*(("take", ABOUT, seq) for seq in (1, 2, 3)), ("told", ABOUT, Author.CHATTER, 2), ("grown", ABOUT, 4), CHANGED]


@pytest.fixture
def hear(clock, settings, monkeypatch):
    """`await hear(Board)`: what a line hears at once when everything is said that there is to say, and what it has heard after a while."""
    settings.REDIS_URL = []

    async def hear(kind: type[hints.Switchboard]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        board, line = kind(asyncio.get_running_loop()), Recorder()
        board.register(ABOUT, line)
        monkeypatch.setattr(hints, "here", board)
        for seq in (1, 2, 3):
            hints.grown(ABOUT, [SimpleNamespace(entry=SimpleNamespace(seq=seq))])
        hints.told(ABOUT, Author.CHATTER, 2, None)
        board._hear({"process": "another", "version": hints.VERSION, "grown": {str(ABOUT): 4}})
        hints.changed()
        heard = []
        for _ in range(20):
            heard.append([*line.heard, *([CHANGED] if board.something_changed.is_set() else [])])
            clock.forward(seconds=1)
            await give_way()
            await give_way()
        board.close()
        return heard[0], heard[-1]

    return hear


async def test_an_ordinary_board_delivers_everything_at_once(hear):
    assert await hear(hints.Switchboard) == (SAID, SAID)


async def test_the_silent_board_delivers_nothing(hear):
    assert await hear(Silent) == ([], [])


async def test_the_wild_board_delivers_everything_late_twice_and_in_disorder(hear):
    at_once, heard = await hear(Wild)

    assert at_once == []
    assert Counter(heard) == Counter(SAID[:-1] * 2 + [CHANGED])
    assert list(dict.fromkeys(heard)) != SAID


@pytest.mark.postgresql_only
async def test_the_wild_board_hears_through_redis_too_what_it_said_itself(site):
    board, line = Wild(asyncio.get_running_loop()), Recorder()
    board.register(ABOUT, line)

    def say() -> None:
        board.publish(grown={str(ABOUT): 1})
        site.clock.forward(seconds=10)

    await until(lambda: bool(line.heard), say)
    board.close()

    assert set(line.heard) == {("grown", ABOUT, 1)}


async def test_everybody_here_has_the_hints_that_were_asked_for(site, employee, hints_asked_for):
    assert type(hints.here) is BOARDS.get(hints_asked_for, hints.Switchboard)


@pytest.fixture
async def silent(site):
    hints.here = Silent(asyncio.get_running_loop())


@pytest.mark.hints
async def test_without_hints_a_test_that_lets_no_time_pass_hears_nothing(site, silent, employee, talk, chatter):
    chatter.line.sends("Hoi")
    await site.settled()
    assert employee.line.screen.logs == {}

    site.patient = True

    assert (await employee.line.hears("entry", seq=2))["text"] == "Hoi"


async def test_waiting_for_what_never_comes_ends(site, talk, chatter):
    site.patient, before = True, site.clock.now()

    await site.waits_for(lambda: False)

    assert site.clock.now() == before + NOTICED


async def test_whoever_misses_what_a_heartbeat_names_asks_again(site, employee, talk, chatter):
    site.patient = True
    lines = (chatter.line, employee.line)
    for line in lines:
        line.frames = [frame for frame in line.frames if frame["type"] != "entry"]

    await site.passes(seconds=15)

    assert [line.numbers for line in lines] == [[1], [1]]
