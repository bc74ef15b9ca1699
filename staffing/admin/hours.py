"""Oversight of when the line is open: each change can be looked at before it is saved."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import AdminErrorList, AdminForm
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from staffing import clock, opening
from staffing.access import OfTheRegion
from staffing.models import ClosedDay, Closure, OpeningHours, Region
from staffing.models.hours import WEEKDAYS
from staffing.rules import AMSTERDAM, Period


@dataclass(frozen=True, slots=True)
class Ahead:
    """The coming two weeks of regions for which they are the same."""

    regions: str
    days: list[opening.DayAhead]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [{"day": day_in_words(day.day), "now": times(day.now), "then": times(day.then), "changes": day.changes} for day in self.days]

    @property
    def changes(self) -> str:
        """What differs from now, in a sentence."""
        number = sum(1 for day in self.days if day.changes)
        if not number:
            return _("Nothing changes in the coming two weeks.")
        return ngettext("%d day changes.", "%d days change.", number) % number


def day_in_words(day: date) -> str:
    return f"{WEEKDAYS[day.weekday()][1]} {day.day} {opening.MONTH_NAMES[day.month - 1]}"


def times(periods: tuple[Period, ...]) -> list[str]:
    """The times of one day, such as '09:00-12:00' and '13:00-17:00'; midnight at its end is 24:00."""
    local = [tuple(moment.astimezone(AMSTERDAM) for moment in period) for period in periods]
    return [f"{a:%H:%M}-{b:%H:%M}" if a.date() == b.date() else f"{a:%H:%M}-24:00" for a, b in local]


class Previewed(OfTheRegion):
    """A part of the timetable; 'Show the coming two weeks' shows what it would do, and saves nothing."""

    change_form_template = "admin/staffing/timetable_form.html"

    def complete(self, row: Any, request: HttpRequest, at: datetime, change: bool) -> None:
        """What the form does not ask."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        self.complete(obj, request, clock.now(), change)
        super().save_model(request, obj, form, change)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        if request.method == "POST" and "_preview" in request.POST:
            return self.preview(request, object_id, form_url)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        row = context.get("original")
        context["show_preview"] = self.has_change_permission(request, row) if row else self.has_add_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def preview(self, request: HttpRequest, object_id: str | None, form_url: str) -> Any:
        """The same page with what was typed, and what the line would do with it."""
        row = self.find(request, object_id) if object_id else None
        if not (self.has_change_permission(request, row) if row else self.has_add_permission(request)):
            raise PermissionDenied
        at = clock.now()
        fieldsets: Any = list(self.get_fieldsets(request, row))
        # The form writes into its instance; `row` stays what stands in the database.
        instance = self.get_queryset(request).get(pk=row.pk) if row else None
        form = self.get_form(request, row, change=row is not None, fields=flatten_fieldsets(fieldsets))(request.POST, instance=instance)
        ahead = None
        if form.is_valid():
            self.complete(form.instance, request, at, change=row is not None)
            concerned = {form.instance.region_id, row.region_id if row else form.instance.region_id}
            ahead = weeks_ahead(form.instance, None if None in concerned else concerned, at)
        shown = AdminForm(form, fieldsets, {}, self.get_readonly_fields(request, row), model_admin=self)
        title = _("Change %s") if row else _("Add %s")
        context = {
            **self.admin_site.each_context(request),
            "title": title % self.opts.verbose_name,
            "subtitle": str(row) if row else None,
            "adminform": shown,
            "object_id": object_id,
            "original": row,
            "is_popup": False,
            "to_field": None,
            "media": self.media + shown.media,
            "inline_admin_formsets": [],
            "errors": AdminErrorList(form, []),
            "preserved_filters": self.get_preserved_filters(request),
            "has_history": self.has_history,
            "ahead": ahead,
        }
        return self.render_change_form(request, context, add=row is None, change=row is not None, obj=row, form_url=form_url)


