"""What the launcher has to bound although uvicorn does not (P13, P15, threat-model N5, N7)."""

import asyncio
import time
import uuid
from pathlib import Path

import pytest

from tests.launcher.state import database, gauge, memory
from tests.launcher.wire import MORE, PATIENCE, PING, PONG, TEXT, close, connect, frame, until

EXIT_WITHIN = 10  # seconds (P13)
GROWTH = 20_000  # KiB (N5)
FORM = b"POST /start/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
PAGE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
LINE = b"GET /ws/chatter/ HTTP/1.1\r\nHost: 127.0.0.1\r\n" + UPGRADE


@pytest.mark.parametrize(
    "request_",
    [
        PAGE + b"X_Forwarded_For: 192.0.2.1\r\n\r\n",
        FORM + b"Content_Length: 5\r\nContent-Length: 0\r\n\r\n",
        LINE + b"Content-Length: 10\r\n\r\n0123456789",
        LINE + b"X-A: " + b"a" * 10_000 + b"\r\n\r\n",
        LINE + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n",
    ],
    ids=["underscore", "underscore that hides a length", "upgrade with a body", "upgrade with a long header", "upgrade with many headers"],
)
async def test_what_can_be_read_in_two_ways_is_answered_with_400_and_not_with_silence(server, request_):
    reader, writer = await connect(server)

    async with asyncio.timeout(PATIENCE):
        writer.write(request_)
        said = await reader.readuntil(b"\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 400 ")
    await close(writer)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (FORM + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: ", b"a" * 65_536),
        (FORM + b"Content-Length: 1000000000\r\n\r\n", b"a" * 65_536),
        (FORM + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 65_536),
        (b"", b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1_000),
    ],
    ids=["header behind the body", "body", "extension of a chunk", "request after request"],
)
async def test_what_has_no_end_is_cut_and_costs_little(server, people, head, piece):
    _, writer = await connect(server)
    before = memory(server)

    async def pours() -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()

    with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe
        await asyncio.wait_for(pours(), PATIENCE)
    await close(writer)

    assert memory(server) - before < GROWTH
    assert (await people.chatter()).cookie


@pytest.mark.parametrize(
    "piece", [frame(b"a" * 125, PING), frame(b"", MORE, last=False), frame(b"a" * 125, PONG)], ids=["pings", "pieces", "pongs"]
)
async def test_frames_that_are_no_messages_are_bounded_too(server, people, piece):
    chatter, other = await people.chatter(), await people.chatter()
    line, calm = await chatter.connects(), await other.connects()
    await line.stops_reading()
    before = memory(server)

    async def pours() -> None:
        line.writer.write(frame(b"", TEXT, last=False))
        while not line.writer.is_closing():
            line.writer.write(piece * 500)
            await line.writer.drain()

    pouring = asyncio.create_task(pours())
    assert (await calm.sends("Hoort iemand mij?"))["seq"] == 2
    await asyncio.wait([pouring], timeout=PATIENCE)

    assert pouring.done()
    assert isinstance(pouring.exception(), OSError | None)
    assert memory(server) - before < GROWTH


async def test_who_reads_nothing_is_let_go_by_the_process(running_with, people):
    server = people.server = running_with()
    chatter, _, desk, about = await people.pair()
    deaf = await chatter.connects(buffer=4096)
    await deaf.stops_reading()
    port = deaf.writer.get_extra_info("sockname")[1]
    lines = gauge(server, "lines")
    while gauge(server, "lines") == lines:
        ids = [uuid.uuid4() for _ in range(50)]
        for id in ids:
            desk.says("send", id=id, text="€" * 4_000, **about)
        for id in ids:
            await desk.hears("ack", id=id)

    def established() -> bool:
        return any(
            state == "01" and ours.endswith(f":{int(server.address.split(':')[1]):04X}") and theirs.endswith(f":{port:04X}")
            for _, ours, theirs, state, *_ in (row.split() for row in Path("/proc/net/tcp").read_text().splitlines())
        )

    await until(lambda: not established(), "the server has given the connection up")


async def test_a_stop_takes_ten_seconds_also_when_the_database_does_not_answer(running_with, people):
    server = people.server = running_with()
    chatter = await people.chatter()
    line = await chatter.connects()

    with database(server) as connection:
        if server.environment["DATABASE_URL"]:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE chat_conversation, chat_entry, chat_presence IN ACCESS EXCLUSIVE MODE")
        else:
            connection.execute("BEGIN IMMEDIATE")
        line.says("send", id=uuid.uuid4(), text="Komt dit nog aan?")
        line.says("ping", now=True)
        await line.hears("pong")
        poll = asyncio.create_task(chatter.http.get("/entries/?after=100&wait=20", headers={"Accept": "application/json"}))
        begun = time.monotonic()
        await asyncio.to_thread(server.stop)
        took = time.monotonic() - begun
        connection.execute("ROLLBACK")

    assert took <= EXIT_WITHIN
    await asyncio.wait([poll], timeout=PATIENCE)
    poll.cancel()
