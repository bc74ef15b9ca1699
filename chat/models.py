"""The conversation and what it is made of, with its verbs: start, accept, end, quick_exit, come back."""

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Self

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override

from chat import crypto, entries, hints, rules, signals
from chat.protocol import Kind
from chat.rules import Author, Peer, State
from staffing.models import Duty, Employee, Municipality, Region
from staffing.refusal import Refused
from staffing.rules import Refusal, is_connected

CREDENTIALS_KEPT = 5  # of one browser: a start form that is sent again gets a new one each time


@dataclass(frozen=True, slots=True)
class Halves:
    """The two halves of a chatter's cookie. One alone opens nothing; the first, HttpOnly, alone suffices to leave."""

    first: str
    second: str

    @classmethod
    def new(cls) -> "Halves":
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def digest(secret: str) -> bytes:
    """What is stored of a random secret of 256 bits."""
    return hashlib.sha256(secret.encode()).digest()


def _start_digest(form: uuid.UUID, browser: str) -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), f"start|{form}|{browser}".encode(), "sha256")


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def waiting(self) -> Self:
        return self.filter(state=State.WAITING)

    def active(self) -> Self:
        return self.filter(state=State.ACTIVE)

    def in_region(self, region_id: int | None) -> Self:
        return self.filter(region=region_id)

    def held_by(self, employee: Employee) -> Self:
        """What is on this employee's screen: running ones, and ended ones until they are registered."""
        return self.filter(Q(state=State.ACTIVE) | Q(state=State.ENDED, registered_at=None), holder=employee)


class ConversationManager(models.Manager["Conversation"]):
    def start(
        self,
        *,
        form: uuid.UUID,
        browser: str,
        at: datetime,
        nickname: str = "",
        municipality: Municipality | None = None,
        region: Region | None = None,
        role: str = "",
        text: str = "",
        language: str = "nl",
    ) -> tuple["Conversation", Halves]:
        """
        Begin a conversation, once for each form of one browser; sent again, it is the same one with a new cookie.

        `browser` is the browser's CSRF secret: the form's UUID alone opens nothing. A municipality goes before the region.
        """
        start_digest = _start_digest(form, browser)
        if known := self.begun_by(form, browser):
            return known, known.new_credential(at=at)
        try:
            with transaction.atomic():
                made = self._begin(start_digest, nickname, municipality, region, role, text, language, at)
                return made, made.new_credential(at=at)
        except IntegrityError:  # the same form at the same moment: the other one was first
            known = self.get(start_digest=start_digest)
            return known, known.new_credential(at=at)

    def begun_by(self, form: uuid.UUID, browser: str) -> "Conversation | None":
        """The conversation that this form of this browser has begun already."""
        return self.filter(start_digest=_start_digest(form, browser)).first()

    def _begin(
        self,
        start_digest: bytes,
        nickname: str,
        municipality: Municipality | None,
        region: Region | None,
        role: str,
        text: str,
        language: str,
        at: datetime,
    ) -> "Conversation":
        pk = uuid.uuid4()
        wrapped, cipher = crypto.new_key(pk)
        made = self.create(
            pk=pk,
            start_digest=start_digest,
            region=municipality.region if municipality else region,
            role=role,
            language=language,
            started_at=at,
            waiting_since=at,
            nickname=cipher.seal(nickname, "nickname"),
            municipality=cipher.seal(municipality.cbs_code if municipality else "", "municipality"),
        )
        ConversationKey.objects.create(conversation=made, wrapped=wrapped)
        Presence.objects.create(conversation=made, heard_at=at)
        if text:
            Entry.objects.append([entries.New(pk, Author.CHATTER, uuid.uuid4(), text, at)])
        transaction.on_commit(hints.changed)
        return made

    def opened_by(self, halves: Halves, at: datetime) -> "tuple[Conversation, Credential] | None":
        """
        The conversation that this browser holds; None when a half is wrong or the browser was silent for COOKIE_LIFE (D6).

        After a quick exit too: the start form, sent again from the history, must not lead back (threat-model 4.2).
        """
        found = (
            Credential.objects.filter(first=digest(halves.first))
            .select_related("conversation__presence", "conversation__holder", "conversation__region")
            .first()
        )
        if not found or not hmac.compare_digest(bytes(found.second), digest(halves.second)):
            return None
        if found.conversation.left_at or not is_connected(found.conversation.presence.heard_at, at, settings.COOKIE_LIFE):
            return None
        return found.conversation, found


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
    # Rises with each accept; a frame that carries an outdated one is refused (P8).
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
            models.Index(fields=["holder", "state"], name="held_chats"),
        ]

    def __str__(self) -> str:
        return str(self.pk)[:8]

    def lock(self) -> None:
        """Read this row again under its lock (on SQLite the immediate transaction is the lock)."""
        self.refresh_from_db(from_queryset=Conversation.objects.select_for_update(of=("self",), no_key=True))

    def as_waiting(self) -> rules.Waiting | None:
        if self.state != State.WAITING:
            return None
        return rules.Waiting(self.pk, self.region_id, self.waiting_since, settings.OVERFLOW_AFTER)

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
        """Take this waiting conversation. Raises Refused: already_accepted, no_room, not_on_duty, not_allowed."""
        by.lock()
        self.lock()
        held = Conversation.objects.active().filter(holder=by).count()
        duty = Duty.objects.running().filter(employee=by).first()
        me = rules.OnDuty(by.pk, by.region_id, by.maximum - held, None) if duty else None
        if refusal := rules.may_accept(
            state=State(self.state), chat=self.as_waiting(), by=me, region_is_staffed=self._region_is_staffed(at), at=at
        ):
            raise Refused(refusal)
        self.state, self.holder, self.accepted_at, self.assignment = State.ACTIVE, by, at, self.assignment + 1
        self.save(update_fields=["state", "holder", "accepted_at", "assignment"])
        with override(self.language):
            own = self.region_id is None or self.region_id == by.region_id
            # The chatter reads who it is before the employee types: process 1.2, step Accept.
            self.notice(
                _("{name} is talking to you now. {name} works at Veilig Thuis.").format(name=by.name)
                if own
                else _("{name} is talking to you now. {name} works at Veilig Thuis in another region and can give you advice too.").format(
                    name=by.name
                ),
                at=at,
            )
        signals.accepted.send(Conversation, conversation=self, by=by, at=at)
        transaction.on_commit(hints.changed)

    def _region_is_staffed(self, at: datetime) -> bool:
        if self.region_id is None:
            return False
        return any(duty.is_connected(at, settings.SILENCE) for duty in Duty.objects.running().in_region(self.region_id))

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
        self.save(update_fields=["state", "ended_at", "end_kind", "ended_by"])
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


