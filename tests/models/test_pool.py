"""The bounded threads for the database: nobody waits behind more than one slow query, and too much is refused at once (P14)."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from django.db import InterfaceError, OperationalError, connection, connections

from chat import pool as pool_of_the_process
from chat.pool import Pool
from staffing.models import Region
from staffing.refusal import Refused
from staffing.rules import Refusal
from tests.factories import RegionFactory
from tests.threads import PATIENCE, until


@pytest.fixture
def pool(transactional_db: None) -> Iterator[Pool]:
    pool = Pool(threads=2, most_waiting=3)
    yield pool
    pool.stop()


class SlowQuery:
    """Something that keeps a thread until it is let go."""

    def __init__(self) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.goes_on.wait(PATIENCE)
        return "slow"


async def test_the_answer_or_the_error_of_a_function_comes_back(pool):
    def refuse() -> None:
        raise Refused(Refusal.NO_ROOM)

    assert await pool.run(lambda a, b=0: a + b, 1, b=2) == 3
    with pytest.raises(Refused) as no:
        await pool.run(refuse)
    assert no.value.code is Refusal.NO_ROOM


async def test_a_slow_query_delays_nobody_but_the_one_who_asked(pool):
    slow = SlowQuery()
    waiting = asyncio.create_task(pool.run(slow))
    await asyncio.to_thread(until, slow.begun.is_set)

    assert [await pool.run(lambda n=n: n) for n in range(5)] == list(range(5))

    assert not waiting.done()
    slow.goes_on.set()
    assert await waiting == "slow"


async def test_when_too_much_waits_the_answer_is_unavailable_at_once(pool):
    slow = [SlowQuery(), SlowQuery()]
    waiting = [asyncio.create_task(pool.run(one)) for one in slow]
    for one in slow:
        await asyncio.to_thread(until, one.begun.is_set)
    waiting += [asyncio.create_task(pool.run(lambda: "later")) for _ in range(3)]
    await asyncio.to_thread(until, lambda: pool._work.qsize() == 3)

    with pytest.raises(Refused) as no:
        await pool.run(lambda: "too much")
    for one in slow:
        one.goes_on.set()

    assert no.value.code is Refusal.UNAVAILABLE
    assert await asyncio.gather(*waiting) == ["slow", "slow", "later", "later", "later"]
    assert await pool.run(lambda: "again") == "again"


async def test_whoever_stops_waiting_takes_nothing_from_the_others(pool):
    slow = SlowQuery()
    waiting = asyncio.create_task(pool.run(slow))
    await asyncio.to_thread(until, slow.begun.is_set)
    waiting.cancel()
    slow.goes_on.set()

    assert await pool.run(lambda: "next") == "next"


@pytest.mark.parametrize("problem", [OperationalError, InterfaceError])
async def test_a_broken_connection_is_unavailable_and_is_not_used_again(pool, problem):
    used = []

    def break_it() -> None:
        connection.ensure_connection()
        used.append(connection.connection)
        raise problem("the server closed the connection")

    for _ in range(2):
        with pytest.raises(Refused) as no:
            await pool.run(break_it)
        assert no.value.code is Refusal.UNAVAILABLE

    assert await pool.run(Region.objects.count) == 0
    assert len(used) == 2


async def test_each_thread_keeps_its_connection_and_gives_it_back_at_the_end(transactional_db):
    pool, kept = Pool(threads=1, most_waiting=1), []

    def look() -> None:
        Region.objects.count()
        kept.append((connections["default"], connections["default"].connection))

    await pool.run(look)
    await pool.run(look)
    assert kept[0] == kept[1]
    await asyncio.to_thread(pool.stop)

    assert kept[0][0].connection is None


async def test_stopping_finishes_what_waits(pool):
    slow = SlowQuery()
    waiting = [asyncio.create_task(pool.run(slow)), asyncio.create_task(pool.run(RegionFactory))]
    await asyncio.to_thread(until, slow.begun.is_set)

    stopping = asyncio.create_task(asyncio.to_thread(pool.stop))
    slow.goes_on.set()
    await stopping

    assert (await asyncio.gather(*waiting))[0] == "slow"


async def test_whoever_comes_while_the_pool_ends_is_answered():
    busy = threading.Event()
    first = asyncio.create_task(pool_of_the_process.run(busy.wait))
    await asyncio.wait([first], timeout=0.1)
    stopping = asyncio.create_task(asyncio.to_thread(pool_of_the_process.stop))
    await asyncio.wait([stopping], timeout=0.2)

    late = asyncio.create_task(pool_of_the_process.run(lambda: "answered"))
    busy.set()
    await stopping
    await asyncio.wait([late], timeout=5)

    assert late.done()
    assert late.result() == "answered"
    pool_of_the_process.stop()
