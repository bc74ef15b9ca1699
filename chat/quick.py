"""
The short way of the log on PostgreSQL: a whole batch in one statement, which is one commit, over one asynchronous connection.

A text is sealed under its number, so the number has to be known before the statement runs. This process knows how the rows of its
conversations stood when it last saw them, and numbers by that. The statement locks the rows, and stores only the lines of those
conversations of which all this was still true; whatever else there is comes back unstored and goes the long way (entries.append).
No thread, and no waiting for one: half of an append's time was spent on that (docs/performance.md).
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connections

from chat import entries, rules
from chat.entries import New, Opened, Standing, Stored
from chat.protocol import Entry as EntryFrame
from chat.protocol import Kind
from chat.rules import Author, State

ATTEMPTS = 2  # another process may have been first, which the first answer tells
# The plan is made once, maybe while the tables are still so small that reading much of them seems best.
PLANNED_FOR_MANY = "-c enable_seqscan=off -c enable_bitmapscan=off"
STORE = """
WITH new AS MATERIALIZED (
  SELECT n.*, CASE n.by WHEN 0 THEN 'chatter' ELSE 'employee' END AS author
  FROM unnest(%b::uuid[], %b::int[], %b::uuid[], %b::bigint[], %b::timestamptz[], %b::bytea[]) AS n(conversation, seq, id, by, at, sealed)
), thought AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s::json)
    AS t(id uuid, last_seq int, grown_to int, state text, holder bigint, assignment int, is_left bool)
), standing AS MATERIALIZED (
  SELECT id, last_seq, state, coalesce(holder_id, 0) AS holder, assignment, left_at IS NOT NULL AS is_left
  FROM chat_conversation WHERE id = ANY(ARRAY(SELECT id FROM thought)) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), known AS MATERIALIZED (
  SELECT n.conversation FROM new n CROSS JOIN LATERAL (
    SELECT FROM chat_entry e WHERE e.conversation_id = n.conversation AND e.author = n.author AND e.id = n.id
    ORDER BY e.conversation_id, e.author, e.id LIMIT 1) e
), agreed AS MATERIALIZED (
  SELECT id, t.grown_to FROM thought t JOIN standing s USING (id, last_seq, state, holder, assignment, is_left)
), true_ones AS MATERIALIZED (
  SELECT * FROM agreed a WHERE NOT EXISTS (SELECT FROM known k WHERE k.conversation = a.id)
), stored AS (
  INSERT INTO chat_entry (conversation_id, seq, id, author, kind, by_id, at, sealed)
  SELECT n.conversation, n.seq, n.id, n.author, 'message', NULLIF(n.by, 0), n.at, n.sealed
  FROM new n JOIN true_ones t ON t.id = n.conversation
), counted AS (
  UPDATE chat_conversation c SET last_seq = t.grown_to FROM true_ones t WHERE c.id = t.id
)
SELECT s.*, t.id IS NOT NULL FROM standing s LEFT JOIN true_ones t USING (id)
"""


class _Batch:
    """What goes into one statement: lines, numbered and sealed, and what is taken to be true of their conversations."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, EntryFrame, New, bytes]] = []  # with its place among the answers
        self.grown: dict[UUID, tuple[Opened, Standing, int]] = {}
        self._passed_over: set[UUID] = set()
        self._ids: set[tuple[UUID, str, UUID]] = set()

    def add(self, place: int, new: New) -> None:
        """Number and seal this line, unless that takes a look first; what follows it in its conversation then waits behind it."""
        pk = new.conversation
        if pk in self._passed_over:
            return
        opened = entries.kept(pk)
        standing = opened.standing if opened else None
        if opened is None or standing is None or not self._may(new, standing):
            self._passed_over.add(pk)
            return
        seq = (self.grown[pk][2] if pk in self.grown else standing.last_seq) + 1
        name = opened.nickname if new.author is Author.CHATTER else new.name
        self.grown[pk] = opened, standing, seq
        self._ids.add((pk, new.author.value, new.id))
        sealed = opened.cipher.seal(new.text, seq, new.author, new.kind)
        self.lines.append((place, EntryFrame(seq, new.id, new.kind, new.author, name, new.text, new.at), new, sealed))

    def _may(self, new: New, standing: Standing) -> bool:
        if new.kind is not Kind.MESSAGE or new.author is Author.SYSTEM or (new.conversation, new.author.value, new.id) in self._ids:
            return False
        return not rules.may_append(
            author=new.author,
            by=new.by,
            assignment=new.assignment,
            state=standing.state,
            holder=standing.holder,
            current=standing.assignment,
            left=standing.left,
        )

    def parameters(self) -> list[Any]:
        lines = [(new.conversation, entry.seq, new.id, new.by or 0, new.at, sealed) for _, entry, new, sealed in self.lines]
        thought = [
            {
                "id": str(pk),
                "last_seq": standing.last_seq,
                "grown_to": to,
                "state": standing.state,
                "holder": standing.holder or 0,
                "assignment": standing.assignment,
                "is_left": standing.left,
            }
            for pk, (_, standing, to) in self.grown.items()
        ]
        return [*map(list, zip(*lines, strict=True)), json.dumps(thought)]


