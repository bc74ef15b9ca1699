"""
The writer of the process: many appends, one commit (P1).

An append belongs to the process, not to the connection: a disconnect never cancels it. The answer comes after the commit.
With one append there is no extra wait; under load everything that waits is stored in one transaction.
"""

import asyncio
import logging
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction

from chat import entries, gauges, hints, quick
from chat.entries import Answer, LockedElsewhere, New, Stored
from chat.models import Entry
from staffing.refusal import Refused
from staffing.rules import Refusal

logger = logging.getLogger("geruisloos.log")
BATCH = 500
WAYS = 2  # batches that may be on their way to PostgreSQL at the same time
MOST_WAITING = 5_000

after = entries.after


@dataclass(slots=True)
class Source:
    """One connection's order: after `unavailable` what follows is refused too, until the client starts again at that id (P2)."""

    line: hints.Line | None = None
    blocked_on: UUID | None = None
    turned_away: UUID | None = None  # before the writer's queue, when that was full; what already waits there goes on

    def lets_through(self, new: New) -> bool:
        if self.blocked_on is None or self.blocked_on == new.id:
            self.blocked_on = None
            return True
        return False

    def lets_in(self, new: New, is_full: bool) -> bool:
        if self.turned_away in (None, new.id):
            self.turned_away = new.id if is_full else None
        return self.turned_away is None


@dataclass(slots=True)
class _Job:
    new: New
    source: Source | None
    settle: Callable[[Stored | Refusal], None]
    answer: Answer = field(default=Refusal.UNAVAILABLE)
    goes_long: bool = False


