"""What every answer carries: no caching, nobody else's content, nobody told where one was (threat-model D5, D11, S9)."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.views.debug import SafeExceptionReporterFilter

PERMISSIONS = (
    "accelerometer", "autoplay", "camera", "clipboard-read", "clipboard-write", "display-capture", "fullscreen", "geolocation", "gyroscope",
    "magnetometer", "microphone", "midi", "payment", "publickey-credentials-create", "publickey-credentials-get", "screen-wake-lock", "usb",
)  # fmt: skip
FOR_STAFF = {"autoplay", "clipboard-write", "publickey-credentials-create", "publickey-credentials-get"}


def policy(path: str, nonce: str) -> str:
    """The content security policy of the audience that this address has: chatters, staff, or the admin."""
    rules = {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}' 'strict-dynamic'",
        "style-src": f"'self' 'nonce-{nonce}'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'self'" if path == "/entries/" else "'none'",
        "object-src": "'none'",
        "frame-src": "'self'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    if path.startswith("/staff/"):
        rules["trusted-types"] = "fragments"
    elif path.startswith("/admin/"):
        # Django's own pages: scripts of ours in files, and jQuery, which fails under Trusted Types.
        rules |= {"script-src": "'self'", "style-src": "'self'"}
        del rules["require-trusted-types-for"], rules["trusted-types"]
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def common(path: str, nonce: str = "") -> dict[str, str]:
    """The headers of an answer at this address."""
    staff = path.startswith(("/staff/", "/admin/"))
    permissions = ", ".join(f"{name}=({'self' if staff and name in FOR_STAFF else ''})" for name in PERMISSIONS)
    found = {
        "Content-Security-Policy": policy(path, nonce),
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "cross-origin" if path == "/status.json" else "same-origin",
        "Permissions-Policy": permissions,
        "X-DNS-Prefetch-Control": "off",
    }
    if not settings.DEMO:
        found["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
    return found


Answer = HttpResponseBase | Awaitable[HttpResponseBase]


@sync_and_async_middleware
def headers(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Give the request its nonce and the answer its headers."""

    def begin(request: HttpRequest) -> None:
        request.csp_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]

    def finish(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        for name, value in common(request.path, request.csp_nonce).items():  # type: ignore[attr-defined]
            response.headers.setdefault(name, value)
        if not request.path.startswith(("/staff/", "/admin/")):
            response.headers["Cache-Control"] = "no-store"
        return response

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            begin(request)
            return finish(request, await get_response(request))

        markcoroutinefunction(middleware)
        return middleware

    def sync_middleware(request: HttpRequest) -> HttpResponseBase:
        begin(request)
        return finish(request, get_response(request))

    return sync_middleware


def page(request: HttpRequest) -> dict[str, Any]:
    """What every template may use."""
    return {"csp_nonce": getattr(request, "csp_nonce", ""), "demo": settings.DEMO, "exit_target": settings.EXIT_TARGET}


class TellNothing(SafeExceptionReporterFilter):
    """Locals of a failed frame can hold a text, a cookie or a key (threat-model O2)."""

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:
        return ()

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return {}

    def is_active(self, request: HttpRequest | None) -> bool:
        return True
