"""What asks for somebody's care, and the watch that finds it."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from staffing.among import among
from staffing.models.people import Employee
from staffing.models.regions import Region
from staffing.refusal import Refused
from staffing.rules import EVENTS, AlarmKind, Refusal

# One for each conversation, so anybody can bring about many: the first one of a region is told outside, the others stand beside it.
TOLD_ONCE = frozenset({AlarmKind.WAITING_OFFERED_TO_NOBODY, AlarmKind.INTERRUPTED})
# Nothing that coordinators can do anything about.
FOR_OPERATORS = frozenset({AlarmKind.PROMISE})

LABELS = {
    AlarmKind.NOBODY_ON_DUTY: _("Nobody is on duty"),
    AlarmKind.NOBODY_AVAILABLE: _("Nobody on duty can be reached"),
    AlarmKind.WAITING_OFFERED_TO_NOBODY: _("A chat waits and nobody sees it"),
    AlarmKind.LATE: _("Planned, and not on duty"),
    AlarmKind.INTERRUPTED: _("A conversation has lost its employee"),
    AlarmKind.OVERRIDE: _("Duty was ended against the rule"),
    AlarmKind.DANGER: _("Acute danger"),
    AlarmKind.WATCH_DEAD: _("Nobody watches the line"),
    AlarmKind.FLOOD: _("Far more chats begin than usual"),
    AlarmKind.CLAVIS: _("Registrations do not reach Clavis"),
    AlarmKind.PROMISE: _("A promise of the line is broken"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """Something that has to be cared for now. `region` is None when it is everybody's; `about` tells two of a kind apart."""

    kind: AlarmKind
    region: int | None
    about: str = ""
    employee: int | None = None
    conversation: uuid.UUID | None = None
    text: str = ""

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.region or ''}/{self.about}"


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def standing(self) -> Self:
        return self.filter(over_at=None)

    def for_region(self, region_id: int | None) -> Self:
        """What this region has to see: its own, and what is everybody's."""
        return self.filter(Q(region=region_id) | Q(region=None)).exclude(kind__in=FOR_OPERATORS)

    def to_be_told(self, way: str, at: datetime, *, since: datetime) -> Self:
        """What is to be told now, `way` being `mail_at` or `hook_at`; also what is over already, since nobody was told that it was."""
        return self.filter(**{f"{way}__lte": at}, since_at__gt=since).order_by("since_at", "pk")


class AlarmManager(models.Manager["Alarm"]):
    def stand(self, found: Found, *, at: datetime) -> bool:
        """From now on this alarm stands, until it is over; is it new?"""
        alike = self.filter(over_at=None, kind=found.kind, region=found.region).exists()
        try:
            with transaction.atomic():
                self._new(found, alike=alike, at=at).save(force_insert=True)
            return True
        except IntegrityError:  # it stands already
            return False

    def _new(self, found: Found, *, alike: bool, at: datetime) -> "Alarm":
        """`alike`: one of its kind stands in its region already."""
        tell_at = None if alike and found.kind in TOLD_ONCE else at
        return self.model(
            kind=found.kind,
            region_id=found.region,
            key=found.key,
            employee_id=found.employee,
            conversation=found.conversation,
            text=found.text[:400],
            since_at=at,
            mail_at=tell_at,
            hook_at=tell_at,
        )

    def settle(self, kinds: Collection[AlarmKind], found: Iterable[Found], *, at: datetime) -> bool:
        """
        Of these kinds exactly what was found stands: what is new begins, what is no longer so is over. Did anything change?

        A few statements, however many there are.
        """
        wanted = {one.key: one for one in found}
        standing = {row["key"]: row for row in self.filter(over_at=None, kind__in=kinds).values("key", "pk", "kind", "region")}
        over = [row["pk"] for key, row in standing.items() if key not in wanted]
        if over:
            self.filter(pk__in=among(over), over_at=None).update(over_at=at)
        kinds_there: set[tuple[str, int | None]] = {(row["kind"], row["region"]) for key, row in standing.items() if key in wanted}
        new = []
        for key, one in wanted.items():
            if key not in standing:
                new.append(self._new(one, alike=(one.kind, one.region) in kinds_there, at=at))
                kinds_there.add((one.kind, one.region))
        self.bulk_create(new, ignore_conflicts=True)  # what another process has let stand meanwhile is its news
        return bool(over) or (bool(new) and self.filter(pk__in=among(alarm.pk for alarm in new)).exists())

    def put_away(self, *, at: datetime, after: timedelta) -> bool:
        """What happened at one moment is over some time after somebody has taken it."""
        taken = self.filter(over_at=None, kind__in=EVENTS, taken_at__lte=at - after)
        return bool(taken.update(over_at=at))