class ShortWay:
    """One connection of the event loop in which it is used; opened with the first batch."""

    def __init__(self) -> None:
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def append(self, news: Sequence[New]) -> list[Stored | None]:
        """
        Store these lines, in their order; None for what has to go the long way, with all that follows it in its conversation.

        Raises psycopg.Error, OSError and TimeoutError; then it is not known what was stored.
        """
        answers: list[Stored | None] = [None] * len(news)
        for _attempt in range(ATTEMPTS):
            batch = _Batch()
            for place, new in enumerate(news):
                if answers[place] is None:
                    batch.add(place, new)
            if not batch.lines or not await self._store(batch, answers):
                break
        return answers

    async def _store(self, batch: _Batch, answers: list[Stored | None]) -> bool:
        """One statement. Is there something that another attempt may store, because its row stood otherwise than was thought?"""
        rows = await self._ask(batch.parameters())
        again, agreed = False, set()
        for pk, last, state, holder, assignment, left, is_true in rows:
            opened, thought, to = batch.grown[pk]
            found = Standing(to if is_true else last, State(state), holder or None, assignment, left)
            if is_true:
                agreed.add(pk)
            else:
                again = again or found != thought
            opened.standing = found
        for place, entry, new, _ in batch.lines:
            if new.conversation in agreed:
                answers[place] = Stored(new.conversation, entry)
        return again

    async def _ask(self, parameters: list[Any]) -> list[tuple[Any, ...]]:
        asking = asyncio.get_running_loop().create_task(self._execute(parameters))
        # Not asyncio.timeout: the driver answers a cancel by asking the database to stop, and waits again.
        if not (await asyncio.wait([asking], timeout=settings.STORE_LIMIT.total_seconds()))[0]:
            self.close()
            asking.cancel()
            raise TimeoutError
        if asking.exception():
            self.close()
        return asking.result()

    async def _execute(self, parameters: list[Any]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = await _connect()
        cursor = await self._connection.execute(STORE, parameters, prepare=True, binary=True)
        return await cursor.fetchall()

    def close(self) -> None:
        """At the end, and whenever something went wrong: the next batch begins with a new connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.pgconn.finish()


async def _connect() -> psycopg.AsyncConnection[Any]:
    """To the database of Django's own connections, with their limits."""
    ours = {"context", "cursor_factory", "pool", "server_side_binding", "prepare_threshold"}
    parameters = {name: value for name, value in connections["default"].get_connection_params().items() if name not in ours}
    parameters["options"] = f"{parameters.get('options', '')} {PLANNED_FOR_MANY}"
    return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
