"""Is this process alive, and can it serve? Names each component; `ready` is 503 only when this process cannot serve."""

import shutil
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET

from chat import crypto
from staffing.models import Region

DISK_NEEDED = 50 * 1024 * 1024

draining = False


def database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except (DatabaseError, InterfaceError):
        return False


def keys() -> bool:
    """A text sealed now can be read again."""
    try:
        owner = uuid4()
        wrapped, cipher = crypto.new_key(owner)
        return crypto.unwrap(wrapped, owner).open(cipher.seal("?", "health"), "health") == "?"
    except (crypto.Unreadable, IndexError):
        return False


def disk() -> bool:
    return not settings.SQLITE or shutil.disk_usage(settings.STATE_DIR).free > DISK_NEEDED


@require_GET
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "live"})


@require_GET
def ready(request: HttpRequest) -> JsonResponse:
    """Names each component, for a direct request from this machine only (threat-model N10)."""
    found: dict[str, Any] = {"database": database(), "keys": keys(), "disk": disk(), "draining": not draining}
    can_serve = all(found.values())
    degraded = [] if not found["database"] or Region.objects.exists() else ["reference_data"]
    status = "ready" if can_serve and not degraded else "degraded" if can_serve else "not ready"
    body: dict[str, Any] = {"status": status}
    if getattr(request, "scope", {}).get("direct"):
        body["components"] = {name: "ok" if ok else "failed" for name, ok in found.items()} | dict.fromkeys(degraded, "degraded")
    return JsonResponse(body, status=200 if can_serve else 503)
