"""Oversight of alarms: what stands, what stood, who took care of it; and taking it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from staffing import clock
from staffing.access import COORDINATION, ReadOnlyAdmin, is_national
from staffing.models import Alarm, Employee
from staffing.models.alarms import FOR_OPERATORS
from staffing.refusal import Refused


class StandingFilter(admin.SimpleListFilter):
    title = _("state of the alarm")
    parameter_name = "standing"

    def lookups(self, request, model_admin):
        return [("yes", _("stands")), ("free", _("stands, and nobody takes care")), ("no", _("over"))]

    def queryset(self, request, queryset):
        return {
            "yes": lambda rows: rows.standing(),
            "free": lambda rows: rows.standing().filter(taken_by=None),
            "no": lambda rows: rows.exclude(over_at=None),
        }.get(self.value() or "", lambda rows: rows)(queryset)


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    """An alarm is over by itself, when what it tells is no longer so; what somebody can do with it is say that they take care."""

    recorded = True
    region_lookup = "region"
    list_display = ["kind", "region", "since_at", "employee", "taken_by", "taken_at", "over_at"]
    list_select_related = ["region", "employee", "taken_by"]
    fields = ["kind", "region", "text", "employee", "conversation", "since_at", "taken_by", "taken_at", "over_at", "attempts"]
    readonly_fields = ["attempts"]
    actions = ["take"]  # type: ignore[assignment]

    def visible_to(self, user: Any) -> Q:
        return super().visible_to(user) | (Q(region=None) & ~Q(kind__in=FOR_OPERATORS))

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [StandingFilter, "kind", *(["region"] if is_national(request.user) else [])]

    def has_take_permission(self, request: HttpRequest) -> bool:
        return self._may(request, COORDINATION, None)

    @admin.action(description=_("I take care of it"), permissions=["take"])
    def take(self, request: HttpRequest, alarms: QuerySet[Alarm]) -> None:
        taken = sum(_take(alarm, request.user) for alarm in alarms.filter(over_at=None, taken_by=None))
        self.message_user(request, ngettext("You take care of %d alarm.", "You take care of %d alarms.", taken) % taken)

    def get_urls(self) -> list[Any]:
        return [path("<path:object_id>/take/", self.admin_site.admin_view(self.take_view), name="staffing_alarm_take"), *super().get_urls()]

    def take_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button beside one alarm on the first page."""
        if not self.has_take_permission(request):
            raise PermissionDenied
        alarm: Alarm = self.find(request, object_id, part="take")
        if request.method == "POST":
            if not _take(alarm, request.user):
                messages.warning(request, _("This alarm is over meanwhile."))
            elif alarm.taken_by != request.user:
                messages.info(request, _("%(name)s takes care of it already.") % {"name": alarm.taken_by})
            else:
                messages.success(request, _("You take care of it. Everybody sees that with the alarm."))
        return HttpResponseRedirect(reverse("admin:index"))


def _take(alarm: Alarm, by: Any) -> bool:
    assert isinstance(by, Employee)
    try:
        alarm.take(by=by, at=clock.now())
    except Refused:  # over
        return False
    return True
