"""
Facts from the database, as values for the rules, and what one person's screen shows of them.

One look serves every open line of the process, however many there are.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from itertools import count
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import override as translation_override

from chat import crypto, entries, hints, protocol, rules
from chat.models import Conversation
from chat.rules import Author, Peer, State
from staffing import opening
from staffing import rules as staffing_rules
from staffing.among import among
from staffing.models import Alarm, Duty, Municipality, Region, Watch
from staffing.refusal import SENTENCES
from staffing.rules import AlarmKind

NOT_WATCHED = "not-watched"  # the name of the alarm that nobody can take
STEPS = {State.WAITING: 0, State.ACTIVE: 1, State.ENDED: 2}


@dataclass(frozen=True, slots=True)
class Seen:
    """One conversation at the moment of the look; its fields in the order of FIELDS."""

    pk: UUID
    region: int | None
    role: str
    state: State
    holder: int | None
    holder_name: str | None
    assignment: int
    last_seq: int
    since: datetime
    started_at: datetime
    ended_at: datetime | None
    ended_by: str
    registered_at: datetime | None
    left_at: datetime | None
    heard_at: datetime | None
    chatter_read: int
    employee_read: int
    municipality: bytes
    interrupted_at: datetime | None
    lost_holder: int | None
    lost_region: int | None
    offered_to: int | None
    offered_at: datetime | None
    note: bytes

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> "Seen":
        pk, region, role, state, *rest = row
        return cls(pk, region, role, State(state), *rest)

    @property
    def registered(self) -> bool:
        return self.registered_at is not None

    @property
    def left(self) -> bool:
        return self.left_at is not None

    @property
    def step(self) -> tuple[int, int]:
        """How far the conversation has come: rises only. Of two looks the one with the lower step is the older one."""
        return self.assignment, STEPS[self.state]

    def as_waiting(self, overflow_after: timedelta) -> rules.Waiting | None:
        """As routing sees it; None when nobody has to take it."""
        if self.state is State.WAITING:
            return rules.Waiting(self.pk, self.region, self.since, overflow_after)
        if self.state is not State.ACTIVE:
            return None
        if self.interrupted_at:
            return rules.Waiting(self.pk, self.region, self.interrupted_at, overflow_after, interrupted=True, lost_region=self.lost_region)
        return rules.Waiting(self.pk, self.region, self.offered_at, overflow_after, to=self.offered_to) if self.offered_at else None

    def chatter_peer(self, at: datetime) -> Peer:
        if self.left:
            return Peer.LEFT
        return Peer.HERE if staffing_rules.is_connected(self.heard_at, at, settings.SILENCE) else Peer.LOST

    def is_held_by(self, employee: int) -> bool:
        return self.holder == employee and (self.state is State.ACTIVE or (self.state is State.ENDED and not self.registered))


@dataclass(frozen=True, slots=True)
class OnDutyNow:
    """One running duty at the moment of the look."""

    employee: int
    name: str
    region: int | None
    maximum: int
    held: int
    started_at: datetime
    heard_at: datetime | None
    on_telephone: bool

    @property
    def room(self) -> int:
        return rules.room(self.maximum, self.held, self.on_telephone)

    def as_on_duty(self) -> rules.OnDuty:
        return rules.OnDuty(self.employee, self.region, self.room, self.heard_at and self.heard_at + settings.SILENCE)

    def is_connected(self, at: datetime) -> bool:
        return staffing_rules.is_connected(self.heard_at, at, settings.SILENCE)


@dataclass(frozen=True, slots=True)
class RegionNow:
    code: str
    overflow_after: timedelta


@dataclass(frozen=True)
class Facts:
    """What stands in the database at `at`, as far as the open lines of this process need it."""

    at: datetime
    conversations: dict[UUID, Seen]
    on_duty: dict[int, OnDutyNow]
    regions: dict[int, RegionNow]
    number: int  # rises with each look that begins: of two looks the lower one knows less
    # For employees' screens and the watch only:
    timetables: dict[int, staffing_rules.Timetable] = field(default_factory=dict)
    nicknames: dict[UUID, str] = field(default_factory=dict)  # of those that somebody has to take
    notes: dict[UUID, str] = field(default_factory=dict)  # of those that are passed on
    alarms: tuple[tuple[int | None, protocol.Alarm], ...] = ()  # with the region whose they are
    watched_at: datetime | None = None

    @cached_property
    def to_take(self) -> list[rules.Waiting]:
        """What somebody has to take: what waits, was interrupted, or is passed on."""
        return [chat for seen in self.conversations.values() if (chat := seen.as_waiting(self._overflow_after(seen.region)))]

    @cached_property
    def waiting(self) -> list[rules.Waiting]:
        return [chat for chat in self.to_take if not chat.interrupted and chat.to is None]

    def _overflow_after(self, region: int | None) -> timedelta:
        return self.regions[region].overflow_after if region in self.regions else settings.OVERFLOW_AFTER

    @cached_property
    def available(self) -> list[rules.OnDuty]:
        return [duty.as_on_duty() for duty in self.on_duty.values()]

    @cached_property
    def offers(self) -> dict[int, tuple[rules.Offer, ...]]:
        return rules.offers(self.to_take, self.available, self.at, self.closed)

    @cached_property
    def closed(self) -> frozenset[int]:
        """The regions whose chats are left to others now."""
        return staffing_rules.left_to_others(self.timetables, self.at)

    def offered_to_nobody(self, at: datetime) -> set[UUID]:
        """What nobody available is offered, at this moment or a little earlier; of a look that knows the timetables."""
        return rules.offered_to_nobody(self.to_take, self.available, at, self.closed)

    @cached_property
    def next_change(self) -> datetime | None:
        """The next moment at which a screen can change by the passing of time alone."""
        silent = [s.heard_at + settings.SILENCE for s in self.conversations.values() if s.heard_at]
        moments = [rules.next_change(self.to_take, self.available, self.at), *silent]
        return min((moment for moment in moments if moment and moment > self.at), default=None)

    def is_here(self, conversation: UUID | None, employee: int | None) -> bool:
        """Was this chatter, or this employee's line, connected?"""
        seen, duty = self.conversations.get(conversation) if conversation else None, self.on_duty.get(employee or 0)
        return (seen is not None and seen.chatter_peer(self.at) is Peer.HERE) or (duty is not None and duty.is_connected(self.at))

    # ------------------------------------------------------------ the chatter's screen

    def chatter_state(self, pk: UUID) -> protocol.StateFrame:
        seen = self.conversations[pk]
        if seen.state is State.WAITING:
            mine = next(chat for chat in self.waiting if chat.conversation == pk)
            return protocol.StateFrame(State.WAITING, rules.position(mine, self.waiting), None, None)
        peer = None
        if seen.state is State.ACTIVE and seen.holder:
            duty = self.on_duty.get(seen.holder)
            peer = Peer.HERE if duty and duty.is_connected(self.at) else Peer.LOST
        return protocol.StateFrame(seen.state, None, seen.holder_name, peer)

    def first_seq(self, pk: UUID) -> int:
        """
        From which number on the chatter is shown the log: 1 while it runs.

        After the end only what the other side said last, after the chatter's last `read`; nothing when the chatter ended it (D6).
        """
        seen = self.conversations[pk]
        if seen.state is not State.ENDED:
            return 1
        return seen.chatter_read + 1 if seen.ended_by != Author.CHATTER else seen.last_seq + 1

    # ------------------------------------------------------------ an employee's screen

    @cached_property
    def _held(self) -> dict[int, list[Seen]]:
        found = defaultdict(list)
        for seen in self.conversations.values():
            if seen.holder and seen.is_held_by(seen.holder):
                found[seen.holder].append(seen)
        return found

    @cached_property
    def _in_region(self) -> dict[int | None, list[OnDutyNow]]:
        found = defaultdict(list)
        for duty in sorted(self.on_duty.values(), key=lambda duty: duty.name):
            found[duty.region].append(duty)
        return found

    def held_by(self, employee: int) -> list[Seen]:
        """Running ones, and the newest ended ones that are not registered yet."""
        mine = self._held.get(employee, ())
        ended = sorted((s for s in mine if s.state is State.ENDED), key=lambda s: s.ended_at or self.at, reverse=True)
        running = sorted((s for s in mine if s.state is State.ACTIVE), key=lambda s: s.started_at)
        return [*running, *ended[: settings.ENDED_SHOWN]]

    def staff_state(self, pk: UUID) -> protocol.StateFrame:
        seen = self.conversations[pk]
        peer = seen.chatter_peer(self.at) if seen.state is State.ACTIVE else None
        return protocol.StateFrame(seen.state, None, seen.holder_name, peer, hidden=False, offered_to=seen.offered_to)

    def staff_welcome(self, pk: UUID) -> protocol.StaffWelcome:
        seen = self.conversations[pk]
        opened = entries.opened([pk]).get(pk)
        return protocol.StaffWelcome(
            state=seen.state,
            first_seq=1,
            last_seq=seen.last_seq,
            assignment=seen.assignment,
            nickname=opened.nickname if opened else "",
            role=seen.role,
            region=self.code(seen.region),
            municipality=municipality_name(opened, seen.municipality) if opened else "",
            since=seen.started_at,
            note=(note_of(opened, seen.note) or None) if opened and seen.offered_to is None else None,
        )

    def code(self, region: int | None) -> str | None:
        return self.regions[region].code if region in self.regions else None

    def queue(self, employee: int) -> protocol.Queue:
        """The conversations offered to this employee now, in the order in which to take them."""
        me = self.on_duty.get(employee)
        lines = []
        for offer in self.offers.get(employee, ()):
            seen = self.conversations[offer.conversation]
            lines.append(
                protocol.WaitingChat(
                    conversation=seen.pk,
                    region=self.code(seen.region),
                    offer=offer.kind,
                    since=seen.interrupted_at or seen.offered_at or seen.since,
                    nickname=self.nicknames.get(seen.pk, ""),
                    role=seen.role,
                    peer=seen.chatter_peer(self.at),
                    note=self.notes.get(seen.pk, "") if offer.kind is rules.OfferKind.TRANSFER else None,
                )
            )
        return protocol.Queue(tuple(lines), me.room if me else 0, int(self.at.timestamp() * 1000))

    def duty(self, employee: int, region: int | None, language: str) -> protocol.DutyFrame:
        me = self.on_duty.get(employee)
        colleagues = [duty for duty in self._in_region.get(region, ()) if duty.employee != employee]
        reason = None
        if me:
            table = self.timetables.get(region or 0)
            reason = staffing_rules.may_leave(
                open_now=bool(table and staffing_rules.is_open(table, self.at)),
                # What a colleague holds who has fallen silent waits too, as in handover.left_behind.
                waiting=sum(1 for chat in self.to_take if chat.to is None and region in chat.home)
                + sum(duty.held for duty in colleagues if not duty.is_connected(self.at)),
                available_colleagues=sum(1 for duty in colleagues if duty.is_connected(self.at)),
                held=me.held,
            )
        return protocol.DutyFrame(
            on_duty=me is not None,
            since=me.started_at if me else None,
            alone=not any(duty.is_connected(self.at) for duty in colleagues),
            may_leave=me is not None and reason is None,
            reason=sentence(reason, language),
            colleagues=tuple(
                protocol.Colleague(duty.employee, duty.name, duty.room, duty.is_connected(self.at), duty.on_telephone or None)
                for duty in colleagues
            ),
            on_telephone=True if me and me.on_telephone else None,
        )

    def standing(self, region: int | None) -> protocol.Alarms:
        """The alarms of this region, the oldest first; and the one that a dead watch cannot raise itself."""
        mine = [alarm for its, alarm in self.alarms if its is None or its == region]
        if self.watched_at and self.at - self.watched_at > settings.WATCH_DEAD:
            mine.append(protocol.Alarm(NOT_WATCHED, AlarmKind.WATCH_DEAD, self.code(region), self.watched_at, None))
        return protocol.Alarms(tuple(mine))


