"""The fault proxy itself: a fault that does not happen proves nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.proxy import Proxy, Way

pytestmark = pytest.mark.once

SOON = 5  # seconds


class Party:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer

    def says(self, words: bytes) -> None:
        self.writer.write(words)

    async def hears(self, words: bytes) -> None:
        assert await asyncio.wait_for(self.reader.readexactly(len(words)), SOON) == words

    async def hears_nothing(self) -> None:
        """Not within a time in which loopback delivers many times over."""
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.reader.read(1), 0.1)


@pytest_asyncio.fixture
async def ends() -> AsyncIterator[tuple[Proxy, Party, Party]]:
    """The proxy, a client that goes through it, and the server's end of that connection."""
    came: asyncio.Queue[Party] = asyncio.Queue()
    server = await asyncio.start_server(lambda *streams: came.put_nowait(Party(*streams)), "127.0.0.1", 0)
    async with Proxy(f"127.0.0.1:{server.sockets[0].getsockname()[1]}") as proxy:
        client = Party(*await asyncio.open_connection(*proxy.address.split(":")))
        far = await asyncio.wait_for(came.get(), SOON)
        yield proxy, client, far
        for party in (client, far):
            party.writer.transport.abort()
    server.close()


async def test_what_passes_arrives_in_order_and_whole(ends):
    _, client, server = ends
    words = bytes(range(256)) * 4096

    client.says(words)
    client.writer.write_eof()
    server.says(b"answer")

    await server.hears(words)
    assert await server.reader.read() == b""
    await client.hears(b"answer")


async def test_a_delay_keeps_the_order(ends):
    proxy, client, server = ends
    proxy.delays(0.05, jitter=0.05)
    pieces = [b"%03d" % number for number in range(20)]
    begun = asyncio.get_running_loop().time()

    for piece in pieces:
        client.says(piece)
        await client.writer.drain()
    await server.hears(b"".join(pieces))

    assert asyncio.get_running_loop().time() - begun >= 0.05


async def test_a_cut_resets_both_ends_and_whoever_comes(ends):
    proxy, client, server = ends

    proxy.cuts()

    late = Party(*await asyncio.open_connection(*proxy.address.split(":")))
    for party in (client, server, late):
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(party.reader.read(1), SOON)


async def test_a_close_ends_in_order(ends):
    proxy, client, server = ends

    proxy.closes()

    assert await asyncio.wait_for(client.reader.read(1), SOON) == b""
    assert await asyncio.wait_for(server.reader.read(1), SOON) == b""


@pytest.mark.parametrize("way", Way)
async def test_a_black_hole_swallows_one_direction_and_ends_nothing(ends, way):
    proxy, client, server = ends
    speaker, listener = (client, server) if way is Way.TO_SERVER else (server, client)
    proxy.swallows(way)

    speaker.says(b"lost?")
    listener.says(b"the other way")

    await speaker.hears(b"the other way")
    await listener.hears_nothing()
    proxy.passes()
    await listener.hears(b"lost?")


async def test_after_so_many_bytes_nothing_passes(ends):
    proxy, client, server = ends
    proxy.stops_after(4, Way.TO_SERVER)

    client.says(b"halfway")
    client.writer.write_eof()

    await server.hears(b"half")
    await server.hears_nothing()
    proxy.passes()
    await server.hears(b"way")


@pytest.mark.parametrize("answer", ["403 Forbidden", "hangs"])
async def test_an_upgrade_is_refused_and_plain_http_is_not(ends, answer):
    proxy, client, server = ends
    proxy.refuses_upgrades(answer)

    client.says(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await server.hears(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    client.says(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")

    if answer == "hangs":
        await client.hears_nothing()
        await server.hears_nothing()
    else:
        await client.hears(b"HTTP/1.1 403 Forbidden\r\n")
