"""
The WebSocket protocol, version 1: every frame as a frozen value, parsed and written here and nowhere else.

Pure. A frame that cannot be read ends in one `NotUnderstood`; a door answers it with one `refused`.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

from chat.rules import Author, Peer, State
from staffing.rules import Refusal

SUBPROTOCOL = "geruisloos.v1"
TEXT_CHARACTERS, TEXT_BYTES = 4_000, 16_000
MOST_CONVERSATIONS = 200  # in one `hello` of staff
MOST_ALARM = 64  # characters of an alarm's name
MOST_NUMBER = 2**53  # what every client can count to


class Close:
    """Close codes. 4401, 4403 and 4404 come after the upgrade was accepted, so that a browser can read them."""

    DONE = 1000
    NOT_AUTHENTICATED = 4401
    FORBIDDEN = 4403
    NO_CONVERSATION = 4404
    REPLACED = 4409
    TOO_MANY = 4429
    RESTART = 4012


class Kind(StrEnum):
    MESSAGE = "message"
    NOTICE = "notice"


class NotUnderstood(Exception):
    """A frame that cannot be accepted as it is, with what the `refused` frame has to say."""

    def __init__(self, code: Refusal = Refusal.BAD_FRAME, id: UUID | None = None, conversation: UUID | None = None) -> None:
        super().__init__(code.value)
        self.code, self.id, self.conversation = code, id, conversation


# ---------------------------------------------------------------- text

COMBINING_IN_A_ROW = 8
_KEPT_CONTROLS = {"\n", "\t"}
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def normalise(text: str) -> str:
    """
    The text as it is stored: NFC, no control characters but newline and tab, at most 8 combining marks in a row.

    Applying it twice changes nothing; it never grows. Raises NotUnderstood for NUL and lone surrogates (threat-model X2).
    """
    if text.isascii() and text.isprintable():
        return text
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept, marks = [], 0
    for letter in text:
        category = unicodedata.category(letter)
        if letter == "\0" or category == "Cs":
            raise NotUnderstood
        if category == "Cc" and letter not in _KEPT_CONTROLS:
            continue
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks <= COMBINING_IN_A_ROW:
            kept.append(letter)
    # Dropping marks or controls can bring letters together that compose anew.
    return unicodedata.normalize("NFC", "".join(kept))


def normalise_name(text: str) -> str:
    """A nickname on one line, without characters that change the direction of what stands around it."""
    # Dropped before composing: what stood apart may come together and compose, or stand in too long a row.
    return " ".join(normalise("".join(letter for letter in text if letter not in _BIDI_CONTROLS)).split())


def message_text(value: object) -> str:
    """A message's text, normalised and within its limits. Raises NotUnderstood: bad_frame, empty, too_long."""
    if not isinstance(value, str):
        raise NotUnderstood
    text = normalise(value)
    if not text.strip():
        raise NotUnderstood(Refusal.EMPTY)
    if len(text) > TEXT_CHARACTERS or len(text.encode()) > TEXT_BYTES:
        raise NotUnderstood(Refusal.TOO_LONG)
    return text


# ---------------------------------------------------------------- client to server


@dataclass(frozen=True, slots=True)
class Hello:
    after: int


@dataclass(frozen=True, slots=True)
class StaffHello:
    after: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class Send:
    id: UUID
    text: str
    conversation: UUID | None = None
    assignment: int | None = None


@dataclass(frozen=True, slots=True)
class IsTyping:
    conversation: UUID | None = None


@dataclass(frozen=True, slots=True)
class HasRead:
    seq: int
    conversation: UUID | None = None


@dataclass(frozen=True, slots=True)
class End:
    conversation: UUID | None = None
    misuse: bool = False
    assignment: int | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    now: bool


@dataclass(frozen=True, slots=True)
class Accept:
    conversation: UUID


@dataclass(frozen=True, slots=True)
class Transfer:
    conversation: UUID
    to: int
    note: str
    assignment: int | None = None


@dataclass(frozen=True, slots=True)
class Phone:
    busy: bool


