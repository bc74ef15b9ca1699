"""Two doors to the log: the chatter's line and the employee's line. They translate frames; they decide nothing."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from channels.consumer import AsyncConsumer
from django.conf import settings

from chat import cookies, entries, hints, language, log, pool, presence, protocol, queue, rounds
from chat.entries import New, Stored
from chat.models import Conversation
from chat.protocol import Close, Frame, NotUnderstood
from chat.rules import Author, State
from staffing import clock
from staffing.access import employee_of_session
from staffing.models import Employee
from staffing.refusal import Refused
from staffing.rules import Refusal

logger = logging.getLogger("geruisloos.lines")
MOST_OUTGOING = 1_000  # frames that wait for a slow reader; beyond: the line is cut (P15)


class Followed:
    """What one line knows of one conversation: the last number it was sent, and the last one it knows of."""

    __slots__ = ("assignment", "known", "reading", "sent", "state")

    def __init__(self, sent: int) -> None:
        self.sent = self.known = sent
        self.reading = False
        self.state: protocol.StateFrame | None = None
        self.assignment = 0


class SocketLine(AsyncConsumer):
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
        self.beat_at = self.typing_at = self.close_at = None
        self._outgoing: deque[str | int] = deque()
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
                    else:
                        await self._guarded(self.begin)
                case "websocket.receive":
                    await self._guarded(partial(self._frame, event.get("text")))
                case "websocket.disconnect":
                    return

    async def _guarded(self, step: Callable[[], Awaitable[None]], id: UUID | None = None, about: UUID | None = None) -> None:
        """Every 'no' of a step becomes one `refused`; what nobody expected becomes `unavailable`, without a word of the text."""
        try:
            await step()
        except NotUnderstood as no:
            self.refuse(no.code, no.id or id, no.conversation or about)
        except Refused as no:
            self.refuse(no.code, id, about)
        except Exception:
            logger.exception("a frame was not answered as it should be")
            self.refuse(Refusal.UNAVAILABLE, id, about)

    async def _frame(self, raw: str | None) -> None:
        if self.deaf or self.finished:
            return
        self.heard(clock.now())
        frame = protocol.parse(raw, self.table)
        if not self.said_hello and not isinstance(frame, protocol.Hello | protocol.StaffHello):
            raise NotUnderstood(id=getattr(frame, "id", None), conversation=getattr(frame, "conversation", None))
        about = getattr(frame, "conversation", None)
        await self._guarded(partial(self.handlers[type(frame)], self, frame), getattr(frame, "id", None), about)

    handlers: Mapping[type, Callable[[Any, Any], Awaitable[None]]] = {}

    async def begin(self) -> None:
        """After the upgrade: who is this? Shuts the line when nobody."""
        raise NotImplementedError

    def heard(self, at: datetime) -> None:
        raise NotImplementedError

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
        if len(self._outgoing) >= MOST_OUTGOING:
            self._finish()
            return
        self._outgoing.append(what)
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._say())

    async def _say(self) -> None:
        try:
            while self._outgoing and not self.finished:
                what = self._outgoing.popleft()
                if isinstance(what, int):
                    await self.base_send({"type": "websocket.close", "code": what})
                    self._finish()
                else:
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

    def _register(self, conversation: UUID, sent: int) -> Followed:
        followed = self.followed[conversation] = self.followed.get(conversation) or Followed(sent)
        followed.sent = followed.known = sent
        hints.open_switchboard().register(conversation, self)
        return followed

    def _let_go(self, conversation: UUID) -> None:
        self.followed.pop(conversation, None)
        hints.open_switchboard().unregister(conversation, self)

    def _unregister(self) -> None:
        rounds.running().lines.discard(self)
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

    async def _catch_up(self, conversation: UUID, followed: Followed) -> None:
        """Read everything after the last number that was sent, in pages, until complete."""
        try:
            while followed.sent < followed.known and not self.finished:
                page = await pool.run(entries.after, conversation, followed.sent, settings.PAGE_OF_ENTRIES)
                for entry in page:
                    if entry.seq > followed.sent:
                        followed.sent = entry.seq
                        self.push(entry, conversation)
                followed.known = max(followed.known, followed.sent)
                if len(page) < settings.PAGE_OF_ENTRIES:
                    break
        except Refused:
            pass  # the next round finds the same difference and tries again
        finally:
            followed.reading = False

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
        if author is self.author or conversation not in self.followed:
            return
        self.push(protocol.TypingFrame(author) if read is None else protocol.ReadFrame(author, read), conversation)

    async def typing(self, frame: protocol.IsTyping) -> None:
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

    def which(self, frame: Any) -> UUID:
        """The conversation that a frame is about, among those of this line. Raises Refused: not_found."""
        raise NotImplementedError

    def pong(self) -> protocol.Pong:
        raise NotImplementedError

    # ------------------------------------------------------------ the round

    def beat(self, at: datetime) -> None:
        if self.close_at and at >= self.close_at:
            self.close_at = None
            self.shut(Close.DONE)
        elif self.beat_at is None:
            self.beat_at = at + settings.HEARTBEAT
        elif at >= self.beat_at:
            self.beat_at = at + settings.HEARTBEAT
            if self.said_hello:
                self.push(self.pong())

    def show_state(self, conversation: UUID, state: protocol.StateFrame) -> None:
        followed = self.followed[conversation]
        if followed.state != state:
            followed.state = state
            self.push(state, conversation)

    def stop_listening(self) -> None:
        self.deaf = True

    async def restart(self) -> None:
        self._put(Close.RESTART)
        if self._pump:
            await asyncio.wait([self._pump], timeout=1)


def header(scope: Any, name: bytes) -> str:
    """One header of a connection, or ''."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


