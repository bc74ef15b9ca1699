"""
The bounded threads in which consumers and polls use the database; each keeps its own connection and closes it when it ends.

Not the threads of `database_sync_to_async`: there all consumers of a process share one (reliability.md, section 6).
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from chat import gauges
from staffing.refusal import Refused
from staffing.rules import Refusal

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger("geruisloos.pool")


class Pool:
    """Some threads that wait for work. `run` refuses with `unavailable` when too much waits or the database does not answer."""

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._most_waiting = most_waiting
        self._threads = [threading.Thread(target=self._serve, name=f"database-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def _serve(self) -> None:
        try:
            while job := self._work.get():
                job()
        finally:
            connections.close_all()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises, from one of the threads. Raises Refused: unavailable."""
        if self._work.qsize() >= self._most_waiting:
            gauges.UNAVAILABLE.labels("pool is full").inc()
            raise Refused(Refusal.UNAVAILABLE)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if answer.done():  # nobody waits any more
                return
            if error is None:
                answer.set_result(result)  # type: ignore[arg-type]
            else:
                answer.set_exception(error)

        def job() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = function(*args, **kwargs)
            except (OperationalError, InterfaceError) as problem:
                logger.warning("database does not answer: %s", type(problem).__name__)
                connections.close_all()  # a broken connection is not used again
                gauges.UNAVAILABLE.labels("database").inc()
                error = Refused(Refusal.UNAVAILABLE)
            except BaseException as problem:
                error = problem
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        self._work.put(job)
        return await answer

    @property
    def waiting(self) -> int:
        return self._work.qsize()

    def stop(self, patience: float | None = None) -> None:
        """Finish what waits, then end the threads; for each of them so many seconds are waited."""
        for _thread in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(settings.FLUSH_LIMIT.total_seconds() if patience is None else patience)


_pool: Pool | None = None


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run in the process's pool. Raises what `function` raises, and Refused: unavailable."""
    global _pool
    if _pool is None:
        _pool = Pool(settings.POOL_THREADS, settings.POOL_WAITING)
    return await _pool.run(function, *args, **kwargs)


def waiting() -> int:
    """How many jobs wait for a thread."""
    return _pool.waiting if _pool else 0


def stop() -> None:
    """End the process's pool; the next `run` makes a new one."""
    global _pool
    if _pool is not None:
        ending, _pool = _pool, None  # first, so that whoever comes meanwhile is not put behind the end
        ending.stop()
