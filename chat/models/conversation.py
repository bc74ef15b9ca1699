"""The conversation with its verbs: accept, transfer, interrupt, end, quick_exit."""

import uuid
from datetime import datetime
from functools import partial
from typing import Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override

from chat import crypto, entries, hints, rules, signals
from chat.models.credentials import CREDENTIALS_KEPT, Credential, Halves, digest
from chat.models.log import Entry, Presence
from chat.models.starting import ConversationManager
from chat.protocol import Kind
from chat.rules import Author, Peer, State
from staffing import opening
from staffing.models import Duty, Employee, Region
from staffing.refusal import Refused
from staffing.rules import AMSTERDAM, Refusal, is_connected, left_to_others


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def waiting(self) -> Self:
        return self.filter(state=State.WAITING)

    def active(self) -> Self:
        return self.filter(state=State.ACTIVE)

    def interrupted(self) -> Self:
        """Running, and their employee is gone."""
        return self.filter(state=State.ACTIVE, holder=None)

    def work_of(self, region_id: int | None) -> Self:
        """What waits in this region, and what has lost its employee there: nobody leaves it behind."""
        of_region = Q(region=region_id) | Q(lost_holder__region=region_id)
        return self.filter(Q(state=State.WAITING, region=region_id) | Q(of_region, state=State.ACTIVE, holder=None))

    def to_take(self) -> Self:
        """What somebody has to take: what waits, is interrupted, or is passed on."""
        return self.filter(Q(state=State.WAITING) | (Q(state=State.ACTIVE) & (Q(holder=None) | Q(offered_to__isnull=False))))

    def in_region(self, region_id: int | None) -> Self:
        return self.filter(region=region_id)

    def held_by(self, employee: Employee) -> Self:
        """What is on this employee's screen: running ones, and ended ones until they are registered."""
        return self.filter(Q(state=State.ACTIVE) | Q(state=State.ENDED, registered_at=None), holder=employee)


