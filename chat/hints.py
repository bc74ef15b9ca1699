"""
Hints: 'this conversation has grown to N', 'something changed'. May be lost, late, doubled, out of order; they carry no text.

One table per process from conversation to the open lines; delivery inside the process is direct, between processes one
subscription to the channel layer. Nothing depends on a hint: whoever misses one is told by the next round (chat/rounds.py).
All use of the channel layer is here.
"""

import asyncio
import logging
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from channels.layers import get_channel_layer
from django.conf import settings

from chat import gauges, protocol
from chat.rules import Author
from staffing import clock

logger = logging.getLogger("geruisloos.hints")
GROUP = "hints"
VERSION = 1
FORGOTTEN = 40.0  # seconds after which a process that says nothing is taken for gone; each says at every heartbeat that it is there


class Stored(Protocol):
    """What an append answered: the entry, and whether it stood there before."""

    @property
    def entry(self) -> protocol.Entry: ...


class Line(Protocol):
    """An open line (a socket or a waiting poll), as hints see it. Called in the event loop; none of these waits."""

    def take(self, conversation: UUID, entry: protocol.Entry) -> None:
        """A new entry, delivered in memory."""

    def grown(self, conversation: UUID, to: int) -> None:
        """The log has grown to this number: read what is missing."""

    def told(self, conversation: UUID, author: Author, read: int | None) -> None:
        """The other side is typing, or (with a number) has been shown the log up to there."""


class Switchboard:
    """The open lines of this process."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.began_at = clock.now()
        self.lines: dict[UUID, set[Line]] = defaultdict(set)
        self.something_changed = asyncio.Event()
        self.process = uuid.uuid4().hex
        self._outgoing: dict[str, Any] = {}
        self._publishing: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._others: dict[str, float] = {}  # other processes, and when each was last heard
        if settings.REDIS_URL:
            self._listening = loop.create_task(self._listen())

    def register(self, conversation: UUID, line: Line) -> None:
        """From now on this line is told of this conversation. Register first, then read: nothing falls between (P4)."""
        self.lines[conversation].add(line)

    def unregister(self, conversation: UUID, line: Line) -> None:
        lines = self.lines.get(conversation)
        if lines:
            lines.discard(line)
            if not lines:
                del self.lines[conversation]

    # ------------------------------------------------------------ inside the process

    def deliver(self, conversation: UUID, stored: Sequence[Stored], sender: Line | None) -> None:
        for line in tuple(self.lines.get(conversation, ())):
            if line is not sender:
                for one in stored:
                    line.take(conversation, one.entry)

    def tell(self, conversation: UUID, author: Author, read: int | None, sender: Line | None) -> None:
        for line in tuple(self.lines.get(conversation, ())):
            if line is not sender:
                line.told(conversation, author, read)

    # ------------------------------------------------------------ between processes

    def publish(self, **facts: Any) -> None:
        """Tell the other processes, if there are any, soon and together; never waited for (P14)."""
        if self._others:
            self._tell_others(facts)

    def _tell_others(self, facts: dict[str, Any]) -> None:
        if "grown" in facts:
            self._outgoing.setdefault("grown", {}).update(facts["grown"])
        for fact in facts.keys() & {"changed", "here"}:
            self._outgoing[fact] = True
        if "told" in facts:
            self._outgoing.setdefault("told", []).append(facts["told"])
        if self._publishing is None:
            self._publishing = self.loop.create_task(self._publish())

    async def _publish(self) -> None:
        try:
            while self._outgoing:
                facts, self._outgoing = self._outgoing, {}
                message = {"type": "hint", "version": VERSION, "process": self.process, **facts}
                try:
                    async with asyncio.timeout(settings.HINT_LIMIT.total_seconds()):
                        await get_channel_layer().group_send(GROUP, message)
                except Exception as problem:
                    gauges.HINTS_LOST.inc()
                    # Slower, not wrong: the other processes look around by themselves.
                    logger.warning("a hint was not published: %s", type(problem).__name__)
        finally:
            self._publishing = None

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear_others()
            except Exception as problem:
                logger.warning("hints of other processes are not heard: %s", type(problem).__name__)
                await clock.sleep_until(clock.now() + settings.HINT_LIMIT)

    async def _hear_others(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        receiving = self.loop.create_task(layer.receive(channel))
        beat_at = 0.0
        try:
            while True:
                if (now := self.loop.time()) >= beat_at:
                    await layer.group_add(GROUP, channel)  # again at each heartbeat: a membership can be lost without a word
                    beat_at = now + settings.HEARTBEAT.total_seconds()
                    self._others = {process: heard for process, heard in self._others.items() if heard > now - FORGOTTEN}
                    self._tell_others({"here": True})
                # Waited for and not cancelled: the layer gives up a channel when somebody stops receiving from it.
                if (await asyncio.wait([receiving], timeout=beat_at - now))[0]:
                    self._hear(receiving.result())
                    receiving = self.loop.create_task(layer.receive(channel))
        finally:
            receiving.cancel()

    def _hear(self, message: dict[str, Any]) -> None:
        process = message.get("process", "")
        if process == self.process or message.get("version") != VERSION:
            return
        if process not in self._others:
            self._tell_others({"here": True})  # so that a new one knows of us before its first hint
        self._others[process] = self.loop.time()
        for pk, seq in message.get("grown", {}).items():
            for line in tuple(self.lines.get(UUID(pk), ())):
                line.grown(UUID(pk), seq)
        for pk, author, read in message.get("told", []):
            self.tell(UUID(pk), Author(author), read, None)
        if message.get("changed"):
            self.something_changed.set()

    def close(self) -> None:
        for task in (self._listening, self._publishing):
            if task:
                task.cancel()


here: Switchboard | None = None


def open_switchboard() -> Switchboard:
    """The switchboard of the running event loop, made on first use."""
    global here
    loop = asyncio.get_running_loop()
    if here is None or here.loop is not loop:
        here = Switchboard(loop)
    return here


def _in_loop(board: Switchboard, function: Any, *args: Any) -> None:
    try:
        running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is board.loop:
        function(*args)
    elif not board.loop.is_closed():
        board.loop.call_soon_threadsafe(function, *args)


def grown(conversation: UUID, stored: Sequence[Stored], sender: Line | None = None) -> None:
    """After the commit: these lines are in the log. From any thread; in a process without lines (a command) nobody is told."""
    if (board := here) and stored:
        _in_loop(board, _grown, board, conversation, stored, sender)


def _grown(board: Switchboard, conversation: UUID, stored: Sequence[Stored], sender: Line | None) -> None:
    board.deliver(conversation, stored, sender)
    board.publish(grown={str(conversation): stored[-1].entry.seq})


def told(conversation: UUID, author: Author, read: int | None, sender: Line | None) -> None:
    """One side is typing, or has been shown the log up to `read`: to the lines of the other side."""
    if board := here:
        board.tell(conversation, author, read, sender)
        board.publish(told=[str(conversation), author.value, read])


def changed() -> None:
    """After the commit: queue, duty or state may be different now. The next round begins at once."""
    if board := here:
        _in_loop(board, board.something_changed.set)
        _in_loop(board, lambda: board.publish(changed=True))
