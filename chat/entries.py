"""
The log's one home of numbering and idempotence, and its reading: plain SQL, a fixed number of statements whatever the batch.

`append` runs inside the caller's transaction: the writer's (many conversations, chat/log.py) or a verb's ('accepted by …').
Reading is 'everything after N', never 'the newest N' or a time window (P4).
"""

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from chat import crypto, rules
from chat.protocol import Entry as EntryFrame
from chat.protocol import Kind
from chat.rules import Author, State
from staffing.rules import Refusal

KEYS_KEPT = 4_096  # opened keys that one process keeps


@dataclass(frozen=True, slots=True)
class New:
    """A line to append. `by` is the employee who writes, `name` how that employee is called, `assignment` the fencing number if given."""

    conversation: UUID
    author: Author
    id: UUID
    text: str
    at: datetime
    kind: Kind = Kind.MESSAGE
    by: int | None = None
    name: str = ""
    assignment: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The line stands in the log under `entry.seq`. `again` when it stood there before."""

    conversation: UUID
    entry: EntryFrame
    again: bool = False


@dataclass(frozen=True, slots=True)
class LockedElsewhere:
    """Another process holds this conversation: try it alone, so that nobody else's lines wait (P8)."""


Answer = Stored | Refusal | LockedElsewhere


@dataclass(frozen=True, slots=True)
class Standing:
    """How a conversation's row stood when this process last saw it. It may stand otherwise by now: acted on only where it is checked."""

    last_seq: int
    state: State
    holder: int | None
    assignment: int
    left: bool


@dataclass(slots=True)
class Opened:
    """A conversation's opened key and nickname, as the process keeps them while it needs them."""

    cipher: crypto.Cipher
    nickname: str
    standing: Standing | None = None


def _engine() -> str:
    return "postgresql" if connection.vendor == "postgresql" else "sqlite"


# ---------------------------------------------------------------- opened keys


KEYS = {
    "postgresql": "SELECT c.id, c.nickname, k.wrapped FROM chat_conversation c"
    " LEFT JOIN chat_conversationkey k ON k.conversation_id = c.id WHERE c.id = ANY(%s)",
    "sqlite": "SELECT c.id, c.nickname, k.wrapped FROM chat_conversation c"
    " LEFT JOIN chat_conversationkey k ON k.conversation_id = c.id WHERE c.id IN (SELECT value FROM json_each(%s))",
}
_opened: OrderedDict[UUID, Opened] = OrderedDict()
_guard = Lock()


def opened(conversations: Iterable[UUID]) -> dict[UUID, Opened]:
    """The opened keys and nicknames of these conversations; one statement for those that are not kept. Unreadable ones are left out."""
    wanted = set(conversations)
    with _guard:
        found = {pk: _opened[pk] for pk in wanted if pk in _opened}
        for pk in found:
            _opened.move_to_end(pk)
    if missing := wanted - found.keys():
        with connection.cursor() as cursor:
            cursor.execute(KEYS[_engine()], [_ids(sorted(missing))])
            rows = cursor.fetchall()
        for value, nickname, wrapped in rows:
            pk = _uuid(value)
            try:
                cipher = crypto.unwrap(wrapped or b"", pk)
                found[pk] = Opened(cipher, cipher.open(nickname, "nickname"))
            except crypto.Unreadable:
                continue
        with _guard:
            for pk in missing & found.keys():
                _opened[pk] = found[pk]
            while len(_opened) > KEYS_KEPT:
                _opened.popitem(last=False)
    return found


def kept(conversation: UUID) -> Opened | None:
    """What is kept of this conversation, without asking the database."""
    with _guard:
        if (found := _opened.get(conversation)) is not None:
            _opened.move_to_end(conversation)
        return found


def forget_keys() -> None:
    """Opened keys are kept by the process only; after a purge or with a new database they are nobody's."""
    with _guard:
        _opened.clear()


# ---------------------------------------------------------------- append


