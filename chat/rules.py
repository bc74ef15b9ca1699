"""
Routing, accepting, ending. Pure: values in, a decision out.

Who is offered a chat is decided here and nowhere else.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from staffing.rules import Refusal


class State(StrEnum):
    WAITING = "waiting"
    ACTIVE = "active"
    ENDED = "ended"


class Author(StrEnum):
    CHATTER = "chatter"
    EMPLOYEE = "employee"
    SYSTEM = "system"


class Peer(StrEnum):
    """What one side is told of the other."""

    HERE = "here"
    LOST = "lost"
    LEFT = "left"


class OfferKind(StrEnum):
    """Why a conversation is offered, in the order in which to take them; the last two are one, by how long they wait."""

    INTERRUPTED = "interrupted"
    TRANSFER = "transfer"
    OWN = "own"
    OVERFLOW = "overflow"
    ANYWHERE = "anywhere"


TURN = {OfferKind.INTERRUPTED: 0, OfferKind.TRANSFER: 1, OfferKind.OWN: 2, OfferKind.OVERFLOW: 3, OfferKind.ANYWHERE: 3}


class EndKind(StrEnum):
    """How a conversation ended; the codes of the list `end_kind`."""

    AGREED = "agreed"
    CHATTER_ENDED = "chatter_ended"
    QUICK_EXIT = "quick_exit"
    LINE_LOST_THEIRS = "line_lost_theirs"
    LINE_LOST_OURS = "line_lost_ours"
    NEVER_REACHED = "never_reached"
    MISUSE = "misuse"


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    A conversation that somebody has to take, as routing sees it. `region` is None when the chatter named none.

    `interrupted`: it runs and its employee, of `lost_region`, is gone. `to`: its employee passes it on to this colleague alone.
    """

    conversation: UUID
    region: int | None
    since: datetime
    overflow_after: timedelta
    interrupted: bool = False
    lost_region: int | None = None
    to: int | None = None

    @property
    def home(self) -> set[int]:
        """The regions whose work it is."""
        return {region for region in (self.region, self.lost_region) if region is not None}


@dataclass(frozen=True, slots=True)
class OnDuty:
    """
    An employee on duty. `room` is how many more conversations fit, none for who is on the telephone; `available_until` is when
    silence makes them unavailable.
    """

    employee: int
    region: int | None
    room: int
    available_until: datetime | None

    def is_available(self, at: datetime) -> bool:
        return self.available_until is not None and at < self.available_until


@dataclass(frozen=True, slots=True)
class Offer:
    conversation: UUID
    kind: OfferKind


def room(maximum: int, held: int, on_telephone: bool) -> int:
    """How many more conversations fit. Who is on the telephone has no room for others' chats meanwhile."""
    return 0 if on_telephone else max(0, maximum - held)


def offer(chat: Waiting, to: OnDuty, staffed: Collection[int | None], at: datetime) -> OfferKind | None:
    """
    Is this conversation offered to this employee, and why? `staffed` are the open regions with somebody available.

    Process 1.2, step Accept: every chat of the own region, at once, also above the usual maximum; chats that their own
    region does not pick up, or whose region has nobody available, when there is room; a chat without a region to all with room.
    A running conversation whose employee is gone is offered in the same way, in that employee's region too.
    """
    if chat.to is not None:
        return OfferKind.TRANSFER if chat.to == to.employee else None
    home = chat.home
    if to.region in home:
        return OfferKind.INTERRUPTED if chat.interrupted else OfferKind.OWN
    if to.room <= 0:
        return None
    if chat.region is not None and not home.isdisjoint(staffed) and at < chat.since + chat.overflow_after:
        return None
    if chat.interrupted:
        return OfferKind.INTERRUPTED
    return OfferKind.ANYWHERE if chat.region is None else OfferKind.OVERFLOW


def staffed_regions(on_duty: Iterable[OnDuty], at: datetime) -> set[int | None]:
    """The regions that have somebody available."""
    return {employee.region for employee in on_duty if employee.is_available(at)}


def offers(
    waiting: Iterable[Waiting], on_duty: Sequence[OnDuty], at: datetime, closed: Collection[int] = ()
) -> dict[int, tuple[Offer, ...]]:
    """
    For each employee on duty what is offered now, in the order in which to take it. `closed` are the regions left to others.

    Interrupted conversations, transfers, the own region, then all others; the longest waiting first within each.
    """
    staffed = staffed_regions(on_duty, at) - set(closed)
    in_order = sorted(waiting, key=lambda chat: (chat.since, chat.conversation))
    answer = {}
    for employee in on_duty:
        found = [Offer(chat.conversation, kind) for chat in in_order if (kind := offer(chat, employee, staffed, at))]
        found.sort(key=lambda one: TURN[one.kind])
        answer[employee.employee] = tuple(found)
    return answer