def sentence(reason: staffing_rules.Refusal | None, language: str) -> str:
    """Why not, in words; empty when there is no reason."""
    if reason is None:
        return ""
    with translation_override(language):
        return str(SENTENCES[reason])


def note_of(opened: entries.Opened, sealed: bytes) -> str:
    """What who passed it on had to say; empty when nothing, or unreadable."""
    try:
        return opened.cipher.open(sealed, "note") if sealed else ""
    except crypto.Unreadable:
        return ""


def municipality_name(opened: entries.Opened, sealed: bytes) -> str:
    """The name of the municipality that the chatter named; empty when none or unreadable."""
    try:
        code = opened.cipher.open(sealed, "municipality")
    except crypto.Unreadable:
        return ""
    return _name_of(code) if code else ""


@lru_cache(maxsize=512)
def _name_of(code: str) -> str:
    return Municipality.objects.filter(cbs_code=code).values_list("name", flat=True).first() or ""


FIELDS: tuple[Any, ...] = (
    "pk",
    "region",
    "role",
    "state",
    "holder",
    "holder__name",
    "assignment",
    "last_seq",
    "waiting_since",
    "started_at",
    "ended_at",
    "ended_by",
    "registered_at",
    "left_at",
    "presence__heard_at",
    Coalesce("presence__chatter_read", 0),  # its row goes with the text
    Coalesce("presence__employee_read", 0),
    "municipality",
    "interrupted_at",
    "lost_holder",
    "lost_holder__region",
    "offered_to",
    "offered_at",
    "note",
)


