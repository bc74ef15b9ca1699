"""
The fault proxy: plain TCP between two parties on this machine, one for each test (reliability.md, section 4).

Whatever it does, it does to the connections that stand and to those that come, until it is told something else.
"""

import asyncio
import random
import re
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

CHUNK = 64 * 1024
UPGRADE = re.compile(rb"^upgrade:\s*websocket\r?$", re.MULTILINE | re.IGNORECASE)
MOST_HELD = 1024 * 1024  # bytes kept of one direction that nobody may see yet; beyond, the sender is not read any more


class Way(StrEnum):
    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


BOTH = (Way.TO_SERVER, Way.TO_CLIENT)


class Proxy:
    """
    `async with Proxy(running.address) as proxy: …` and the client goes to `proxy.base`.

    `passes` · `delays` · `cuts` (reset) · `closes` · `swallows` (a black hole, in each direction alone: what came
    is delivered once it passes again, as a network that was away does) · `stops_after` n bytes.
    """

    def __init__(self, to: str, *, seed: int = 0):
        host, _, port = to.rpartition(":")
        self.to = (host, int(port))
        self.chance = random.Random(seed)
        self.delay = self.jitter = 0.0
        self.holes: frozenset[Way] = frozenset()
        self.left: dict[Way, int] = {}  # how many bytes may still pass
        self.ends: str | None = None  # what becomes of connections: "cut" or "closed"
        self.upgrade = ""  # what becomes of a WebSocket's upgrade: an HTTP status line, or "hangs"
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._come, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        for connection in tuple(self.connections):
            connection.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def another(self) -> "Proxy":
        """One more, to the same server."""
        return Proxy(f"{self.to[0]}:{self.to[1]}")

    @property
    def address(self) -> str:
        assert self._server
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def base(self) -> str:
        return f"http://{self.address}"

    @property
    def ws(self) -> str:
        return f"ws://{self.address}"

    # ------------------------------------------------------------ what it does

    def passes(self) -> None:
        """Everything passes, also what was held."""
        self.delay = self.jitter = 0.0
        self.holes, self.left, self.ends, self.upgrade = frozenset(), {}, None, ""
        self._again()

    def delays(self, seconds: float, jitter: float = 0) -> None:
        """Each piece comes `seconds` late, and up to `jitter` more; the order stays."""
        self.delay, self.jitter = seconds, jitter

    def cuts(self) -> None:
        """Every connection is reset, without a goodbye."""
        self.ends = "cut"
        for connection in tuple(self.connections):
            connection.cut()

    def closes(self) -> None:
        """Every connection ends in order."""
        self.ends = "closed"
        for connection in tuple(self.connections):
            connection.close()

    def swallows(self, *ways: Way) -> None:
        """Nothing comes out in these directions (both, when none is named), and no connection ends."""
        self.holes = frozenset(ways or BOTH)
        self._again()

    def stops_after(self, count: int, way: Way) -> None:
        """`count` more bytes pass in that direction, then nothing does."""
        self.left[way] = count

    def refuses_upgrades(self, answer: str = "403 Forbidden") -> None:
        """HTTP passes, a WebSocket gets this answer: a filter in between that does not know them. "hangs": it gets none."""
        self.upgrade = answer
        for connection in tuple(self.connections):
            if connection.is_upgraded:
                connection.cut()

    def _again(self) -> None:
        for connection in tuple(self.connections):
            connection.deliver()

    def late(self) -> float:
        return self.delay + self.jitter * self.chance.random()

    def allowance(self, way: Way, wanted: int) -> int | None:
        """How many of these bytes may pass now, and count as passed; None: nothing may, not even the end."""
        if way in self.holes or self.left.get(way) == 0:
            return None
        count = min(wanted, self.left.get(way, wanted))
        if way in self.left:
            self.left[way] -= count
        return count

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.ends == "closed":
            return writer.close()
        try:
            if self.ends:
                return reset(writer)
            server_reader, server_writer = await asyncio.open_connection(*self.to)
        except OSError:
            return reset(writer)
        if self.ends:
            reset(server_writer)
            return reset(writer)
        connection = Connection(self, Half(reader, server_writer, Way.TO_SERVER), Half(server_reader, writer, Way.TO_CLIENT))
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            connection.cut()


@dataclass(eq=False)
class Half:
    """One direction of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    way: Way
    held: deque[bytes] = field(default_factory=deque)  # b"" is the end
    due: float = 0.0  # when the last piece is written
    room: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Connection:
    """A client, its server, and what is on its way between them."""

    def __init__(self, proxy: Proxy, to_server: Half, to_client: Half):
        self.proxy, self.halves = proxy, (to_server, to_client)
        self.is_over = self.is_upgraded = False

    async def run(self) -> None:
        await asyncio.gather(*(self._read(half) for half in self.halves))
        for half in self.halves:
            await half.done.wait()

    async def _read(self, half: Half) -> None:
        data = b"."
        while data and not self.is_over:
            try:
                data = await half.reader.read(CHUNK)
            except OSError:
                return self.cut()
            if half.way is Way.TO_SERVER and UPGRADE.search(data):
                self.is_upgraded = True
                if self.proxy.upgrade:
                    return self._refuse(self.proxy.upgrade)
            half.held.append(data)
            self.deliver()
            while sum(map(len, half.held)) > MOST_HELD and not self.is_over:
                half.room.clear()
                await half.room.wait()

    def _refuse(self, answer: str) -> None:
        if answer != "hangs":
            self.halves[1].writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            self.close()

    def deliver(self) -> None:
        """Write what may pass now, each piece when it is due."""
        loop = asyncio.get_running_loop()
        for half in self.halves:
            while half.held and not self.is_over:
                data = half.held[0]
                count = self.proxy.allowance(half.way, len(data))
                if count is None:
                    break
                half.held.popleft()
                if count < len(data):
                    half.held.appendleft(data[count:])
                # A microsecond apart: pieces that are due at the same moment have no order in the loop.
                half.due = max(loop.time() + self.proxy.late(), half.due + 1e-6)
                if self.proxy.delay or half.due > loop.time() + 1e-3:
                    loop.call_at(half.due, self._write, half, data[:count])
                else:
                    self._write(half, data[:count])
            half.room.set()

    def _write(self, half: Half, data: bytes) -> None:
        if self.is_over or half.writer.is_closing():
            half.done.set()
        elif data:
            half.writer.write(data)
        else:
            with suppress(OSError):  # the other end has reset meanwhile
                half.writer.write_eof()
            half.done.set()

    def cut(self) -> None:
        self._end(reset)

    def close(self) -> None:
        self._end(lambda writer: writer.close())

    def _end(self, how) -> None:
        self.is_over = True
        for half in self.halves:
            how(half.writer)
            half.room.set()
            half.done.set()


def reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    if not writer.is_closing():
        connected: socket.socket = writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
