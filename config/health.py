"""Is this process alive, and can it serve? Names each component; `ready` is 503 only when this process cannot serve."""

import shutil
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from chat import crypto, gauges, log, pool, rounds
from chat.views.public import not_here
from registration.models.delivery import Delivery
from staffing import clock
from staffing.models import Region

DISK_NEEDED = 50 * 1024 * 1024

draining = False


def may_see(request: HttpRequest) -> bool:
    """Details are for the operator: with METRICS_TOKEN who says it, without it a direct request from this machine (N10)."""
    if settings.METRICS_TOKEN:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}")
    return bool(getattr(request, "scope", {}).get("direct"))


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


def redis() -> bool:
    """Does the cache answer, which lives where the channel layer does?"""
    try:
        cache.get("ready")
        return True
    except (OSError, RedisError):
        return False


def worse(at: datetime) -> list[str]:
    """What is not as it should be, although this process can serve."""
    found = {"reference_data": Region.objects.exists(), "clavis": not Delivery.objects.overdue(at).exists(), "redis": redis()}
    return [name for name, is_well in found.items() if not is_well]


@require_GET
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "live"})


@require_GET
def ready(request: HttpRequest) -> JsonResponse:
    """Names each component, for who may see it."""
    found: dict[str, Any] = {"database": database(), "keys": keys(), "disk": disk(), "draining": not draining}
    can_serve = all(found.values())
    degraded = worse(clock.now()) if found["database"] else []
    status = "ready" if can_serve and not degraded else "degraded" if can_serve else "not ready"
    body: dict[str, Any] = {"status": status}
    if may_see(request):
        body["components"] = {name: "ok" if ok else "failed" for name, ok in found.items()} | dict.fromkeys(degraded, "degraded")
    return JsonResponse(body, status=200 if can_serve else 503)


@require_GET
def metrics(request: HttpRequest) -> HttpResponseBase:
    """Gauges and counters of the process that answers, as Prometheus text; no personal data."""
    if not may_see(request):
        return not_here(request)
    gauges.WRITER_WAITING.set(log.waiting())
    gauges.POOL_WAITING.set(pool.waiting())
    gauges.ARRIVING.set(rounds.arriving())
    lines = rounds.open_lines()
    gauges.LINES.set(len(lines))
    gauges.OUTGOING.set(max((getattr(line, "outgoing_bytes", 0) for line in lines), default=0))
    return HttpResponse(generate_latest(gauges.REGISTRY), content_type=CONTENT_TYPE_LATEST)
