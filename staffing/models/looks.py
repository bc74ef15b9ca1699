"""Who looked at what."""

import uuid
from datetime import datetime

from django.db import models
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from staffing.models.people import Employee
from staffing.models.regions import Region


class LookManager(models.Manager["Look"]):
    def record(
        self,
        *,
        at: datetime,
        by: Employee | None,
        action: str,
        kind: str,
        object_id: object,
        part: str = "",
        reason: str = "",
        basis: str = "",
        outcome: str = "allowed",
        component: str = "",
        session: str = "",
    ) -> "Look":
        """Write down one look, before it is answered and outside the request's transaction, so that refusals are kept too."""
        return self.create(
            at=at,
            by=by,
            username=by.username if by else "",
            role=by.role if by else "",
            region=by.region if by else None,
            action=action,
            kind=kind,
            object_id=str(object_id),
            part=part,
            reason=reason,
            basis=basis,
            outcome=outcome,
            component=component,
            session=session,
        )


class Look(models.Model):
    """Somebody read (or changed, or was refused) what is recorded: who, what, when, why (NEN 7513). Never the content; append only."""

    retention = "5 years (NEN 7513)"

    class Action(models.TextChoices):
        SEE = "see", _("looked")
        LIST = "list", _("saw in a list")
        ADD = "add", _("added")
        CHANGE = "change", _("changed")
        REMOVE = "remove", _("removed")

    class Basis(models.TextChoices):
        HOLDER = "holder", _("own conversation")
        REGION = "region", _("own region")
        NATIONAL = "national", _("national administrator")
        NONE = "none", _("no right")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(_("when"), db_index=True)
    by = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("who"), null=True)
    username = models.CharField(_("account"), max_length=150, blank=True)
    role = models.CharField(_("role"), max_length=20, blank=True)
    region = models.ForeignKey(Region, models.PROTECT, verbose_name=_("region"), null=True)
    action = models.CharField(_("action"), max_length=10, choices=Action.choices)
    kind = models.CharField(_("of what"), max_length=40)
    object_id = models.CharField(_("number"), max_length=60)
    part = models.CharField(_("which part"), max_length=60, blank=True)
    reason = models.CharField(_("why"), max_length=400, blank=True)
    basis = models.CharField(_("basis"), max_length=20, choices=Basis.choices, blank=True)
    outcome = models.CharField(_("outcome"), max_length=20, default="allowed")
    component = models.CharField(_("where"), max_length=40, blank=True)
    session = models.CharField(_("session"), max_length=16, blank=True)

    objects = LookManager()

    class Meta:
        verbose_name = _("look")
        verbose_name_plural = _("looks")
        ordering = ["-at"]
        indexes = [models.Index(fields=["kind", "object_id"], name="who_saw_this")]

    def __str__(self) -> str:
        return f"{date_format(localtime(self.at), 'j F Y H:i')}, {self.username}: {self.get_action_display()}"
