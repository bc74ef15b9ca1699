"""
Routing, accepting, ending. Pure: values in, a decision out.

Who is offered a chat is decided here and nowhere else.
"""

from collections.abc import Iterable, Sequence
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
    OWN = "own"
    OVERFLOW = "overflow"
    ANYWHERE = "anywhere"


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
    """A conversation that waits, as routing sees it. `region` is None when the chatter named none."""

    conversation: UUID
    region: int | None
    since: datetime
    overflow_after: timedelta


@dataclass(frozen=True, slots=True)
class OnDuty:
    """An employee on duty. `room` is how many more conversations fit; `available_until` is when silence makes them unavailable."""

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


def offer(chat: Waiting, to: OnDuty, region_is_staffed: bool, at: datetime) -> OfferKind | None:
    """
    Is this waiting chat offered to this employee, and why?

    Process 1.2, step Accept: every chat of the own region, at once, also above the usual maximum; chats that their own
    region does not pick up, or whose region has nobody available, when there is room; a chat without a region to all with room.
    """
    if chat.region is not None and chat.region == to.region:
        return OfferKind.OWN
    if to.room <= 0:
        return None
    if chat.region is None:
        return OfferKind.ANYWHERE
    if not region_is_staffed or at >= chat.since + chat.overflow_after:
        return OfferKind.OVERFLOW
    return None


def staffed_regions(on_duty: Iterable[OnDuty], at: datetime) -> set[int | None]:
    """The regions that have somebody available."""
    return {employee.region for employee in on_duty if employee.is_available(at)}


def offers(waiting: Iterable[Waiting], on_duty: Sequence[OnDuty], at: datetime) -> dict[int, tuple[Offer, ...]]:
    """For each employee on duty the chats offered now, in the order in which to take them: own region first, then longest waiting."""
    staffed = staffed_regions(on_duty, at)
    in_order = sorted(waiting, key=lambda chat: (chat.since, chat.conversation))
    answer = {}
    for employee in on_duty:
        found = [(chat, kind) for chat in in_order if (kind := offer(chat, employee, chat.region in staffed, at))]
        found.sort(key=lambda pair: pair[1] is not OfferKind.OWN)
        answer[employee.employee] = tuple(Offer(chat.conversation, kind) for chat, kind in found)
    return answer


def next_change(waiting: Iterable[Waiting], on_duty: Iterable[OnDuty], at: datetime) -> datetime | None:
    """The next moment at which `offers` can change by the passing of time alone."""
    moments = [chat.since + chat.overflow_after for chat in waiting if chat.region is not None]
    moments += [employee.available_until for employee in on_duty if employee.available_until]
    return min((moment for moment in moments if moment > at), default=None)


def may_accept(*, state: State, chat: Waiting | None, by: OnDuty | None, region_is_staffed: bool, at: datetime) -> Refusal | None:
    """May this employee take this conversation? Process 1.2, step Accept. Only what is offered can be taken."""
    if by is None:
        return Refusal.NOT_ON_DUTY
    if state is not State.WAITING or chat is None:
        return Refusal.ALREADY_ACCEPTED
    if offer(chat, by, region_is_staffed, at):
        return None
    return Refusal.NO_ROOM if by.room <= 0 else Refusal.NOT_ALLOWED


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
    """How a conversation ended, from who ended it and where the chatter was (`peer`, as the employee sees it)."""
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
