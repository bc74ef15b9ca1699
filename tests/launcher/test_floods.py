"""Frames that are too many, too large or none at all are bounded and hurt nobody else (P15, threat-model N5)."""

import asyncio
import uuid
import zlib

import pytest

from tests.launcher.state import gauge, memory
from tests.launcher.wire import BINARY, CLOSE, MORE, PING, TEXT, Line, close, connect, frame, said, until, upgrade

GROWTH = 20_000  # KiB that a flood may cost (N5)
HALF_OPEN = 500
TOO_MANY, TOO_LARGE, NO_TEXT, NO_PROTOCOL = 4429, 1009, 1007, 1002


async def most_memory(server, meanwhile: "asyncio.Task") -> int:
    """The most that the server needed until this was done."""
    most = 0
    while not meanwhile.done():
        most = max(most, await asyncio.to_thread(memory, server))
        await asyncio.wait([meanwhile], timeout=0.02)
    await meanwhile
    return max(most, memory(server))


async def test_twenty_thousand_frames_at_once_cost_little_and_end_the_line_and_nobody_else_waits(server, people):
    flooder, other = await people.chatter(), await people.chatter()
    line, calm = await flooder.connects(), await other.connects()
    before = memory(server)
    message = said("send", id=uuid.uuid4(), text="a" * 900)

    flood = asyncio.create_task(line.breaks(message * 20_000))
    heard = asyncio.create_task(calm.sends("Hoort iemand mij?"))
    closing = asyncio.create_task(line.is_closed())
    most = await most_memory(server, asyncio.ensure_future(asyncio.gather(flood, heard, closing)))

    assert closing.result() == TOO_MANY
    assert {one["code"] for one in line.frames if one["type"] == "refused"} == {"too_fast"}
    assert most - before < GROWTH
    assert heard.result()["seq"] == 2


async def test_who_reads_nothing_is_cut_and_the_other_tab_reads_on(running_with, people):
    server = people.server = running_with()
    chatter, line, desk, about = await people.pair()
    deaf = await chatter.connects(buffer=4096)
    await deaf.stops_reading()
    before, lines = memory(server), gauge(server, "lines")
    text = "€" * 4_000
    last = 0

    async def says_a_lot() -> None:
        nonlocal last
        while gauge(server, "lines") == lines:
            ids = [uuid.uuid4() for _ in range(50)]
            for id in ids:
                desk.says("send", id=id, text=text, **about)
            for id in ids:
                last = (await desk.hears("ack", id=id))["seq"]

    most = await most_memory(server, asyncio.create_task(says_a_lot()))

    assert gauge(server, "lines") == lines - 1
    assert most - before < 2 * GROWTH
    assert (await line.hears("entry", seq=last))["text"] == text
    assert (await line.sends("Dit heb ik allemaal gelezen."))["seq"] == last + 1


BOMB = zlib.compressobj(wbits=-15)
UNREADABLE = {
    "a frame of more than 64 KiB": (frame(b"a" * (64 * 1024 + 1)), TOO_LARGE),
    "the same in pieces": (frame(b"a" * 40_000, last=False) + frame(b"a" * 40_000, MORE), TOO_LARGE),
    "a frame that says that it will be huge": (frame(b"a" * 65_536)[:2] + (2**62).to_bytes(8, "big") + bytes(4), TOO_LARGE),
    "a compressed frame, though nothing was agreed": (
        frame(BOMB.compress(bytes(50_000_000)) + BOMB.flush(zlib.Z_SYNC_FLUSH), reserved=0x40),
        NO_PROTOCOL,
    ),
    "what is no UTF-8": (frame(b'{"type":"ping","now":"\xff\xfe"}'), NO_TEXT),
    "a frame without a mask": (frame(b'{"type":"ping"}', masked=False), NO_PROTOCOL),
    "an unknown kind": (frame(b"", 0x3), NO_PROTOCOL),
    "a piece of nothing": (frame(b"a", MORE), NO_PROTOCOL),
    "a ping in pieces": (frame(b"a", PING, last=False), NO_PROTOCOL),
    "a ping that is too long": (frame(b"a" * 126, PING), NO_PROTOCOL),
    "a close with half a code": (frame(b"\x03", CLOSE), NO_PROTOCOL),
}


@pytest.mark.parametrize(("raw", "code"), UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_what_is_no_frame_of_ours_ends_that_line_alone(server, people, raw, code):
    chatter = await people.chatter()
    calm, line = await chatter.connects(), await chatter.connects()
    before = memory(server)

    await line.breaks(raw)

    assert await line.is_closed() == code
    assert memory(server) - before < GROWTH
    assert (await calm.sends("Er is niets gebeurd."))["seq"] == 2


async def test_compression_is_offered_in_vain(server, people):
    chatter = await people.chatter()

    offers = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    line = await Line.opens(server, "/ws/chatter/", chatter.cookie, headers=offers)

    assert b"sec-websocket-extensions" not in line.head.lower()
    assert b"sec-websocket-protocol: geruisloos.v1" in line.head.lower()


async def test_a_binary_frame_is_refused_and_pieces_are_one_message(server, people):
    line = await (await people.chatter()).connects()
    id = uuid.uuid4()
    message = f'{{"type":"send","id":"{id}","text":"In drie stukken: €"}}'.encode()

    await line.breaks(frame(message, BINARY))
    refused = await line.hears("refused")
    cut = message.index("€".encode()) + 1  # in the middle of a letter
    await line.breaks(frame(message[:9], TEXT, last=False) + frame(message[9:cut], MORE, last=False) + frame(b"?", PING))
    await line.breaks(frame(message[cut:], MORE))

    assert refused["code"] == "bad_frame"
    assert (await line.hears("ack", id=id))["seq"] == 2


async def test_five_hundred_half_open_handshakes_do_not_stop_a_new_chat_and_end(server, people):
    begun = [await connect(server) for _ in range(HALF_OPEN)]
    whole = upgrade(server, "/ws/chatter/", "p1=x; p2=y")
    ends = [asyncio.create_task(reader.read()) for reader, _ in begun]

    async def byte_by_byte(writer: asyncio.StreamWriter, end: "asyncio.Task") -> None:
        for byte in whole[:-4]:
            if end.done() or writer.is_closing():
                return
            writer.write(bytes([byte]))
            await asyncio.wait([end], timeout=0.2)

    slow = [asyncio.create_task(byte_by_byte(writer, end)) for (_, writer), end in zip(begun[:20], ends[:20], strict=True)]
    for n, (_, writer) in enumerate(begun[20:]):
        writer.write(whole[: n % (len(whole) - 4)])

    line = await (await people.chatter()).connects()
    assert (await line.sends("Kan ik erdoor?"))["seq"] == 2
    await until(lambda: all(end.done() for end in ends), "every half-open handshake has been ended by the server")

    assert [end.result() for end in ends if end.exception() is None and end.result()] == []
    await asyncio.gather(*slow)
    for _, writer in begun:
        await close(writer)
