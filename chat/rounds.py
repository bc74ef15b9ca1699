"""
The round: one loop per process that tells every open line what changed, by a hint or by the passing of time.

No timer process and no task per connection: heartbeats, queue, duty, states and sessions of all lines go with one look.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.conf import settings

from chat import hints, log, pool, presence, queue
from chat.models import Credential
from staffing import clock
from staffing.access import standing_sessions
from staffing.among import among
from staffing.refusal import Refused

logger = logging.getLogger("geruisloos.rounds")
STEP = timedelta(seconds=1)
REST = 2  # times as long as the look before it took
HARDLY_ANYTHING = 0.1  # seconds


class OpenLine(hints.Line, Protocol):
    """What the round needs of a line."""

    employee_id: int | None
    session_key: str | None
    credential: int | None

    def conversations(self) -> Collection[UUID]:
        """What this line follows."""

    def show(self, facts: queue.Facts) -> None:
        """Say what is different from what was said before."""

    def beat(self, at: datetime) -> None:
        """The heartbeat, if it is time for it."""

    def session_ended(self) -> None:
        """The right to this line is gone."""

    def stop_listening(self) -> None:
        """Nothing more is read from this line."""

    async def restart(self) -> None:
        """The server stops: say so, after all that was to be said."""


@dataclass(slots=True)
class _Question:
    """Whom the next shared look is about, and who waits for it."""

    conversations: set[UUID] = field(default_factory=set)
    employees: set[int] = field(default_factory=set)
    answers: list["asyncio.Future[queue.Facts]"] = field(default_factory=list)


class Round:
    def __init__(self) -> None:
        self.board = hints.open_switchboard()
        self.lines: set[OpenLine] = set()
        self._facts: queue.Facts | None = None  # of the last look
        self._looks = 0
        self._look_at: datetime | None = None
        self._never = asyncio.get_running_loop().create_future()
        self.arriving = 0  # lines that are let in or read what they missed, or wait for their turn
        self._turns = asyncio.Semaphore(settings.ARRIVING)
        self._asked = _Question()
        self._answering: asyncio.Task[None] | None = None
        self._sessions_at: datetime | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            at = clock.now()
            try:
                await self.go(at)
            except Refused:
                pass  # the database does not answer: screens show the age of what they have
            except Exception:
                logger.exception("a round was not finished")
            await self._until(at + STEP)

    async def _until(self, moment: datetime) -> None:
        loop = asyncio.get_running_loop()
        waits = [loop.create_task(self.board.something_changed.wait()), loop.create_task(clock.sleep_until(moment))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def go(self, at: datetime) -> None:
        """One round: heartbeats, and when something changed or the time has come, what was heard is written and a look taken."""
        for line in tuple(self.lines):
            line.beat(at)
        if self.board.something_changed.is_set() or self._look_at is None or at >= self._look_at:
            self.board.something_changed.clear()
            began = self.board.loop.time()
            await self._look(at)
            await self._rest(REST * (self.board.loop.time() - began))
        if self._sessions_at is None or at >= self._sessions_at:
            self._sessions_at = at + settings.SESSION_CHECK
            await self._check_rights()

    async def _rest(self, seconds: float) -> None:
        """However much changes, looks leave most of the time to messages (P15); a short one is not worth a rest."""
        if seconds > HARDLY_ANYTHING:
            await asyncio.wait([self._never], timeout=min(seconds, STEP.total_seconds()))

    async def _look(self, at: datetime) -> None:
        if not self.lines:
            await pool.run(presence.flush)
            self._look_at = at + settings.LOOK_AROUND
            return
        about = {pk for line in self.lines for pk in line.conversations()}
        employees = {line.employee_id for line in self.lines if line.employee_id}
        facts = self._facts = await pool.run(_flush_and_look, about, employees, at)
        self._looks += 1
        self._look_at = min(at + settings.LOOK_AROUND, facts.next_change or at + settings.LOOK_AROUND)
        for line in tuple(self.lines):
            try:
                line.show(facts)
            except Exception:
                logger.exception("a line was not told")

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A storm of reconnects waits here, in its order, instead of being turned away behind a full pool (P15)."""
        self.arriving += 1
        try:
            async with self._turns:
                yield
        finally:
            self.arriving -= 1

    def facts(self, conversations: Collection[UUID], employees: Collection[int] = ()) -> "asyncio.Future[queue.Facts]":
        """A look that begins after this. Who asks while one is taken shares the next one: a storm of hellos costs few looks (P15)."""
        self._asked.conversations.update(conversations)
        self._asked.employees.update(employees)
        answer: asyncio.Future[queue.Facts] = self.board.loop.create_future()
        self._asked.answers.append(answer)
        if self._answering is None:
            self._answering = self.board.loop.create_task(self._answer())
        return answer

    async def _answer(self) -> None:
        try:
            while self._asked.answers:
                asked, self._asked = self._asked, _Question()
                found: queue.Facts | Exception
                try:
                    found = await pool.run(_flush_and_look, asked.conversations, asked.employees, clock.now())
                except Exception as problem:
                    found = problem
                for answer in asked.answers:
                    if answer.done():  # its line is gone
                        continue
                    if isinstance(found, Exception):
                        answer.set_exception(found)
                    else:
                        answer.set_result(found)
        finally:
            self._answering = None

    def looked_around(self) -> int:
        """How many looks there have been: for `came`."""
        return self._looks

    def came(self, looks: int, conversation: UUID | None, employee: int | None) -> None:
        """
        A line has said hello; `looks` is what `looked_around` said before it did.

        The others are told when the last look did not find this side here, this line when a look passed it by meanwhile.
        """
        if self._facts is None or not self._facts.is_here(conversation, employee):
            hints.changed()
        elif self._looks != looks:
            self.board.something_changed.set()

    async def _check_rights(self) -> None:
        """Log-out, password change, account off, role change, return on another device: the socket ends too (threat-model S3)."""
        sessions = {line.session_key for line in self.lines if line.session_key}
        credentials = {line.credential for line in self.lines if line.credential}
        if not sessions and not credentials:
            return
        lines = tuple(self.lines)
        standing = await pool.run(standing_sessions, sessions)
        valid = await pool.run(_standing_credentials, credentials) if credentials else set()
        for line in lines:
            if (line.session_key and standing.get(line.session_key) != line.employee_id) or (
                line.credential and line.credential not in valid
            ):
                line.session_ended()

    async def stop(self) -> None:
        """Tell every line that the server restarts, flush what was acknowledged or is on its way (P13)."""
        self._task.cancel()
        lines = tuple(self.lines)
        for line in lines:
            line.stop_listening()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, log.stop)
        await asyncio.gather(*(line.restart() for line in lines), return_exceptions=True)
        try:
            await pool.run(presence.flush)
        except Refused:
            logger.warning("the last signs of life were not written")
        await loop.run_in_executor(None, pool.stop)
        self.board.close()


