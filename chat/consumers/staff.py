"""The employee's line, `/ws/staff/`: the queue, and every conversation of that employee."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings

from chat import cookies, handover, hints, log, pool, presence, protocol, queue, rounds
from chat.consumers.line import SocketLine, accept_conversation, end_conversation, header, transfer_conversation
from chat.entries import New
from chat.protocol import Close
from chat.rules import Author
from staffing import clock
from staffing.access import employee_of_session
from staffing.models import Alarm, Employee
from staffing.refusal import Refused
from staffing.rules import Refusal


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
            self.alarms_frame: protocol.Alarms | None = None
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
        self.said_hello, self.held_back, self.source = False, None, log.Source(line=self)
        around = rounds.running().looked_around()
        facts = await rounds.running().facts(frame.after, {self.employee.pk})
        held = facts.held_by(self.employee.pk)
        for seen in held:
            await self._welcome(facts, seen, frame.after.get(seen.pk, 0))
        for seen in held:
            self.show_state(seen, facts.staff_state(seen.pk))
        for pk in frame.after:
            if pk not in self.followed:
                self.push(self._gone(facts.conversations.get(pk)), pk)
        self.duty_frame = self.alarms_frame = self.queue_frame = None
        self._show_duty(facts)
        self._show_alarms(facts)
        self._show_queue(facts)
        self.said_hello = True
        rounds.running().came(around, None, self.employee.pk)

    async def _welcome(self, facts: queue.Facts, seen: queue.Seen, after: int) -> None:
        followed = self._register(seen.pk)
        followed.step, followed.sent, followed.known = seen.step, min(after, seen.last_seq), seen.last_seq
        try:
            self.push(await pool.run(facts.staff_welcome, seen.pk), seen.pk)
        except BaseException:
            self._let_go(seen.pk)  # the next round welcomes it
            raise
        await self._catch_up(seen.pk, followed)
        self._has_welcomed(seen.pk, followed)
        self.show_read(seen.pk, Author.CHATTER, seen.chatter_read)

    async def message(self, frame: protocol.Send) -> None:
        new = New(
            self.which(frame),
            Author.EMPLOYEE,
            frame.id,
            frame.text,
            self.at,
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
        if (seen := facts.conversations.get(frame.conversation)) and seen.is_held_by(self.employee.pk):
            await self._newly_held(facts, seen)

    def _standing(self) -> None:
        """Looked at again at every accept and transfer: account, role and session may be gone since the connect (threat-model S3)."""
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

    async def transfer(self, frame: protocol.Transfer) -> None:
        conversation = self.which(frame)
        await pool.run(self._standing)
        await pool.run(
            transfer_conversation,
            conversation,
            by=self.employee,
            to=frame.to,
            note=frame.note,
            at=clock.now(),
            assignment=frame.assignment,
        )

    async def phone(self, frame: protocol.Phone) -> None:
        await pool.run(handover.telephone, self.employee, busy=frame.busy)

    async def take_alarm(self, frame: protocol.TakeAlarm) -> None:
        await pool.run(take_alarm, frame.alarm, by=self.employee, at=clock.now())

    # ------------------------------------------------------------ the round

    def show(self, facts: queue.Facts) -> None:
        if not self.said_hello or self.deaf:
            return
        held = {seen.pk: seen for seen in facts.held_by(self.employee.pk)}
        for pk in [pk for pk in self.followed if pk not in held]:
            known = facts.conversations.get(pk)
            if known and not known.is_held_by(self.employee.pk) and known.step >= self.followed[pk].step:
                self._let_go(pk)
                self.push(self._gone(known), pk)
        for seen in held.values():
            if self._is_new(seen):
                asyncio.get_running_loop().create_task(self._guarded(partial(self._newly_held, facts, seen), about=seen.pk))
                continue
            self.grown(seen.pk, seen.last_seq)
            if self.followed[seen.pk].welcomed:  # nothing is said of a conversation before its welcome
                self.show_state(seen, facts.staff_state(seen.pk))
                self.show_read(seen.pk, Author.CHATTER, seen.chatter_read)
        self._show_duty(facts)
        self._show_alarms(facts)
        self._show_queue(facts)

    def _is_new(self, seen: queue.Seen) -> bool:
        """Has it come, or come back, to this employee since its last welcome here?"""
        followed = self.followed.get(seen.pk)
        return followed is None or followed.step[0] < seen.assignment

    async def _newly_held(self, facts: queue.Facts, seen: queue.Seen) -> None:
        """Accepted here, or through another connection of this employee."""
        if self._is_new(seen):
            await self._welcome(facts, seen, 0)
            self.show_state(seen, facts.staff_state(seen.pk))

    def _gone(self, seen: queue.Seen | None) -> protocol.Gone:
        """Why it is not this employee's, and who has it now (P9); what never was anybody's counts as requeued."""
        if seen and seen.registered:
            return protocol.Gone("registered")
        return protocol.Gone("transferred", seen.holder_name) if seen and seen.holder else protocol.Gone("requeued")

    def _show_duty(self, facts: queue.Facts) -> None:
        frame = facts.duty(self.employee.pk, self.employee.region_id, self.language)
        if frame != self.duty_frame:
            if frame.on_duty and (self.duty_frame is None or not self.duty_frame.on_duty):
                # The line is here: who goes on duty with an open line is available at once, and colleagues see it.
                self.heard(facts.at)
                hints.changed()
            self.duty_frame = frame
            self.push(frame)

    def _show_alarms(self, facts: queue.Facts) -> None:
        frame = facts.standing(self.employee.region_id)
        if frame != self.alarms_frame:
            self.alarms_frame = frame
            self.push(frame)

    def _show_queue(self, facts: queue.Facts) -> None:
        frame, last = facts.queue(self.employee.pk), self.queue_frame
        is_news = last is None or (frame.waiting, frame.room) != (last.waiting, last.room)
        if is_news or self.queue_at is None or facts.at - self.queue_at >= settings.QUEUE_PROOF:
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
        protocol.Transfer: transfer,
        protocol.Phone: phone,
        protocol.TakeAlarm: take_alarm,
        protocol.Unavailable: SocketLine.not_yet,
    }


def take_alarm(alarm: str, *, by: Employee, at: datetime) -> None:
    """Raises Refused: not_found for what does not stand for this region, not_allowed for what nobody can take."""
    if alarm == queue.NOT_WATCHED:
        raise Refused(Refusal.NOT_ALLOWED)
    try:
        pk = UUID(alarm)
    except ValueError:
        raise Refused(Refusal.NOT_FOUND) from None
    found = Alarm.objects.standing().for_region(by.region_id).filter(pk=pk).first()
    if found is None:
        raise Refused(Refusal.NOT_FOUND)
    found.take(by=by, at=at)
    hints.changed()
