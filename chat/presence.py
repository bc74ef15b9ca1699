"""
Who was heard when, and up to where each side has been shown the log: kept in memory for a moment, written together before each look.

No statement per frame; what a crash can lose is a few seconds of these times, never a word of anybody.
"""

import json
import logging
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection, transaction

from chat.rules import Author
from staffing.models import Duty

logger = logging.getLogger("geruisloos.presence")
UPDATE = {
    "postgresql": "UPDATE chat_presence SET heard_at = GREATEST(heard_at, n.h), chatter_read = GREATEST(chatter_read, n.c),"
    " employee_read = GREATEST(employee_read, n.e) FROM unnest(%s::uuid[], %s::timestamptz[], %s::int[], %s::int[]) AS n(i, h, c, e)"
    " WHERE conversation_id = n.i",
    "sqlite": "UPDATE chat_presence SET heard_at = NULLIF(MAX(COALESCE(heard_at, ''), COALESCE(json_extract(n.value, '$[1]'), '')), ''),"
    " chatter_read = MAX(chatter_read, json_extract(n.value, '$[2]')), employee_read = MAX(employee_read, json_extract(n.value, '$[3]'))"
    " FROM json_each(%s) AS n WHERE conversation_id = json_extract(n.value, '$[0]')",
}


@dataclass(slots=True)
class _Unwritten:
    heard: dict[UUID, datetime] = field(default_factory=dict)
    read: dict[tuple[UUID, Author], int] = field(default_factory=dict)
    on_duty: dict[int, datetime] = field(default_factory=dict)


_unwritten = _Unwritten()
_guard = Lock()


def heard(conversation: UUID, at: datetime) -> None:
    """The chatter of this conversation gave a sign of life."""
    _unwritten.heard[conversation] = at


def employee_heard(employee: int, at: datetime) -> None:
    """This employee was heard on the staff line; HTTP requests do not count."""
    _unwritten.on_duty[employee] = at


def has_read(conversation: UUID, author: Author, seq: int) -> None:
    """This side has been shown everything up to `seq`."""
    place = (conversation, author)
    _unwritten.read[place] = max(seq, _unwritten.read.get(place, 0))


def flush() -> None:
    """
    Write what is kept: one statement for all conversations, one for all employees that were heard.

    What cannot be written is kept for the next time: with a full disk everybody can still read.
    """
    global _unwritten
    with _guard:
        batch, _unwritten = _unwritten, _Unwritten()
    if not (batch.heard or batch.read or batch.on_duty):
        return
    try:
        _write(batch)
    except (DatabaseError, InterfaceError) as problem:
        logger.warning("signs of life were not written: %s", type(problem).__name__)
        connection.close()  # a broken one is not used again
        for pk, at in batch.heard.items():
            _unwritten.heard.setdefault(pk, at)
        for employee, at in batch.on_duty.items():
            _unwritten.on_duty.setdefault(employee, at)
        for place, seq in batch.read.items():
            has_read(*place, seq)


def _write(batch: _Unwritten) -> None:
    touched = sorted(batch.heard.keys() | {pk for pk, _ in batch.read})
    rows = [(pk, batch.heard.get(pk), batch.read.get((pk, Author.CHATTER), 0), batch.read.get((pk, Author.EMPLOYEE), 0)) for pk in touched]
    with transaction.atomic():
        if batch.on_duty:
            Duty.objects.heard(batch.on_duty)
        if rows:
            with connection.cursor() as cursor:
                cursor.execute(UPDATE[connection.vendor], _parameters(rows))


def _parameters(rows: list[tuple[Any, ...]]) -> list[Any]:
    if connection.vendor == "postgresql":
        return [list(column) for column in zip(*rows, strict=True)]
    adapt = connection.ops.adapt_datetimefield_value
    return [json.dumps([(pk.hex, at and str(adapt(at)), c, e) for pk, at, c, e in rows])]


def touch(conversation: UUID, at: datetime) -> None:
    """A sign of life over plain HTTP, written at once: there may be no round in this process."""
    heard(conversation, at)
    flush()
