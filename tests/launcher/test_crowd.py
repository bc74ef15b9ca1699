"""Three hundred at once: waiting polls cost what idle sockets cost, and a storm of reconnects is answered (P14, P15)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.launcher.state import Visitor, complaints, crowd, database_connections, gauge, memory, threads
from tests.launcher.wire import Line, a_moment, close, connect, until
from tests.running import Running

MANY = 300
AT_ONCE = 50  # more and a server refuses some: a test of what they cost asks in turn
FIRST = 20  # whatever a server needs once, it has needed after so many
NOISE = 1_024  # KiB that a process takes or gives back for reasons of its own
POOL = 20  # database connections of a process, at the most


@pytest.fixture(scope="module")
def server(_prepared):
    running = _prepared.run()
    yield running
    running.discard()


@pytest.fixture(scope="module")
def everybody(server) -> list[Visitor]:
    return crowd(server, MANY)


@pytest.fixture(scope="module")
def chatters(everybody) -> list[Visitor]:
    return [one for one in everybody if one.is_chatter]


@asynccontextmanager
async def waiting_polls(server: Running, chatters: list[Visitor]) -> AsyncIterator[None]:
    """Each asks for what comes after the last entry, and for nothing else."""
    standing = []
    try:
        for first in range(0, len(chatters), AT_ONCE):
            for chatter in chatters[first : first + AT_ONCE]:
                standing.append(await connect(server))
                head = f"Host: {server.address}\r\nAccept: application/json\r\nCookie: {chatter.cookie}\r\n"
                standing[-1][1].write(f"GET /entries/?after=1000000&wait=25 HTTP/1.1\r\n{head}\r\n".encode())
            await until(lambda: gauge(server, "lines") == len(standing), "those who asked wait")
        yield
    finally:
        for _, writer in standing:
            await close(writer)


async def comes(server: Running, one: Visitor) -> Line:
    """A line up to its first state. Who is told to try again does so, as the page does."""
    while True:
        line = await Line.opens(server, one.path, one.cookie)
        line.says("hello", after=one.after)
        await until(lambda: line.is_over or {"state", "refused"} & {heard["type"] for heard in line.frames}, "an answer to hello")  # noqa: B023
        if any(heard["type"] == "state" for heard in line.frames):
            return line
        await line.hangs_up()
        await a_moment()


@asynccontextmanager
async def idle_sockets(server: Running, chatters: list[Visitor]) -> AsyncIterator[None]:
    lines = [await comes(server, one) for one in chatters]
    yield
    for line in lines:
        await line.hangs_up()


A_FEW = 10


async def cost(server: Running, chatters: list[Visitor], way) -> tuple[int, int, int]:
    """KiB that so many of this kind need in a fresh process, and how many threads and database connections it has with them."""
    await asyncio.to_thread(server.restart)
    async with way(server, chatters[:FIRST]):
        pass
    await until(lambda: gauge(server, "lines") == 0, "they have gone")
    before = memory(server)
    async with way(server, chatters):
        found = memory(server) - before, threads(server), database_connections(server)
    await until(lambda: gauge(server, "lines") == 0, "they have gone")
    return found


async def test_three_hundred_waiting_polls_cost_what_idle_sockets_cost_and_hold_no_thread_and_no_database_connection(server, chatters):
    sockets, threads_of_sockets, _ = await cost(server, chatters, idle_sockets)
    polls, threads_of_polls, connections = await cost(server, chatters, waiting_polls)

    assert polls <= 2 * sockets + NOISE
    assert threads_of_polls < threads_of_sockets + A_FEW  # those of the pools, which come when they are needed
    assert connections <= POOL


async def test_three_hundred_lines_that_are_cut_at_once_are_all_back_and_are_answered(server, everybody):
    await asyncio.to_thread(server.restart)
    some = everybody[:MANY]  # chatters and employees
    lines = await asyncio.gather(*(comes(server, one) for one in some))

    for line in lines:
        line.cut()
    back = await asyncio.gather(*(comes(server, one) for one in some))
    acks = await asyncio.gather(*(line.sends("Ik ben er weer.", **one.about[0]) for line, one in zip(back, some, strict=True)))

    assert len(acks) == MANY
    await until(lambda: gauge(server, "lines") == MANY, "those that were cut have been let go")
    assert complaints(server) == []
