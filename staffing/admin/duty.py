"""Oversight of who was on duty, row by row and as one day."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from django.views.decorators.http import require_safe

from staffing import clock, coverage
from staffing.access import COORDINATION, ReadOnlyAdmin, is_national, record_refusal
from staffing.admin.day import ToldDay, bounds
from staffing.models import Duty, Employee, Look, Region
from staffing.rules import AMSTERDAM


def late_arrivals(duties: Iterable[Duty], at: datetime) -> dict[int, datetime]:
    """Which of these duties began late, by their primary key, and when they were due. `employee` is read with each."""
    days: dict[tuple[int, date], dict[tuple[int, datetime | None], datetime]] = {}
    found = {}
    for duty in duties:
        its = duty.employee.region_id or 0, _local_day(duty.started_at)
        if its not in days:  # of two moments that it was late for the first one counts
            days[its] = {(one.employee, one.came_at): one.due_at for one in reversed(coverage.day(*its, at).late)}
        if due := days[its].get((duty.employee_id, duty.started_at)):
            found[duty.pk] = due
    return found


class EndFilter(admin.SimpleListFilter):
    title = gettext_lazy("how far")
    parameter_name = "duty"

    def lookups(self, request, model_admin):
        return [("running", _("on duty now")), ("over", pgettext("duty", "ended")), ("overridden", _("ended against the rule"))]

    def queryset(self, request, queryset):
        return {
            "running": lambda rows: rows.running(),
            "over": lambda rows: rows.exclude(ended_at=None),
            "overridden": lambda rows: rows.exclude(ended_by=None),
        }.get(self.value() or "", lambda rows: rows)(queryset)


class DutyList(ChangeList):
    """What is on one page of the list, with how late each duty began: asked once for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        late = late_arrivals(self.result_list, clock.now())
        for duty in self.result_list:
            duty.due_at = late.get(duty.pk)


@admin.register(Duty)
class DutyAdmin(ReadOnlyAdmin):
    recorded = True
    region_lookup = "employee__region"
    list_display = ["employee", "began", "ended", "heard", "late", "ended_by", "reason"]
    list_filter = [EndFilter]
    list_select_related = ["employee", "ended_by"]
    readonly_fields = ["late"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        on_telephone = ["on_telephone"] if obj and obj.on_telephone else []
        return ["employee", "started_at", "late", "ended_at", "heard_at", *on_telephone, "ended_by", "reason"]

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [EndFilter, *(["employee__region"] if is_national(request.user) else [])]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DutyList

    @admin.display(description=pgettext_lazy("duty", "started"), ordering="started_at")
    def began(self, duty: Duty) -> str:
        return date_format(localtime(duty.started_at), "D d-m-Y H:i")

    @admin.display(description=pgettext_lazy("duty", "ended"), ordering="ended_at")
    def ended(self, duty: Duty) -> str | None:
        return _moment(duty.ended_at, duty.started_at)

    @admin.display(description=pgettext_lazy("duty", "last heard"), ordering="heard_at")
    def heard(self, duty: Duty) -> str | None:
        return _moment(duty.heard_at, duty.started_at)

    @admin.display(description=gettext_lazy("late"))
    def late(self, duty: Duty) -> str:
        due = duty.due_at if hasattr(duty, "due_at") else late_arrivals([duty], clock.now()).get(duty.pk)
        return _("due at {time}").format(time=f"{due.astimezone(AMSTERDAM):%H:%M}") if due else self.get_empty_value_display()

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        duty: Duty = kwargs["obj"]
        own_day = {"region": duty.employee.region.code, "day": _local_day(duty.started_at).isoformat()} if duty.employee.region else {}
        context |= {
            "may_override": duty.ended_at is None and self._may(request, COORDINATION, duty),
            "its_day": f"{reverse('admin:staffing_duty_day')}?{urlencode(own_day)}",
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # ------------------------------------------------------------ the day

    def get_urls(self) -> list[Any]:
        return [path("day/", self.admin_site.admin_view(self.day_view), name="staffing_duty_day"), *super().get_urls()]

    @method_decorator(require_safe)
    def day_view(self, request: HttpRequest) -> HttpResponse:
        """One day of one region: `?region=` its code, `?day=` in ISO. Without them the own region, and today."""
        at = clock.now()
        region, on = self._region_asked(request, at), self._day_asked(request, at)
        self._look(request, Look.Action.LIST, Duty, part=f"{on} {region.code}")
        first, last = bounds(at)

        def of(day: date) -> str:
            return f"?{urlencode({'region': region.code, 'day': day.isoformat()})}" if first <= day <= last else ""

        context = self.admin_site.each_context(request) | {
            "title": _("The day: %(region)s") % {"region": region},
            "subtitle": None,
            "opts": self.opts,
            "region": region,
            "regions": Region.objects.all() if is_national(request.user) else [],
            "on": on,
            "date": date_format(on, "l j F Y"),
            "told": ToldDay(region.pk, on, at),
            "before": of(on - timedelta(days=1)),
            "after": of(on + timedelta(days=1)),
            "today": of(_local_day(at)) if on != _local_day(at) else "",
            "first": first,
            "last": last,
        }
        return TemplateResponse(request, "admin/staffing/duty/day.html", context)

    def _region_asked(self, request: HttpRequest, at: datetime) -> Region:
        """The region, among those that this person may see; another one is not here, and asking is recorded."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        user = request.user
        assert isinstance(user, Employee)
        code = request.GET.get("region", "")
        if code:
            region = Region.objects.with_code(code)
        elif user.region_id or not is_national(user):
            region = user.region
        else:
            taking_part = coverage.taking_part()
            region = Region.objects.filter(pk__in=taking_part).first() or Region.objects.first()
        if region is None or not (is_national(user) or region.pk == user.region_id):
            record_refusal(request, at=at, kind="duty", object_id=code, part="day")
            raise Http404
        return region

    def _day_asked(self, request: HttpRequest, at: datetime) -> date:
        first, last = bounds(at)
        try:
            day = date.fromisoformat(request.GET.get("day") or _local_day(at).isoformat())
        except ValueError:
            raise Http404 from None
        if not first <= day <= last:
            raise Http404
        return day


def _moment(at: datetime | None, started_at: datetime) -> str | None:
    """The clock's time, with the day when that is another one than it began on."""
    if at is None:
        return None
    return date_format(localtime(at), "H:i" if _local_day(at) == _local_day(started_at) else "D d-m-Y H:i")


def _local_day(at: datetime) -> date:
    return at.astimezone(AMSTERDAM).date()
