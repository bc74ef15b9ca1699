"""Nobody behind the ASGI application sees a network address, and no log, answer or row holds one (threat-model N2)."""

import ipaddress
import logging

import pytest
from django.db import connection

from config.asgi import AddressDigest
from tests.client import Chatter
from tests.stored import everything_stored

SOCKET, FORWARDED = "203.0.113.57", "198.51.100.23"
IPV6 = "2001:db8:1234:5678:9abc:def0:1357:2468"


def notations(address: str) -> list[bytes]:
    """Every way to write it."""
    parsed = ipaddress.ip_address(address)
    packed = parsed.packed
    texts = {address, parsed.exploded, str(int(parsed)), packed.hex(), packed.hex(":"), f"::ffff:{address}"}
    texts |= {parsed.reverse_pointer, ".".join(reversed(address.split("."))), "-".join(address.split("."))}
    return [*(text.lower().encode() for text in texts), packed, packed[::-1]]


def found_in(text: str | bytes) -> list[str]:
    content = (text if isinstance(text, bytes) else text.encode()).lower()
    return [address for address in (SOCKET, FORWARDED, IPV6) if any(notation in content for notation in notations(address))]


def test_the_search_finds_an_address_however_it_is_written():
    for text in (f"from {SOCKET}:1234", f"{int(ipaddress.ip_address(FORWARDED))}", "2001:0DB8:1234:5678:9ABC:DEF0:1357:2468"):
        assert found_in(text)
    assert not found_in("127.0.0.1")


@pytest.mark.parametrize(("address", "forwarded", "proxies"), [(SOCKET, FORWARDED, 0), (SOCKET, f"{IPV6}, {FORWARDED}", 1), (IPV6, "", 0)])
async def test_a_whole_visit_leaves_no_address_anywhere(site, settings, employee, caplog, capfd, address, forwarded, proxies):
    caplog.set_level(logging.DEBUG)
    settings.TRUSTED_PROXIES = proxies
    chatter = Chatter(site, address=address, forwarded=forwarded)
    chatter.headers |= {"X-Forwarded-Proto": "https", "X-Real-IP": FORWARDED, "Forwarded": f"for={FORWARDED}"}
    chatter.http.headers.update(chatter.headers)
    said = []

    async def keep(answer) -> None:
        said.append(await answer)

    await keep(chatter.gets("/"))
    await keep(chatter.starts(nickname="Zij", text="Ik ben bang"))
    line = await chatter.connects()
    line.says_raw("{")
    line.sends("Hoi")
    await keep(chatter.polls(after=1))
    await keep(chatter.writes("a" * 5_000))
    await keep(chatter.gets("/nergens/"))
    await keep(chatter.gets("/entries/?after=1"))
    await keep(chatter.http.post("/end/"))  # without a token
    await keep(chatter.posts("/staff/login/", {"login": "x", "password": "y"}))
    await chatter.opens("/ws/staff/", origin="https://example.nl")

    def rename(old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    await site.there_is(rename, "chat_conversation", "elsewhere")
    await keep(chatter.gets("/"))  # an error that nobody expected
    await site.there_is(rename, "elsewhere", "chat_conversation")
    await keep(chatter.posts("/leave/"))
    await site.settled()

    assert {answer.status_code for answer in said} >= {200, 303, 400, 403, 404, 503}
    assert [found_in(answer.text + str(answer.headers)) for answer in said if found_in(answer.text + str(answer.headers))] == []
    assert found_in(str([socket.frames for socket in site.sockets])) == []
    assert found_in(await site.there_is(everything_stored)) == []
    printed = capfd.readouterr()
    assert found_in(caplog.text) == found_in(printed.out) == found_in(printed.err) == []
    assert "Service Unavailable" in caplog.text


# ---------------------------------------------------------------- the digest


class Probe:
    """An application that keeps what it was called with."""

    async def __call__(self, scope, receive, send) -> None:
        self.scope = scope


async def seen_by_the_application(wrapper: AddressDigest, client: str, *headers: tuple[bytes, bytes], kind: str = "http") -> dict:
    await wrapper({"type": kind, "client": (client, 1234), "headers": [(b"host", b"localhost"), *headers]}, None, None)
    return wrapper.application.scope


async def test_the_application_sees_a_digest_instead_of_the_address_and_no_header_with_one(clock):
    wrapper = AddressDigest(Probe())

    for kind in ("http", "websocket"):
        scope = await seen_by_the_application(wrapper, SOCKET, (b"x-forwarded-for", FORWARDED.encode()), (b"x-real-ip", b"1"), kind=kind)

        assert ipaddress.ip_address(scope["client"][0]) in ipaddress.ip_network("fd00::/8")
        assert scope["client"][1] == 0
        assert scope["headers"] == [(b"host", b"localhost")]
        assert found_in(repr(scope)) == []


async def test_one_household_has_one_digest_and_another_one_another(clock):
    wrapper = AddressDigest(Probe())

    async def digest(address: str) -> str:
        return (await seen_by_the_application(wrapper, address))["client"][0]

    assert await digest("203.0.113.57") == await digest("203.0.113.99")
    assert await digest("203.0.113.57") != await digest("203.0.114.57")
    assert await digest("2001:db8:1:2::1") == await digest("2001:db8:1:7f::9")
    assert await digest("2001:db8:1:2::1") != await digest("2001:db8:1:102::1")
    assert await digest("") == await digest("")
    assert await digest("/run/socket") != await digest("")


async def test_the_key_of_the_digest_lives_for_an_hour(clock):
    wrapper = AddressDigest(Probe())
    first = (await seen_by_the_application(wrapper, SOCKET))["client"]
    clock.forward(minutes=59)
    still = (await seen_by_the_application(wrapper, SOCKET))["client"]
    clock.forward(minutes=1)

    assert first == still
    assert (await seen_by_the_application(wrapper, SOCKET))["client"] != first


@pytest.mark.parametrize(
    ("proxies", "forwarded", "counts"),
    [
        (0, "198.51.100.23", "203.0.113.57"),
        (1, "198.51.100.23", "198.51.100.23"),
        (1, "192.0.2.1, 198.51.100.23", "198.51.100.23"),  # only the last step is our proxy's word
        (2, "192.0.2.1, 198.51.100.23", "192.0.2.1"),
        (2, "198.51.100.23", "203.0.113.57"),
        (1, "", "203.0.113.57"),
        (1, "192.0.2.1\n198.51.100.23", "198.51.100.23"),  # a proxy may add a line of its own
        (2, "192.0.2.1\n198.51.100.23", "192.0.2.1"),
    ],
)
async def test_as_many_steps_back_as_there_are_trusted_proxies(clock, settings, proxies, forwarded, counts):
    settings.TRUSTED_PROXIES = proxies
    wrapper = AddressDigest(Probe())

    through = await seen_by_the_application(wrapper, SOCKET, *((b"x-forwarded-for", line.encode()) for line in forwarded.split("\n")))
    settings.TRUSTED_PROXIES = 0

    assert through["client"] == (await seen_by_the_application(wrapper, counts))["client"]
