"""What has left: the frozen versions of a registration, and their way to Clavis."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from chat import crypto
from registration import rules
from staffing.models import Employee

LEASE = timedelta(minutes=2)  # so long one worker has a delivery for itself
PATIENCE = timedelta(hours=1)  # for a version to arrive


class Version(models.Model):
    """What was closed, as the record that Clavis gets. Never changed: a correction is a new version."""

    retention = "with the registration"

    registration = models.ForeignKey("registration.Registration", models.PROTECT, verbose_name=_("registration"), related_name="versions")
    number = models.PositiveSmallIntegerField(_("version"))
    reason = models.CharField(_("reason"), max_length=400, blank=True)
    closed_at = models.DateTimeField(_("closed"))
    closed_by = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("closed by"), related_name="+")
    record = models.BinaryField()

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        ordering = ["registration", "number"]
        constraints = [models.UniqueConstraint(fields=["registration", "number"], name="one_version_of_a_number")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Under which it is delivered: the key by which Clavis keeps it once."""
        return f"{self.registration_id}-v{self.number}"

    def text(self) -> str:
        """The record as JSON. Raises crypto.Unreadable."""
        cipher = crypto.unwrap(bytes(self.registration.key.wrapped), self.registration_id)
        return cipher.open(bytes(self.record), "version", self.number)


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> Self:
        """Not arrived yet, and not given up."""
        return self.filter(state__in=[Delivery.State.DUE, Delivery.State.TRYING])

    def its_time(self, at: datetime) -> Self:
        """The next attempt has come, or the one who tried is gone."""
        return self.filter(Q(state=Delivery.State.DUE, next_attempt_at__lte=at) | Q(state=Delivery.State.TRYING, leased_until__lte=at))

    def in_order(self) -> Self:
        """Without those that an earlier version of the same registration goes before."""
        earlier = Delivery.objects.waiting().filter(
            version__registration=OuterRef("version__registration"), version__number__lt=OuterRef("version__number")
        )
        return self.exclude(Exists(earlier))

    def overdue(self, at: datetime) -> Self:
        """An hour after the close not arrived yet, or given up and not replaced by a later version: somebody has to look (P12)."""
        later = Version.objects.filter(registration=OuterRef("version__registration"), number__gt=OuterRef("version__number"))
        waits = Q(state__in=[Delivery.State.DUE, Delivery.State.TRYING], due_at__lte=at - PATIENCE)
        return self.filter(waits | Q(~Exists(later), state=Delivery.State.STUCK))

    def hurry(self, at: datetime) -> None:
        """Whatever waits for a later attempt is tried now."""
        self.filter(state=Delivery.State.DUE, next_attempt_at__gt=at).update(next_attempt_at=at)

    def claim(self, at: datetime) -> "Delivery | None":
        """Take the next due one for yourself, for as long as the lease; None when nothing is due."""
        for pk in list(self.its_time(at).in_order().order_by("next_attempt_at", "pk").values_list("pk", flat=True)[:20]):
            # Conditional on the row alone: of two who found it, one changes it.
            mine = self.filter(pk=pk).its_time(at)
            if mine.update(state=Delivery.State.TRYING, attempts=F("attempts") + 1, leased_until=at + LEASE):
                return self.select_related("version__registration__region", "version__registration__key").get(pk=pk)
        return None


class Delivery(models.Model):
    """Bringing one version to Clavis: at least once, under a name that makes it once (P12)."""

    retention = "with the registration"

    class State(models.TextChoices):
        DUE = "due", _("to be delivered")
        TRYING = "trying", _("being delivered")
        DELIVERED = "delivered", _("delivered")
        STUCK = "stuck", _("stuck")

    version = models.OneToOneField(Version, models.PROTECT, primary_key=True, related_name="delivery")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DUE)
    due_at = models.DateTimeField(_("due since"))
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"))
    leased_until = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(_("delivered"), null=True)
    receipt = models.CharField(_("receipt"), max_length=64, blank=True)
    last_error = models.CharField(_("last error"), max_length=200, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["due_at"]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="deliveries_due", condition=Q(state__in=["due", "trying"])),
        ]

    def __str__(self) -> str:
        return str(self.version)

    def arrived(self, *, receipt: str, at: datetime) -> None:
        """Clavis has it."""
        self._settle(state=self.State.DELIVERED, delivered_at=at, receipt=receipt, last_error="")

    def failed(self, error: str, *, at: datetime, spread: float) -> None:
        """It did not work this time."""
        self._settle(state=self.State.DUE, next_attempt_at=rules.next_attempt(self.attempts, at, spread), last_error=error[:200])

    def is_stuck(self, error: str) -> None:
        """It can never arrive as it is; somebody has to look, or a later version takes its place."""
        self._settle(state=self.State.STUCK, last_error=error[:200])

    def _settle(self, **what: object) -> None:
        # Who lost the lease meanwhile says nothing any more: another one has the delivery now.
        Delivery.objects.filter(pk=self.pk, state=self.State.TRYING, leased_until=self.leased_until).update(leased_until=None, **what)