@dataclass(frozen=True, slots=True)
class TakeAlarm:
    alarm: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A frame of the contract whose ability this release does not have: answered with `not_allowed`."""

    conversation: UUID | None = None


Incoming = Hello | StaffHello | Send | IsTyping | HasRead | End | Ping | Accept | Transfer | Phone | TakeAlarm | Unavailable


def _number(frame: Mapping[str, Any], name: str) -> int:
    value = frame.get(name)
    if type(value) is not int or value < 0:  # a bool is an int, and not a number here
        raise NotUnderstood
    return min(value, MOST_NUMBER)


@lru_cache(maxsize=4096)
def _read_uuid(text: str) -> UUID:
    return UUID(text)


def uuid(value: object) -> UUID:
    """A UUID in its usual text form. Raises NotUnderstood."""
    if not isinstance(value, str) or len(value) != 36:
        raise NotUnderstood
    try:
        return _read_uuid(value)
    except ValueError as error:
        raise NotUnderstood from error


def _assignment(frame: Mapping[str, Any]) -> int | None:
    return None if frame.get("assignment") is None else _number(frame, "assignment")


def _about(frame: Mapping[str, Any], staff: bool) -> UUID | None:
    return uuid(frame.get("conversation")) if staff else None


def _hello(frame: Mapping[str, Any], staff: bool) -> Incoming:
    if not staff:
        return Hello(_number(frame, "after"))
    after = frame.get("after")
    if not isinstance(after, dict) or len(after) > MOST_CONVERSATIONS:
        raise NotUnderstood
    return StaffHello({uuid(key): _number(after, key) for key in after})


def _send(frame: Mapping[str, Any], staff: bool) -> Incoming:
    about, id = _about(frame, staff), uuid(frame.get("id"))
    try:
        return Send(id, message_text(frame.get("text")), about, _assignment(frame) if staff else None)
    except NotUnderstood as refusal:
        raise NotUnderstood(refusal.code, id, about) from refusal


def _unavailable(frame: Mapping[str, Any], staff: bool) -> Incoming:
    return Unavailable(_about(frame, staff))


def _transfer(frame: Mapping[str, Any], staff: bool) -> Incoming:
    about, note = uuid(frame.get("conversation")), frame.get("note")
    if note is not None and not isinstance(note, str):
        raise NotUnderstood
    try:
        return Transfer(about, _number(frame, "to"), message_text(note) if note and note.strip() else "", _assignment(frame))
    except NotUnderstood as refusal:
        raise NotUnderstood(refusal.code, None, about) from refusal


def _phone(frame: Mapping[str, Any], staff: bool) -> Incoming:
    if not isinstance(busy := frame.get("busy"), bool):
        raise NotUnderstood
    return Phone(busy)


def _take_alarm(frame: Mapping[str, Any], staff: bool) -> Incoming:
    alarm = frame.get("alarm")
    if not isinstance(alarm, str | int) or len(named := str(alarm)) > MOST_ALARM:
        raise NotUnderstood
    return TakeAlarm(named)


CHATTER: Mapping[str, Callable[[Mapping[str, Any], bool], Incoming]] = {
    "hello": _hello,
    "send": _send,
    "typing": lambda frame, staff: IsTyping(_about(frame, staff)),
    "read": lambda frame, staff: HasRead(_number(frame, "seq"), _about(frame, staff)),
    "end": lambda frame, staff: End(_about(frame, staff), staff and frame.get("reason") == "misuse", _assignment(frame) if staff else None),
    "ping": lambda frame, staff: Ping(frame.get("now") is True),
    "decline_call": _unavailable,
}
STAFF: Mapping[str, Callable[[Mapping[str, Any], bool], Incoming]] = {
    **{kind: CHATTER[kind] for kind in ("hello", "send", "typing", "read", "end", "ping")},
    "accept": lambda frame, staff: Accept(uuid(frame.get("conversation"))),
    "transfer": _transfer,
    "phone": _phone,
    "take_alarm": _take_alarm,
    **dict.fromkeys(("reveal", "offer_call", "call_done", "steps", "danger"), _unavailable),
}


def _no_constant(name: str) -> None:
    raise ValueError(name)


_decode = json.JSONDecoder(parse_constant=_no_constant).decode


def parse(raw: str | None, table: Mapping[str, Callable[[Mapping[str, Any], bool], Incoming]]) -> Incoming:
    """One frame of a client as a value. Raises NotUnderstood, which says to which `id` and conversation it belongs if that is known."""
    try:
        frame = _decode(raw or "")
    except (ValueError, RecursionError) as error:
        raise NotUnderstood from error
    if not isinstance(frame, dict) or not isinstance(kind := frame.get("type"), str) or kind not in table:
        raise NotUnderstood
    staff = table is STAFF
    try:
        return table[kind](frame, staff)
    except NotUnderstood as refusal:
        if staff and refusal.conversation is None:
            try:
                raise NotUnderstood(refusal.code, refusal.id, uuid(frame.get("conversation"))) from refusal
            except NotUnderstood as better:
                raise better if better.conversation else refusal from None
        raise


# ---------------------------------------------------------------- server to client


@lru_cache(maxsize=256)
def time_text(at: datetime) -> str:
    """ISO 8601 in UTC, with the microseconds that are stored."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat()[:-6] + "Z"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Frame):
        return value.body()
    return value


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_quote = json.encoder.encode_basestring


@dataclass(frozen=True, slots=True)
class Frame:
    """What the server says. `body()` is the frame without `type`, as long polling answers it."""

    type: ClassVar[str] = ""
    left_out_when_none: ClassVar[frozenset[str]] = frozenset()

    def body(self) -> dict[str, Any]:
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(value) for name, value in said.items() if value is not None or name not in self.left_out_when_none}

    def text(self, conversation: UUID | None = None) -> str:
        """The frame as it goes over the line; to staff it names its conversation."""
        about = {"conversation": str(conversation)} if conversation else {}
        return _encode({"type": self.type, **about, **self.body()})


