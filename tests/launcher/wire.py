"""
Clients of a real server over real TCP. The WebSocket client is our own, because it also has to do what no library allows:
break off in the middle of a frame, answer nothing, read nothing, send everything at once.
"""

import asyncio
import json
import os
import re
import socket
import struct
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Self

import httpx

from tests.running import Running

PATIENCE = 45  # seconds: the longest that something may be on its way, on a machine that does much else
TEXT, BINARY, CLOSE, PING, PONG, MORE = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
Told = Callable[[Mapping[str, Any]], object]


async def a_moment(seconds: float = 0.02) -> None:
    turn = asyncio.get_running_loop().create_future()
    handle = asyncio.get_running_loop().call_later(seconds, lambda: turn.done() or turn.set_result(None))
    try:
        await turn
    finally:
        handle.cancel()


async def until(condition: Callable[[], Any], what: str) -> None:
    """Looks again and again, within PATIENCE."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await a_moment()
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE} s: {what}") from None


def frame(payload: bytes, kind: int = TEXT, *, last: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """One frame as a client sends it; the mask is nought, which is one too."""
    size, mask = len(payload), 0x80 if masked else 0
    head = bytes([(0x80 if last else 0) | reserved | kind])
    if size < 126:
        head += bytes([mask | size])
    elif size < 2**16:
        head += bytes([mask | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", size)
    return head + (bytes(4) if masked else b"") + payload


def said(kind: str, **fields: Any) -> bytes:
    return frame(json.dumps({"type": kind, **fields}, default=str, separators=(",", ":")).encode())


async def connect(server: Running, *, local: str = "", buffer: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TCP connection, from this address of the machine, with so small a buffer for what comes in."""
    end = socket.socket()
    try:
        end.setblocking(False)
        if buffer:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        if local:
            end.bind((local, 0))
        host, _, port = server.address.partition(":")
        await asyncio.get_running_loop().sock_connect(end, (host, int(port)))
        return await asyncio.open_connection(sock=end)
    except BaseException:
        end.close()
        raise


async def close(writer: asyncio.StreamWriter) -> None:
    """At once and for good; what was not sent is not sent."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


class Line:
    """One WebSocket: what was heard stands in `frames`; `code` is what the server closed with, None when it just broke off."""

    opened: ClassVar[list["Line"]] = []  # by this test; conftest.py hangs up

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tell: Iterable[Told] = ()) -> None:
        self.reader, self.writer, self.tell = reader, writer, tuple(tell)
        self.frames: list[dict[str, Any]] = []
        self.code: int | None = None
        self.head = b""  # of the answer to the upgrade
        self.is_over = False
        self.broken: Exception | None = None  # how it broke off, when it did
        self._position = 0
        self._news = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def opens(
        cls, server: Running, path: str, cookie: str, *, tell: Iterable[Told] = (), headers: str = "", origin: str = "", **how: Any
    ) -> Self:
        """After the upgrade. Raises ConnectionError when there is none."""
        line = cls(*await connect(server, **how), tell)
        try:
            async with asyncio.timeout(PATIENCE):
                line.writer.write(upgrade(server, path, cookie, headers, origin))
                line.head = await line.reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in line.head.partition(b"\r\n")[0]:
                raise ConnectionRefusedError(line.head.decode("latin-1"))
        except asyncio.IncompleteReadError as broken:
            await close(line.writer)
            raise ConnectionResetError("broke off before the upgrade") from broken
        except BaseException:
            await close(line.writer)
            raise
        cls.opened.append(line)
        line.reads()
        return line

    # ------------------------------------------------------------ reading

    def reads(self) -> None:
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def stops_reading(self) -> None:
        """Takes nothing more out of the network, and answers no ping."""
        if self._reading:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        self._reading = None
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def _read(self) -> None:
        try:
            while not self.is_over:
                first, size = await self.reader.readexactly(2)
                if size > 125:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
                self._hears(first & 0x0F, await self.reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError) as broken:
            self.broken = broken
        finally:
            if self._reading is asyncio.current_task():
                self.is_over = True
            self._news.set()

    def _hears(self, kind: int, payload: bytes) -> None:
        if kind == TEXT:
            heard = json.loads(payload)
            self.frames.append(heard)
            for tell in self.tell:
                tell(heard)
        elif kind == PING:
            self.writer.write(frame(payload, PONG))
        elif kind == CLOSE:
            self.code = int.from_bytes(payload[:2], "big")
            self.writer.write(frame(payload[:2], CLOSE))
            self.is_over = True
        self._news.set()

    async def hears(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next frame of this kind with these fields; what came before it counts as gone through."""
        wanted = {"type": kind, **{name: str(value) if isinstance(value, uuid.UUID) else value for name, value in fields.items()}}
        found: list[int] = []

        def is_there() -> bool:
            found[:] = [n for n in range(self._position, len(self.frames)) if wanted.items() <= _flat(self.frames[n], wanted)][:1]
            return bool(found)

        await self._until(lambda: is_there() or self.is_over, wanted)
        assert is_there(), f"over with {self.code} before {wanted}; heard {self.frames[self._position :][-20:]}"
        self._position = found[0] + 1
        return self.frames[found[0]]

    async def is_closed(self) -> int | None:
        """The code with which the server closed."""
        await self._until(lambda: self.is_over, "an end")
        return self.code

    async def _until(self, condition: Callable[[], bool], what: object) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE} s: {what}; heard {self.frames[self._position :][-20:]}") from None

    # ------------------------------------------------------------ saying

    def says(self, kind: str, **fields: Any) -> None:
        self.writer.write(said(kind, **fields))

    async def sends(self, text: str, **about: Any) -> dict[str, Any]:
        """A message up to its `ack`."""
        id = uuid.uuid4()
        self.says("send", id=id, text=text, **about)
        return await self.hears("ack", id=id)

    async def breaks(self, raw: bytes) -> None:
        """Writes these bytes as they are."""
        with suppress(OSError):
            self.writer.write(raw)
            await self.writer.drain()

    async def hangs_up(self) -> None:
        if self._reading:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await close(self.writer)

    def cut(self) -> None:
        """Reset, without a goodbye."""
        end: socket.socket = self.writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def _flat(heard: Mapping[str, Any], wanted: Mapping[str, Any]) -> Any:
    return {name: value for name, value in heard.items() if name in wanted}.items()