class Writer:
    """One thread with one connection. Conversations that another process has locked are tried alone, beside it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._aside: dict[UUID, deque[_Job]] = defaultdict(deque)
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="writer", daemon=True)
        self._thread.start()

    def submit(self, new: New, source: Source | None, settle: Callable[[Stored | Refusal], None]) -> None:
        """Store this line; `settle` is called with the answer, in the event loop. Never blocks."""
        self._let_in(_Job(new, source, settle))

    def _let_in(self, job: _Job) -> None:
        is_full = self.waiting >= MOST_WAITING
        if job.source.lets_in(job.new, is_full) if job.source else not is_full:
            self._take(job)
        else:
            self._tell([job])  # answered `unavailable`, and seen

    def _take(self, job: _Job) -> None:
        self._jobs.put(job)

    @property
    def answers(self) -> bool:
        """Is the event loop there in which the answers are told?"""
        return not self._loop.is_closed()

    @property
    def waiting(self) -> int:
        return self._jobs.qsize()

    @property
    def is_idle(self) -> bool:
        """Is nothing on its way but what the thread has?"""
        return True

    def stop(self) -> None:
        """Store what waits, then end (P13). Not from its own event loop while that runs."""
        self._jobs.put(None)
        self._thread.join(settings.FLUSH_LIMIT.total_seconds())

    def _serve(self) -> None:
        try:
            running = True
            while running and (first := self._jobs.get()):
                batch = [first]
                while len(batch) < BATCH:
                    try:
                        job = self._jobs.get_nowait()
                    except Empty:
                        break
                    if job is None:
                        running = False
                        break
                    batch.append(job)
                self._store(batch)
        finally:
            connections.close_all()

    def _store(self, batch: list[_Job]) -> None:
        batch = [job for job in batch if not self._set_aside(job)]
        ready = [job for job in batch if job.source is None or job.source.lets_through(job.new)]
        if ready:
            self._commit(ready, skip_locked=True)
        answered: list[_Job] = []
        locked: list[_Job] = []
        for job in batch:
            (locked if isinstance(job.answer, LockedElsewhere) else answered).append(job)
        for job in locked:
            self._alone(job)
        self._tell(answered)

    def _commit(self, jobs: list[_Job], *, skip_locked: bool) -> None:
        for job in jobs:
            job.answer = Refusal.UNAVAILABLE
        try:
            with transaction.atomic():
                answers = Entry.objects.append([job.new for job in jobs], skip_locked=skip_locked)
            for job, answer in zip(jobs, answers, strict=True):
                job.answer = answer
            gauges.BATCHES.inc()
            gauges.STORED.inc(sum(1 for answer in answers if isinstance(answer, Stored) and not answer.again))
        except (OperationalError, InterfaceError) as problem:  # the database is away, full or locked: for each of them alike
            logger.warning("a batch of %d was not stored: %s", len(jobs), type(problem).__name__)
            connections.close_all()
        except Exception as problem:
            if len(jobs) > 1:  # one bad line fails alone
                logger.warning("a batch of %d is stored line by line: %s", len(jobs), type(problem).__name__)
                for job in jobs:
                    if job.source is None or job.source.lets_through(job.new):
                        self._commit([job], skip_locked=skip_locked)
                return
            logger.exception("a line was not stored")
        for job in jobs:
            if job.answer is Refusal.UNAVAILABLE:
                gauges.UNAVAILABLE.labels("writer").inc()
                self._block(job)

    @staticmethod
    def _block(job: _Job) -> None:
        if job.source and job.source.blocked_on is None:
            job.source.blocked_on = job.new.id

    # ------------------------------------------------------------ conversations that another process holds

    def _set_aside(self, job: _Job) -> bool:
        with self._guard:
            if job.new.conversation in self._aside:
                self._aside[job.new.conversation].append(job)
                return True
        return False

    def _alone(self, job: _Job) -> None:
        with self._guard:
            begins = job.new.conversation not in self._aside
            self._aside[job.new.conversation].append(job)
        if begins:
            threading.Thread(target=self._serve_alone, args=[job.new.conversation], name="writer-alone", daemon=True).start()

    def _serve_alone(self, conversation: UUID) -> None:
        try:
            while True:
                with self._guard:
                    if not self._aside[conversation]:
                        del self._aside[conversation]
                        return
                    job = self._aside[conversation].popleft()
                if job.source is None or job.source.lets_through(job.new):
                    self._commit([job], skip_locked=False)
                else:
                    job.answer = Refusal.UNAVAILABLE
                self._tell([job])
        finally:
            connections.close_all()

    # ------------------------------------------------------------ answers

    def _tell(self, jobs: list[_Job]) -> None:
        if self.answers:
            self._loop.call_soon_threadsafe(self._settle, jobs)

    def _settle(self, jobs: list[_Job]) -> None:
        board, grown = hints.here, {}
        for job in jobs:
            answer = job.answer
            assert not isinstance(answer, LockedElsewhere)
            try:
                job.settle(answer)
            except Exception:
                logger.exception("an answer was not told")
            if board and isinstance(answer, Stored) and not answer.again:
                board.deliver(answer.conversation, [answer], job.source.line if job.source else None)
                grown[str(answer.conversation)] = answer.entry.seq
        if board and grown:
            board.publish(grown=grown)


class QuickWriter(Writer):
    """
    On PostgreSQL: the event loop itself stores what it can, each batch in one statement (chat/quick.py); the thread has the rest.

    While one batch is on its way another one may follow it, but never with lines of the same conversation.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._ways = [quick.ShortWay() for _ in range(WAYS)]  # that are free
        self._next: list[_Job] = []
        self._is_called = False
        self._in_flight: set[UUID] = set()
        self._flying = 0  # lines on their way
        self._storing: set[asyncio.Task[None]] = set()
        self._long_way: Counter[UUID] = Counter()  # jobs of a conversation that the thread has: what follows goes behind them

    def submit(self, new: New, source: Source | None, settle: Callable[[Stored | Refusal], None]) -> None:
        if asyncio._get_running_loop() is self._loop:
            super().submit(new, source, settle)
        else:
            self._loop.call_soon_threadsafe(super().submit, new, source, settle)

    def _take(self, job: _Job) -> None:
        self._next.append(job)
        if not self._is_called:  # what comes in the same turn of the loop goes together
            self._is_called = True
            self._loop.call_soon(self._go_on)

    @property
    def waiting(self) -> int:
        return super().waiting + len(self._next)

    @property
    def is_idle(self) -> bool:
        return not self._next and not self._storing

    def _go_on(self) -> None:
        self._is_called = False
        # Another batch follows when it is worth a statement: many small ones would cost everybody more than they save one.
        while self._ways and 2 * len(self._next) >= self._flying and (batch := self._next_batch()):
            self._flying += len(batch)
            task = self._loop.create_task(self._store_quickly(self._ways.pop(), batch))
            self._storing.add(task)
            task.add_done_callback(self._storing.discard)

    def _next_batch(self) -> list[_Job]:
        """What can be stored now: nothing that has to wait behind lines of its own conversation."""
        batch: list[_Job] = []
        rest: list[_Job] = []
        for job in self._next:
            if self._long_way[job.new.conversation]:
                self._go_long(job)
            elif job.new.conversation in self._in_flight or len(batch) == BATCH:
                rest.append(job)
            else:
                batch.append(job)
        self._next = rest
        self._in_flight |= {job.new.conversation for job in batch}
        return batch

    async def _store_quickly(self, way: quick.ShortWay, batch: list[_Job]) -> None:
        try:
            self._settle(await self._stored(way, batch))
        finally:
            self._in_flight -= {job.new.conversation for job in batch}
            self._flying -= len(batch)
            self._ways.append(way)
            self._go_on()

    async def _stored(self, way: quick.ShortWay, batch: list[_Job]) -> list[_Job]:
        """The jobs that have an answer now; the others go the long way."""
        ready = [job for job in batch if job.source is None or job.source.lets_through(job.new)]
        answers: list[Stored | None] = [None] * len(ready)
        try:
            answers = await way.append([job.new for job in ready])
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as problem:  # the database is away, full or frozen
            logger.warning("a batch of %d was not stored: %s", len(ready), type(problem).__name__)
            gauges.UNAVAILABLE.labels("writer").inc(len(ready))
            for job in ready:
                self._block(job)
            return batch
        except Exception as problem:
            logger.warning("a batch of %d goes the long way: %s", len(ready), type(problem).__name__)
        for job, answer in zip(ready, answers, strict=True):
            if answer is None:
                self._go_long(job)
            else:
                job.answer = answer
        if done := sum(answer is not None for answer in answers):
            gauges.BATCHES.inc()
            gauges.STORED.inc(done)
        return [job for job in batch if not job.goes_long]

    def _go_long(self, job: _Job) -> None:
        self._long_way[job.new.conversation] += 1
        job.goes_long = True
        self._jobs.put(job)

    def _settle(self, jobs: list[_Job]) -> None:
        for job in jobs:
            if job.goes_long:
                self._long_way[job.new.conversation] -= 1
                if not self._long_way[job.new.conversation]:
                    del self._long_way[job.new.conversation]
        super()._settle(jobs)

    def stop(self) -> None:
        if self._loop.is_running():
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(settings.FLUSH_LIMIT.total_seconds())
        super().stop()

    async def _finish(self) -> None:
        self._go_on()
        while self._storing:
            await asyncio.wait(self._storing)
        for way in self._ways:
            way.close()