_looks = count()


def look_at_all(at: datetime) -> Facts:
    """What somebody has to take, who is on duty, and which regions are open: what the watch needs."""
    return replace(look((), (), at), timetables=opening.timetables(at))


def look(conversations: Collection[UUID], employees: Collection[int], at: datetime) -> Facts:
    """
    Read the facts: all that wait or were interrupted, these conversations, and what these employees hold or are offered to take over.

    A fixed number of statements.
    """
    number = next(_looks)
    about = [Conversation.objects.waiting(), Conversation.objects.interrupted()]
    if conversations:
        about.append(Conversation.objects.filter(pk__in=among(conversations)))
    if employees:
        running, ended = Conversation.objects.active(), Conversation.objects.filter(state=State.ENDED, registered_at=None)
        about += [running.filter(offered_to__in=among(employees)), *(its.filter(holder__in=among(employees)) for its in (running, ended))]
    # Not one condition with many `or`: for that PostgreSQL reads every conversation there ever was. Each of these has its index.
    first, *others = (its.order_by().values("pk") for its in about)
    rows = Conversation.objects.filter(pk__in=first.union(*others)).order_by().values_list(*FIELDS)
    held = Conversation.objects.active().filter(holder=OuterRef("employee")).order_by().values("holder").annotate(number=Count("*"))
    on_duty = (
        Duty.objects.running()
        .annotate(held=Coalesce(Subquery(held.values("number")), 0))
        .values_list(
            "employee", "employee__name", "employee__region", "employee__maximum", "held", "started_at", "heard_at", "on_telephone"
        )
    )
    found = {seen.pk: seen for seen in map(Seen.of, rows)}
    duties = {row[0]: OnDutyNow(*row) for row in on_duty.order_by()}
    regions = {
        pk: RegionNow(code, settings.OVERFLOW_AFTER if after is None else after)
        for pk, code, after in Region.objects.values_list("pk", "code", "overflow_after")
    }
    facts = Facts(at, found, duties, regions, number)
    if not employees:
        return facts
    opened = entries.opened(chat.conversation for chat in facts.to_take)
    heartbeat = Watch.objects.values_list("heartbeat_at", flat=True).first()
    began = hints.here.began_at if hints.here else at
    return replace(
        facts,
        timetables=opening.timetables(at),
        nicknames={pk: one.nickname for pk, one in opened.items()},
        notes={pk: note_of(one, found[pk].note) for pk, one in opened.items() if found[pk].offered_to},
        alarms=tuple(_alarms(regions)),
        watched_at=max(heartbeat, began) if heartbeat else began,
    )


def _alarms(regions: dict[int, RegionNow]) -> Iterator[tuple[int | None, protocol.Alarm]]:
    standing = Alarm.objects.standing().exclude(kind=AlarmKind.PROMISE).order_by("since_at")
    for pk, kind, region, since, by, about, conversation, text in standing.values_list(
        "pk", "kind", "region", "since_at", "taken_by__name", "employee__name", "conversation", "text"
    ):
        code = regions[region].code if region in regions else None
        yield region, protocol.Alarm(str(pk), kind, code, since, by, about, conversation, text or None)
