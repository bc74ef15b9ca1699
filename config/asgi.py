"""
The ASGI application: two sockets, long polling, static files, Django.

Whatever server runs it, nothing behind this file sees a network address (threat-model N2), and no socket of another origin gets in (N6).
"""

import hashlib
import hmac
import ipaddress
import logging
import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

from django.conf import settings  # noqa: E402 - Django first
from django.core.cache import cache  # noqa: E402
from django.http.request import split_domain_port, validate_host  # noqa: E402
from servestatic import ServeStaticASGI  # noqa: E402

from chat import pool, rounds  # noqa: E402
from chat.consumers.chatter import ChatterLine  # noqa: E402
from chat.consumers.line import SocketLine, header  # noqa: E402
from chat.consumers.staff import StaffLine  # noqa: E402
from chat.polls import LongPolling  # noqa: E402
from chat.protocol import Close  # noqa: E402
from config import watch  # noqa: E402
from config.checks import is_here  # noqa: E402
from config.csrf import OURS  # noqa: E402
from config.headers import common  # noqa: E402
from staffing import clock  # noqa: E402
from staffing.refusal import Refused  # noqa: E402

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]

logger = logging.getLogger("geruisloos.addresses")
FORWARDED = {b"x-forwarded-for", b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"}


class AddressDigest:
    """
    Replaces the client's address by a keyed digest before our code or a library's runs, written as an address in fd00::/8.

    HMAC of the address cut to /24 or /56, with a random key that lives an hour, in the cache.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self._key, self._hour = b"", -1

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            forwarded = [value for name, value in scope["headers"] if name in FORWARDED]
            address = self.address(scope)
            await self.renew_key()
            # In place, so that the server itself, which logs and keeps it, knows no address either.
            scope["client"] = (self.digest(address), 0)
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in FORWARDED]
            scope["direct"] = not forwarded and is_here(address)
        await self.application(scope, receive, send)

    @staticmethod
    def address(scope: Any) -> str:
        """The client's address: as many steps back in X-Forwarded-For as there are trusted proxies, else the socket's."""
        if settings.TRUSTED_PROXIES:
            # A proxy may add a line of its own instead of a step to the last one: together they are one list.
            said = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
            steps = [step.strip() for step in said.split(",") if step.strip()]
            if len(steps) >= settings.TRUSTED_PROXIES:
                return steps[-settings.TRUSTED_PROXIES]
        return (scope.get("client") or ("",))[0]

    async def renew_key(self) -> None:
        hour = int(clock.now().timestamp() // 3600)
        if hour != self._hour:
            try:
                self._key, self._hour = await pool.run(key_of, hour), hour
            except Refused:  # too much waits: asked again with the next request
                self._key = self._key or secrets.token_bytes(32)

    def digest(self, address: str) -> str:
        try:
            parsed = ipaddress.ip_address(address)
            if isinstance(parsed, ipaddress.IPv6Address):
                parsed = parsed.ipv4_mapped or parsed  # otherwise all of IPv4 would be one /56
            cut = parsed.packed[: 3 if parsed.version == 4 else 7]
        except ValueError:
            cut = address.encode()
        return str(ipaddress.IPv6Address(b"\xfd" + hmac.new(self._key, cut, hashlib.sha256).digest()[:15]))


def key_of(hour: int) -> bytes:
    """The random key of this hour, the same in all processes that share a cache; without one this process's own."""
    own = secrets.token_hex(32)
    try:
        return bytes.fromhex(str(cache.get_or_set(f"address-key:{hour}", own, 2 * 3600)))
    except Exception as problem:
        logger.warning("addresses are counted by this process alone: %s", type(problem).__name__)
        return bytes.fromhex(own)


def origin_is_allowed(scope: Any) -> bool:
    """A socket's Origin must be the page's own or a trusted one, with its scheme; a missing one counts as wrong (N6)."""
    origin, host = header(scope, b"origin"), header(scope, b"host")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    if header(scope, b"sec-fetch-site") not in OURS:
        return False
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        return False
    secure = scope.get("scheme") in ("wss", "https")
    if settings.TRUSTED_PROXIES:
        secure = header(scope, b"x-forwarded-proto") == "https"
    try:
        parts = urlsplit(origin)
    except ValueError:  # 'https://[' is no address
        return False
    return (parts.scheme, parts.netloc) == ("https" if secure else "http", host)


polls = LongPolling(common)


async def pages(scope: Any, receive: Receive, send: Send) -> None:
    """Long polling for `GET /entries/` as JSON; everything else is Django's."""
    if scope["path"] == "/entries/" and scope["method"] == "GET" and "text/html" not in header(scope, b"accept"):
        await polls(scope, receive, send)
    else:
        await django_application(scope, receive, send)


async def no_such_line(scope: Any, receive: Receive, send: Send) -> None:
    """A socket at an address that is none: refused before the upgrade, and no error of ours."""
    await receive()
    await send({"type": "websocket.close", "code": Close.NO_CONVERSATION})


async def lifespan(scope: Any, receive: Receive, send: Send) -> None:
    """Begin round and watch with the server, and end them with a flush; without this protocol the first line begins the round."""
    watching = None
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            rounds.running()
            watching = watch.begin()
            await send({"type": "lifespan.startup.complete"})
        else:
            if watching:
                await watch.end(watching)
            await rounds.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


def static_headers(headers: Any, path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"


STATIC: dict[str, Any] = {
    "prefix": settings.STATIC_URL,
    "add_headers_function": static_headers,
    "allow_all_origins": False,
    "immutable_file_test": r"\.[0-9a-f]{12}\.",
}
LINES: dict[str, type[SocketLine]] = {"/ws/chatter/": ChatterLine, "/ws/staff/": StaffLine}


def routes(scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
    # Not Channels' routers: each keeps a copy of the scope for as long as a line is open.
    if scope["type"] == "http":
        return http(scope, receive, send)
    if scope["type"] == "lifespan":
        return lifespan(scope, receive, send)
    if scope["path"] not in LINES:
        return no_such_line(scope, receive, send)
    if not origin_is_allowed(scope):
        scope["refused"] = Close.FORBIDDEN
    return LINES[scope["path"]]()(scope, receive, send)


http: Application = ServeStaticASGI(pages, root=settings.STATIC_ROOT, **STATIC) if settings.STATIC_ROOT.exists() else pages
application = AddressDigest(routes)
