"""Oversight of the regions and their municipalities."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from staffing.access import NATIONAL, Overseen, OversightAdmin
from staffing.models import Municipality, PlaceName, Region


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