def _flush_and_look(conversations: Collection[UUID], employees: Collection[int], at: datetime) -> queue.Facts:
    presence.flush()
    return queue.look(conversations, employees, at)


def _standing_credentials(pks: Collection[int]) -> set[int]:
    return set(Credential.objects.filter(pk__in=among(pks)).values_list("pk", flat=True))


_round: Round | None = None
_ended: asyncio.AbstractEventLoop | None = None


def running() -> Round:
    """The round of the running event loop, begun on first use."""
    global _round
    board = hints.open_switchboard()
    if _round is None or _round.board is not board:
        log.open_writer()
        _round = Round()
    return _round


def is_over() -> bool:
    """Has the round of this process ended for good, because the server stops?"""
    return _ended is asyncio.get_running_loop()


def open_lines() -> tuple[OpenLine, ...]:
    """The lines that are open in this process."""
    return tuple(_round.lines) if _round else ()


def arriving() -> int:
    """How many lines are let in, or wait for it."""
    return _round.arriving if _round else 0


def leave(line: OpenLine) -> None:
    """This line is no longer open."""
    if _round is not None:
        _round.lines.discard(line)


async def stop(*, for_good: bool = False) -> None:
    """End the round of this process, if there is one."""
    global _round, _ended
    if for_good:
        _ended = asyncio.get_running_loop()
    if _round is not None:
        ending, _round = _round, None
        await ending.stop()
