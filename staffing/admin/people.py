"""Oversight of accounts."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm, UserCreationForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from staffing.access import OversightAdmin, is_national
from staffing.models import Employee, Role


class BelongsSomewhere(forms.ModelForm):
    def clean(self) -> Any:
        said = super().clean() or self.cleaned_data
        if "role" in said and said["role"] != Role.ADMINISTRATOR and not said.get("region"):
            self.add_error("region", _("Everybody but a national administrator belongs to a region."))
        return said


class EmployeeForm(BelongsSomewhere, UserChangeForm):
    class Meta(UserChangeForm.Meta):
        help_texts = {"email": _("Broken promises of the line are mailed to this address.")}  # staffing/alarms.py


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
    list_filter = ["role", "is_active"]
    search_fields = ["name", "username"]
    ordering = ["name"]
    filter_horizontal = []
    fieldsets = [(None, {"fields": ["username", "password", "name", "role", "region", "maximum", "is_active", "last_login"]})]
    add_fieldsets = [(None, {"fields": ["username", "name", "role", "region", "maximum", "password1", "password2"]})]
    actions = None

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [*super().get_list_filter(request), *(["region"] if is_national(request.user) else [])]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["username", "name", "role", "region", "maximum", "is_active", "last_login"]})]
        name, shown = super().get_fieldsets(request, obj)[0]
        # Nobody else is mailed, so of nobody else an address is kept.
        own = ["email"] if obj and obj.role == Role.ADMINISTRATOR else []
        return [(name, {"fields": [*shown["fields"], *own]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["last_login", *(["role", "region", "is_active"] if obj == request.user else [])]

    def save_model(self, request: HttpRequest, obj: Employee, form: Any, change: bool) -> None:
        obj.is_staff, obj.is_superuser = obj.role != Role.FRONT_OFFICE, False
        if obj.role != Role.ADMINISTRATOR:
            obj.email = ""
        super().save_model(request, obj, form, change)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        self.find(request, id, part="password")
        return super().user_change_password(request, id, form_url)
