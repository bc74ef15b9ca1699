"""What both lines have in common: reading frames, saying frames in order, following the log. They translate; they decide nothing."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from channels.consumer import AsyncConsumer
from django.conf import settings

from chat import entries, gauges, hints, language, log, pool, presence, protocol, queue, rounds
from chat.entries import New, Stored
from chat.limits import Bucket
from chat.models import Conversation
from chat.protocol import Close, Frame, NotUnderstood
from chat.rules import Author
from staffing import clock
from staffing.models import Employee
from staffing.refusal import Refused
from staffing.rules import Refusal

logger = logging.getLogger("geruisloos.lines")
FEW = 16  # frames may always wait, whatever their size


class Followed:
    """What one line knows of one conversation: the last number it was sent, and the last one it knows of."""

    __slots__ = ("known", "read", "reading", "sent", "state", "step", "typing", "welcomed")

    def __init__(self) -> None:
        self.sent = self.known = 0
        self.read = 0  # up to where the other side has been shown the log, as it was said here
        self.reading = True
        self.welcomed = False
        self.typing = False  # the other side, while what came before was still being read
        self.state: protocol.StateFrame | None = None
        self.step = (0, 0)  # of the newest look; an older one that ends later changes nothing


class SocketLine(AsyncConsumer, ABC):
    """
    One WebSocket. Everything it says goes through one queue in order; it can die at any moment without loss.

    Its own dispatch: Channels' hops to the database thread for each frame (reliability.md, section 6).
    """

    author: Author
    table: Mapping[str, Any]

    employee_id: int | None = None
    session_key: str | None = None
    credential: int | None = None

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        self.scope, self.base_send = scope, send
        self.language = language.choose(None, header(scope, b"accept-language"))
        self.followed: dict[UUID, Followed] = {}
        self.said_hello = self.finished = self.deaf = False
        self.source = log.Source(line=self)
        self.beat_at = clock.now() + settings.HEARTBEAT
        self.typing_at: datetime | None = None
        self.close_at: datetime | None = None
        self.bucket = Bucket.full(settings.FRAME_RATE, settings.BURST, clock.now()) if settings.FRAME_RATE else None
        self.too_fast = 0
        self.held_back: UUID | None = None
        self._outgoing: list[str | int] = []  # not a deque: an empty one holds 600 bytes for each idle line
        self.outgoing_bytes = 0
        self._pump: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        try:
            await self._serve(receive)
        except asyncio.CancelledError:
            if not self.finished:
                raise
        finally:
            self._unregister()

    async def _serve(self, receive: Callable[[], Awaitable[Any]]) -> None:
        while not self.finished:
            event = await receive()
            match event["type"]:
                case "websocket.connect":
                    offered = protocol.SUBPROTOCOL in self.scope.get("subprotocols", ())
                    await self.base_send({"type": "websocket.accept", "subprotocol": protocol.SUBPROTOCOL if offered else None})
                    if refusal := self.scope.get("refused"):
                        self.shut(refusal)
                    elif rounds.is_over():
                        self.shut(Close.RESTART)
                    else:
                        await self._begin()
                case "websocket.receive":
                    await self._frame(event.get("text"))
                case "websocket.disconnect":
                    return

    async def _begin(self) -> None:
        try:
            async with rounds.running().turn():
                await self.begin()
        except Exception as problem:  # nobody knows who this is: the client connects again with backoff
            if not isinstance(problem, Refused):
                logger.exception("a line did not begin as it should")
            self.shut(Close.RESTART)
        self.scope["headers"] = []  # cookie and all: not needed any more, and an idle line is small

    async def _guarded(self, step: Callable[[], Awaitable[None]], id: UUID | None = None, about: UUID | None = None) -> None:
        """Every 'no' of a step becomes one `refused`; what nobody expected becomes `unavailable`, without a word of the text."""
        try:
            await step()
        except NotUnderstood as no:
            self.refuse(no.code, no.id or id, no.conversation or about)
        except Refused as no:
            self.refuse(no.code, id, about)
        except Exception:
            self._unexpected(id, about)

    def _unexpected(self, id: UUID | None, about: UUID | None) -> None:
        """What nobody expected is told without a word of the text; the line stays."""
        logger.exception("a frame was not answered as it should be")
        self.refuse(Refusal.UNAVAILABLE, id, about)

    async def _frame(self, raw: str | None) -> None:
        if self.deaf or self.finished:
            return
        self.at = clock.now()
        self.heard(self.at)
        in_time = self._is_in_time(self.at)
        if not in_time and self.too_fast > settings.TOO_FAST_MOST:
            self.shut(Close.TOO_MANY)
            return
        id = about = None
        try:
            frame = protocol.parse(raw, self.table)
            id, about = getattr(frame, "id", None), getattr(frame, "conversation", None)
            if not self.said_hello and not isinstance(frame, protocol.Hello | protocol.StaffHello):
                raise NotUnderstood
            if type(frame) is protocol.Send:
                self._keep_order(frame, in_time)
            if not in_time:
                raise Refused(Refusal.TOO_FAST)
            await self.handlers[type(frame)](self, frame)
        except NotUnderstood as no:
            self.refuse(no.code if self.said_hello else Refusal.BAD_FRAME, no.id or id, no.conversation or about)
        except Refused as no:
            self.refuse(no.code, id, about)
        except Exception:
            self._unexpected(id, about)

    def _is_in_time(self, at: datetime) -> bool:
        """FRAME_RATE, three times as many in a burst (N5)."""
        if self.bucket is None or self.bucket.take(at):
            self.too_fast = 0
            return True
        self.too_fast += 1
        gauges.TOO_FAST.inc()
        return False

    def _keep_order(self, frame: protocol.Send, in_time: bool) -> None:
        """After a message that was too fast what follows waits, until that one comes again (P2). Raises NotUnderstood: unavailable."""
        if self.held_back not in (None, frame.id):
            raise NotUnderstood(Refusal.UNAVAILABLE, frame.id, frame.conversation)
        self.held_back = None if in_time else frame.id

    handlers: Mapping[type, Callable[[Any, Any], Awaitable[None]]] = {}

    @abstractmethod
    async def begin(self) -> None:
        """After the upgrade: who is this? Shuts the line when nobody."""

    @abstractmethod
    def heard(self, at: datetime) -> None:
        """This side gave a sign of life."""

    # ------------------------------------------------------------ saying

    def push(self, frame: Frame, about: UUID | None = None) -> None:
        """Say this frame, after all that was said before."""
        self._put(frame.text(about if self.author is Author.EMPLOYEE else None))

    def refuse(self, code: Refusal, id: UUID | None = None, about: UUID | None = None) -> None:
        self.push(protocol.RefusedFrame(id, code, Refused(code).detail(self.language)), about)

    def shut(self, code: int) -> None:
        """Close the line, after all that was to be said."""
        self._put(code)
        self.deaf = True

    def _put(self, what: str | int) -> None:
        if self.finished:
            return
        self.outgoing_bytes += len(what) if isinstance(what, str) else 0
        if len(self._outgoing) > FEW and self._does_not_read():
            gauges.CUT.inc()
            self._finish()  # a reader that does not read: whatever it misses is in the log (P15)
            return
        self._outgoing.append(what)
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._say())

    def _does_not_read(self) -> bool:
        return self.outgoing_bytes > settings.OUTGOING_BYTES or len(self._outgoing) >= settings.OUTGOING_FRAMES

    async def _say(self) -> None:
        try:
            while self._outgoing and not self.finished:
                what = self._outgoing.pop(0)
                if isinstance(what, int):
                    await self.base_send({"type": "websocket.close", "code": what})
                    self._finish()
                else:
                    self.outgoing_bytes -= len(what)
                    await self.base_send({"type": "websocket.send", "text": what})
        except Exception:
            self._finish()  # the other side is gone; whatever was not said is in the log
        finally:
            self._pump = None

    def _finish(self) -> None:
        self.finished = True
        self._outgoing.clear()
        if self._task and self._task is not asyncio.current_task():
            self._task.cancel()

    # ------------------------------------------------------------ the log

    def _register(self, conversation: UUID) -> Followed:
        """Follow this conversation from now on; nothing is sent of it until it has been read (P4)."""
        followed = self.followed[conversation] = Followed()
        hints.open_switchboard().register(conversation, self)
        return followed

    def _let_go(self, conversation: UUID) -> None:
        self.followed.pop(conversation, None)
        hints.open_switchboard().unregister(conversation, self)

    def _unregister(self) -> None:
        rounds.leave(self)
        for conversation in tuple(self.followed):
            self._let_go(conversation)

    def conversations(self) -> Collection[UUID]:
        return self.followed.keys()

    def take(self, conversation: UUID, entry: protocol.Entry) -> None:
        followed = self.followed.get(conversation)
        if followed is None:
            return
        if entry.seq == followed.sent + 1 and not followed.reading:
            followed.sent, followed.known = entry.seq, max(entry.seq, followed.known)
            self.push(entry, conversation)
        else:
            self.grown(conversation, entry.seq)

    def grown(self, conversation: UUID, to: int) -> None:
        followed = self.followed.get(conversation)
        if followed is None:
            return
        followed.known = max(followed.known, to)
        if followed.known > followed.sent and not followed.reading:
            followed.reading = True
            asyncio.get_running_loop().create_task(self._catch_up(conversation, followed))

    def _has_welcomed(self, conversation: UUID, followed: Followed) -> None:
        """Welcome and entries have been said; from now on whatever else there is."""
        followed.welcomed = True
        if followed.typing:
            self.push(protocol.TypingFrame(Author.EMPLOYEE if self.author is Author.CHATTER else Author.CHATTER), conversation)

    async def _catch_up(self, conversation: UUID, followed: Followed) -> None:
        """Read everything after the last number that was sent, in pages, until complete."""
        try:
            while followed.sent < followed.known and not self.finished:
                async with rounds.running().turn():
                    page = await pool.run(entries.after, conversation, followed.sent, settings.PAGE_OF_ENTRIES)
                for entry in page:
                    if entry.seq > followed.sent:
                        followed.sent = entry.seq
                        self.push(entry, conversation)
                followed.known = max(followed.known, followed.sent)
                if not page or not await self._is_reading():
                    break
        except Refused:
            pass  # the next round finds the same difference and tries again
        finally:
            followed.reading = False

    async def _is_reading(self) -> bool:
        """Has the other side taken what was said? The next page comes only then; who takes nothing is cut."""
        if pump := self._pump:
            done, _ = await asyncio.wait([pump], timeout=settings.READER_PATIENCE.total_seconds())
            if not done:  # not `if self._pump`: another one may have begun as soon as this one was through
                gauges.CUT.inc()
                self._finish()
        return not self.finished

    def send(self, frame: protocol.Send, new: New) -> None:
        log.submit(new, self.source, partial(self._sent, frame))

    def _sent(self, frame: protocol.Send, answer: Stored | Refusal) -> None:
        """After the commit: the sender's `ack`, before anybody else is told."""
        if isinstance(answer, Refusal):
            self.refuse(answer, frame.id, frame.conversation)
            return
        followed = self.followed.get(answer.conversation)
        if followed and answer.entry.seq == followed.sent + 1 and not followed.reading:
            followed.sent = answer.entry.seq
        if followed:
            followed.known = max(followed.known, answer.entry.seq)
        self.push(protocol.Ack(answer.entry.id, answer.entry.seq, answer.entry.at), answer.conversation)

    def told(self, conversation: UUID, author: Author, read: int | None) -> None:
        followed = self.followed.get(conversation)
        if author is self.author or followed is None:
            return
        if read is not None:
            self.show_read(conversation, author, read)
        elif followed.welcomed:
            self.push(protocol.TypingFrame(author), conversation)
        else:
            followed.typing = True

    async def typing(self, frame: protocol.IsTyping) -> None:
        if log.is_overloaded():
            return  # the first thing that may be missed (P15)
        at = clock.now()
        if self.typing_at is None or at - self.typing_at >= settings.TYPING_EVERY:
            self.typing_at = at
            hints.told(self.which(frame), self.author, None, self)

    async def read(self, frame: protocol.HasRead) -> None:
        conversation = self.which(frame)
        followed = self.followed[conversation]
        if 0 < frame.seq <= max(followed.sent, followed.known):  # beyond the log it is not true
            presence.has_read(conversation, self.author, frame.seq)
            hints.told(conversation, self.author, frame.seq, self)

    async def ping(self, frame: protocol.Ping) -> None:
        if frame.now:
            self.push(self.pong())

    async def not_yet(self, frame: protocol.Unavailable) -> None:
        raise Refused(Refusal.NOT_ALLOWED)

    @abstractmethod
    def which(self, frame: Any) -> UUID:
        """The conversation that a frame is about, among those of this line. Raises Refused: not_found."""

    @abstractmethod
    def pong(self) -> protocol.Pong:
        """The heartbeat: up to where this line knows each log."""

    # ------------------------------------------------------------ the round

    def beat(self, at: datetime) -> None:
        if self.close_at and at >= self.close_at:
            self.close_at = None
            self.shut(Close.DONE)
        elif at >= self.beat_at:
            self.beat_at = at + settings.HEARTBEAT
            if self.said_hello:
                self.push(self.pong())

    def show_state(self, seen: queue.Seen, state: protocol.StateFrame) -> None:
        followed = self.followed.get(seen.pk)  # none when the line was left meanwhile
        if followed and followed.state != state and seen.step >= followed.step:
            followed.state, followed.step = state, seen.step
            self.push(state, seen.pk)

    def show_read(self, conversation: UUID, author: Author, seq: int) -> None:
        followed = self.followed.get(conversation)
        if followed and followed.welcomed and seq > followed.read:
            followed.read = seq
            self.push(protocol.ReadFrame(author, seq), conversation)

    def stop_listening(self) -> None:
        self.deaf = True

    async def restart(self) -> None:
        self._put(Close.RESTART)
        if self._pump:
            await asyncio.wait([self._pump], timeout=1)


def header(scope: Any, name: bytes) -> str:
    """One header of a connection, or ''."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _the(conversation: UUID) -> Conversation:
    if found := Conversation.objects.filter(pk=conversation).first():
        return found
    raise Refused(Refusal.NOT_FOUND)


def accept_conversation(conversation: UUID, *, by: Employee, at: datetime) -> None:
    """Raises Refused, as the verb does; not_found for what does not exist."""
    _the(conversation).accept(by=by, at=at)


def end_conversation(conversation: UUID, **how: Any) -> None:
    _the(conversation).end(**how)


def transfer_conversation(conversation: UUID, **how: Any) -> None:
    _the(conversation).transfer(**how)
