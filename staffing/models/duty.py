"""Who should be there and who is: shifts and absence as planned, duty as it was."""

import json
from collections import defaultdict
from datetime import datetime, time, timedelta
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.models import F, Q
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from staffing import rules
from staffing.models.people import Employee
from staffing.refusal import Refused
from staffing.rules import Refusal

LONGEST = timedelta(hours=24)


class PeriodQuerySet(models.QuerySet[Any]):
    def during(self, start: datetime, end: datetime) -> Self:
        """What touches this stretch of time."""
        return self.filter(starts_at__lt=end, ends_at__gt=start)

    def in_region(self, region_id: int | None) -> Self:
        return self.filter(employee__region=region_id)


class Period(models.Model):
    """From when until when something is planned for an employee."""

    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))

    objects = PeriodQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["starts_at"]

    def __str__(self) -> str:
        return f"{self.employee}, {self.in_words()}"  # type: ignore[attr-defined]

    def in_words(self) -> str:
        """From when until when in Amsterdam; whole days without their times."""
        starts, ends = (moment.astimezone(rules.AMSTERDAM) for moment in (self.starts_at, self.ends_at))
        last = ends - timedelta(microseconds=1)
        if starts.time() == ends.time() == time(0):
            return f"{starts:%d-%m-%Y}" if starts.date() == last.date() else f"{starts:%d-%m-%Y} – {last:%d-%m-%Y}"
        return f"{starts:%d-%m-%Y %H:%M} – " + (f"{ends:%H:%M}" if starts.date() == last.date() else f"{ends:%d-%m-%Y %H:%M}")

    def has_begun(self, at: datetime) -> bool:
        return self.starts_at <= at


class Shift(Period):
    """Planned time: this employee should be on duty then. What has begun stays as it was planned."""

    retention = "2 years: figures of coverage"

    employee = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("employee"), related_name="shifts")

    class Meta(Period.Meta):
        verbose_name = _("shift")
        verbose_name_plural = _("shifts")
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="shift_ends_after_it_starts"),
            models.UniqueConstraint(
                fields=["employee", "starts_at"],
                name="one_shift_at_a_time",
                violation_error_message=_("This employee has a shift from that moment already."),
            ),
        ]

    def clean(self) -> None:
        """Nobody is planned twice at the same time. Who saves this holds the lock of its employee, so that it is still true then."""
        super().clean()
        if not (self.starts_at and self.ends_at):
            return
        if self.ends_at - self.starts_at > LONGEST:
            raise ValidationError({"ends_at": _("A shift lasts 24 hours at most.")})
        others = Shift.objects.filter(employee=self.employee_id).during(self.starts_at, self.ends_at)
        if other := others.exclude(pk=self.pk).select_related("employee").first():
            sentence = _("There is a shift at that time already: %(shift)s. Nobody can be planned twice.")
            raise ValidationError({"starts_at": sentence % {"shift": other}})


class Absence(Period):
    """An employee is not there although planned. Why is nobody's business here: no reason is kept."""

    retention = "2 years: figures of coverage"

    employee = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("employee"), related_name="absences")

    class Meta(Period.Meta):
        verbose_name = _("absence")
        verbose_name_plural = _("absences")
        constraints = [models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="absence_ends_after_it_starts")]


def planned(region_id: int | None, start: datetime, end: datetime) -> list[rules.Planned]:
    """The shifts of a region that touch this stretch, without the time of absence: each piece of them that touches it, whole."""
    return _planned(Shift.objects.in_region(region_id), start, end)[region_id]


def planned_everywhere(start: datetime, end: datetime) -> dict[int | None, list[rules.Planned]]:
    """The same for every region, in as many statements as for one."""
    return _planned(Shift.objects.all(), start, end)


def _planned(of: PeriodQuerySet, start: datetime, end: datetime) -> dict[int | None, list[rules.Planned]]:
    shifts = list(of.during(start, end).values_list("pk", "employee", "employee__region", "starts_at", "ends_at"))
    away: dict[int, list[rules.Period]] = defaultdict(list)
    if shifts:
        absent = Absence.objects.filter(employee__in={employee for _pk, employee, *_ in shifts})
        absent = absent.during(min(starts for *_, starts, _ends in shifts), max(ends for *_, ends in shifts))
        for employee, starts, ends in absent.values_list("employee", "starts_at", "ends_at"):
            away[employee].append((starts, ends))
    found = defaultdict(list)
    for pk, employee, region, starts, ends in shifts:
        for piece in rules.without((starts, ends), away[employee]):
            if piece[0] < end and start < piece[1]:
                found[region].append(rules.Planned(pk, employee, piece))
    return found


class DutyQuerySet(models.QuerySet["Duty"]):
    def running(self) -> Self:
        return self.filter(ended_at=None)

    def in_region(self, region_id: int | None) -> Self:
        return self.filter(employee__region=region_id)

    def during(self, start: datetime, end: datetime) -> Self:
        """What touches this stretch of time."""
        return self.filter(Q(ended_at=None) | Q(ended_at__gt=start), started_at__lt=end)

    def as_was_on_duty(self) -> list[rules.WasOnDuty]:
        """These duties with what was heard in them, as the rules take them."""
        silences: dict[int, list[rules.Period]] = defaultdict(list)
        for duty, start, end in Silence.objects.filter(duty__in=self).values_list("duty", "from_at", "until_at"):
            silences[duty].append((start, end))
        return [
            rules.WasOnDuty(duty.employee_id, duty.started_at, duty.ended_at, duty.heard_at, tuple(sorted(silences[duty.pk])))
            for duty in self
        ]


