"""Oversight of what is counted: starts that were refused, and why."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from staffing.access import ReadOnlyAdmin
from staffing.models import Count, Region

WORDS = {
    "start_refused/closed": _("Start refused: the line was closed"),
    "start_refused/too_fast": _("Start refused: too many from one connection"),
    "start_refused/unavailable": _("Start refused: too busy, or a fault of ours"),
    "start_refused/too_long": _("Start refused: a name or text was too long"),
    "start_refused/bad_frame": _("Start refused: the form could not be read"),
    "start_refused/not_allowed": _("Start refused: the form was too old"),
}


class WhatFilter(admin.SimpleListFilter):
    title = _("what")
    parameter_name = "what"

    def lookups(self, request, model_admin):
        kinds = model_admin.get_queryset(request).order_by("what").values_list("what", flat=True).distinct()
        return [(what, WORDS.get(what, what)) for what in kinds]

    def queryset(self, request, queryset):
        return queryset.filter(what=self.value()) if self.value() else queryset


@admin.register(Count)
class CountAdmin(ReadOnlyAdmin):
    """Numbers of the own region, and of the whole line where no region was named."""

    region_lookup = "region"
    list_display = ["day", "what_in_words", "region_name", "how_often"]
    list_display_links = None
    list_filter = [WhatFilter]
    date_hierarchy = "day"

    def visible_to(self, user: Any) -> Q:
        return Q(region="") | Q(region=user.region.code if user.region else "")

    def get_queryset(self, request: HttpRequest) -> Any:
        self.names = dict(Region.objects.values_list("code", "name"))
        return super().get_queryset(request)

    @admin.display(description=_("what"), ordering="what")
    def what_in_words(self, count: Count) -> str:
        return str(WORDS.get(count.what, count.what))

    @admin.display(description=_("region"), ordering="region")
    def region_name(self, count: Count) -> str:
        return self.names.get(count.region, count.region) or str(_("no region named"))

    @admin.display(description=_("how often"), ordering="number")
    def how_often(self, count: Count) -> int:
        return count.number
