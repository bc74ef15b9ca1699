"""
The load generator, a process of its own: `python -m bench.load`. Line by line on standard input: first what there is to talk to, then
one wish after the other; the answers, one line each, on standard output.

It must not be the bottleneck, so it knows no library of the protocol: frames are prepared bytes, and of an answer it reads only what
it needs. Whether it was one is said in the answer: `load_busy` is the share of the time in which it ran or waited for a processor.
"""

import asyncio
import gc
import json
import random
import secrets
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvloop

from bench.processes import busy_seconds, cpu_seconds

TEXT = "Ik weet niet zo goed waar ik moet beginnen, maar het gaat thuis al een tijd niet goed met ons."
OPENING_AT_ONCE = 50  # connections
OPENS_WITHIN = 120.0  # seconds, all connections together
LONGEST = 15.0  # seconds of a closed loop: it lasts until there are as many answers as sides, for those that take so long
PATIENCE = 8.0  # seconds without any answer after which what is missing is taken for lost
RATE = 100  # messages per second of the open loop
BACK_WITHIN = 120.0  # seconds
FAR_AHEAD = 1_000_000_000  # 'I have seen everything': nothing is replayed


@dataclass(frozen=True)
class Connection:
    """One connection as a server knows it. `sides` has one text per conversation: what a frame about it carries beside id and text."""

    path: str
    hello: str
    sides: list[str]
    cookie: str = ""


class Side:
    """One side of one conversation: sends one message, and in the closed loop the next on its `ack`."""

    __slots__ = ("head", "line", "tail")

    def __init__(self, line: "Line", number: int, run: str, about: str) -> None:
        self.line = line
        tail = f'-{number:04x}-4000-8000-{run}","text":"{TEXT}"}}'.encode()
        head = f'{{"type":"send",{about}"id":"'.encode()
        size = len(head) + 8 + len(tail)
        self.head, self.tail = masked_header(size) + head, tail

    def frame(self, count: int) -> bytes:
        return b"%b%08x%b" % (self.head, count, self.tail)


