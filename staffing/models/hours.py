"""When the line takes new conversations: opening hours, closed days, and closing by decision."""

from datetime import datetime, time
from typing import Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from staffing import rules
from staffing.models.regions import Region

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

    def since(self, at: datetime) -> Self:
        """What closes the line at that moment or later, also what has been lifted since."""
        not_over, not_lifted = (models.Q(**{field: None}) | models.Q(**{f"{field}__gt": at}) for field in ("until_at", "lifted_at"))
        return self.filter(not_over, not_lifted)


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
        """As it is by now: what was lifted has closed the line until then."""
        return rules.Closure(self.starts_at, min((end for end in (self.until_at, self.lifted_at) if end), default=None))