@dataclass(frozen=True, slots=True)
class Welcome(Frame):
    type: ClassVar[str] = "welcome"
    conversation: UUID
    state: State
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class StaffWelcome(Frame):
    """To staff also who it is about, so that a page that was loaded again knows; `note` is the word of who passed it on."""

    type: ClassVar[str] = "welcome"
    left_out_when_none: ClassVar[frozenset[str]] = frozenset({"note"})
    state: State
    first_seq: int
    last_seq: int
    assignment: int
    nickname: str
    role: str
    region: str | None
    municipality: str
    since: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Entry(Frame):
    type: ClassVar[str] = "entry"
    seq: int
    id: UUID
    kind: Kind
    author: Author
    name: str
    text_: str
    at: datetime

    def body(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "id": str(self.id),
            "kind": self.kind,
            "author": self.author,
            "name": self.name,
            "text": self.text_,
            "at": time_text(self.at),
        }

    def text(self, conversation: UUID | None = None) -> str:
        about = f'"conversation":"{conversation}",' if conversation else ""
        return (
            f'{{"type":"entry",{about}"seq":{self.seq},"id":"{self.id}","kind":"{self.kind.value}","author":"{self.author.value}",'
            f'"name":{_quote(self.name)},"text":{_quote(self.text_)},"at":"{time_text(self.at)}"}}'
        )


@dataclass(frozen=True, slots=True)
class Ack(Frame):
    type: ClassVar[str] = "ack"
    id: UUID
    seq: int
    at: datetime

    def body(self) -> dict[str, Any]:
        return {"id": str(self.id), "seq": self.seq, "at": time_text(self.at)}

    def text(self, conversation: UUID | None = None) -> str:
        about = f'"conversation":"{conversation}",' if conversation else ""
        return f'{{"type":"ack",{about}"id":"{self.id}","seq":{self.seq},"at":"{time_text(self.at)}"}}'


@dataclass(frozen=True, slots=True)
class RefusedFrame(Frame):
    type: ClassVar[str] = "refused"
    id: UUID | None
    code: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class StateFrame(Frame):
    """`hidden` is said to staff only, and so is `offered_to`: the colleague who is asked to take it over."""

    type: ClassVar[str] = "state"
    left_out_when_none: ClassVar[frozenset[str]] = frozenset({"hidden", "offered_to"})
    state: State
    position: int | None
    employee: str | None
    peer: Peer | None
    hidden: bool | None = None
    offered_to: int | None = None


@dataclass(frozen=True, slots=True)
class TypingFrame(Frame):
    type: ClassVar[str] = "typing"
    author: Author


@dataclass(frozen=True, slots=True)
class ReadFrame(Frame):
    type: ClassVar[str] = "read"
    author: Author
    seq: int


@dataclass(frozen=True, slots=True)
class Pong(Frame):
    type: ClassVar[str] = "pong"
    last_seq: int | Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class WaitingChat(Frame):
    """One line of the queue; `note` comes with a transfer only."""

    left_out_when_none: ClassVar[frozenset[str]] = frozenset({"note"})
    conversation: UUID
    region: str | None
    offer: str
    since: datetime
    nickname: str
    role: str
    peer: Peer | None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Queue(Frame):
    type: ClassVar[str] = "queue"
    waiting: tuple[WaitingChat, ...]
    room: int
    version: int


@dataclass(frozen=True, slots=True)
class Colleague(Frame):
    left_out_when_none: ClassVar[frozenset[str]] = frozenset({"on_telephone"})
    id: int
    name: str
    room: int
    connected: bool
    on_telephone: bool | None = None


@dataclass(frozen=True, slots=True)
class DutyFrame(Frame):
    """`on_telephone`, here and of a colleague, is said only when it is so."""

    type: ClassVar[str] = "duty"
    left_out_when_none: ClassVar[frozenset[str]] = frozenset({"on_telephone"})
    on_duty: bool
    since: datetime | None
    alone: bool
    may_leave: bool
    reason: str
    colleagues: tuple[Colleague, ...]
    on_telephone: bool | None = None


@dataclass(frozen=True, slots=True)
class Alarm(Frame):
    """One alarm that stands. `region` is None when it is everybody's; `about` is the employee's name, `words` what there is to say."""

    left_out_when_none: ClassVar[frozenset[str]] = frozenset({"about", "conversation", "words"})
    alarm: str
    kind: str
    region: str | None
    since: datetime
    taken_by: str | None
    about: str | None = None
    conversation: UUID | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Alarms(Frame):
    type: ClassVar[str] = "alarms"
    standing: tuple[Alarm, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone(Frame):
    """`employee` is who has it now."""

    type: ClassVar[str] = "gone"
    left_out_when_none: ClassVar[frozenset[str]] = frozenset({"employee"})
    reason: str
    employee: str | None = None
