"""The chatter's line, `/ws/chatter/`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from chat import cookies, log, pool, presence, protocol, queue, rounds
from chat.consumers.line import SocketLine, end_conversation, header
from chat.entries import New
from chat.models import Conversation
from chat.protocol import Close
from chat.rules import Author, State
from staffing import clock
from staffing.refusal import Refused
from staffing.rules import Refusal


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
        self.said_hello, self.held_back, self.source = False, None, log.Source(line=self)
        around = rounds.running().looked_around()
        followed = self._register(self.conversation)
        facts = await rounds.running().facts({self.conversation})
        if self.conversation not in facts.conversations:
            raise Refused(Refusal.NOT_FOUND)
        seen, first = facts.conversations[self.conversation], facts.first_seq(self.conversation)
        followed.sent, followed.known = min(max(frame.after, first - 1), seen.last_seq), max(followed.known, seen.last_seq)
        self.push(protocol.Welcome(self.conversation, seen.state, first, seen.last_seq))
        await self._catch_up(self.conversation, followed)
        self._has_welcomed(self.conversation, followed)
        self.show_state(seen, facts.chatter_state(self.conversation))
        self.show_read(self.conversation, Author.EMPLOYEE, seen.employee_read)
        self.said_hello = True
        if seen.state is State.ENDED:
            self.shut(Close.DONE)
        rounds.running().came(around, self.conversation, None)

    async def message(self, frame: protocol.Send) -> None:
        self.send(frame, New(self.which(frame), Author.CHATTER, frame.id, frame.text, self.at))

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
        self.show_state(seen, facts.chatter_state(self.conversation))
        self.show_read(self.conversation, Author.EMPLOYEE, seen.employee_read)
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