# An employee who is heard again after a silence leaves a row of it, by the statement that writes down that they were heard: so a
# gap is a stored fact whether or not anybody watched (P10). The duties are locked first, always in the same order, and read as they
# are then: of two processes the second sees what the first has written. What comes too late, older than what is known, changes
# nothing: a silence can be told too long by that, never too short.
HEARD = {
    "postgresql": """
        WITH d AS (
          SELECT d.id, n.heard, coalesce(d.heard_at + make_interval(secs => %s), d.started_at) AS silent_from
          FROM staffing_duty d JOIN unnest(%s::bigint[], %s::timestamptz[]) AS n(employee, heard) ON d.employee_id = n.employee
          WHERE d.ended_at IS NULL ORDER BY d.id FOR NO KEY UPDATE OF d
        ),
        silent AS (
          INSERT INTO staffing_silence (duty_id, from_at, until_at) SELECT id, silent_from, heard FROM d WHERE heard > silent_from
        )
        UPDATE staffing_duty SET heard_at = GREATEST(staffing_duty.heard_at, d.heard) FROM d WHERE staffing_duty.id = d.id""",
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
        """These employees were heard on their line at these moments (kept in memory and written together). In a transaction."""
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(HEARD["postgresql"], [settings.SILENCE.total_seconds(), list(heard), list(heard.values())])
                return
            for duty in self.filter(employee__in=heard, ended_at=None):  # the transaction is the lock
                since, now = duty.heard_at + settings.SILENCE if duty.heard_at else duty.started_at, heard[duty.employee_id]
                if now > since:
                    Silence.objects.create(duty=duty, from_at=since, until_at=now)
            adapt = connection.ops.adapt_datetimefield_value
            cursor.execute(HEARD["sqlite"], [json.dumps([(employee, str(adapt(at))) for employee, at in heard.items()])])


class Duty(models.Model):
    """Actual time: begins and ends by decision, never by silence. `heard_at` is when its employee was last heard on the line."""

    retention = "2 years: figures of coverage"

    employee = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("employee"), related_name="duties")
    started_at = models.DateTimeField(pgettext_lazy("duty", "started"))
    ended_at = models.DateTimeField(pgettext_lazy("duty", "ended"), null=True, blank=True)
    heard_at = models.DateTimeField(pgettext_lazy("duty", "last heard"), null=True, blank=True)
    on_telephone = models.BooleanField(_("on the telephone"), default=False, db_default=False)
    # Set when somebody else ended it although the rule of the handover said no.
    ended_by = models.ForeignKey(
        Employee, models.PROTECT, verbose_name=pgettext_lazy("duty", "ended by"), null=True, blank=True, related_name="+"
    )
    reason = models.CharField(_("reason"), max_length=400, blank=True, db_default="")

    objects = DutyManager.from_queryset(DutyQuerySet)()

    class Meta:
        verbose_name = _("duty")
        verbose_name_plural = _("duties")
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(fields=["employee"], condition=models.Q(ended_at=None), name="one_running_duty"),
        ]
        indexes = [models.Index(fields=["started_at"], name="duties_by_time")]

    def __str__(self) -> str:
        return f"{self.employee}, {date_format(localtime(self.started_at), 'j F Y H:i')}"

    def is_connected(self, at: datetime, silence: timedelta) -> bool:
        return rules.is_connected(self.heard_at, at, silence)

    def end(self, *, may: Refusal | None, at: datetime) -> None:
        """Go off duty. `may` is the answer of rules.may_leave, asked under the locks of chat/handover.py. Raises Refused."""
        if may:
            raise Refused(may)
        self.ended_at = at
        self.save(update_fields=["ended_at"])

    def override(self, *, by: Employee, reason: str, at: datetime) -> None:
        """Ended by somebody who answers for it, against the rule of the handover: who and why stays readable."""
        self.ended_at, self.ended_by, self.reason = at, by, reason
        self.save(update_fields=["ended_at", "ended_by", "reason"])

    def telephone(self, *, busy: bool) -> None:
        """This employee is on the telephone, and has no room for others' chats meanwhile; or is no longer."""
        self.on_telephone = busy
        self.save(update_fields=["on_telephone"])


class Silence(models.Model):
    """When somebody on duty was not connected, and heard again later. At `from_at` the time of grace is over already."""

    retention = "2 years: figures of coverage"

    duty = models.ForeignKey(Duty, models.CASCADE, related_name="silences", db_index=False)
    from_at = models.DateTimeField()
    until_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["duty", "from_at"], name="one_silence")]

    def __str__(self) -> str:
        return f"{self.from_at:%Y-%m-%d %H:%M}"


def were_on_duty(region_id: int | None, start: datetime, end: datetime) -> list[rules.WasOnDuty]:
    """Who of a region was on duty in this stretch, and what was heard of them."""
    return Duty.objects.in_region(region_id).during(start, end).as_was_on_duty()