class ChatterLine(SocketLine):
    """`/ws/chatter/`: the conversation that this browser holds."""

    author = Author.CHATTER
    table = protocol.CHATTER

    async def begin(self) -> None:
        secret = cookies.halves(cookies.from_header(header(self.scope, b"cookie")))
        at = clock.now()
        found = await pool.run(Conversation.objects.opened_by, secret, at) if secret else None
        if not found:
            self.shut(Close.NO_CONVERSATION)
            return
        conversation, credential = found
        self.conversation, self.credential, self.language = conversation.pk, credential.pk, conversation.language
        self.heard(at)
        rounds.running().lines.add(self)

    def heard(self, at: datetime) -> None:
        presence.heard(self.conversation, at)

    def which(self, frame: Any) -> UUID:
        if self.conversation not in self.followed:
            raise Refused(Refusal.NOT_FOUND)
        return self.conversation

    def pong(self) -> protocol.Pong:
        followed = self.followed.get(self.conversation)
        return protocol.Pong(followed.known if followed else 0)

    async def hello(self, frame: protocol.Hello) -> None:
        at = clock.now()
        followed = self._register(self.conversation, frame.after)
        followed.reading = True
        self.source.blocked_on = None
        try:
            facts = await pool.run(queue.look, {self.conversation}, (), at)
            if self.conversation not in facts.conversations:
                raise Refused(Refusal.NOT_FOUND)
            seen, first = facts.conversations[self.conversation], facts.first_seq(self.conversation)
            followed.sent = min(max(frame.after, first - 1), seen.last_seq)
            followed.known = max(followed.known if followed.known <= seen.last_seq + 10_000 else 0, seen.last_seq)
            self.push(protocol.Welcome(self.conversation, seen.state, first, seen.last_seq))
            await self._catch_up(self.conversation, followed)
        finally:
            followed.reading = False
        self.said_hello = True
        followed.state = None
        self.show_state(self.conversation, facts.chatter_state(self.conversation))
        if seen.employee_read:
            self.push(protocol.ReadFrame(Author.EMPLOYEE, seen.employee_read))
        if seen.state is State.ENDED:
            self.shut(Close.DONE)

    async def message(self, frame: protocol.Send) -> None:
        self.send(frame, New(self.which(frame), Author.CHATTER, frame.id, frame.text, clock.now()))

    async def end(self, frame: protocol.End) -> None:
        await pool.run(end_conversation, self.which(frame), by=Author.CHATTER, at=clock.now())

    def show(self, facts: queue.Facts) -> None:
        seen = facts.conversations.get(self.conversation)
        if seen is None or not self.said_hello or self.deaf:
            return
        if seen.left:
            self.session_ended()
            return
        self.grown(self.conversation, seen.last_seq)
        self.show_state(self.conversation, facts.chatter_state(self.conversation))
        if seen.state is State.ENDED and self.close_at is None:
            self.close_at = facts.at + settings.AFTER_END

    def session_ended(self) -> None:
        self.shut(Close.REPLACED)

    handlers = {
        protocol.Hello: hello,
        protocol.Send: message,
        protocol.IsTyping: SocketLine.typing,
        protocol.HasRead: SocketLine.read,
        protocol.End: end,
        protocol.Ping: SocketLine.ping,
        protocol.Unavailable: SocketLine.not_yet,
    }


