"""
The round: one loop per process that tells every open line what changed, by a hint or by the passing of time.

No timer process and no task per connection: heartbeats, queue, duty, states and sessions of all lines go with one look.
"""

import asyncio
import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.conf import settings

from chat import hints, log, pool, presence, queue
from chat.models import Credential
from staffing import clock
from staffing.access import standing_sessions
from staffing.refusal import Refused

logger = logging.getLogger("geruisloos.rounds")
STEP = timedelta(seconds=1)


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


class Round:
    def __init__(self) -> None:
        self.board = hints.open_switchboard()
        self.lines: set[OpenLine] = set()
        self._looked_at: datetime | None = None
        self._look_at: datetime | None = None
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
        """One round: heartbeats, what was heard, and a look when something changed or the time for one has come."""
        for line in tuple(self.lines):
            line.beat(at)
        await pool.run(presence.flush)
        if self.board.something_changed.is_set() or self._look_at is None or at >= self._look_at:
            self.board.something_changed.clear()
            await self._look(at)
        if self._sessions_at is None or at >= self._sessions_at:
            self._sessions_at = at + settings.SESSION_CHECK
            await self._check_rights()

    async def _look(self, at: datetime) -> None:
        if not self.lines:
            self._look_at = at + settings.LOOK_AROUND
            return
        about = {pk for line in self.lines for pk in line.conversations()}
        employees = {line.employee_id for line in self.lines if line.employee_id}
        facts = await pool.run(queue.look, about, employees, at)
        self._look_at = min(at + settings.LOOK_AROUND, facts.next_change or at + settings.LOOK_AROUND)
        for line in tuple(self.lines):
            try:
                line.show(facts)
            except Exception:
                logger.exception("a line was not told")

    async def _check_rights(self) -> None:
        """Log-out, password change, account off, role change, return on another device: the socket ends too (threat-model S3)."""
        sessions = {line.session_key for line in self.lines if line.session_key}
        credentials = {line.credential for line in self.lines if line.credential}
        if not sessions and not credentials:
            return
        lines = tuple(self.lines)
        standing = await pool.run(standing_sessions, sessions)
        valid = await pool.run(_standing_credentials, credentials)
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


def _standing_credentials(pks: Collection[int]) -> set[int]:
    return set(Credential.objects.filter(pk__in=pks).values_list("pk", flat=True))


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