def upgrade(server: Running, path: str, cookie: str, headers: str = "", origin: str = "") -> bytes:
    key = b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\nOrigin: {origin or server.base}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: geruisloos.v1\r\n"
        f"Cookie: {cookie}\r\n{headers}\r\n"
    ).encode()


class Browser:
    """Somebody with cookies, who comes from `local`; `headers` go with everything. `server` may change: a release."""

    home = "/"

    def __init__(self, server: Running, *, local: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.server, self.local, self.headers = server, local, dict(headers or {})
        transport = httpx.AsyncHTTPTransport(local_address=local or None)
        self.http = httpx.AsyncClient(transport=transport, base_url=server.base, headers=self.headers, timeout=PATIENCE)
        self.token = ""

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    async def gets(self, address: str, **headers: str) -> httpx.Response:
        answer = await self.http.get(address, headers=headers)
        if found := re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.text):
            self.token = found[1]
        return answer

    async def posts(self, address: str, fields: Mapping[str, Any] | None = None) -> httpx.Response:
        return await self.http.post(
            address, data={"csrfmiddlewaretoken": self.token, **(fields or {})}, headers={"Origin": self.server.base}
        )

    async def opens(self, path: str, **how: Any) -> Line:
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return await Line.opens(self.server, path, self.cookie, headers=headers, **{"local": self.local, **how})

    async def goes(self) -> None:
        await self.http.aclose()


class Chatter(Browser):
    """Who seeks help."""

    conversation = ""

    async def starts(self, text: str = "Hallo") -> Self:
        page = await self.gets("/")
        form = re.search(r'name="conversation" value="([^"]+)"', page.text)
        assert form, f"no start page, but {page.status_code}"
        answer = await self.posts("/start/", {"conversation": form[1], "municipality": "Purmerend", "text": text})
        assert answer.status_code == 303, answer.text
        return self

    async def connects(self, after: int = 0, **how: Any) -> Line:
        """A line up to its first state."""
        line = await self.opens("/ws/chatter/", **how)
        line.says("hello", after=after)
        self.conversation = (await line.hears("welcome"))["conversation"]
        await line.hears("state")
        return line

    async def goes(self) -> None:
        with suppress(httpx.HTTPError):
            await self.posts("/end/")
        await super().goes()


class Employee(Browser):
    """Who answers."""

    async def is_on_duty(self, login: str = "fo-zw-1") -> Self:
        await self.gets("/staff/login/")
        answer = await self.posts("/staff/login/", {"login": login, "password": "geruisloos"})
        assert answer.status_code == 302, answer.text
        await self.gets("/staff/")
        answer = await self.posts("/staff/duty/start/")
        assert answer.status_code == 204, answer.text
        return self

    async def connects(self, after: Mapping[str, int] | None = None, **how: Any) -> Line:
        line = await self.opens("/ws/staff/", **how)
        line.says("hello", after=after or {})
        await line.hears("queue")
        return line

    async def accepts(self, line: Line, chatter: Chatter) -> dict[str, Any]:
        line.says("accept", conversation=chatter.conversation)
        welcome = await line.hears("welcome", conversation=chatter.conversation)
        await line.hears("state", conversation=chatter.conversation)
        return welcome
