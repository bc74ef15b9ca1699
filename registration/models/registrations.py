"""What is kept of a conversation, with its verbs: follow, save_draft, register, close."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Self

from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from chat import crypto
from chat.models import Conversation
from chat.rules import State as ConversationState
from registration import clavis, outbox, rules
from registration.models.codes import Code, CodeList
from registration.models.delivery import Delivery, Version
from registration.rules import Answers, State
from staffing.models import Employee, Municipality, Region, Role
from staffing.refusal import Refused
from staffing.rules import Refusal


class RegistrationQuerySet(models.QuerySet["Registration"]):
    def of_conversation(self, conversation: uuid.UUID, holder: Employee) -> Self:
        """The registration of this conversation, for the employee who holds or held it last."""
        return self.filter(links__conversation=conversation, links__conversation__holder=holder)

    def of_ended(self) -> Self:
        """Those of which no conversation runs any more."""
        running = RegisteredConversation.objects.filter(registration=OuterRef("pk")).exclude(conversation__state=ConversationState.ENDED)
        return self.exclude(Exists(running))

    def not_registered(self) -> Self:
        return self.filter(state=State.DRAFT).of_ended()

    def to_close(self) -> Self:
        return self.filter(state=State.REGISTERED)


class RegistrationManager(models.Manager["Registration"]):
    def follow(self, *, conversation: Conversation, by: Employee, at: datetime) -> "Registration":
        """
        The registration of a conversation that `by` has just accepted: made at the first accept, following the holder later (P11).

        Called inside the accept's transaction, with the conversation locked.
        """
        if link := RegisteredConversation.objects.filter(conversation=conversation).select_related("registration").first():
            kept = link.registration
            kept.lock()
            kept.holder = by
            kept.save(update_fields=["holder"])
            return kept
        region = conversation.region or by.region
        if region is None:
            raise Refused(Refusal.NOT_ALLOWED)
        pk = uuid.uuid4()
        wrapped, _cipher = crypto.new_key(pk)
        made = self.create(
            pk=pk,
            # The beginning of the id, so that somebody who reads the name of a file in Clavis can find it here.
            reference=str(pk)[:13].upper(),
            region=region,
            holder=by,
            made_at=at,
            municipality=Municipality.objects.filter(cbs_code=conversation.municipality_code() or None).first(),
        )
        RegistrationKey.objects.create(registration=made, wrapped=wrapped)
        RegisteredConversation.objects.create(conversation=conversation, registration=made)
        if kind := Code.objects.filter(list__key="enquirer_kind", code=conversation.role).first():
            Choice.objects.create(registration=made, code=kind)
        return made


class Registration(models.Model):
    """The short record of an advice: made at the accept, saved while somebody types, registered, closed; then only versions follow."""

    retention = "draft 90 days, then alarm; closed 90 days after it arrived in Clavis"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.CharField(_("reference"), max_length=20, unique=True)
    region = models.ForeignKey(Region, models.PROTECT, verbose_name=_("region"), related_name="registrations")
    holder = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("employee"), related_name="registrations")
    state = models.CharField(
        _("state"),
        max_length=10,
        default=State.DRAFT.value,
        choices=[(State.DRAFT.value, _("draft")), (State.REGISTERED.value, _("registered")), (State.CLOSED.value, _("closed"))],
    )
    made_at = models.DateTimeField(_("made"))
    registered_at = models.DateTimeField(_("registered"), null=True)
    registered_by = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("registered by"), null=True, related_name="+")
    closed_at = models.DateTimeField(_("closed"), null=True)
    closed_by = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("closed by"), null=True, related_name="+")
    municipality = models.ForeignKey(Municipality, models.PROTECT, verbose_name=_("municipality"), null=True, related_name="+")
    # Sealed under the revision, so that an older text cannot be put back in their place (K1).
    content = models.BinaryField(default=b"")
    advice = models.BinaryField(default=b"")
    revision = models.PositiveIntegerField(default=0)
    saved_at = models.DateTimeField(_("saved"), null=True)
    saved_by = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("saved by"), null=True, related_name="+")
    # Which opened form saved last: it may go on from its own save even when the answer to it was lost.
    saved_from = models.UUIDField(null=True)
    codes = models.ManyToManyField(Code, through="Choice", verbose_name=_("codes"), related_name="registrations")

    objects = RegistrationManager.from_queryset(RegistrationQuerySet)()

    class Meta:
        verbose_name = _("registration")
        verbose_name_plural = _("registrations")
        ordering = ["-made_at"]
        indexes = [models.Index(fields=["region", "state", "made_at"], name="registrations_of_a_region")]

    def __str__(self) -> str:
        return self.reference

    def lock(self) -> None:
        """Read this row again under its lock. Lock order: region, employee, conversation, registration."""
        self.refresh_from_db(from_queryset=Registration.objects.select_for_update(of=("self",), no_key=True))

    @property
    def begun_at(self) -> datetime:
        """When its first conversation began."""
        return min(link.conversation.started_at for link in self.links.select_related("conversation"))

    def chosen(self) -> list[Code]:
        """The chosen codes, in the order of their lists."""
        return list(self.codes.select_related("list").order_by("list__position", "position"))

    def _cipher(self) -> crypto.Cipher:
        return crypto.unwrap(bytes(self.key.wrapped), self.pk)

    def _text(self, cipher: crypto.Cipher, field: str) -> str:
        sealed = bytes(getattr(self, field))
        return cipher.open(sealed, field, self.revision) if sealed else ""

    def answers(self) -> Answers:
        """What is filled in. Raises Refused: unreadable."""
        codes: dict[str, frozenset[str]] = {}
        for code in self.chosen():
            codes[code.list.key] = codes.get(code.list.key, frozenset()) | {code.code}
        try:
            cipher = self._cipher()
            content, advice = self._text(cipher, "content"), self._text(cipher, "advice")
        except crypto.Unreadable as error:
            raise Refused(Refusal.UNREADABLE) from error
        return Answers(content, advice, self.municipality.cbs_code if self.municipality else "", codes)

    def decided_by(self, employee: Employee) -> bool:
        """Is this the person who is responsible for it: the coordinator of its region, or a national administrator?"""
        own = employee.role == Role.COORDINATOR and employee.region_id == self.region_id
        return employee.is_active and (own or employee.role == Role.ADMINISTRATOR)

    def _may_save(self, by: Employee, seen: int, form: uuid.UUID | None = None) -> Refusal | None:
        return rules.may_save(
            state=State(self.state),
            is_holder=by.pk == self.holder_id,
            decides=self.decided_by(by),
            revision=self.revision,
            seen=seen,
            by_same_form=form is not None and form == self.saved_from,
        )

    @transaction.atomic
    def save_draft(self, *, answers: Answers, seen: int, by: Employee, at: datetime, form: uuid.UUID | None = None) -> None:
        """
        Keep what stands in a form that was drawn from revision `seen`; `form` says which opened form it is.

        Saving again what stands there already changes nothing. Raises Refused: not_allowed, frozen, changed, unreadable.
        """
        self.lock()
        refusal = self._may_save(by, seen, form)
        nothing_new = answers.say_the_same_as(self.answers())
        if refusal and not (refusal is Refusal.CHANGED and nothing_new):
            raise Refused(refusal)
        if nothing_new:
            return
        cipher = self._cipher()
        self.revision += 1
        self.content = cipher.seal(answers.content, "content", self.revision)
        self.advice = cipher.seal(answers.advice, "advice", self.revision)
        self.municipality = Municipality.objects.filter(cbs_code=answers.municipality).first()
        self.saved_at, self.saved_by, self.saved_from = at, by, form
        self.save(update_fields=["revision", "content", "advice", "municipality", "saved_at", "saved_by", "saved_from"])
        for key, codes in answers.codes.items():
            of_list = Choice.objects.filter(registration=self, code__list__key=key)
            of_list.exclude(code__code__in=codes).delete()
            kept = of_list.values_list("code", flat=True)
            added = Code.objects.filter(list__key=key, code__in=codes).exclude(pk__in=kept)
            Choice.objects.bulk_create([Choice(registration=self, code=code) for code in added])

    @transaction.atomic
    def register(self, *, seen: int, by: Employee, at: datetime) -> None:
        """
        The employee is done with it; its ended conversations leave the screen. Registering twice is the same.

        Raises Refused: not_allowed, frozen, changed, still_running, incomplete, unreadable.
        """
        conversations = self._lock_with_conversations()
        if refusal := self._may_save(by, seen) or rules.may_register(running=_running(conversations), answers=self.answers()):
            raise Refused(refusal)
        if self.state == State.DRAFT:
            self._is_registered(conversations, by=by, at=at)

    def _lock_with_conversations(self) -> list[Conversation]:
        links = RegisteredConversation.objects.filter(registration=self)
        conversations = list(
            Conversation.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=links.values("conversation")).order_by("pk")
        )
        self.lock()
        return conversations

    def _is_registered(self, conversations: Sequence[Conversation], *, by: Employee, at: datetime) -> None:
        self.state, self.registered_at, self.registered_by = State.REGISTERED, at, by
        self.save(update_fields=["state", "registered_at", "registered_by"])
        for conversation in conversations:
            conversation.registered(at=at)

    @transaction.atomic
    def close(self, *, seen: int, by: Employee, at: datetime) -> "Version":
        """
        Freeze it and put it into the outbox for Clavis, in one transaction (P12).

        Raises Refused: not_allowed, frozen, changed, still_running, incomplete, unreadable.
        """
        conversations = self._lock_with_conversations()
        answers = self.answers()
        if refusal := rules.may_close(
            decides=self.decided_by(by),
            state=State(self.state),
            running=_running(conversations),
            answers=answers,
            lists=[asked.as_asked() for asked in CodeList.objects.asked()],
        ):
            raise Refused(refusal)
        if seen != self.revision:
            raise Refused(Refusal.CHANGED)
        if self.state == State.DRAFT:
            self._is_registered(conversations, by=by, at=at)
        self.state, self.closed_at, self.closed_by = State.CLOSED, at, by
        self.save(update_fields=["state", "closed_at", "closed_by"])
        record = clavis.record_of(self, version=1, content=answers.content, advice=answers.advice, by=by, at=at)
        version = Version.objects.create(
            registration=self, number=1, closed_at=at, closed_by=by, record=self._cipher().seal(record, "version", 1)
        )
        Delivery.objects.create(version=version, due_at=at, next_attempt_at=at)
        transaction.on_commit(partial(outbox.deliver_due, at), robust=True)
        return version


def _running(conversations: Sequence[Conversation]) -> int:
    return sum(1 for conversation in conversations if conversation.state != ConversationState.ENDED)


class RegistrationKey(models.Model):
    """The wrapped key of one registration, in a table of its own: destroying this row destroys its texts and versions."""

    retention = "destroyed with the registration"

    registration = models.OneToOneField(Registration, models.CASCADE, primary_key=True, related_name="key")
    wrapped = models.BinaryField()

    def __str__(self) -> str:
        return str(self.registration_id)


class RegisteredConversation(models.Model):
    """That a conversation belongs to a registration: each has exactly one, a registration has one conversation or several (P11)."""

    retention = "with the registration"

    conversation = models.OneToOneField(Conversation, models.PROTECT, primary_key=True, related_name="kept_in")
    registration = models.ForeignKey(Registration, models.CASCADE, related_name="links")

    def __str__(self) -> str:
        return str(self.conversation_id)


class Choice(models.Model):
    """A code that was chosen in a registration."""

    retention = "with the registration"

    registration = models.ForeignKey(Registration, models.CASCADE, related_name="choices")
    code = models.ForeignKey(Code, models.PROTECT, related_name="choices")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["registration", "code"], name="chosen_once")]

    def __str__(self) -> str:
        return str(self.code)
