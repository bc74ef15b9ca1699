"""The chatter's cookie: two halves without an expiry date, one of them out of reach of scripts. One half alone opens nothing."""

from collections.abc import Mapping

from django.conf import settings
from django.http import HttpResponseBase, parse_cookie

from chat.models import Halves


def halves(cookies: Mapping[str, str]) -> Halves | None:
    """Both halves, when the browser sent both."""
    first, second = cookies.get(settings.CHATTER_COOKIE), cookies.get(settings.CHATTER_COOKIE_SCRIPT)
    return Halves(first, second) if first and second and len(first) < 100 and len(second) < 100 else None


def from_header(header: str) -> dict[str, str]:
    """
    The cookies of a connection's header, read as Django reads those of a page.

    Not by http.cookies, which gives up at one cookie that it cannot read: other pages of the same domain set such ones.
    """
    return parse_cookie(header)


def give(response: HttpResponseBase, secret: Halves) -> None:
    for name, value, readable in ((settings.CHATTER_COOKIE, secret.first, False), (settings.CHATTER_COOKIE_SCRIPT, secret.second, True)):
        response.set_cookie(name, value, path="/", secure=not settings.DEMO, httponly=not readable, samesite="Lax")


def take_back(response: HttpResponseBase) -> None:
    for name in (settings.CHATTER_COOKIE, settings.CHATTER_COOKIE_SCRIPT):
        response.delete_cookie(name, path="/", samesite="Lax")
