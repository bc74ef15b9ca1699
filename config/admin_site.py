"""The admin as one site: who gets in, its sections in the words of the process, and its first page."""

from datetime import datetime
from functools import update_wrapper
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Min, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from chat.models import Conversation
from config import health
from registration.models import Delivery, Registration
from staffing import clock, opening
from staffing.access import COORDINATION, is_national, oversees, record_refusal
from staffing.models import Alarm, Duty, Employee
from staffing.rules import AlarmKind, is_open

ALARMS_SHOWN = 12  # of all regions together; the rest is one press away

# Sections of the first page, and what stands in each, in this order.
SECTIONS = [
    (_("Registrations"), ["registration"]),
    (_("Conversations"), ["conversation"]),
    (_("Duty"), ["alarm", "shift", "absence", "duty", "employee"]),
    (_("Line"), ["openinghours", "closedday", "closure", "region", "municipality", "localfact", "count"]),
    (_("Lists and looks"), ["codelist", "look"]),
]


class OversightSite(admin.AdminSite):
    site_title = site_header = _("Oversight")
    index_title = _("What is to be done")
    enable_nav_sidebar = False  # the first page leads everywhere, and lists need the width

    def has_permission(self, request: HttpRequest) -> bool:
        return oversees(request.user)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Who is not logged in goes to the login; who has nothing to do here is refused, and that is recorded."""
        guarded = super().admin_view(view, cacheable)

        def door(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not request.user.is_authenticated:
                return HttpResponseRedirect(f"{settings.LOGIN_URL}?next=/admin/")
            try:
                if not oversees(request.user):
                    raise PermissionDenied
                return guarded(request, *args, **kwargs)
            except PermissionDenied:
                record_refusal(request, at=clock.now(), kind="admin", object_id=request.path.removeprefix("/admin/"))
                return self.refusal(request, _("This part is not for you."), 403)
            except Http404:
                return self.refusal(request, _("This is not here, or it is not for your region."), 404)

        return update_wrapper(door, guarded)

    def refusal(self, request: HttpRequest, message: Any, status: int) -> HttpResponse:
        context = self.each_context(request) | {"title": message, "has_permission": oversees(request.user)}
        return TemplateResponse(request, "admin/refusal.html", context, status=status)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        desk = isinstance(request.user, Employee) and request.user.answers_chats
        return super().each_context(request) | {"site_url": "/staff/" if desk else None}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """By the sections of the process instead of by app; one app's own page stays as it is."""
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        models = {model["model"]._meta.model_name: (app, model) for app in apps for model in app["models"]}
        sections = []
        for name, wanted in SECTIONS:
            found = [models[one] for one in wanted if one in models]
            if found:
                sections.append(found[0][0] | {"name": name, "models": [model for _app, model in found]})
        return sections

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        employee = request.user
        assert isinstance(employee, Employee)
        return super().index(request, {"stand": stand(employee)} | (extra_context or {}))


def stand(employee: Employee) -> dict[str, Any]:
    """What one look at the first page has to answer, for this person's region or (a national administrator) for all."""
    at = clock.now()
    own = Q() if is_national(employee) else Q(region=employee.region_id)
    of_own = Q() if is_national(employee) else Q(version__registration__region=employee.region_id)
    duties = Duty.objects.running().filter(Q() if is_national(employee) else Q(employee__region=employee.region_id))
    tables = opening.timetables(at)
    regions = [pk for pk in tables if is_national(employee) or pk == employee.region_id]
    waiting, to_register = Conversation.objects.filter(own).waiting(), Registration.objects.filter(own).not_registered()
    to_close, due = Registration.objects.filter(own).to_close(), Delivery.objects.filter(of_own).waiting()
    return {
        "at": at,
        "national": is_national(employee),
        "alarms": _alarms(employee, at),
        "open": sum(1 for pk in regions if is_open(tables[pk], at)),
        "regions": len(regions),
        "on_duty": duties.count(),
        "available": sum(1 for duty in duties if duty.is_connected(at, settings.SILENCE)),
        "waiting": _since(waiting, "waiting_since"),
        "running": Conversation.objects.filter(own).active().count(),
        "to_register": _since(to_register, "made_at"),
        "to_close": _since(to_close, "registered_at"),
        "due": _since(due, "due_at"),
        "stuck": Delivery.objects.filter(of_own, state=Delivery.State.STUCK).count(),
    }


def _alarms(employee: Employee, at: datetime) -> dict[str, Any]:
    """What stands: first what nobody takes care of, the oldest first."""
    rows = Alarm.objects.standing()
    rows = rows if is_national(employee) else rows.for_region(employee.region_id)
    in_order = rows.select_related("region", "employee", "taken_by").order_by(F("taken_at").asc(nulls_first=True), "since_at")
    return {
        "standing": list(in_order[:ALARMS_SHOWN]),
        "count": rows.count(),
        "warnings": {AlarmKind.LATE.value},
        "may_take": employee.role in COORDINATION,
        "watched": health.is_watched(at),
    }


def _since(rows: Any, field: str) -> dict[str, Any]:
    """How many, and since when the oldest."""
    return {"count": rows.count(), "since": rows.aggregate(oldest=Min(field))["oldest"]}
