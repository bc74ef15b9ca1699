"""People and time: regions and when their line is open, employees and their duty, and every look at what is not theirs by work."""

import json
import unicodedata
import uuid
from datetime import datetime, time, timedelta
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import connection, models, transaction
from django.utils.translation import gettext_lazy as _

from staffing import rules
from staffing.refusal import Refused
from staffing.rules import Refusal


class RegionManager(models.Manager["Region"]):
    def with_code(self, code: str) -> "Region | None":
        """The region of an address or a form, whatever stands there: PostgreSQL takes no NUL in a text."""
        return self.filter(code=code).first() if code.isprintable() else None


class Region(models.Model):
    """One of the Veilig Thuis regions. Regions are data: two may become one."""

    retention = "kept: no person"

    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    website = models.CharField(_("website"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=30, default="0800-2000")
    source = models.CharField(_("source"), max_length=400, blank=True)

    objects = RegionManager()

    class Meta:
        verbose_name = _("region")
        verbose_name_plural = _("regions")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


def name_key(name: str) -> str:
    """How a place name is compared: without case, accents, apostrophes, blanks and hyphens."""
    plain = unicodedata.normalize("NFKD", name[:400].casefold())
    return "".join(letter for letter in plain if letter.isalnum())[:100]


class MunicipalityQuerySet(models.QuerySet["Municipality"]):
    def valid_on(self, day: Any) -> Self:
        return self.filter(
            models.Q(valid_from=None) | models.Q(valid_from__lte=day), models.Q(valid_until=None) | models.Q(valid_until__gte=day)
        )

    def called(self, name: str) -> "Municipality | None":
        """The municipality that people call so: its name, a synonym, or a place in it. Never a reason to refuse anybody."""
        key = name_key(name)
        found = PlaceName.objects.filter(key=key).select_related("municipality__region").first() if key else None
        return found.municipality if found else None


class Municipality(models.Model):
    """A municipality decides the region. Old registrations keep theirs, hence the validity."""

    retention = "kept: no person"

    name = models.CharField(_("name"), max_length=100)
    cbs_code = models.CharField(_("CBS code"), max_length=10, unique=True)
    region = models.ForeignKey(Region, models.PROTECT, verbose_name=_("region"), related_name="municipalities")
    certainty = models.CharField(_("certainty"), max_length=20, blank=True)
    valid_from = models.DateField(_("valid from"), null=True, blank=True)
    valid_until = models.DateField(_("valid until"), null=True, blank=True)

    objects = MunicipalityQuerySet.as_manager()

    class Meta:
        verbose_name = _("municipality")
        verbose_name_plural = _("municipalities")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PlaceName(models.Model):
    """What people say for a municipality: the name itself, a synonym ('Den Haag'), a place in it ('Krommenie')."""

    retention = "kept: no person"

    name = models.CharField(_("name"), max_length=100)
    key = models.CharField(max_length=100, unique=True, editable=False)
    municipality = models.ForeignKey(Municipality, models.CASCADE, verbose_name=_("municipality"), related_name="place_names")

    class Meta:
        verbose_name = _("place name")
        verbose_name_plural = _("place names")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.key = name_key(self.name)
        super().save(*args, **kwargs)


WEEKDAYS = [
    (0, _("Monday")),
    (1, _("Tuesday")),
    (2, _("Wednesday")),
    (3, _("Thursday")),
    (4, _("Friday")),
    (5, _("Saturday")),
    (6, _("Sunday")),
]


class OpeningHours(models.Model):
    """One period of one weekday in which a region's chat takes new conversations."""

    retention = "kept: no person"

    region = models.ForeignKey(Region, models.CASCADE, verbose_name=_("region"), related_name="opening_hours")
    weekday = models.PositiveSmallIntegerField(_("weekday"), choices=WEEKDAYS)
    opens = models.TimeField(_("opens"))
    closes = models.TimeField(_("closes"), help_text=_("00:00 means the end of the day."))
    on_closed_days = models.BooleanField(_("also on closed days"), default=False)
    valid_from = models.DateField(_("valid from"), null=True, blank=True)
    valid_until = models.DateField(_("valid until"), null=True, blank=True)

    class Meta:
        verbose_name = _("opening hours")
        verbose_name_plural = _("opening hours")
        ordering = ["region", "weekday", "opens"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(closes__gt=models.F("opens")) | models.Q(closes=time(0)),
                name="closes_after_it_opens",
                violation_error_message=_("The line has to close after it opens. Make two periods of hours that go past midnight."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.opens:%H:%M}-{self.closes:%H:%M}"

    def as_hours(self) -> rules.Hours:
        return rules.Hours(self.weekday, self.opens, self.closes, self.valid_from, self.valid_until, self.on_closed_days)


class ClosedDay(models.Model):
    """A day without chat, of one region or (without a region) of all."""

    retention = "kept: no person"

    region = models.ForeignKey(Region, models.CASCADE, verbose_name=_("region"), null=True, blank=True, help_text=_("Empty: all regions."))
    day = models.DateField(_("day"))
    reason = models.CharField(_("reason"), max_length=200)

    class Meta:
        verbose_name = _("closed day")
        verbose_name_plural = _("closed days")
        ordering = ["day"]
        constraints = [
            models.UniqueConstraint(fields=["region", "day"], name="one_closed_day"),
            models.UniqueConstraint(fields=["day"], condition=models.Q(region=None), name="one_closed_day_for_all"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.reason}"


class ClosureQuerySet(models.QuerySet["Closure"]):
    def standing(self, at: datetime) -> Self:
        return self.filter(models.Q(until_at=None) | models.Q(until_at__gt=at), lifted_at=None)


class Closure(models.Model):
    """An emergency close by decision: no new conversations; running and waiting ones go on."""

    retention = "kept: no person but who decided"

    region = models.ForeignKey(Region, models.CASCADE, verbose_name=_("region"), null=True, blank=True, help_text=_("Empty: all regions."))
    reason = models.CharField(_("reason"), max_length=400)
    starts_at = models.DateTimeField(_("from"))
    until_at = models.DateTimeField(_("until"), null=True, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("by"), null=True, blank=True)
    lifted_at = models.DateTimeField(_("opened again at"), null=True, blank=True)

    objects = ClosureQuerySet.as_manager()

    class Meta:
        verbose_name = _("closure")
        verbose_name_plural = _("closures")
        ordering = ["-starts_at"]

    def __str__(self) -> str:
        return self.reason

    def as_closure(self) -> rules.Closure:
        return rules.Closure(self.starts_at, self.until_at)


class Role(models.TextChoices):
    FRONT_OFFICE = "front_office", _("Front Office")
    COORDINATOR = "coordinator", _("Coordinator")
    MANAGER = "manager", _("Team manager")
    ADMINISTRATOR = "administrator", _("National administrator")


class Employee(AbstractUser):
    """Somebody with an account: Front Office, coordinator (process manager), team manager (process owner), national administrator."""

    retention = "kept while employed; then switched off, name kept for the access log"

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    name = models.CharField(_("work name"), max_length=60, help_text=_("What a chatter reads. Not necessarily the own name."))
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.FRONT_OFFICE)
    region = models.ForeignKey(Region, models.PROTECT, verbose_name=_("region"), null=True, blank=True, related_name="employees")
    maximum = models.PositiveSmallIntegerField(_("conversations at once"), default=3)

    class Meta(AbstractUser.Meta):
        verbose_name = _("employee")  # type: ignore[assignment]
        verbose_name_plural = _("employees")  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name or self.username

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name

    @property
    def answers_chats(self) -> bool:
        """Front Office and coordinators can be on duty; managers work on figures and registrations."""
        return self.is_active and self.region_id is not None and self.role in (Role.FRONT_OFFICE, Role.COORDINATOR)

    def lock(self) -> None:
        """
        Read this row again under its lock. Lock order: region, employee, conversation, registration.

        Without the key, as everywhere: rows that refer to it are written meanwhile, and nobody waits in the wrong order for that.
        """
        self.refresh_from_db(from_queryset=Employee.objects.select_for_update(of=("self",), no_key=True))


class DutyQuerySet(models.QuerySet["Duty"]):
    def running(self) -> Self:
        return self.filter(ended_at=None)

    def in_region(self, region_id: int | None) -> Self:
        return self.filter(employee__region=region_id)


HEARD = {
    "postgresql": "UPDATE staffing_duty SET heard_at = GREATEST(heard_at, n.h) FROM unnest(%s::bigint[], %s::timestamptz[]) AS n(e, h)"
    " WHERE employee_id = n.e AND ended_at IS NULL",
    "sqlite": "UPDATE staffing_duty SET heard_at = MAX(COALESCE(heard_at, ''), json_extract(n.value, '$[1]')) FROM json_each(%s) AS n"
    " WHERE employee_id = json_extract(n.value, '$[0]') AND ended_at IS NULL",
}


class DutyManager(models.Manager["Duty"]):
    @transaction.atomic
    def start(self, *, employee: Employee, may: Refusal | None, at: datetime) -> "Duty":
        """Go on duty; starting twice is the same duty. `may` is the answer of rules.may_start_duty. Raises Refused."""
        employee.lock()
        if running := self.filter(employee=employee, ended_at=None).first():
            return running
        if not employee.answers_chats:
            raise Refused(Refusal.NOT_ALLOWED)
        if may:
            raise Refused(may)
        return self.create(employee=employee, started_at=at)

    def heard(self, heard: dict[int, datetime]) -> None:
        """These employees were heard on their line at these moments (kept in memory and written together)."""
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(HEARD["postgresql"], [list(heard), list(heard.values())])
            else:
                adapt = connection.ops.adapt_datetimefield_value
                cursor.execute(HEARD["sqlite"], [json.dumps([(employee, str(adapt(at))) for employee, at in heard.items()])])


class Duty(models.Model):
    """Actual time: begins and ends by decision, never by silence. `heard_at` is when its employee was last heard on the line."""

    retention = "2 years: figures of coverage"

    employee = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("employee"), related_name="duties")
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    heard_at = models.DateTimeField(_("last heard"), null=True, blank=True)

    objects = DutyManager.from_queryset(DutyQuerySet)()

    class Meta:
        verbose_name = _("duty")
        verbose_name_plural = _("duties")
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(fields=["employee"], condition=models.Q(ended_at=None), name="one_running_duty"),
        ]

    def __str__(self) -> str:
        return f"{self.employee} {self.started_at:%Y-%m-%d %H:%M}"

    def is_connected(self, at: datetime, silence: timedelta) -> bool:
        return rules.is_connected(self.heard_at, at, silence)

    def end(self, *, held: int, open_now: bool, waiting: int, at: datetime) -> None:
        """
        Go off duty. The caller (chat/handover.py) has locked region and employee and counted `held` and `waiting`.

        Raises Refused: holds_conversations, last_one.
        """
        colleagues = Duty.objects.running().in_region(self.employee.region_id).exclude(pk=self.pk)
        available = sum(1 for duty in colleagues if duty.is_connected(at, settings.SILENCE))
        if refusal := rules.may_leave(open_now=open_now, waiting=waiting, available_colleagues=available, held=held):
            raise Refused(refusal)
        self.ended_at = at
        self.save(update_fields=["ended_at"])


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
        return f"{self.at:%Y-%m-%d %H:%M} {self.username} {self.action} {self.kind}"


class Seeded(models.Model):
    """What seeding has ever made. It makes nothing a second time, so that what an administrator removed stays away."""

    retention = "kept: no person"

    key = models.CharField(max_length=200, unique=True)

    def __str__(self) -> str:
        return self.key
