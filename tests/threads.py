"""Threads of a test: each with a database connection of its own, which it gives back, and with an end."""

import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from django.db import connection

PATIENCE = 30  # seconds: the longest that a test waits for somebody else


class Thread(threading.Thread):
    """Begins at once; `ends()` waits for it and hands on its answer or its error."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._answer: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._answer = self._work()
        except BaseException as error:
            self._error = error
        finally:
            connection.close()

    def ends(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive(), f"still at work after {PATIENCE} s"
        if self._error:
            raise self._error
        return self._answer


def at_the_same_moment(works: Iterable[Callable[[], Any]]) -> list[Any]:
    """What each answers or raises, when all of them begin together."""
    works = list(works)
    together = threading.Barrier(len(works))

    def work(one: Callable[[], Any]) -> Any:
        together.wait(PATIENCE)
        try:
            return one()
        except Exception as error:
            return error

    return [thread.ends() for thread in [Thread(lambda one=one: work(one)) for one in works]]


def until(condition: Callable[[], Any]) -> None:
    """Wait for what another thread does."""
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end, f"not within {PATIENCE} s"
        threading.Event().wait(0.001)