def _ids(ids: Sequence[UUID]) -> Any:
    return list(ids) if _engine() == "postgresql" else json.dumps([pk.hex for pk in ids])


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _moment(value: Any) -> datetime:
    at = parse_datetime(value) if isinstance(value, str) else value
    assert at is not None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


LOCK = {
    "postgresql": "SELECT id, last_seq, state, holder_id, assignment, left_at FROM chat_conversation"
    " WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
    "sqlite": "SELECT id, last_seq, state, holder_id, assignment, left_at FROM chat_conversation"
    " WHERE id IN (SELECT value FROM json_each(%s)) ORDER BY id",
}
KNOWN = {
    "postgresql": "SELECT e.conversation_id, e.author, e.id, e.seq, e.kind, e.at, e.sealed FROM chat_entry e"
    " JOIN unnest(%s::uuid[], %s::text[], %s::uuid[]) AS n(c, a, i) ON e.conversation_id = n.c AND e.author = n.a AND e.id = n.i",
    "sqlite": "SELECT e.conversation_id, e.author, e.id, e.seq, e.kind, e.at, e.sealed FROM json_each(%s) n JOIN chat_entry e"
    " ON e.conversation_id = json_extract(n.value, '$[0]') AND e.author = json_extract(n.value, '$[1]')"
    " AND e.id = json_extract(n.value, '$[2]')",
}
INSERT = {
    "postgresql": "INSERT INTO chat_entry (conversation_id, seq, id, author, kind, by_id, at, sealed) SELECT * FROM"
    " unnest(%s::uuid[], %s::int[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::bytea[])",
    "sqlite": "INSERT INTO chat_entry (conversation_id, seq, id, author, kind, by_id, at, sealed) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
}
COUNT = {
    "postgresql": "UPDATE chat_conversation c SET last_seq = n.l FROM unnest(%s::uuid[], %s::int[]) AS n(i, l) WHERE c.id = n.i",
    "sqlite": "UPDATE chat_conversation SET last_seq = %s WHERE id = %s",
}


def append(news: Sequence[New], *, skip_locked: bool = False) -> list[Answer]:
    """
    Number and store these lines, in their order, inside the running transaction; one answer for each.

    Same author and id again: the stored line (the same ack), or id_reused when the text differs. Conversations are locked in
    the order of their ids; with `skip_locked` those that another process holds are answered LockedElsewhere (PostgreSQL).
    """
    engine = _engine()
    pks = sorted({new.conversation for new in news})
    with connection.cursor() as cursor:
        cursor.execute(LOCK[engine] + (" SKIP LOCKED" if skip_locked and engine == "postgresql" else ""), [_ids(pks)])
        locked = {_uuid(row[0]): row[1:] for row in cursor.fetchall()}
        if engine == "postgresql":
            cursor.execute(
                KNOWN[engine], [[new.conversation for new in news], [new.author.value for new in news], [new.id for new in news]]
            )
        else:
            cursor.execute(KNOWN[engine], [json.dumps([[new.conversation.hex, new.author.value, new.id.hex] for new in news])])
        known = {(_uuid(row[0]), row[1], _uuid(row[2])): row[3:] for row in cursor.fetchall()}
        keys = opened(pks)

        last = {pk: row[0] for pk, row in locked.items()}
        made: dict[tuple[UUID, str, UUID], EntryFrame] = {}
        rows: list[tuple[Any, ...]] = []
        answers: list[Answer] = []
        for new in news:
            answers.append(_append_one(new, locked, known, keys, last, made, rows, skip_locked))
        for pk in locked.keys() & keys.keys():
            _, state, holder, assignment, left_at = locked[pk]
            keys[pk].standing = Standing(last[pk], State(state), holder, assignment, left_at is not None)

        if rows:
            grown = [(pk, seq) for pk, seq in last.items() if seq != locked[pk][0]]
            if engine == "postgresql":
                cursor.execute(INSERT[engine], [list(column) for column in zip(*rows, strict=True)])
                cursor.execute(COUNT[engine], [list(column) for column in zip(*grown, strict=True)])
            else:
                adapt = connection.ops.adapt_datetimefield_value
                cursor.executemany(INSERT[engine], [(c.hex, s, i.hex, a, k, b, adapt(at), t) for c, s, i, a, k, b, at, t in rows])
                cursor.executemany(COUNT[engine], [(seq, pk.hex) for pk, seq in grown])
    return answers