class ConversationKey(models.Model):
    """The wrapped key of one conversation, in a table of its own: destroying this row destroys the text."""

    retention = "destroyed with the text"

    conversation = models.OneToOneField(Conversation, models.CASCADE, primary_key=True, related_name="key")
    wrapped = models.BinaryField()

    def __str__(self) -> str:
        return str(self.conversation_id)


class Credential(models.Model):
    """The right of one browser to one conversation: digests of the two halves of its cookie."""

    retention = "with the conversation's text, or at quick exit"

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="credentials")
    first = models.BinaryField(unique=True, max_length=32)
    second = models.BinaryField(max_length=32)
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.conversation_id)


class Presence(models.Model):
    """When the chatter was last heard, and up to where each side has been shown the log. Apart from the conversation: it changes often."""

    retention = "with the conversation's text"

    conversation = models.OneToOneField(Conversation, models.CASCADE, primary_key=True, related_name="presence")
    heard_at = models.DateTimeField(null=True)
    chatter_read = models.PositiveIntegerField(default=0)
    employee_read = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.conversation_id)


class EntryManager(models.Manager["Entry"]):
    def append(self, news: Iterable[entries.New], *, skip_locked: bool = False) -> list[entries.Answer]:
        """Number and store entries inside the running transaction: see entries.append."""
        return entries.append(list(news), skip_locked=skip_locked)


class Entry(models.Model):
    """One line of the log. Numbered 1, 2, 3 … per conversation; the text encrypted under its number."""

    retention = "30 days after the end of the conversation; 24 hours when never accepted"

    pk = models.CompositePrimaryKey("conversation", "seq")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="log", db_index=False)
    seq = models.PositiveIntegerField()
    id = models.UUIDField()
    author = models.CharField(max_length=10)
    kind = models.CharField(max_length=10)
    by = models.ForeignKey(Employee, models.PROTECT, null=True, db_index=False)
    at = models.DateTimeField()
    sealed = models.BinaryField()

    objects = EntryManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "author", "id"], name="sent_once")]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.seq}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("Entries are only appended: Entry.objects.append")
