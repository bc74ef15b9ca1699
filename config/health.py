"""Is this process alive, and can it serve? Names each component; `ready` is 503 only when this process cannot serve."""

import shutil
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from chat import crypto, gauges, hints, log, pool, queue, rounds
from chat.models import Conversation
from chat.views.public import not_here
from config import promises
from registration.models import Delivery, Registration
from staffing import alarms, clock
from staffing.models import Alarm, Duty, Region, Watch

DISK_NEEDED = 50 * 1024 * 1024
CHECK_MISSED = 3  # times in a row
UNTOLD_FOR = timedelta(minutes=5)
NOT_TOLD = Q(mail_at__isnull=False) | Q(hook_at__isnull=False)

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


def around(at: datetime) -> dict[str, bool]:
    """What can be wrong although this process can serve: is each as it should be?"""
    watch = Watch.objects.first() or Watch()
    return {
        "reference_data": Region.objects.exists(),
        "clavis": not Delivery.objects.overdue(at).exists(),
        "redis": redis(),
        "watch": is_watched(at, watch),
        "promises": not watch.broken and _silent(watch.checked_at, at) <= CHECK_MISSED * settings.SELFCHECK_EVERY,
        "alarms": not Alarm.objects.filter(NOT_TOLD, since_at__gt=at - alarms.OLD, since_at__lte=at - UNTOLD_FOR).exists(),
        "clock": all(abs(ahead) <= promises.CLOCKS_APART for ahead in (promises.clock_ahead(), watch.ahead) if ahead is not None),
    }


def is_watched(at: datetime, watch: Watch | None = None) -> bool:
    """Has everything been looked at lately (P10)?"""
    watch = watch or Watch.objects.first() or Watch()
    return _silent(watch.heartbeat_at, at) <= settings.WATCH_DEAD


def _silent(last_at: datetime | None, at: datetime) -> timedelta:
    """For how long this has not come. A process that is younger than that does not count it as missing."""
    began_at = hints.here.began_at if hints.here else at
    return at - max(last_at or began_at, began_at)


@require_GET
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "live"})


@require_GET
def ready(request: HttpRequest) -> JsonResponse:
    """Names each component, for who may see it."""
    found = {"database": database(), "keys": keys(), "disk": disk(), "draining": not draining}
    others: dict[str, bool] = {}
    if found["database"]:
        try:
            others = around(clock.now())
        except (DatabaseError, InterfaceError):  # it has gone away meanwhile
            found["database"] = False
    can_serve = all(found.values())
    status = "ready" if can_serve and all(others.values()) else "degraded" if can_serve else "not ready"
    body: dict[str, Any] = {"status": status}
    if may_see(request):
        named = {name: "ok" if ok else "failed" for name, ok in found.items()}
        body["components"] = named | {name: "ok" if ok else "degraded" for name, ok in others.items()}
    return JsonResponse(body, status=200 if can_serve else 503)


@require_GET
def metrics(request: HttpRequest) -> HttpResponseBase:
    """Gauges and counters of the process that answers, and of the whole line, as Prometheus text; no personal data."""
    if not may_see(request):
        return not_here(request)
    gauges.WRITER_WAITING.set(log.waiting())
    gauges.POOL_WAITING.set(pool.waiting())
    gauges.ARRIVING.set(rounds.arriving())
    lines = rounds.open_lines()
    gauges.LINES.set(len(lines))
    gauges.OUTGOING.set(max((getattr(line, "outgoing_bytes", 0) for line in lines), default=0))
    try:
        _measure(clock.now())
    except (DatabaseError, InterfaceError):
        gauges.DATABASE.set(0)
    return HttpResponse(generate_latest(gauges.REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _measure(at: datetime) -> None:
    """What the database knows of the whole line: each is zero when its promise is kept (P18)."""
    facts, watch = queue.look_at_all(at), Watch.objects.first() or Watch()
    found = {one["promise"]: one["count"] for one in watch.broken}
    for promise in promises.PROMISES:
        gauges.PROMISE_BROKEN.labels(promise).set(found.get(promise, 0))
    gauges.WATCH_AGE.set(_seconds(watch.heartbeat_at, at))
    gauges.SELFCHECK_AGE.set(_seconds(watch.checked_at, at))
    gauges.WAITING_OLDEST.set(_seconds(min((chat.since for chat in facts.waiting), default=None), at))
    gauges.WAITING_UNSEEN.set(len(facts.offered_to_nobody(at)))
    heard = Duty.objects.running().filter(heard_at__gt=at - settings.SILENCE).values("employee")
    gauges.ACTIVE_UNHEARD.set(Conversation.objects.active().exclude(holder=None).exclude(holder__in=heard).count())
    gauges.OUTBOX_OLDEST.set(_oldest(Delivery.objects.waiting(), "due_at", at))
    gauges.OUTBOX_STUCK.set(Delivery.objects.filter(state=Delivery.State.STUCK).count())
    gauges.UNREGISTERED_OLDEST.set(_oldest(Registration.objects.not_registered(), "made_at", at))
    gauges.ALARMS_STANDING.set(Alarm.objects.standing().count())
    gauges.ALARMS_UNTOLD_OLDEST.set(_oldest(Alarm.objects.filter(NOT_TOLD, since_at__gt=at - alarms.OLD), "since_at", at))
    gauges.DATABASE.set(1)


def _oldest(rows: QuerySet[Any], field: str, at: datetime) -> float:
    return _seconds(rows.aggregate(oldest=Min(field))["oldest"], at)


def _seconds(since: datetime | None, at: datetime) -> float:
    """How long ago that was; zero when it was not."""
    return (at - since).total_seconds() if since else 0.0