class Conversation(models.Model):
    """One exchange from start to end. State is in the database only; whether a side is connected is no state but a time."""

    retention = "text 30 days after the end; waiting and never accepted 24 hours; row as a count"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    start_digest = models.BinaryField(unique=True, max_length=32)
    region = models.ForeignKey(Region, models.PROTECT, verbose_name=gettext_lazy("region"), null=True, related_name="conversations")
    role = models.CharField(gettext_lazy("who it is about"), max_length=20, blank=True)
    language = models.CharField(gettext_lazy("language"), max_length=8, default="nl")
    nickname = models.BinaryField()
    municipality = models.BinaryField()
    state = models.CharField(gettext_lazy("state"), max_length=10, default=State.WAITING, choices=[(s.value, s.value) for s in State])
    started_at = models.DateTimeField(gettext_lazy("started"))
    waiting_since = models.DateTimeField(gettext_lazy("waiting since"))
    accepted_at = models.DateTimeField(gettext_lazy("accepted"), null=True)
    ended_at = models.DateTimeField(gettext_lazy("ended"), null=True)
    registered_at = models.DateTimeField(gettext_lazy("registered"), null=True)
    left_at = models.DateTimeField(gettext_lazy("left by quick exit"), null=True)
    holder = models.ForeignKey(Employee, models.PROTECT, verbose_name=gettext_lazy("employee"), null=True, related_name="conversations")
    assigned_at = models.DateTimeField(null=True)  # when its employee accepted it: the first time that is `accepted_at`
    interrupted_at = models.DateTimeField(gettext_lazy("interrupted"), null=True)
    lost_holder = models.ForeignKey(Employee, models.PROTECT, verbose_name=gettext_lazy("lost employee"), null=True, related_name="+")
    offered_to = models.ForeignKey(Employee, models.PROTECT, verbose_name=gettext_lazy("passed on to"), null=True, related_name="+")
    offered_at = models.DateTimeField(null=True)
    note = models.BinaryField(default=b"", db_default=b"")  # what who passed it on had to say to who takes it
    told_closing_at = models.DateTimeField(null=True)
    # Rises with each accept and each loss of its employee; a frame that carries an outdated one is refused (P8).
    assignment = models.PositiveIntegerField(default=0)
    last_seq = models.PositiveIntegerField(default=0)
    end_kind = models.CharField(gettext_lazy("how it ended"), max_length=20, blank=True)
    ended_by = models.CharField(gettext_lazy("ended by"), max_length=10, blank=True)

    objects = ConversationManager.from_queryset(ConversationQuerySet)()

    class Meta:
        verbose_name = gettext_lazy("conversation")
        verbose_name_plural = gettext_lazy("conversations")
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["waiting_since"], name="waiting_chats", condition=Q(state="waiting")),
            models.Index(fields=["holder"], name="running_chats", condition=Q(state="active")),
            models.Index(fields=["holder"], name="chats_to_register", condition=Q(state="ended", registered_at=None)),
            models.Index(fields=["offered_to"], name="transfers", condition=Q(offered_to__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.pk)[:8]

    def lock(self) -> None:
        """Read this row again under its lock (on SQLite the immediate transaction is the lock)."""
        self.refresh_from_db(from_queryset=Conversation.objects.select_for_update(of=("self",), no_key=True))

    def as_waiting(self) -> rules.Waiting | None:
        """As routing sees it; None when nobody has to take it."""
        own = Region.objects.filter(pk=self.region_id or 0).values_list("overflow_after", flat=True).first()
        overflow_after = settings.OVERFLOW_AFTER if own is None else own  # nothing at all is a value too: at once
        if self.state == State.WAITING:
            return rules.Waiting(self.pk, self.region_id, self.waiting_since, overflow_after)
        if self.state != State.ACTIVE:
            return None
        if self.interrupted_at:
            lost_region = self.lost_holder.region_id if self.lost_holder else None
            return rules.Waiting(self.pk, self.region_id, self.interrupted_at, overflow_after, interrupted=True, lost_region=lost_region)
        if self.offered_at:
            return rules.Waiting(self.pk, self.region_id, self.offered_at, overflow_after, to=self.offered_to_id)
        return None

    @transaction.atomic
    def new_credential(self, *, at: datetime) -> Halves:
        """One more cookie for this browser; the oldest ones beyond CREDENTIALS_KEPT open nothing any more."""
        halves = Halves.new()
        # Under the lock: of two forms at the same moment the first would take back the cookie of the second.
        self.lock()
        Credential.objects.create(conversation=self, first=digest(halves.first), second=digest(halves.second), made_at=at)
        kept = Credential.objects.filter(conversation=self).order_by("-pk").values_list("pk", flat=True)[:CREDENTIALS_KEPT]
        Credential.objects.filter(conversation=self).exclude(pk__in=list(kept)).delete()
        return halves

    def notice(self, text: str, *, at: datetime) -> None:
        """A line that the system writes into the log, inside the transaction of the verb; told after the commit."""
        stored = Entry.objects.append([entries.New(self.pk, Author.SYSTEM, uuid.uuid4(), text, at, kind=Kind.NOTICE)])
        transaction.on_commit(partial(hints.grown, self.pk, [entry for entry in stored if isinstance(entry, entries.Stored)]))

    @transaction.atomic
    def accept(self, *, by: Employee, at: datetime) -> None:
        """
        Take this conversation: one that waits, was interrupted, or is passed on. Locks employee, then conversation.

        Raises Refused: already_accepted, no_room, not_on_duty, not_allowed.
        """
        by.lock()
        self.lock()
        chat = self.as_waiting()
        staffed = _staffed(at) if chat and by.region_id not in chat.home else set()  # for the own region it makes no difference
        if refusal := rules.may_accept(chat=chat, by=self._as_on_duty(by), staffed=staffed, at=at):
            raise Refused(refusal)
        # The chatter reads who it is before the employee types: process 1.2, steps Accept and Handover.
        self.notice(self._comes(by).format(name=by.name), at=at)
        self.state, self.holder, self.assigned_at, self.assignment = State.ACTIVE, by, at, self.assignment + 1
        self.accepted_at = self.accepted_at or at
        self.interrupted_at = self.offered_at = self.lost_holder = self.offered_to = None
        self.save(
            update_fields=[
                *("state", "holder", "assigned_at", "assignment", "accepted_at"),
                *("interrupted_at", "offered_at", "lost_holder", "offered_to"),
            ]
        )
        signals.accepted.send(Conversation, conversation=self, by=by, at=at)
        transaction.on_commit(hints.changed)

    def _as_on_duty(self, employee: Employee) -> rules.OnDuty | None:
        """This employee as routing sees them; the lock of the employee makes the count true."""
        duty = Duty.objects.running().filter(employee=employee).first()
        held = Conversation.objects.active().filter(holder=employee).count()
        return rules.OnDuty(employee.pk, employee.region_id, rules.room(employee.maximum, held, duty.on_telephone), None) if duty else None

    def _comes(self, by: Employee) -> str:
        """What the chatter reads of who comes."""
        with override(self.language):
            if self.interrupted_at and self.lost_holder_id == by.pk:
                return _("{name} is back.")
            if self.interrupted_at:
                return _("{name} takes over the conversation. {name} has read what you told.")
            if self.state == State.ACTIVE:
                return _("From now on {name} talks to you. {name} can read what you told.")
            if self.region_id is None or self.region_id == by.region_id:
                return _("{name} is talking to you now. {name} works at Veilig Thuis.")
            return _("{name} is talking to you now. {name} works at Veilig Thuis in another region and can give you advice too.")

    @transaction.atomic
    def transfer(self, *, by: Employee, to: int, note: str, at: datetime, assignment: int | None = None) -> None:
        """
        Offer it to a colleague on duty, with a word for that colleague alone; `by` holds it until the colleague has accepted.

        Raises Refused: not_found, ended, not_allowed.
        """
        self.lock()
        colleague = Employee.objects.filter(pk=to).first()
        if refusal := rules.may_transfer(
            state=State(self.state),
            holder=self.holder_id,
            by=by.pk,
            to=self._as_on_duty(colleague) if colleague else None,
            regions={by.region_id, self.region_id},
        ):
            raise Refused(refusal)
        if assignment is not None and assignment != self.assignment:
            raise Refused(Refusal.NOT_ALLOWED)
        if note and (opened := self.opened()) is None:
            raise Refused(Refusal.UNREADABLE)
        self.note = opened.cipher.seal(note, "note") if note and opened else b""
        if self.offered_to_id is None:
            with override(self.language):
                text = _("{name} passes the conversation to a colleague. You do not have to tell your story again.")
            self.notice(text.format(name=by.name), at=at)
        self.offered_to_id, self.offered_at = to, at
        self.save(update_fields=["offered_to", "offered_at", "note"])
        transaction.on_commit(hints.changed)

    @transaction.atomic
    def interrupt(self, *, at: datetime) -> bool:
        """Offer it again when its employee is gone (P9); was it? Their return does not take it back by itself."""
        self.lock()
        if self.state != State.ACTIVE or self.holder is None:
            return False
        duty = Duty.objects.running().filter(employee=self.holder).first()
        if not rules.must_reoffer(
            on_duty=duty is not None,
            heard_at=duty.heard_at if duty else None,
            accepted_at=self.assigned_at or self.accepted_at or at,
            at=at,
            after=settings.REOFFER_AFTER,
        ):
            return False
        with override(self.language):
            text = _("The connection with {name} is gone. A colleague will come soon. Everything you wrote is kept.")
        self.notice(text.format(name=self.holder.name), at=at)
        self.lost_holder, self.holder, self.interrupted_at, self.assignment = self.holder, None, at, self.assignment + 1
        self.offered_to, self.offered_at, self.note = None, None, b""
        self.save(update_fields=["lost_holder", "holder", "interrupted_at", "assignment", "offered_to", "offered_at", "note"])
        transaction.on_commit(hints.changed)
        return True

    @transaction.atomic
    def tell_closing(self, closes_at: datetime, *, at: datetime) -> bool:
        """Who waits reads, once, that the line closes soon and what will happen. Process 1.2, step Closing time."""
        self.lock()
        if self.state != State.WAITING or self.told_closing_at:
            return False
        with override(self.language):
            text = _("The chat closes at {time}. We do our best to help you still. If we do not manage, call 0800-2000, day and night.")
        self.notice(text.format(time=f"{closes_at.astimezone(AMSTERDAM):%H:%M}"), at=at)
        self.told_closing_at = at
        self.save(update_fields=["told_closing_at"])
        return True

    @transaction.atomic
    def give_up(self, *, closed_since: datetime | None, at: datetime) -> bool:
        """End what nobody came for after closing, and say so (rules.is_never_reached). Process 1.2, step Closing time."""
        self.lock()
        chat = self.as_waiting()
        after = settings.GIVEN_UP_AFTER_CLOSING
        if chat is None or not rules.is_never_reached(
            chat=chat, closed_since=closed_since, anybody_available=bool(_available(at)), at=at, after=after
        ):
            return False
        with override(self.language):
            text = _("We did not manage to help you. We are sorry. Call 0800-2000, day and night.")
        self.notice(text, at=at)
        self.end(by=Author.SYSTEM, at=at)
        return True

    @transaction.atomic
    def end(
        self, *, by: Author, at: datetime, employee: Employee | None = None, assignment: int | None = None, misuse: bool = False
    ) -> None:
        """
        The conversation is over; ending twice is the same end.

        Raises Refused: not_found for an employee who does not hold it, not_allowed for an outdated assignment.
        """
        self.lock()
        if by is Author.EMPLOYEE:
            if employee is None or self.holder_id != employee.pk:
                raise Refused(Refusal.NOT_FOUND)
            if assignment is not None and assignment != self.assignment:
                raise Refused(Refusal.NOT_ALLOWED)
        if self.state == State.ENDED:
            return
        kind = rules.kind_of_end(by=by, misuse=misuse, accepted=self.accepted_at is not None, peer=self.chatter_peer(at))
        self.state, self.ended_at, self.end_kind, self.ended_by = State.ENDED, at, kind, by
        # Nobody took it over: whoever was in it last registers it (P11).
        self.holder = self.holder or self.lost_holder
        if self.offered_to_id:
            self.offered_to = self.offered_at = None
            self.note = b""
        self.save(update_fields=["state", "ended_at", "end_kind", "ended_by", "holder", "offered_to", "offered_at", "note"])
        signals.ended.send(Conversation, conversation=self, at=at)
        transaction.on_commit(hints.changed)

    def chatter_peer(self, at: datetime) -> Peer:
        """Where the chatter is, as the employee sees it."""
        if self.left_at:
            return Peer.LEFT
        return Peer.HERE if is_connected(Presence.objects.get(pk=self.pk).heard_at, at, settings.SILENCE) else Peer.LOST

    @transaction.atomic
    def quick_exit(self, *, at: datetime) -> None:
        """The chatter left at once: the browser's right is gone, the conversation itself waits for a return (threat-model 4.2)."""
        self.lock()
        Credential.objects.filter(conversation=self).delete()
        if self.state != State.ENDED:
            self.left_at = at
            self.save(update_fields=["left_at"])
        transaction.on_commit(hints.changed)

    def registered(self, *, at: datetime) -> None:
        """The registration of this conversation is made: once ended, it leaves its employee's screen."""
        self.registered_at = at
        self.save(update_fields=["registered_at"])
        transaction.on_commit(hints.changed)

    def opened(self) -> entries.Opened | None:
        """Its key and nickname; None when they cannot be read."""
        return entries.opened([self.pk]).get(self.pk)

    def municipality_code(self) -> str:
        """The CBS code of the municipality that the chatter named; empty when there is none or it cannot be read."""
        try:
            return opened.cipher.open(bytes(self.municipality), "municipality") if (opened := self.opened()) else ""
        except crypto.Unreadable:
            return ""


def _available(at: datetime) -> set[int | None]:
    """The regions that have somebody available."""
    return set(Duty.objects.running().filter(heard_at__gt=at - settings.SILENCE).values_list("employee__region", flat=True))


def _staffed(at: datetime) -> set[int | None]:
    """Those of them that are not left to others."""
    return _available(at) - left_to_others(opening.timetables(at), at)
