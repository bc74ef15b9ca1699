"""An address that was seen from the network is nowhere afterwards, in no notation (threat-model N2)."""

import asyncio
import base64
import ipaddress
import uuid
from contextlib import contextmanager, suppress

import httpx
import pytest
import redis

from tests.launcher.state import ask, database, nothing_is_stored
from tests.launcher.wire import PATIENCE, Chatter, close, connect, until

SOCKET = "127.0.0.77"  # another address of this machine, as a proxy or a neighbour may have it
FORWARDED, FORWARDED_IPV6 = "203.0.113.77", "2001:db8:4d4d:77::4d77"
MARKED = (SOCKET, FORWARDED, FORWARDED_IPV6)


def ways_to_write(address: str) -> set[bytes]:
    parsed = ipaddress.ip_address(address)
    packed, number = parsed.packed, int(parsed)
    texts = {address, parsed.exploded, parsed.compressed, parsed.reverse_pointer, str(number), hex(number)[2:], oct(number)[2:]}
    texts |= {packed.hex(), packed.hex(":"), packed[::-1].hex(), str(int.from_bytes(packed, "little")), address.replace(".", "-")}
    if parsed.version == 4:
        texts |= {f"::ffff:{address}", ".".join(reversed(address.split("."))), ".".join(f"{byte:03}" for byte in packed)}
        texts |= {".".join(f"0{byte:o}" for byte in packed), f"ffff:{packed[:2].hex()}:{packed[2:].hex()}"}
    raw = {packed, packed[::-1]} | {text.encode() for text in texts} | {text.upper().encode() for text in texts}
    written = raw | {address.encode("utf-16-le")} | {address.encode().hex().encode()}
    for before in range(3):  # wherever it begins among the bytes that are encoded
        for plain in (packed, address.encode()):
            encoded = base64.b64encode(bytes(before) + plain).rstrip(b"=")
            piece = encoded[(0, 2, 3)[before] : len(encoded) - (1 if (before + len(plain)) % 3 else 0)]
            written |= {piece, piece.translate(bytes.maketrans(b"+/", b"-_"))}
    return {way for way in written if len(way) >= 4}


def found_in(places: dict[str, bytes]) -> list[tuple[str, str, bytes]]:
    ways = {(address, way) for address in MARKED for way in ways_to_write(address)}
    return [(place, address, way) for place, content in places.items() for address, way in ways if way in content]


def test_the_search_finds_an_address_however_it_is_written():
    for text in ("client 203.0.113.77:5000", "::ffff:cb00:714d", "0xcb00714d", "3405803853", "77.113.0.203.in-addr.arpa", "127-0-0-77"):
        assert found_in({"somewhere": text.encode()}), text
    for packed in (ipaddress.ip_address(address).packed for address in MARKED):
        for before in (b"", b"a", b"ab", b"abc"):
            assert found_in({"somewhere": base64.b64encode(before + packed + b"rest")})
        assert found_in({"somewhere": b"a" + packed + b"b"})
    assert found_in({"somewhere": base64.urlsafe_b64encode(b'{"client":"203.0.113.77"}')})
    assert not found_in({"somewhere": b"127.0.0.1 and fd00::4d77 and 203.0.113.7"})


def everything(server, heard: list[bytes]) -> dict[str, bytes]:
    """All that it keeps and all that it said: rows, files, keys and values of Redis, what went through it, standard output."""
    places = {str(path): path.read_bytes() for path in server.state.rglob("*") if path.is_file()}
    places |= {"output": server.output.encode(), "Redis, passing": b"\n".join(heard)}
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    if not server.environment["DATABASE_URL"]:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    for (table,) in ask(server, tables):
        rows = ask(server, f'SELECT * FROM "{table}"')
        places[table] = b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)
    if address := server.environment["REDIS_URL"]:
        with redis.Redis.from_url(address) as kept:
            for key in kept.scan_iter():
                places[f"Redis, {key!r}"] = key + b" " + (kept.dump(key) or b"")
                with suppress(redis.ResponseError):
                    places[f"Redis, {key!r}"] += kept.get(key) or b""
    return places


@contextmanager
def redis_listened_to(server):
    """What is published while the block runs, as bytes."""
    heard: list[bytes] = []
    if not (address := server.environment["REDIS_URL"]):
        yield heard
        return
    with redis.Redis.from_url(address) as client, client.pubsub() as listening:
        listening.psubscribe("*")
        yield heard
        while message := listening.get_message(timeout=0.2):
            heard += [part for part in (message["channel"], message["data"]) if isinstance(part, bytes)]


