"""Oversight of people and time: the line and when it is open, employees and their duty, and who looked at what."""

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm, UserCreationForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from staffing import clock
from staffing.access import COORDINATION, NATIONAL, Overseen, OversightAdmin, ReadOnlyAdmin, is_national
from staffing.models import ClosedDay, Closure, Duty, Employee, Look, Municipality, OpeningHours, PlaceName, Region, Role

# Rights follow the employee's role; groups would be a second place that gives them.
admin.site.unregister(Group)


# ---------------------------------------------------------------- the line


@admin.register(Region)
class RegionAdmin(OversightAdmin):
    list_display = ["name", "code", "phone", "website"]
    search_fields = ["name", "code"]
    fields = ["name", "code", "phone", "website", "source"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["code"] if obj else []  # addresses and the directories of Clavis are made of it


class PlaceNameInline(Overseen, admin.TabularInline):
    model = PlaceName
    fields = ["name"]
    extra = 1
    removed_by = NATIONAL


@admin.register(Municipality)
class MunicipalityAdmin(OversightAdmin):
    list_display = ["name", "region", "cbs_code", "valid_from", "valid_until"]
    list_filter = ["region"]
    search_fields = ["name", "cbs_code", "place_names__name"]
    fields = ["name", "cbs_code", "region", "certainty", "valid_from", "valid_until"]
    inlines = [PlaceNameInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["cbs_code"] if obj else []  # registrations are kept and delivered under it


class OfTheRegion(OversightAdmin):
    """What a coordinator keeps for the own region; rows without a region are for all of them and the administrator's."""

    region_lookup = "region"
    added_by = changed_by = removed_by = COORDINATION
    actions: Any = None

    def visible_to(self, user: Any) -> Q:
        return super().visible_to(user) | Q(region=None)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [*super().get_list_filter(request), *(["region"] if is_national(request.user) else [])]


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


# ---------------------------------------------------------------- people


class BelongsSomewhere(forms.ModelForm):
    def clean(self) -> Any:
        said = super().clean() or self.cleaned_data
        if "role" in said and said["role"] != Role.ADMINISTRATOR and not said.get("region"):
            self.add_error("region", _("Everybody but a national administrator belongs to a region."))
        return said


class EmployeeForm(BelongsSomewhere, UserChangeForm):
    pass


class NewEmployeeForm(BelongsSomewhere, UserCreationForm):
    pass


@admin.register(Employee)
class EmployeeAdmin(OversightAdmin, UserAdmin):
    """Accounts. Nobody changes the own rights (threat-model S10)."""

    recorded = True
    region_lookup = "region"
    form = EmployeeForm
    add_form = NewEmployeeForm
    list_display = ["name", "username", "role", "region", "maximum", "is_active"]
    list_filter = ["role", "is_active", "region"]
    search_fields = ["name", "username"]
    ordering = ["name"]
    filter_horizontal = []
    fieldsets = [(None, {"fields": ["username", "password", "name", "role", "region", "maximum", "is_active", "last_login"]})]
    add_fieldsets = [(None, {"fields": ["username", "name", "role", "region", "maximum", "password1", "password2"]})]
    actions = None

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["username", "name", "role", "region", "maximum", "is_active", "last_login"]})]
        return super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["last_login", *(["role", "region", "is_active"] if obj == request.user else [])]

    def save_model(self, request: HttpRequest, obj: Employee, form: Any, change: bool) -> None:
        obj.is_staff, obj.is_superuser = obj.role != Role.FRONT_OFFICE, False
        super().save_model(request, obj, form, change)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        self.find(request, id, part="password")
        return super().user_change_password(request, id, form_url)


@admin.register(Duty)
class DutyAdmin(ReadOnlyAdmin):
    recorded = True
    region_lookup = "employee__region"
    list_display = ["employee", "started_at", "ended_at", "heard_at"]
    list_filter = [("ended_at", admin.EmptyFieldListFilter)]
    list_select_related = ["employee"]


def in_words(kind: str) -> str:
    """What was looked at: the model of that name, as people call it."""
    found = next((model for model in apps.get_models() if model._meta.model_name == kind), None)
    return str(found._meta.verbose_name) if found else kind


OUTCOMES = {"allowed": _("allowed"), "refused": _("refused")}


class KindFilter(admin.SimpleListFilter):
    title = _("of what")
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        kinds = model_admin.get_queryset(request).order_by("kind").values_list("kind", flat=True).distinct()
        return [(kind, in_words(kind)) for kind in kinds]

    def queryset(self, request, queryset):
        return queryset.filter(kind=self.value()) if self.value() else queryset


class OutcomeFilter(admin.SimpleListFilter):
    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request, model_admin):
        return OUTCOMES.items()

    def queryset(self, request, queryset):
        return queryset.filter(outcome=self.value()) if self.value() in OUTCOMES else queryset


@admin.register(Look)
class LookAdmin(ReadOnlyAdmin):
    """Who looked at what. Reading it is a look too."""

    recorded = True
    region_lookup = "region"
    list_display = ["at", "username", "role_name", "action", "kind_name", "object_id", "part", "basis", "outcome_name"]
    list_filter = [KindFilter, "action", OutcomeFilter, "basis"]
    search_fields = ["object_id", "username"]
    search_help_text = _("Account, or the number of what was looked at")

    @admin.display(description=_("role"), ordering="role")
    def role_name(self, look: Look) -> str:
        return str(Role(look.role).label) if look.role in Role else look.role

    @admin.display(description=_("of what"), ordering="kind")
    def kind_name(self, look: Look) -> str:
        return in_words(look.kind)

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_name(self, look: Look) -> str:
        return str(OUTCOMES.get(look.outcome, look.outcome))
