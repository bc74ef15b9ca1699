"""What helps in a region or municipality, kept by its coordinator, with the day on which somebody checked that it is still true."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from staffing import clock
from staffing.access import OfTheRegion, is_national
from staffing.models import LocalFact, Municipality
from staffing.models.regions import web_page
from staffing.rules import AMSTERDAM


class LocalFactForm(forms.ModelForm):
    def clean_link(self) -> str:
        link: str = self.cleaned_data["link"]
        if link and not web_page(link):
            raise ValidationError(_("Only pages of the web: the address begins with https:// or http://."))
        return link

    def clean_checked_on(self) -> Any:
        day = self.cleaned_data["checked_on"]
        if day > clock.now().astimezone(AMSTERDAM).date():
            raise ValidationError(_("This day is still to come. Fill in when it was last checked."))
        return day

    def clean(self) -> Any:
        said = super().clean() or self.cleaned_data
        region, place = said.get("region"), said.get("municipality")
        if region and place and place.region_id != region.pk:
            self.add_error("municipality", _("This municipality belongs to another region."))
        if not said.get("phone") and not said.get("link") and not said.get("text") and not self.errors:
            raise ValidationError(_("Fill in a phone number, a page, or what it is for: a name alone helps nobody."))
        return said


class CheckFilter(admin.SimpleListFilter):
    title = _("last checked")
    parameter_name = "check"

    def lookups(self, request, model_admin):
        return [("again", _("more than a year ago"))]

    def queryset(self, request, queryset):
        return queryset.to_check(clock.now().astimezone(AMSTERDAM).date()) if self.value() else queryset


@admin.register(LocalFact)
class LocalFactAdmin(OfTheRegion):
    form = LocalFactForm
    formfield_overrides = {models.URLField: {"assume_scheme": "https", "widget": forms.URLInput(attrs={"class": "vTextField"})}}
    list_display = ["name", "municipality", "phone", "link", "checked_on", "check_again"]
    list_filter = [CheckFilter]
    list_select_related = ["region", "municipality"]
    search_fields = ["name", "text", "municipality__name"]
    fields = ["region", "municipality", "name", "text", "phone", "link", "checked_on", "position"]

    def get_list_display(self, request: HttpRequest) -> Any:
        return [*self.list_display, *(["region"] if is_national(request.user) else [])]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("region__name", "position", "name")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "municipality" and not is_national(request.user):
            kwargs["queryset"] = Municipality.objects.filter(region__in=[getattr(request.user, "region_id", None)])
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("check"))
    def check_again(self, fact: LocalFact) -> str:
        return str(_("check again")) if fact.is_old(clock.now().astimezone(AMSTERDAM).date()) else ""