@contextmanager
def a_table_is_gone(server, name: str):
    """Whatever asks for it fails as nobody expected."""
    with database(server) as connection:
        connection.execute(f"ALTER TABLE {name} RENAME TO elsewhere")
        try:
            yield
        finally:
            connection.execute(f"ALTER TABLE elsewhere RENAME TO {name}")


async def raw(server, request: bytes) -> bytes:
    reader, writer = await connect(server, local=SOCKET)
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(request)
            await writer.drain()
            return await reader.read(1_000)
    except ConnectionError:
        return b""
    finally:
        await close(writer)


@pytest.mark.parametrize("forwarded", [f"{FORWARDED}, {FORWARDED_IPV6}", ""], ids=["forwarded", "of the socket"])
async def test_a_marked_address_is_nowhere_after_a_chat_an_exception_a_refused_upload_and_a_slow_stop(running_with, people, forwarded):
    server = people.server = running_with(TRUSTED_PROXIES="1", FRAME_RATE="", START_RATE="")
    headers = {"X-Forwarded-For": forwarded, "Forwarded": f"for={FORWARDED}", "X-Real-IP": FORWARDED} if forwarded else {}
    how = {"local": SOCKET, "headers": headers}
    with redis_listened_to(server) as heard:
        # a full chat
        chatter, employee = await people.chatter("Ik ben bang", **how), await people.employee(**how)
        line, desk = await chatter.connects(), await employee.connects()
        about = {"conversation": chatter.conversation}
        await employee.accepts(desk, chatter)
        await line.sends("Hoi")
        await desk.sends("Dag, fijn dat je er bent.", **about)
        line.says("typing")
        line.says("read", seq=3)
        await desk.hears("read")
        # what is refused
        statuses = {
            (await chatter.http.post("/entries/", files={"file": b"a" * 100_000})).status_code,
            (await chatter.posts("/start/", {"text": "a" * 5_000, "conversation": uuid.uuid4()})).status_code,
            (await chatter.gets("/nergens/")).status_code,
            (await chatter.gets("/", Host="elders.example")).status_code,
            (await employee.posts("/staff/login/", {"login": "niemand", "password": "x"})).status_code,
        }
        with suppress(httpx.HTTPError):
            statuses.add((await chatter.posts("/entries/", {"text": "a" * 200_000})).status_code)
        for _ in range(6):  # START_RATE
            visitor = Chatter(server, **how)
            people.everybody.append(visitor)
            await visitor.gets("/")
            statuses.add((await visitor.posts("/start/", {"conversation": uuid.uuid4()})).status_code)
        await chatter.opens("/ws/staff/", origin="http://elders.example")
        await line.breaks(b"\x81\xfe nonsense")
        for request in (
            b"GET / HTTP/1.1\r\nX\x01: a\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET /ws/ HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
        ):
            await raw(server, request)
        # an exception
        line = await chatter.connects()
        with a_table_is_gone(server, "chat_conversation"):
            statuses |= {
                (await chatter.gets("/")).status_code,
                (await chatter.gets("/entries/?after=0", Accept="application/json")).status_code,
            }
            line.says("hello", after=0)
            await line.hears("refused")
        # a slow stop, with a request and a line on their way
        with nothing_is_stored(server):
            line.says("hello", after=0)
            await line.hears("state")
            line.says("send", id=uuid.uuid4(), text="Komt dit nog aan?")
            waiting = asyncio.create_task(chatter.http.get("/entries/?after=100&wait=20", headers={"Accept": "application/json"}))
            unfinished = await connect(server, local=SOCKET)
            unfinished[1].write(b"POST /entries/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab")
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            await until(lambda: not server.is_ready(), "it takes nobody in any more")
        await until(stopping.done, "the server has stopped")
        await close(unfinished[1])
        with suppress(httpx.HTTPError):
            await waiting

    assert stopping.result() == 0
    assert statuses >= {303, 400, 403, 404, 429}
    assert statuses & {500, 503}
    assert "error" in server.output
    assert "Traceback" not in server.output
    found = everything(server, heard)
    assert len(found) > 20
    assert found_in(found) == []
