"""How often something happened, by day and region: counted when it happens, so that figures survive what they were made of."""

from datetime import date

from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _


class CountManager(models.Manager["Count"]):
    def add(self, what: str, *, day: str | date, region: str = "", number: int = 1) -> None:
        """`what` happened this often more, on that day in Amsterdam."""
        place = {"day": day, "what": what, "region": region}
        if self.filter(**place).update(number=F("number") + number):
            return
        try:
            with transaction.atomic():
                self.create(**place, number=number)
        except IntegrityError:  # somebody was first
            self.filter(**place).update(number=F("number") + number)


class Count(models.Model):
    """A number, never a person. `region` is the region's code, empty for the whole line."""

    retention = "kept: figures, no person"

    day = models.DateField(_("day"))
    what = models.CharField(_("what"), max_length=60)
    region = models.CharField(_("region"), max_length=50, blank=True)
    number = models.PositiveIntegerField(_("number"), default=0)

    objects = CountManager()

    class Meta:
        verbose_name = _("count")
        verbose_name_plural = _("counts")
        ordering = ["-day", "what"]
        constraints = [models.UniqueConstraint(fields=["day", "what", "region"], name="one_count")]

    def __str__(self) -> str:
        return f"{self.day} {self.what}: {self.number}"