class StaffLine(SocketLine):
    """`/ws/staff/`: the queue, and every conversation of this employee."""

    author = Author.EMPLOYEE
    table = protocol.STAFF

    async def begin(self) -> None:
        key = cookies.from_header(header(self.scope, b"cookie")).get(settings.SESSION_COOKIE_NAME, "")
        employee = await pool.run(employee_of_session, key) if key else None
        if employee is None:
            self.shut(Close.NOT_AUTHENTICATED)
        elif not employee.answers_chats:
            self.shut(Close.FORBIDDEN)
        else:
            self.employee, self.employee_id, self.session_key = employee, employee.pk, key
            self.queue_frame: protocol.Queue | None = None
            self.queue_at: datetime | None = None
            self.duty_frame: protocol.DutyFrame | None = None
            rounds.running().lines.add(self)

    def heard(self, at: datetime) -> None:
        presence.employee_heard(self.employee.pk, at)

    def which(self, frame: Any) -> UUID:
        if frame.conversation not in self.followed:
            raise Refused(Refusal.NOT_FOUND)
        return frame.conversation

    def pong(self) -> protocol.Pong:
        return protocol.Pong({pk: followed.known for pk, followed in self.followed.items()})

    async def hello(self, frame: protocol.StaffHello) -> None:
        at = clock.now()
        self.source.blocked_on = None
        await pool.run(presence.flush)  # this employee is heard, so available
        facts = await pool.run(queue.look, set(frame.after), {self.employee.pk}, at)
        held = facts.held_by(self.employee.pk)
        for seen in held:
            await self._welcome(facts, seen, frame.after.get(seen.pk, 0))
        self.said_hello = True
        for seen in held:
            self.followed[seen.pk].state = None
            self.show_state(seen.pk, facts.staff_state(seen.pk))
        for pk in frame.after:
            if pk not in self.followed:
                known = facts.conversations.get(pk)
                self.push(protocol.Gone(self._why_gone(known) if known and known.assignment else "requeued"), pk)
        self.duty_frame = self.queue_frame = None
        self._show_duty(facts)
        self.push(protocol.Alarms())
        self._show_queue(facts)
        hints.changed()

    async def _welcome(self, facts: queue.Facts, seen: queue.Seen, after: int) -> None:
        followed = self._register(seen.pk, min(after, seen.last_seq))
        followed.reading, followed.assignment, followed.known = True, seen.assignment, max(followed.known, seen.last_seq)
        self.push(await pool.run(facts.staff_welcome, seen.pk), seen.pk)
        await self._catch_up(seen.pk, followed)
        if seen.chatter_read:
            self.push(protocol.ReadFrame(Author.CHATTER, seen.chatter_read), seen.pk)

    async def message(self, frame: protocol.Send) -> None:
        new = New(
            self.which(frame),
            Author.EMPLOYEE,
            frame.id,
            frame.text,
            clock.now(),
            by=self.employee.pk,
            name=self.employee.name,
            assignment=frame.assignment,
        )
        self.send(frame, new)

    async def accept(self, frame: protocol.Accept) -> None:
        at = clock.now()
        await pool.run(self._standing)
        await pool.run(accept_conversation, frame.conversation, by=self.employee, at=at)
        facts = await pool.run(queue.look, {frame.conversation}, {self.employee.pk}, at)
        if (seen := facts.conversations.get(frame.conversation)) and seen.is_held_by(self.employee.pk) and seen.pk not in self.followed:
            await self._welcome(facts, seen, 0)
            self.show_state(seen.pk, facts.staff_state(seen.pk))

    def _standing(self) -> None:
        """Looked at again at every accept: account, role and session may be gone since the connect (threat-model S3)."""
        employee = employee_of_session(self.session_key or "")
        if employee is None or not employee.answers_chats:
            raise Refused(Refusal.NOT_ALLOWED)
        self.employee = employee

    async def end(self, frame: protocol.End) -> None:
        await pool.run(
            end_conversation,
            self.which(frame),
            by=Author.EMPLOYEE,
            at=clock.now(),
            employee=self.employee,
            assignment=frame.assignment,
            misuse=frame.misuse,
        )

    # ------------------------------------------------------------ the round

    def show(self, facts: queue.Facts) -> None:
        if not self.said_hello or self.deaf:
            return
        held = {seen.pk: seen for seen in facts.held_by(self.employee.pk)}
        for pk in [pk for pk in self.followed if pk not in held]:
            if (known := facts.conversations.get(pk)) and not known.is_held_by(self.employee.pk):
                self._let_go(pk)
                self.push(protocol.Gone(self._why_gone(known)), pk)
        for seen in held.values():
            followed = self.followed.get(seen.pk)
            if followed is None or followed.assignment != seen.assignment:
                asyncio.get_running_loop().create_task(self._newly_held(facts, seen))
            else:
                self.grown(seen.pk, seen.last_seq)
                self.show_state(seen.pk, facts.staff_state(seen.pk))
        self._show_duty(facts)
        self._show_queue(facts)

    async def _newly_held(self, facts: queue.Facts, seen: queue.Seen) -> None:
        """Accepted through another connection of this employee."""
        if seen.pk not in self.followed or self.followed[seen.pk].assignment != seen.assignment:
            await self._guarded(partial(self._welcome, facts, seen, 0), about=seen.pk)
            self.show_state(seen.pk, facts.staff_state(seen.pk))

    def _why_gone(self, seen: queue.Seen) -> str:
        if seen.registered:
            return "registered"
        return "requeued" if seen.holder is None else "transferred"

    def _show_duty(self, facts: queue.Facts) -> None:
        frame = facts.duty(self.employee.pk, self.employee.region_id, self.language)
        if frame != self.duty_frame:
            if frame.on_duty and (self.duty_frame is None or not self.duty_frame.on_duty):
                self.heard(facts.at)  # the line is here: who goes on duty with an open line is available at once
            self.duty_frame = frame
            self.push(frame)

    def _show_queue(self, facts: queue.Facts) -> None:
        frame = facts.queue(self.employee.pk)
        if self.queue_frame is None or self.queue_at is None or (frame.waiting, frame.room) != (self.queue_frame.waiting, self.queue_frame.room) \
                or facts.at - self.queue_at >= settings.QUEUE_PROOF:  # fmt: skip
            self.queue_frame, self.queue_at = frame, facts.at
            self.push(frame)

    def session_ended(self) -> None:
        self.shut(Close.NOT_AUTHENTICATED)

    handlers = {
        protocol.StaffHello: hello,
        protocol.Send: message,
        protocol.IsTyping: SocketLine.typing,
        protocol.HasRead: SocketLine.read,
        protocol.End: end,
        protocol.Ping: SocketLine.ping,
        protocol.Accept: accept,
        protocol.Unavailable: SocketLine.not_yet,
    }


def _the(conversation: UUID) -> Conversation:
    if found := Conversation.objects.filter(pk=conversation).first():
        return found
    raise Refused(Refusal.NOT_FOUND)


def accept_conversation(conversation: UUID, *, by: Employee, at: datetime) -> None:
    """Raises Refused, as the verb does; not_found for what does not exist."""
    _the(conversation).accept(by=by, at=at)


def end_conversation(conversation: UUID, **how: Any) -> None:
    _the(conversation).end(**how)
