"""What must not be is refused at start, in one line that names the variable (reliability P1, threat-model O3)."""

import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import DatabaseError, InterfaceError, connection

LOCAL_NAMES = {"localhost", "", ".localhost"}


def is_here(host: str) -> bool:
    """Does this name or address mean this machine alone?"""
    name = host.strip("[]")
    if name in LOCAL_NAMES or name.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname) and text.isprintable() and " " not in text


@register()
def configuration(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    found = [Error(problem, id="geruisloos.E001") for problem in settings.PROBLEMS]
    if "*" in settings.ALLOWED_HOSTS:
        found.append(Error("ALLOWED_HOSTS: must name the hosts; * would let every page speak to us.", id="geruisloos.E002"))
    if settings.DEBUG:
        found.append(Error("DEBUG: must be off; error pages would show what people typed.", id="geruisloos.E003"))
    if not is_web_address(settings.EXIT_TARGET):
        found.append(Error("EXIT_TARGET: must be a web address.", id="geruisloos.E004"))
    if settings.DEMO:
        if not is_here(settings.HOST):
            found.append(Error("DEMO: must be off, or HOST must be this machine (127.0.0.1).", id="geruisloos.E005"))
        if not all(is_here(host) for host in settings.ALLOWED_HOSTS):
            found.append(Error("DEMO: must be off, or ALLOWED_HOSTS must name this machine only.", id="geruisloos.E006"))
        if not is_here(settings.DATABASES["default"].get("HOST", "")) and not settings.SQLITE:
            found.append(Error("DEMO: must be off, or DATABASE_URL must be on this machine.", id="geruisloos.E007"))
    return found


# What PostgreSQL must say so that an acknowledged message survives (P1).
DURABLE = {"fsync": {"on"}, "synchronous_commit": {"on", "remote_apply"}, "full_page_writes": {"on"}}


@register()
def durability(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Does the database keep what it acknowledges? Not asked when it does not answer: the start refuses that by itself."""
    if settings.PROBLEMS:  # then it may not even be the one that was meant
        return []
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                return list(_postgresql(cursor))
            return list(_sqlite(cursor))
    except (DatabaseError, InterfaceError):
        return []


def _postgresql(cursor: Any) -> Any:
    for name, good in DURABLE.items():
        cursor.execute("SELECT current_setting(%s)", [name])
        if (value := cursor.fetchone()[0]) not in good:
            yield Error(f"DATABASE_URL: must be a database with {name}={sorted(good)[0]} (it says {value}).", id="geruisloos.E008")


def _sqlite(cursor: Any) -> Any:
    for name, good in {"journal_mode": "wal", "synchronous": 2}.items():
        cursor.execute(f"PRAGMA {name}")
        if (value := cursor.fetchone()[0]) != good:
            yield Error(f"STATE_DIR: must be on a file system where SQLite keeps {name}={good} (it says {value}).", id="geruisloos.E009")
