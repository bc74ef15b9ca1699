"""Where: the regions, the municipalities that belong to them, and what somebody who helps another region has to know of it."""

import unicodedata
from datetime import date, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

from django.db import models
from django.utils.translation import gettext_lazy as _


def web_page(written: str) -> str:
    """The address of a page as a screen of ours may link to it, also when only a name was written; empty when it is no page of the web."""
    address = written.strip()
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
    except ValueError:
        return ""
    return parts.geturl() if parts.scheme in ("http", "https") and parts.netloc else ""


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
    overflow_after = models.DurationField(
        _("offered to other regions after"),
        null=True,
        blank=True,
        help_text=_("How long a chat waits before other regions see it too. Empty: as the whole line does."),
    )
    alarm_addresses = models.TextField(
        _("e-mail addresses for alarms"),
        blank=True,
        db_default="",  # the release before this one does not know it
        help_text=_("One on each line. Alarms stand on the screens as well."),
    )

    objects = RegionManager()

    class Meta:
        verbose_name = _("region")
        verbose_name_plural = _("regions")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def page(self) -> str:
        """Its website as a link."""
        return web_page(self.website)

    def lock(self) -> None:
        """Read this row again under its lock, the first of all locks: who leaves and who is counted on wait for each other here."""
        self.refresh_from_db(from_queryset=Region.objects.select_for_update(of=("self",), no_key=True))


def name_key(name: str) -> str:
    """How a place name is compared: without case, accents, apostrophes, blanks and hyphens."""
    plain = unicodedata.normalize("NFKD", name[:400].casefold())
    return "".join(letter for letter in plain if letter.isalnum())[:100]


class MunicipalityQuerySet(models.QuerySet["Municipality"]):
    def valid_on(self, day: date) -> Self:
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


A_YEAR = timedelta(days=365)


class LocalFactQuerySet(models.QuerySet["LocalFact"]):
    def to_check(self, day: date) -> Self:
        """What nobody has checked for a year."""
        return self.filter(checked_on__lt=day - A_YEAR)


class LocalFact(models.Model):
    """What helps in one region or municipality: a service, its number, its page. Shown beside a conversation from there."""

    retention = "kept: no person"

    region = models.ForeignKey(Region, models.CASCADE, verbose_name=_("region"), related_name="local_facts")
    municipality = models.ForeignKey(
        Municipality, models.CASCADE, verbose_name=_("municipality"), null=True, blank=True, help_text=_("Empty: the whole region.")
    )
    name = models.CharField(_("name"), max_length=100)
    text = models.CharField(_("what it is for"), max_length=400, blank=True)
    phone = models.CharField(_("phone"), max_length=30, blank=True)
    link = models.URLField(_("page"), blank=True)
    checked_on = models.DateField(_("last checked on"), help_text=_("A wrong number here does harm."))
    position = models.PositiveSmallIntegerField(_("place in the list"), default=0)

    objects = LocalFactQuerySet.as_manager()

    class Meta:
        verbose_name = _("local fact")
        verbose_name_plural = _("local facts")
        ordering = ["region", "position", "name"]

    def __str__(self) -> str:
        return self.name

    def is_old(self, day: date) -> bool:
        """Has nobody checked it for a year?"""
        return self.checked_on < day - A_YEAR

    @property
    def page(self) -> str:
        """Its link, when that is a page of the web."""
        return web_page(self.link)