def offered_to_nobody(waiting: Iterable[Waiting], on_duty: Sequence[OnDuty], at: datetime, closed: Collection[int] = ()) -> set[UUID]:
    """
    The conversations that nobody available is offered: for each of them an alarm stands (P7).

    None of those that are passed on: their employee holds them until the colleague takes over, and when that one is gone they are
    interrupted.
    """
    to_anybody = [chat for chat in waiting if chat.to is None]
    found = offers(to_anybody, on_duty, at, closed)
    seen = {one.conversation for employee in on_duty if employee.is_available(at) for one in found[employee.employee]}
    return {chat.conversation for chat in to_anybody} - seen


def next_change(waiting: Iterable[Waiting], on_duty: Iterable[OnDuty], at: datetime) -> datetime | None:
    """The next moment at which `offers` can change by the passing of time alone."""
    moments = [chat.since + chat.overflow_after for chat in waiting if chat.region is not None and chat.to is None]
    moments += [employee.available_until for employee in on_duty if employee.available_until]
    return min((moment for moment in moments if moment > at), default=None)


def may_accept(*, chat: Waiting | None, by: OnDuty | None, staffed: Collection[int | None], at: datetime) -> Refusal | None:
    """
    May this employee take this conversation? Process 1.2, step Accept. Only what is offered can be taken.

    `chat` is None for what nobody has to take: somebody holds it, or it is over.
    """
    if by is None:
        return Refusal.NOT_ON_DUTY
    if chat is None or (chat.to is not None and chat.to != by.employee):
        return Refusal.ALREADY_ACCEPTED
    if offer(chat, by, staffed, at):
        return None
    return Refusal.NO_ROOM if by.room <= 0 else Refusal.NOT_ALLOWED


def may_transfer(*, state: State, holder: int | None, by: int, to: OnDuty | None, regions: Collection[int | None]) -> Refusal | None:
    """
    May `by` pass this conversation on? Process 1.2, step Handover: to a colleague who is on duty.

    A colleague is somebody else of the sender's region or of the conversation's: `regions`.
    """
    if holder != by:
        return Refusal.NOT_FOUND
    if state is State.ENDED:
        return Refusal.ENDED
    return None if to and to.employee != by and to.region in regions else Refusal.NOT_ALLOWED


def must_reoffer(*, on_duty: bool, heard_at: datetime | None, accepted_at: datetime, at: datetime, after: timedelta) -> bool:
    """
    Is the employee who holds a running conversation gone for so long that it is offered again? Not on duty at all: at once.

    Design, Being there: gone for 60 s. Who has never been heard counts from the accept.
    """
    return not on_duty or at >= max(heard_at or accepted_at, accepted_at) + after


def is_never_reached(*, chat: Waiting, closed_since: datetime | None, anybody_available: bool, at: datetime, after: timedelta) -> bool:
    """
    Is this one given up? Who still waits `after` closing with nobody available is told so, and ended.

    Process 1.2, step Closing time. Who began to wait after closing is given the same time.
    """
    return closed_since is not None and not anybody_available and chat.to is None and at >= max(closed_since, chat.since) + after


def may_append(
    *, author: Author, by: int | None, assignment: int | None, state: State, holder: int | None, current: int, left: bool
) -> Refusal | None:
    """
    May this message be added? Asked under the conversation's lock (P8): only the holder writes, with the assignment that stands.

    While the chatter is away by quick exit nothing is pushed to that device.
    """
    if author is Author.EMPLOYEE and holder != by:
        return Refusal.NOT_FOUND
    if state is State.ENDED:
        return Refusal.ENDED
    if author is Author.EMPLOYEE and ((assignment is not None and assignment != current) or left):
        return Refusal.NOT_ALLOWED
    return None


def kind_of_end(*, by: Author, misuse: bool, accepted: bool, peer: Peer | None) -> EndKind:
    """
    How a conversation ended, from who ended it and where the chatter was (`peer`, as the employee sees it).

    The system ends what nobody came for: never reached, or lost on our side when it was running.
    """
    if by is Author.SYSTEM:
        return EndKind.LINE_LOST_OURS if accepted else EndKind.NEVER_REACHED
    if by is Author.CHATTER:
        return EndKind.CHATTER_ENDED
    if misuse:
        return EndKind.MISUSE
    if not accepted:
        return EndKind.NEVER_REACHED
    if peer is Peer.LEFT:
        return EndKind.QUICK_EXIT
    if peer is Peer.LOST:
        return EndKind.LINE_LOST_THEIRS
    return EndKind.AGREED


def position(chat: Waiting, waiting: Iterable[Waiting]) -> int:
    """The place in the queue: 1 + chats of the same region that wait longer."""
    mine = (chat.since, chat.conversation)
    return 1 + sum(1 for other in waiting if other.region == chat.region and (other.since, other.conversation) < mine)
