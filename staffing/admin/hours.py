"""Oversight of when the line is open."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from staffing import clock
from staffing.access import OfTheRegion
from staffing.models import ClosedDay, Closure, OpeningHours


@admin.register(OpeningHours)
class OpeningHoursAdmin(OfTheRegion):
    list_display = ["weekday", "opens", "closes", "on_closed_days", "valid_from", "valid_until", "region"]
    list_filter = ["weekday"]
    fields = ["region", "weekday", "opens", "closes", "on_closed_days", "valid_from", "valid_until"]


@admin.register(ClosedDay)
class ClosedDayAdmin(OfTheRegion):
    list_display = ["day", "reason", "region"]
    fields = ["region", "day", "reason"]


class ClosureForm(forms.ModelForm):
    def clean_until_at(self) -> Any:
        until = self.cleaned_data["until_at"]
        if until and until <= clock.now():
            raise ValidationError(_("This moment is over. Choose a later one, or leave it empty."))
        return until


@admin.register(Closure)
class ClosureAdmin(OfTheRegion):
    """Closing by decision and opening again; what was decided stays readable, so nothing is removed."""

    form = ClosureForm
    removed_by = frozenset()
    list_display = ["reason", "region", "starts_at", "until_at", "by", "lifted_at"]
    fields = ["region", "reason", "until_at"]
    actions: Any = ["open_again"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["region", "reason", "starts_at", "until_at", "by", "lifted_at"] if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["region", "reason", "starts_at", "by", "lifted_at"] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.lifted_at is None)

    def save_model(self, request: HttpRequest, obj: Closure, form: Any, change: bool) -> None:
        if not change:
            obj.starts_at, obj.by = clock.now(), request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)

    @admin.action(description=_("Open the line again"), permissions=["change"])
    def open_again(self, request: HttpRequest, closures: QuerySet[Closure]) -> None:
        at = clock.now()
        mine = [closure.pk for closure in closures if self.has_change_permission(request, closure)]
        lifted = Closure.objects.filter(pk__in=mine).standing(at).update(lifted_at=at)
        self.message_user(request, ngettext("%d closure lifted.", "%d closures lifted.", lifted) % lifted)
