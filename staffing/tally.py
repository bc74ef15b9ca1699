"""Counting what may happen very often (a flood of starts): in memory for some seconds, then written together."""

from collections import Counter
from datetime import datetime
from threading import Lock

from django.db import DatabaseError, InterfaceError, transaction

from staffing.models import Count
from staffing.rules import AMSTERDAM

_counted: Counter[tuple[str, str, str]] = Counter()
_guard = Lock()


def add(what: str, *, at: datetime, region: str = "") -> None:
    """This happened once more, in that region ('' for the whole line)."""
    with _guard:
        _counted[at.astimezone(AMSTERDAM).date().isoformat(), what, region] += 1


def flush() -> None:
    """Write what was counted; what cannot be written is kept for the next time."""
    with _guard:
        batch = Counter(_counted)
        _counted.clear()
    if not batch:
        return
    try:
        with transaction.atomic():
            for (day, what, region), number in sorted(batch.items()):
                Count.objects.add(what, day=day, region=region, number=number)
    except (DatabaseError, InterfaceError):
        with _guard:
            _counted.update(batch)
        raise
