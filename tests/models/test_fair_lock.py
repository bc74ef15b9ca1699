"""The one write lock in front of SQLite: given in the order in which it was asked for, and never kept by who has nothing to write."""

import sqlite3
import threading
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from chat.models import Presence
from config.sqlite.base import FairLock, write_lock
from staffing.models import Region
from tests.factories import RegionFactory
from tests.threads import Thread, until

# ---------------------------------------------------------------- the lock


def test_the_lock_is_given_in_the_order_in_which_it_was_asked_for():
    lock, order, waiting = FairLock(), [], []
    lock.acquire()

    def take(number: int) -> None:
        lock.acquire()
        order.append(number)
        lock.release()

    for number in range(20):
        waiting.append(Thread(lambda number=number: take(number)))
        until(lambda number=number: len(lock._waiting) == number + 1)
    lock.release()
    for thread in waiting:
        thread.ends()

    assert order == list(range(20))


def test_only_one_holds_the_lock_at_a_time():
    lock, inside, most = FairLock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            lock.acquire()
            inside += 1
            most = max(most, inside)
            inside -= 1
            lock.release()

    for thread in [Thread(work) for _ in range(8)]:
        thread.ends()

    assert (most, inside) == (1, 0)
    assert not lock._held


# ---------------------------------------------------------------- transactions


def on_sqlite(test: Any) -> Any:
    return pytest.mark.sqlite_only(pytest.mark.django_db(transaction=True)(test))


def held() -> bool:
    return write_lock._held


@on_sqlite
def test_a_transaction_holds_the_lock_until_it_is_committed():
    with transaction.atomic():
        assert held()
        with transaction.atomic():
            RegionFactory()
        assert held()

    assert not held()


@on_sqlite
def test_a_transaction_that_is_rolled_back_lets_go():
    with transaction.atomic():
        RegionFactory()
        transaction.set_rollback(True)

    assert not held()
    assert not Region.objects.exists()


@on_sqlite
def test_a_commit_that_fails_lets_go():
    """A foreign key that points nowhere is found at the commit."""
    with pytest.raises(IntegrityError), transaction.atomic():
        Presence.objects.create(conversation_id="11111111-1111-4111-8111-111111111111")

    assert not held()


@on_sqlite
def test_a_statement_that_fails_lets_go():
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM nowhere")

    assert not held()


@on_sqlite
def test_a_connection_that_is_closed_in_a_transaction_lets_go():
    def vanish() -> None:
        connection.set_autocommit(False)
        RegionFactory()
        connection.close()

    Thread(vanish).ends()

    assert not held()


@on_sqlite
def test_reading_needs_no_lock():
    with transaction.atomic():
        Thread(Region.objects.count).ends()


@on_sqlite
def test_a_begin_that_fails_lets_go():
    """Another process writes: the busy timeout has an end, and whoever waits behind us must not wait for ever."""
    beside = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    try:
        beside.execute("BEGIN IMMEDIATE")
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 20")
        with pytest.raises(DatabaseError), transaction.atomic():
            pass
    finally:
        beside.execute("ROLLBACK")
        beside.close()
        connection.close()

    assert not held()
    with transaction.atomic():
        RegionFactory()


@on_sqlite
def test_writers_of_one_process_never_find_the_database_locked():
    def write() -> None:
        for _ in range(20):
            with transaction.atomic():
                Region.objects.filter(code="nowhere").update(name="x")
                Region.objects.create(code=f"region-{threading.get_ident()}-{Region.objects.count()}", name="R")

    for thread in [Thread(write) for _ in range(6)]:
        thread.ends()

    assert Region.objects.count() == 120