def _append_one(
    new: New,
    locked: dict[UUID, tuple[Any, ...]],
    known: dict[tuple[UUID, str, UUID], tuple[Any, ...]],
    keys: dict[UUID, Opened],
    last: dict[UUID, int],
    made: dict[tuple[UUID, str, UUID], EntryFrame],
    rows: list[tuple[Any, ...]],
    skip_locked: bool,
) -> Answer:
    pk, place = new.conversation, (new.conversation, new.author.value, new.id)
    if pk not in locked:
        return LockedElsewhere() if skip_locked else Refusal.NOT_FOUND
    _, state, holder, assignment, left_at = locked[pk]
    if new.author is Author.EMPLOYEE and holder != new.by:
        return Refusal.NOT_FOUND
    if pk not in keys:
        return Refusal.UNAVAILABLE
    name = keys[pk].nickname if new.author is Author.CHATTER else new.name
    if place in made:
        return Stored(pk, made[place], again=True) if made[place].text_ == new.text else Refusal.ID_REUSED
    if place in known:
        seq, kind, at, sealed = known[place]
        if read(keys[pk].cipher, sealed, seq, new.author, kind) != new.text:
            return Refusal.ID_REUSED
        return Stored(pk, EntryFrame(seq, new.id, Kind(kind), new.author, name, new.text, _moment(at)), again=True)
    if new.author is not Author.SYSTEM and (
        refusal := rules.may_append(
            author=new.author,
            by=new.by,
            assignment=new.assignment,
            state=State(state),
            holder=holder,
            current=assignment,
            left=left_at is not None,
        )
    ):
        return refusal
    seq = last[pk] = last[pk] + 1
    sealed = keys[pk].cipher.seal(new.text, seq, new.author, new.kind)
    rows.append((pk, seq, new.id, new.author.value, new.kind.value, new.by, new.at, sealed))
    made[place] = EntryFrame(seq, new.id, new.kind, new.author, name, new.text, new.at)
    return Stored(pk, made[place])


# ---------------------------------------------------------------- read


def read(cipher: crypto.Cipher, sealed: bytes, seq: int, author: str, kind: str) -> str | None:
    """The text of one stored line; None when it does not open at its place (K1)."""
    try:
        return cipher.open(sealed, seq, author, kind)
    except crypto.Unreadable:
        return None


AFTER = (
    "SELECT e.seq, e.id, e.author, e.kind, e.at, e.sealed, s.name FROM chat_entry e LEFT JOIN staffing_employee s ON s.id = e.by_id"
    " WHERE e.conversation_id = %s AND e.seq > %s ORDER BY e.seq LIMIT %s"
)


def after(conversation: UUID, seq: int, limit: int) -> list[EntryFrame]:
    """The entries after number `seq`, at most `limit`, in order. What cannot be read says so, and leaves the others unharmed."""
    with connection.cursor() as cursor:
        cursor.execute(AFTER, [conversation if _engine() == "postgresql" else conversation.hex, min(seq, 2**31 - 1), limit])
        rows = cursor.fetchall()
    if not rows:
        return []
    opened_one = opened([conversation]).get(conversation)
    found = []
    for number, id, author, kind, at, sealed, name in rows:
        text = read(opened_one.cipher, sealed, number, author, kind) if opened_one else None
        who = opened_one.nickname if author == Author.CHATTER and opened_one else name or ""
        found.append(
            EntryFrame(
                number,
                _uuid(id),
                Kind(kind),
                Author(author),
                who,
                text if text is not None else _("This message cannot be read."),
                _moment(at),
            )
        )
    return found
