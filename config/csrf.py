"""Forms of other sites are refused by their token, and as a second line by what the browser itself says of them (threat-model N6)."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseForbidden
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import get_callable

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
OURS = ("", "same-origin", "none")  # an old browser says nothing; `none` is what a person began, not a page


class CsrfMiddleware(CsrfViewMiddleware):
    """Django's, and `Sec-Fetch-Site`."""

    def process_view(
        self, request: HttpRequest, callback: Callable[..., Any], callback_args: tuple[Any, ...], callback_kwargs: dict[str, Any]
    ) -> HttpResponseForbidden | None:
        site, origin = request.headers.get("Sec-Fetch-Site", ""), request.headers.get("Origin")
        if request.method not in SAFE and site not in OURS and origin not in settings.CSRF_TRUSTED_ORIGINS:
            refused: HttpResponseForbidden = get_callable(settings.CSRF_FAILURE_VIEW)(request, reason="sent by another site")
            return refused
        return super().process_view(request, callback, callback_args, callback_kwargs)