class Alarm(models.Model):
    """Stands from `since_at` until it is over, on every staff screen of its region; somebody may take it meanwhile."""

    retention = "2 years: figures of coverage"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("what"), max_length=30, choices=[(kind.value, label) for kind, label in LABELS.items()])
    region = models.ForeignKey(Region, models.PROTECT, verbose_name=_("region"), null=True)
    key = models.CharField(max_length=200, editable=False)
    employee = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("about"), null=True, related_name="+")
    conversation = models.UUIDField(_("conversation"), null=True)
    text = models.CharField(_("in words"), max_length=400, blank=True)
    since_at = models.DateTimeField(_("since"))
    taken_by = models.ForeignKey(Employee, models.PROTECT, verbose_name=_("taken by"), null=True, related_name="+")
    taken_at = models.DateTimeField(_("taken"), null=True)
    over_at = models.DateTimeField(_("over"), null=True)
    # When it is to be told next, by mail and over the hook; empty when that is done, or another one speaks for it (TOLD_ONCE).
    mail_at = models.DateTimeField(null=True, editable=False)
    hook_at = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)  # to tell it, that failed

    objects = AlarmManager.from_queryset(AlarmQuerySet)()

    class Meta:
        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")
        ordering = ["-since_at"]
        constraints = [models.UniqueConstraint(fields=["key"], condition=Q(over_at=None), name="stands_once")]
        indexes = [models.Index(fields=["since_at"], name="alarms_by_time")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}"

    @transaction.atomic
    def take(self, *, by: Employee, at: datetime) -> None:
        """I take care of this; the first who says so counts. Raises Refused: not_found when it is over."""
        self.refresh_from_db(from_queryset=Alarm.objects.select_for_update(of=("self",), no_key=True))
        if self.over_at is not None:
            raise Refused(Refusal.NOT_FOUND)
        if self.taken_by_id is None:
            self.taken_by, self.taken_at = by, at
            self.save(update_fields=["taken_by", "taken_at"])


class WatchManager(models.Manager["Watch"]):
    def claim(self, *, by: str, at: datetime, lease: timedelta, blind: timedelta) -> "Watch | None":
        """
        The watch, if it is this process's turn: one acts, and another takes over when its lease has run out.

        Who finds that nobody has watched for `blind` sees for as long what comes back before acting on silence.
        """
        watch, _new = self.get_or_create(pk=1, defaults={"by": by, "until_at": at})
        # Nobody can hold it for longer than a lease: what lies beyond was written by a clock that went elsewhere (DEMO_AT).
        beyond = at + 2 * lease
        changes: dict[str, object] = {"by": by, "until_at": at + lease}
        if watch.until_at <= at + lease - blind or watch.until_at > beyond:
            changes["blind_until"] = at + blind
        if not self.filter(Q(by=by) | Q(until_at__lte=at) | Q(until_at__gt=beyond), pk=1).update(**changes):
            return None
        return self.get(pk=1)

    def held(self, *, by: str, at: datetime) -> "Watch | None":
        """The watch, if it is this process that acts now."""
        return self.filter(pk=1, by=by, until_at__gt=at).first()

    def let_go(self, *, by: str, at: datetime) -> None:
        """Who stops in order leaves the turn to another at once."""
        self.filter(pk=1, by=by).update(until_at=at)


class Watch(models.Model):
    """Who watches the line, and when that was last done: one row (P10)."""

    retention = "kept: no person"

    by = models.CharField(max_length=64)
    until_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(null=True)
    blind_until = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)  # by `selfcheck`
    broken = models.JSONField(default=list)  # what it found
    ahead = models.DurationField(null=True)  # how far this process's clock is ahead of the database's

    objects = WatchManager()

    def __str__(self) -> str:
        return self.by

    def watched(self, *, at: datetime) -> None:
        """The heartbeat, when everything has been looked at. Who has lost the turn meanwhile says nothing any more."""
        Watch.objects.filter(pk=self.pk, by=self.by).update(heartbeat_at=at)

    def checked(self, broken: dict[str, int], *, ahead: timedelta | None, at: datetime) -> None:
        """What `selfcheck` found: how often each promise is broken; and how the clock of who watches goes."""
        Watch.objects.filter(pk=self.pk, by=self.by).update(
            checked_at=at, broken=[{"promise": promise, "count": count} for promise, count in broken.items()], ahead=ahead
        )

    def is_blind(self, at: datetime) -> bool:
        return self.blind_until is not None and at < self.blind_until
