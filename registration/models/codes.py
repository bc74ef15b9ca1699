"""The code lists, kept in the admin: what a registration can be answered with."""

from datetime import date
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from registration import clavis, rules
from registration.rules import Required


class CodeListQuerySet(models.QuerySet["CodeList"]):
    def asked(self) -> list["CodeList"]:
        """The lists that the form asks, in their order."""
        return sorted(self.filter(key__in=clavis.ASKED), key=lambda one: clavis.ASKED.index(one.key))


class CodeList(models.Model):
    """One list of codes for the registration of an advice, official (CBS) or our own."""

    retention = "kept: no person"

    key = models.SlugField(_("key"), unique=True)
    label_nl = models.CharField(_("name in Dutch"), max_length=200)
    label_en = models.CharField(_("name in English"), max_length=200)
    multiple = models.BooleanField(_("several may apply"), default=False)
    official = models.BooleanField(_("official list of CBS"), default=False)
    required_to_close = models.CharField(
        _("required to close"),
        max_length=10,
        blank=True,
        choices=[(Required.ALWAYS.value, _("always")), (Required.SERIOUS.value, _("of an advice"))],
    )
    note = models.TextField(_("note"), blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    objects = CodeListQuerySet.as_manager()

    class Meta:
        verbose_name = _("code list")
        verbose_name_plural = _("code lists")
        ordering = ["position", "key"]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        return self.label_en if get_language() == "en" else self.label_nl

    def as_asked(self) -> rules.ListAsked:
        return rules.ListAsked(self.key, Required(self.required_to_close))


class CodeQuerySet(models.QuerySet["Code"]):
    def valid_on(self, day: date) -> Self:
        return self.filter(Q(valid_from=None) | Q(valid_from__lte=day), Q(valid_until=None) | Q(valid_until__gte=day))


class Code(models.Model):
    """One answer of a list. Old registrations keep theirs, hence the validity."""

    retention = "kept: no person"

    list = models.ForeignKey(CodeList, models.PROTECT, verbose_name=_("code list"), related_name="codes")
    code = models.SlugField(_("code"))
    label_nl = models.CharField(_("name in Dutch"), max_length=200)
    label_en = models.CharField(_("name in English"), max_length=200)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    group = models.CharField(_("group"), max_length=50, blank=True)
    source = models.CharField(_("source"), max_length=200, blank=True)
    valid_from = models.DateField(_("valid from"), null=True, blank=True)
    valid_until = models.DateField(_("valid until"), null=True, blank=True)

    objects = CodeQuerySet.as_manager()

    class Meta:
        verbose_name = _("code")
        verbose_name_plural = _("codes")
        ordering = ["list", "position", "code"]
        constraints = [models.UniqueConstraint(fields=["list", "code"], name="one_code_of_a_list")]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        return self.label_en if get_language() == "en" else self.label_nl