_writer: Writer | None = None


def new_writer(loop: asyncio.AbstractEventLoop) -> Writer:
    """A writer that answers in this event loop."""
    return Writer(loop) if settings.SQLITE else QuickWriter(loop)


def open_writer() -> Writer:
    """The writer of this process, bound to the running event loop."""
    global _writer
    loop = asyncio.get_running_loop()
    if _writer is None or _writer._loop is not loop:
        if _writer is not None:
            _writer.stop()
        _writer = new_writer(loop)
    return _writer


def submit(new: New, source: Source, settle: Callable[[Stored | Refusal], None]) -> None:
    """Append through the writer; `settle` is called in the event loop, after the commit and before anybody else is told."""
    open_writer().submit(new, source, settle)


def waiting() -> int:
    """How many appends wait for the writer of this process."""
    return _writer.waiting if _writer else 0


def is_overloaded() -> bool:
    """Does more wait than this process can store soon? Then everything but appends gives way (P15)."""
    return waiting() > settings.OVERLOADED


async def append(new: New) -> Stored:
    """Append through the writer and wait for the answer; the append itself goes on if nobody waits. Raises Refused."""
    answer: asyncio.Future[Stored | Refusal] = asyncio.get_running_loop().create_future()

    def settle(result: Stored | Refusal) -> None:
        if not answer.done():
            answer.set_result(result)

    open_writer().submit(new, None, settle)
    return _or_refused(await answer)


def append_now(new: New) -> Stored:
    """Append from a thread (a plain form). Raises Refused."""
    if _writer is None or not _writer.answers:
        try:
            with transaction.atomic():
                (answer,) = Entry.objects.append([new])
        except (DatabaseError, InterfaceError) as problem:
            raise Refused(Refusal.UNAVAILABLE) from problem
        assert not isinstance(answer, LockedElsewhere)
        if isinstance(answer, Stored) and not answer.again:
            hints.grown(new.conversation, [answer])
        return _or_refused(answer)
    waiting: ThreadFuture[Stored | Refusal] = ThreadFuture()
    _writer.submit(new, None, waiting.set_result)
    try:
        return _or_refused(waiting.result(settings.FLUSH_LIMIT.total_seconds()))
    except TimeoutError as problem:
        raise Refused(Refusal.UNAVAILABLE) from problem


def _or_refused(answer: Stored | Refusal) -> Stored:
    if isinstance(answer, Stored):
        return answer
    raise Refused(answer)


def stop() -> None:
    """Flush and end the writer of this process."""
    global _writer
    if _writer is not None:
        _writer.stop()
        _writer = None
