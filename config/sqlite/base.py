"""
SQLite with one fair write lock in front of the immediate transactions.

The busy timeout of SQLite is not a queue: with a busy writer an accept took seconds at the 99th percentile without this lock
(docs/decisions.md). The lock orders the threads of one process; commands beside the server still wait by the busy timeout.
"""

import threading
from collections import deque
from typing import Any

from django.db.backends.sqlite3 import base


class FairLock:
    """A lock that is given in the order in which it was asked for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False

    def acquire(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def release(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


write_lock = FairLock()


class DatabaseWrapper(base.DatabaseWrapper):
    _holds_write_lock = False

    def _let_go(self) -> None:
        if self._holds_write_lock:
            self._holds_write_lock = False
            write_lock.release()

    def _start_transaction_under_autocommit(self) -> None:
        if not self._holds_write_lock:
            write_lock.acquire()
            self._holds_write_lock = True
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._let_go()
            raise

    def _commit(self) -> Any:
        try:
            return super()._commit()  # type: ignore[misc]
        finally:
            # A commit that failed (disk full) is followed by a rollback, which lets go.
            if self.connection is None or not self.connection.in_transaction:
                self._let_go()

    def _rollback(self) -> Any:
        try:
            return super()._rollback()  # type: ignore[misc]
        finally:
            self._let_go()

    def close(self) -> None:
        try:
            super().close()
        finally:
            if self.connection is None:
                self._let_go()