def weeks_ahead(row: OpeningHours | ClosedDay | Closure, regions: set[int] | None, at: datetime) -> list[Ahead]:
    """What this row would do to these regions (None: all): what is the same for several stands once."""
    now, then = opening.timetables(at), opening.if_saved(row, at)
    names = dict(Region.objects.order_by("name").values_list("pk", "name"))
    found: dict[tuple[opening.DayAhead, ...], list[str]] = {}
    for pk, name in names.items():
        if regions is None or pk in regions:
            found.setdefault(tuple(opening.two_weeks(now[pk], then[pk], at)), []).append(name)
    groups = sorted(found.items(), key=lambda group: (len(group[1]), group[1]))
    return [Ahead(_of_whom(of, len(groups), len(names)), list(days)) for days, of in groups]


MANY = 5  # names; a longer list nobody reads


def _of_whom(regions: list[str], groups: int, all_regions: int) -> str:
    if groups == 1 and len(regions) == all_regions > 1:
        return _("All regions")
    return _("All other regions") if groups > 1 and len(regions) > max(MANY, all_regions // 2) else ", ".join(regions)


class HoursForm(forms.ModelForm):
    def clean(self) -> Any:
        given = super().clean() or self.cleaned_data
        since, until = given.get("valid_from"), given.get("valid_until")
        if since and until and until < since:
            self.add_error("valid_until", _("The last day lies before the first one."))
        return given


@admin.register(OpeningHours)
class OpeningHoursAdmin(Previewed):
    form = HoursForm
    list_display = ["weekday", "opens", "closes", "on_closed_days", "valid_from", "valid_until", "region"]
    list_filter = ["weekday"]
    fields = ["region", "weekday", "opens", "closes", "on_closed_days", "valid_from", "valid_until"]


@admin.register(ClosedDay)
class ClosedDayAdmin(Previewed):
    list_display = ["day", "reason", "region"]
    fields = ["region", "day", "reason"]


class ClosureForm(forms.ModelForm):
    def clean_until_at(self) -> Any:
        until = self.cleaned_data["until_at"]
        if until and until <= clock.now():
            raise ValidationError(_("This moment is over. Choose a later one, or leave it empty."))
        return until


@admin.register(Closure)
class ClosureAdmin(Previewed):
    """Closing by decision and opening again; what was decided stays readable, so nothing is removed."""

    form = ClosureForm
    removed_by = frozenset()
    list_display = ["reason", "region", "starts_at", "until_at", "by_whom", "lifted_at"]
    fields = ["region", "reason", "until_at"]
    actions: Any = ["open_again"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["region", "reason", "starts_at", "until_at", "by_whom", "lifted_at"] if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["region", "reason", "starts_at", "by_whom", "lifted_at"] if obj else []

    @admin.display(description=gettext_lazy("by"), ordering="by")
    def by_whom(self, closure: Closure) -> str:
        return str(closure.by or _("by command"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or self.stands(obj))

    def stands(self, closure: Closure) -> bool:
        return Closure.objects.standing(clock.now()).filter(pk=closure.pk).exists()

    def complete(self, row: Any, request: HttpRequest, at: datetime, change: bool) -> None:
        if not change:
            row.starts_at, row.by = at, request.user

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        if object_id and request.method == "POST" and "_open" in request.POST:
            closure = self.find(request, object_id)
            if not self.has_change_permission(request, closure):
                raise PermissionDenied
            self.open_again(request, Closure.objects.filter(pk=closure.pk))
            return HttpResponseRedirect(reverse("admin:staffing_closure_changelist"))
        return super().changeform_view(request, object_id, form_url, extra_context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        closure = context.get("original")
        context["may_open"] = closure is not None and self.has_change_permission(request, closure)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.action(description=gettext_lazy("Open the line again"), permissions=["change"])
    def open_again(self, request: HttpRequest, closures: QuerySet[Closure]) -> None:
        at = clock.now()
        mine = [closure for closure in closures if self.has_change_permission(request, closure)]
        lifted = Closure.objects.filter(pk__in=[closure.pk for closure in mine]).standing(at).update(lifted_at=at)
        for closure in mine:  # who opened it stands in its history
            self.log_change(request, closure, _("Opened again"))
        self.message_user(request, ngettext("%d closure lifted.", "%d closures lifted.", lifted) % lifted)
