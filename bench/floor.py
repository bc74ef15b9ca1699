"""
The floor, written by hand: the same load on a bare asyncio server, `python -m bench.floor PORT DATABASE`.

What it leaves out is the point: no sign-in, no encryption, no idempotence, no limits, no second process, no framework. What it
keeps is what nobody may leave out: every message is numbered without gaps and durable before its `ack`, then seen by the other side.
Everything that waits is stored in one statement, which is one commit. Numbers are kept in memory; the table refuses a double one.
"""

import asyncio
import gc
import json
import sys
from base64 import b64encode
from collections import defaultdict
from datetime import UTC, datetime
from hashlib import sha1
from typing import Any, NamedTuple, Protocol

import uvloop

FIRST = (
    "CREATE TABLE IF NOT EXISTS entry (conversation int, seq int, author text, id {uuid}, text text, at {at},"
    " PRIMARY KEY (conversation, seq))"
)
LAST = "SELECT conversation, max(seq) FROM entry GROUP BY conversation"
ESCAPED = json.encoder.encode_basestring


class Message(NamedTuple):
    line: "Line"
    conversation: int
    seq: int
    id: str
    text: str


class Store(Protocol):
    def last(self) -> dict[int, int]:
        """The last number of each conversation."""

    async def append(self, batch: list[Message], at: str) -> None:
        """Durable when this returns."""


class Line(asyncio.Protocol):
    """One WebSocket of a chatter, `/chatter/7`, or of an employee, `/staff/7,8,9`."""

    __slots__ = ("author", "conversations", "floor", "rest", "transport")

    def __init__(self, floor: "Floor") -> None:
        self.floor, self.rest, self.author = floor, b"", ""
        self.conversations: tuple[int, ...] = ()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        at, end = 0, len(data)
        if not self.author:
            head, found, _ = data.partition(b"\r\n\r\n")
            if not found:
                self.rest = data
                return
            self.upgrade(head.decode())
            at = len(head) + 4
        while end - at >= 6:
            size, begin = data[at + 1] & 0x7F, at + 2
            if size == 126:
                size, begin = int.from_bytes(data[begin : begin + 2], "big"), begin + 2
            stop = begin + 4 + size
            if stop > end:
                break
            if data[at] == 0x81:
                self.frame(unmasked(data[begin : begin + 4], data[begin + 4 : stop]))
            elif data[at] == 0x88:
                self.transport.close()
            at = stop
        self.rest = data[at:]

    def upgrade(self, head: str) -> None:
        path = head.split(" ", 2)[1]
        key = next(line for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key:")).partition(":")[2].strip()
        accept = b64encode(sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode(), usedforsecurity=False).digest()).decode()
        _, self.author, conversations = path.split("/")
        self.conversations = tuple(int(number) for number in conversations.split(","))
        for conversation in self.conversations:
            self.floor.lines[conversation].append(self)
        answer = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        self.transport.write(answer.encode())

    def frame(self, payload: bytes) -> None:
        frame = json.loads(payload)
        if frame["type"] == "send":
            self.floor.append(self, frame.get("conversation") or self.conversations[0], frame["id"], frame["text"])
        elif frame["type"] == "hello":
            for conversation in self.conversations:
                self.say(f'{{"type":"welcome","conversation":{conversation},"last_seq":{self.floor.last[conversation]}}}')

    def say(self, text: str) -> None:
        self.transport.write(framed(text))

    def connection_lost(self, error: Exception | None) -> None:
        for conversation in self.conversations:
            self.floor.lines[conversation].remove(self)


def unmasked(mask: bytes, payload: bytes) -> bytes:
    size = len(payload)
    return (int.from_bytes(payload, "little") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "little")).to_bytes(size, "little")


def framed(text: str) -> bytes:
    payload = text.encode()
    size = len(payload)
    return (bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")) + payload


class Floor:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.lines: dict[int, list[Line]] = defaultdict(list)
        self.last: dict[int, int] = defaultdict(int, store.last())
        self.waiting: list[Message] = []
        self.writing: asyncio.Task[None] | None = None

    def append(self, line: Line, conversation: int, id: str, text: str) -> None:
        seq = self.last[conversation] = self.last[conversation] + 1
        self.waiting.append(Message(line, conversation, seq, id, text))
        if self.writing is None:
            self.writing = asyncio.get_running_loop().create_task(self.write())

    async def write(self) -> None:
        while self.waiting:
            batch, self.waiting = self.waiting, []
            at = datetime.now(UTC).isoformat()
            await self.store.append(batch, at)
            for sender, conversation, seq, id, text in batch:
                sender.say(f'{{"type":"ack","id":"{id}","seq":{seq},"at":"{at}"}}')
                entry = framed(
                    f'{{"type":"entry","conversation":{conversation},"seq":{seq},"id":"{id}","author":"{sender.author}",'
                    f'"text":{ESCAPED(text)},"at":"{at}"}}'
                )
                for line in self.lines[conversation]:
                    if line is not sender:
                        line.transport.write(entry)
        self.writing = None


class PostgreSQL:
    """An asynchronous connection: no thread that waits for the other one."""

    INSERT = "INSERT INTO entry SELECT *, %s::timestamptz FROM unnest(%s::int[], %s::int[], %s::text[], %s::uuid[], %s::text[])"

    def __init__(self, address: str) -> None:
        import psycopg

        self.address = address
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(FIRST.format(uuid="uuid", at="timestamptz"))
            self._last: dict[int, int] = dict(connection.execute(LAST).fetchall())
        self.connection: psycopg.AsyncConnection[Any] | None = None

    def last(self) -> dict[int, int]:
        return self._last

    async def append(self, batch: list[Message], at: str) -> None:
        if self.connection is None:
            import psycopg

            self.connection = await psycopg.AsyncConnection.connect(self.address, autocommit=True, prepare_threshold=0)
        await self.connection.execute(
            self.INSERT,
            (
                at,
                [message.conversation for message in batch],
                [message.seq for message in batch],
                [message.line.author for message in batch],
                [message.id for message in batch],
                [message.text for message in batch],
            ),
        )


class SQLite:
    """In a thread: the commit waits for the disk."""

    INSERT = "INSERT INTO entry SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ? FROM json_each(?)"

    def __init__(self, path: str) -> None:
        import sqlite3

        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        self.connection.execute(FIRST.format(uuid="text", at="text"))

    def last(self) -> dict[int, int]:
        return dict(self.connection.execute(LAST).fetchall())

    async def append(self, batch: list[Message], at: str) -> None:
        rows = json.dumps([(m.conversation, m.seq, m.line.author, m.id, m.text) for m in batch])
        await asyncio.get_running_loop().run_in_executor(None, self.connection.execute, self.INSERT, (at, rows))


async def serve(port: int, database: str) -> None:
    floor = Floor(PostgreSQL(database) if database.startswith("postgres") else SQLite(database.removeprefix("sqlite:///")))
    server = await asyncio.get_running_loop().create_server(lambda: Line(floor), "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    gc.freeze()
    uvloop.install()
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
