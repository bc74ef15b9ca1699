"""Requests that two programs could read in two ways are refused, and so is what is too much before the body (threat-model N5, N7)."""

import asyncio

import pytest

from tests.launcher.wire import PATIENCE, close, connect

pytestmark = pytest.mark.once

FORM = "POST /start/ HTTP/1.1\r\nHost: HERE\r\n"
PAGE = "GET / HTTP/1.1\r\nHost: HERE\r\n"
REFUSED = {
    "two lengths": FORM + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "one length twice": FORM + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "a list of lengths": FORM + "Content-Length: 5, 5\r\n\r\nabcde",
    "a length with a sign": FORM + "Content-Length: +5\r\n\r\nabcde",
    "a length below nought": FORM + "Content-Length: -5\r\n\r\nabcde",
    "a length in hexadecimals": FORM + "Content-Length: 0x5\r\n\r\nabcde",
    "an empty length": FORM + "Content-Length: \r\n\r\n",
    "a length and chunks": FORM + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": FORM + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunks under another name": FORM + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks that are not the last coding": FORM + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two codings": FORM + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a blank before the colon": FORM + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a coding behind a control": FORM + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a chunk that has no size": FORM + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a chunk size with a sign": FORM + "Transfer-Encoding: chunked\r\n\r\n+5\r\nabcde\r\n0\r\n\r\n",
    "chunks on lines that end in LF": FORM + "Transfer-Encoding: chunked\r\n\r\n5\nabcde\n0\n\n",
    "a folded header": PAGE + "X-A: 1\r\n 2\r\n\r\n",
    "a folded header with a tab": PAGE + "X-A: 1\r\n\t2\r\n\r\n",
    "a fold before the first header": "GET / HTTP/1.1\r\n Host: HERE\r\n\r\n",
    "NUL in a header": PAGE + "X-A: a\0b\r\n\r\n",
    "a control in a header": PAGE + "X-A: a\x01b\r\n\r\n",
    "a lone CR in a header": PAGE + "X-A: a\rX-Forwarded-For: 192.0.2.1\r\n\r\n",
    "DEL in a header": PAGE + "X-A: a\x7fb\r\n\r\n",
    "a control in a name": PAGE + "X-\x01A: a\r\n\r\n",
    "a blank in a name": PAGE + "X A: a\r\n\r\n",
    "an empty name": PAGE + ": a\r\n\r\n",
    "a header without a colon": PAGE + "X-A\r\n\r\n",
    "lines that end in LF": "GET / HTTP/1.1\nHost: HERE\n\n",
    "two hosts": PAGE + "Host: elsewhere.example\r\n\r\n",
    "a control in the address": "GET /\x01 HTTP/1.1\r\nHost: HERE\r\n\r\n",
    "another protocol": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a proxy's verb": "CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: HERE\r\n\r\n",
    "one header of 40 KB": PAGE + f"X-A: {'a' * 40_000}\r\n\r\n",
    "two thousand headers": PAGE + "".join(f"X-{n}: {'a' * 20}\r\n" for n in range(2_000)) + "\r\n",
    "an address of 40 KB": f"GET /{'a' * 40_000} HTTP/1.1\r\nHost: HERE\r\n\r\n",
    "a header of a megabyte": PAGE + f"X-A: {'a' * 1_000_000}\r\n\r\n",
}


async def answer_to(server, request: str) -> bytes:
    """All that the server says until it closes; nothing, when it breaks off."""
    reader, writer = await connect(server)
    said = b""
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(request.replace("HERE", server.address).encode("latin-1"))
            await writer.drain()
            while (piece := await reader.read(65_536)) and b"\r\n\r\n" not in said + piece:
                said += piece
            said += piece
    except ConnectionError:
        pass
    finally:
        await close(writer)
    return said


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED.keys())
async def test_what_can_be_read_in_two_ways_is_not_read(server, request_):
    said = await answer_to(server, request_)

    assert said == b"" or said.startswith(b"HTTP/1.1 400 ")
    assert b" 200 OK" in (await answer_to(server, PAGE + "Connection: close\r\n\r\n"))[:20]