def masked_header(size: int) -> bytes:
    """Of a text frame of a client. The mask is four zeros, which the server has to apply all the same."""
    return (bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")) + bytes(4)


def masked(text: str) -> bytes:
    payload = text.encode()
    return masked_header(len(payload)) + payload


PING = masked('{"type":"ping"}')


class Line(asyncio.Protocol):
    """One WebSocket, and no more of the protocol than the load needs."""

    __slots__ = ("hello", "is_open", "missing", "opened", "request", "rest", "server", "transport", "welcomes")

    def __init__(self, server: "Server", connection: Connection, port: int) -> None:
        self.server, self.hello = server, masked(connection.hello)
        cookie = f"Cookie: {connection.cookie}\r\n" if connection.cookie else ""
        self.request = (
            f"GET {connection.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n{cookie}"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        self.welcomes = len(connection.sides)
        self.opened: asyncio.Future[None] = server.loop.create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport, self.missing, self.is_open, self.rest = transport, self.welcomes, False, b""
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        at, end = 0, len(data)
        if not self.is_open:
            head, found, _ = data.partition(b"\r\n\r\n")
            if not found:
                self.rest = data
                return
            if b" 101 " not in head[:20]:
                self.server.unexpected(head)
                self.transport.close()
                return
            self.is_open, at = True, len(head) + 4
            self.transport.write(self.hello)
        while end - at >= 2:
            size, begin = data[at + 1], at + 2
            if size == 126:
                if end - begin < 2:
                    break
                size, begin = data[begin] << 8 | data[begin + 1], begin + 2
            elif size == 127:
                if end - begin < 8:
                    break
                size, begin = int.from_bytes(data[begin : begin + 8], "big"), begin + 8
            if begin + size > end:
                break
            if data[at] == 0x81:
                self.frame(data, begin, begin + size)
            elif data[at] == 0x89:
                self.transport.write(bytes((0x8A, 0x80 | size)) + bytes(4) + data[begin : begin + size])
            at = begin + size
        self.rest = data[at:]

    def frame(self, data: bytes, begin: int, end: int) -> None:
        """`type` is the first thing in a frame, and every id is ours: count, then side."""
        kind = data[begin + 9 : begin + 12]
        if kind == b"ack":
            place = data.index(b'"id":"', begin) + 6
            self.server.acknowledged(int(data[place + 9 : place + 13], 16))
        elif kind == b"ent":
            if data.find(self.server.run_mark, begin, end) > 0:
                place = data.index(b'"id":"', begin) + 6
                self.server.seen(int(data[place : place + 8], 16))
        elif kind == b"pon":
            self.transport.write(PING)
        elif kind == b"wel":
            self.missing -= 1
            if not self.missing and not self.opened.done():
                self.opened.set_result(None)
        elif kind == b"ref":
            self.server.unexpected(data[begin:end])

    def connection_lost(self, error: Exception | None) -> None:
        self.server.lost(self)


class Server:
    """One server that is talked to: its lines, and the two sides of each of its pairs."""

    def __init__(self, port: int, connections: Iterable[Connection]) -> None:
        self.port = port
        self.loop = asyncio.get_running_loop()
        run = secrets.token_hex(6)
        self.run_mark = run.encode()
        self.lines: list[Line] = []
        self.sides: list[Side] = []
        for connection in connections:
            line = Line(self, connection, port)
            self.lines.append(line)
            self.sides += [Side(line, len(self.sides) + i, run, about) for i, about in enumerate(connection.sides)]
        self.sent = self.acks = self.entries = self.lost_lines = 0
        self.again = self.returning = False
        self.sent_at: list[float] = []
        self.took: list[float] = []
        self.surprises: list[str] = []
        self.drained: asyncio.Future[None] | None = None

    # ------------------------------------------------------------ what the lines tell

    def acknowledged(self, side: int) -> None:
        self.acks += 1
        if self.again:
            self.sent += 1
            one = self.sides[side]
            one.line.transport.write(one.frame(self.sent))
        elif self.drained:
            self.has_drained()

    def seen(self, count: int) -> None:
        self.entries += 1
        if self.sent_at:
            self.took.append(time.perf_counter() - self.sent_at[count])
        if self.drained:
            self.has_drained()

    def has_drained(self) -> None:
        if self.acks >= self.sent and self.entries >= self.sent and self.drained and not self.drained.done():
            self.drained.set_result(None)

    def unexpected(self, what: bytes) -> None:
        if len(self.surprises) < 5:
            self.surprises.append(what[:200].decode(errors="replace"))

    def lost(self, line: Line) -> None:
        if self.returning:
            self.come_back(line)
            return
        self.lost_lines += 1
        if self.drained and not self.drained.done():
            self.drained.set_result(None)
        if not line.opened.done():
            line.opened.set_exception(OSError("the line was lost before its welcome"))

    # ------------------------------------------------------------ opening, waiting

    async def connect_lines(self, first: int, last: int | None) -> None:
        lines = self.lines[first:last]
        async with asyncio.timeout(OPENS_WITHIN):
            for begin in range(0, len(lines), OPENING_AT_ONCE):
                some = lines[begin : begin + OPENING_AT_ONCE]
                await asyncio.gather(*(self.connect(line) for line in some))
                await asyncio.gather(*(line.opened for line in some))

    async def connect(self, line: Line) -> None:
        await self.loop.create_connection(partial(_the, line), "127.0.0.1", self.port)

    async def wait(self, seconds: float) -> None:
        over = self.loop.create_future()
        self.loop.call_later(seconds, over.set_result, None)
        await over

    async def drain(self) -> None:
        self.drained = self.loop.create_future()
        self.has_drained()
        answers = -1
        while not self.drained.done() and self.acks + self.entries > answers:
            answers = self.acks + self.entries
            await asyncio.wait([self.drained], timeout=PATIENCE)
        self.drained = None

    # ------------------------------------------------------------ what is measured

    async def closed_loop(self, warm_up: float, **window: Any) -> dict[str, float]:
        """Each side sends again on its `ack`."""
        self.again = True
        for side in self.sides:
            self.sent += 1
            side.line.transport.write(side.frame(self.sent))
        await self.wait(warm_up)
        figures = await self.window(**window)
        self.again = False
        await self.drain()
        return figures

    async def open_loop(self, warm_up: float, **window: Any) -> dict[str, float]:
        """A hundred messages a second, whatever the answers; from *send* to *seen by the other side*, in milliseconds."""
        order = list(self.sides)
        random.Random(1).shuffle(order)
        self.sent_at = [0.0] * (self.sent + 1)
        pause, over = 1 / RATE, False

        def send(turn: int, due: float) -> None:
            if over:
                return
            side = order[turn % len(order)]
            self.sent += 1
            self.sent_at.append(time.perf_counter())
            side.line.transport.write(side.frame(self.sent))
            self.loop.call_at(due + pause, send, turn + 1, due + pause)

        send(0, self.loop.time())
        await self.wait(warm_up)
        self.took.clear()
        figures = await self.window(**window)
        over = True
        await self.drain()
        self.sent_at = []
        cuts = statistics.quantiles(self.took, n=100, method="inclusive")
        return figures | {"p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}

    async def window(self, seconds: float, server: list[int], stores: list[int], others: list[int]) -> dict[str, float]:
        """The figures of this span of time: messages per second, and the CPU of all who take part, and of the other servers."""
        acks, began, busy = self.acks, time.perf_counter(), busy_seconds()
        own, used = time.process_time(), [cpu_seconds(pids) for pids in (server, stores, others)]
        await self.wait(seconds)
        while self.again and self.acks - acks < len(self.sides) and time.perf_counter() - began < LONGEST:
            await self.wait(0.25)
        server_s, stores_s, others_s = (cpu_seconds(pids) - before for pids, before in zip((server, stores, others), used, strict=True))
        own, busy, took = time.process_time() - own, busy_seconds() - busy, time.perf_counter() - began
        done = max(1, self.acks - acks)
        return {
            "rate": done / took,
            "cpu_1000_s": server_s / done * 1000,
            "cpu_1000_with_stores_s": (server_s + stores_s) / done * 1000,
            "server_cpu": server_s / took,
            "stores_cpu": stores_s / took,
            "others_cpu": others_s / took,
            "load_cpu": own / took,
            "load_busy": busy / took,
        }

    # ------------------------------------------------------------ restart

    async def restart(self) -> dict[str, float]:
        """Says `ready`; from then on every lost line comes back by itself. Seconds since `ready`, and since the first was back."""
        for line in self.lines:
            line.opened = self.loop.create_future()
        self.returning, began = True, time.perf_counter()
        first: list[float] = []
        for line in self.lines:
            line.opened.add_done_callback(lambda _: first.append(time.perf_counter()) if not first else None)
        say({"ready": True})
        async with asyncio.timeout(BACK_WITHIN):
            await asyncio.gather(*(line.opened for line in self.lines))
        back = time.perf_counter()
        self.returning = False
        return {"back_s": back - began, "back_after_first_s": back - first[0]}

    def come_back(self, line: Line) -> None:
        """A lost line tries again within a second, at a moment of its own, as long as it takes."""
        self.loop.call_later(random.random(), self.try_again, line)

    def try_again(self, line: Line) -> None:
        self.loop.create_task(self.try_to_connect(line))

    async def try_to_connect(self, line: Line) -> None:
        try:
            await self.connect(line)
        except OSError:
            self.come_back(line)

    def counts(self) -> dict[str, Any]:
        return {"sent": self.sent, "acks": self.acks, "entries": self.entries, "lost": self.lost_lines, "surprises": self.surprises}


def _the(line: Line) -> Line:
    return line


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


async def answer(servers: list[Server], wish: dict[str, Any]) -> dict[str, Any]:
    match wish.pop("do"):
        case "connect":
            await asyncio.gather(*(servers[number].connect_lines(first, last) for number, first, last in wish["lines"]))
            return {}
        case "closed":
            return await servers[wish.pop("of")].closed_loop(**wish)
        case "open":
            return await servers[wish.pop("of")].open_loop(**wish)
        case "restart":
            return await servers[wish["of"]].restart()
        case _:
            return servers[wish["of"]].counts()


async def main() -> None:
    loop = asyncio.get_running_loop()
    wishes = asyncio.StreamReader(limit=2**28)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(wishes), sys.stdin)
    servers = [
        Server(one["port"], [Connection(**connection) for connection in one["connections"]]) for one in json.loads(await wishes.readline())
    ]
    while wish := await wishes.readline():
        say(await answer(servers, json.loads(wish)))


if __name__ == "__main__":
    gc.disable()  # nothing here goes in circles, and a pause would be measured as the server's
    uvloop.install()
    asyncio.run(main())
