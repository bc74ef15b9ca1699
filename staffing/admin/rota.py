"""The rota of a region, a week at a glance: planning shifts, copying a week, reading a file, and who is absent."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, gettext_lazy, ngettext

from staffing import clock, grid, rota, shift_file
from staffing.access import COORDINATION, OversightAdmin, is_national
from staffing.admin.planned import AbsenceForm, ShiftForm
from staffing.coverage import taking_part
from staffing.models import Absence, Employee, Look, Region, Shift
from staffing.rota import Copied, Problem
from staffing.rules import AMSTERDAM, LOOK_AHEAD, Period

NAMED = 6  # how many of a kind a message names; the grid shows all


class PlannedAdmin(OversightAdmin):
    """What is planned is kept by those who coordinate; every look is recorded, as each is about somebody."""

    recorded = True
    region_lookup = "employee__region"
    added_by = changed_by = removed_by = COORDINATION
    actions: Any = None
    list_select_related = ["employee__region"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if not obj or self.has_change_permission(request, obj) else ["employee", "starts_at", "ends_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if not obj or self.has_change_permission(request, obj) else ["employee", "starts_at", "ends_at"]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Who can be planned, of the own region; for the whole country with the region beside each name."""
        if db_field.name != "employee":
            return super().formfield_for_foreignkey(db_field, request, **kwargs)
        rows = rota.answering().select_related("region").order_by("region__name", "name")
        if not is_national(request.user):
            rows = rows.filter(region=getattr(request.user, "region_id", None))
        field = super().formfield_for_foreignkey(db_field, request, **kwargs | {"queryset": rows})
        if field and is_national(request.user):
            field.label_from_instance = lambda employee: f"{employee} ({employee.region})"
        return field

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """As the links of the grid have it; what is not understood is left to the form."""
        return {name: value for name, value in request.GET.items() if name in self.get_fields(request)}

    def address(self, region_id: int | None, day: date) -> str:
        """The address of the grid that shows this day in this region."""
        query = {"week": rota.monday_of(day).isoformat(), "region": region_id}
        return f"{reverse('admin:staffing_shift_changelist')}?{urlencode(query)}"

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.address(obj.employee.region_id, rota.day_of(obj.starts_at)))

    response_post_save_change = response_post_save_add

    def tell_gaps(self, request: HttpRequest, sentence: str, gaps: Iterable[Period]) -> None:
        """A gap is told and never stands in the way."""
        if words := [rota.in_words(gap) for gap in gaps]:
            messages.warning(request, f"{sentence} {some(words)}.")


def some(words: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(words) - NAMED
    return ", ".join(words[:NAMED]) + (" " + ngettext("and %d more", "and %d more", more) % more if more > 0 else "")


@admin.register(Absence)
class AbsenceAdmin(PlannedAdmin):
    """Who is not there, from when until when. Not why."""

    form = AbsenceForm
    fields = ["employee", "starts_at", "ends_at", "begins", "ends"]
    list_display = ["employee", "in_words"]
    search_fields = ["employee__name"]
    search_help_text = gettext_lazy("Name")
    ordering = ["-starts_at"]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return ["employee__region"] if is_national(request.user) else []

    @admin.display(description=gettext_lazy("absent"), ordering="starts_at")
    def in_words(self, absence: Absence) -> str:
        return absence.in_words()

    def save_model(self, request: HttpRequest, obj: Absence, form: Any, change: bool) -> None:
        region, at = obj.employee.region_id, clock.now()
        assert region
        before = rota.unplanned(region, obj.starts_at, obj.ends_at, at)
        super().save_model(request, obj, form, change)
        after = rota.unplanned(region, obj.starts_at, obj.ends_at, at)
        self.tell_gaps(request, gettext("By this absence nobody is planned any more:"), rota.apart(after, before))


@admin.register(Shift)
class ShiftAdmin(PlannedAdmin):
    """The grid of a week is its list. What has begun stays as it was planned: lateness and gaps are judged from it."""

    form = ShiftForm
    fields = ["employee", "day", "starts_at", "ends_at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("copy/", view(self.copy_view), name="staffing_shift_copy"),
            path("import/", view(self.import_view), name="staffing_shift_import"),
        ]
        return [*own, *super().get_urls()]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.has_begun(clock.now()))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.has_begun(clock.now()))

    # ---------------------------------------------------------------- the grid

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        self._look(request, Look.Action.LIST, Shift, part=request.GET.urlencode())
        at = clock.now()
        region = self.region(request, request.GET.get("region", ""))
        monday = monday_in(request.GET.get("week", ""), at)
        week = grid.week(region.pk, monday, at) if region else None
        years = {monday.year, (monday + rota.WEEK - timedelta(days=1)).year}
        context = self.admin_site.each_context(request) | {
            "title": gettext("Rota"),
            "opts": self.opts,
            "region": region,
            "regions": Region.objects.all() if is_national(request.user) else [],
            "week": week,
            "years": sorted(years),
            "number": monday.isocalendar().week,
            "previous": monday - rota.WEEK,
            "next": monday + rota.WEEK,
            "this_week": rota.monday_of(rota.day_of(at)),
            "may_plan": self.has_add_permission(request),
            "copies": [(n, monday + (n + 1) * rota.WEEK - timedelta(days=1)) for n in range(1, rota.MOST_WEEKS + 1)],
            "most_lines": shift_file.MOST_LINES,
            "largest": shift_file.LARGEST,
            "back": urlencode({"_changelist_filters": urlencode({"week": monday, "region": region.pk})}) if region else "",
        }
        return TemplateResponse(request, "admin/staffing/shift/change_list.html", context)

    def region(self, request: HttpRequest, wanted: str) -> Region | None:
        """Whose rota: the own region's; for a national administrator the one that was chosen, or the first that takes part."""
        if not is_national(request.user):
            return getattr(request.user, "region", None)
        regions = list(Region.objects.all())
        chosen = next((one for one in regions if str(one.pk) == wanted), None)
        there = taking_part()
        return chosen or next((one for one in regions if one.pk in there), None) or next(iter(regions), None)

    # ---------------------------------------------------------------- one shift

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        if object_id and request.method == "POST" and self.has_begun(object_id):
            return self.stays(request, object_id)
        extra = {"has_begun": bool(object_id) and self.has_begun(object_id or ""), "may_plan": self.has_add_permission(request)}
        return super().changeform_view(request, object_id, form_url, extra | (extra_context or {}))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        if self.has_begun(object_id):
            return self.stays(request, object_id)
        return super().delete_view(request, object_id, extra_context)

    def has_begun(self, object_id: str) -> bool:
        key = unquote(object_id)
        return key.isdecimal() and len(key) < 19 and Shift.objects.filter(pk=key, starts_at__lte=clock.now()).exists()

    def stays(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """It began while the page stood open, or somebody tries."""
        found = self.find(request, object_id)
        if not self.has_add_permission(request):
            raise PermissionDenied
        messages.error(request, gettext("This shift has begun, so it stays as it was planned. Who is not there is reported absent."))
        return HttpResponseRedirect(reverse("admin:staffing_shift_change", args=[found.pk]))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The whole opening of that day, from now on when it has begun, unless the link says from when until when."""
        said = super().get_changeform_initial_data(request)
        on, employee = day_in(said.get("day", "")), rota.answering().filter(pk=number_in(said.get("employee", "")) or 0).first()
        region = employee.region_id if employee else getattr(request.user, "region_id", None)
        if on and region and "starts_at" not in said and (hours := rota.open_on(region, on, clock.now())):
            starts, ends = rota.soonest(hours[0][0], clock.now()), hours[-1][1]
            said |= {"starts_at": f"{starts.astimezone(AMSTERDAM):%H:%M}", "ends_at": f"{ends.astimezone(AMSTERDAM):%H:%M}"}
        return said

    def save_model(self, request: HttpRequest, obj: Shift, form: Any, change: bool) -> None:
        before = list(Shift.objects.filter(pk=obj.pk).select_related("employee"))
        super().save_model(request, obj, form, change)
        self.tell_days(request, [*before, obj])

    def delete_model(self, request: HttpRequest, obj: Shift) -> None:
        super().delete_model(request, obj)
        self.tell_days(request, [obj])

    def tell_days(self, request: HttpRequest, shifts: Iterable[Shift]) -> None:
        """What is unplanned on the days of these shifts, as they stood or stand."""
        at, gaps = clock.now(), []
        for region, on in sorted({(shift.employee.region_id or 0, rota.day_of(shift.starts_at)) for shift in shifts}):
            gaps += rota.unplanned(region, rota.midnight(on), rota.midnight(on + timedelta(days=1)), at)
        self.tell_gaps(request, gettext("Nobody is planned yet:"), gaps)

    # ---------------------------------------------------------------- many shifts

    def posted(self, request: HttpRequest, part: str) -> Region:
        """The region that somebody plans for, with that on record."""
        region = self.region(request, request.POST.get("region", ""))
        if not region or not self.has_add_permission(request):
            raise PermissionDenied
        self._look(request, Look.Action.ADD, Shift, part=part)
        return region

    def copy_view(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:staffing_shift_changelist"))
        at = clock.now()
        monday, weeks = monday_in(request.POST.get("week", ""), at), number_in(request.POST.get("weeks", "")) or 0
        region = self.posted(request, f"copy {monday} {weeks}")
        if not 1 <= weeks <= rota.MOST_WEEKS:
            messages.error(request, gettext("Choose how many weeks, from 1 to %d.") % rota.MOST_WEEKS)
            return HttpResponseRedirect(self.address(region.pk, monday))
        self.tell_copied(request, rota.copy_week(region.pk, monday, weeks=weeks, at=at))
        return HttpResponseRedirect(self.address(region.pk, monday + rota.WEEK))

    def tell_copied(self, request: HttpRequest, found: list[Copied]) -> None:
        if not found:
            messages.warning(request, gettext("Nothing is planned in this week, so there was nothing to copy."))
            return
        made = sum(1 for one in found if one.slot)
        told = messages.success if made else messages.warning
        told(request, ngettext("%d shift made.", "%d shifts made.", made) % made)
        names = dict(Employee.objects.filter(pk__in={one.employee for one in found}).values_list("pk", "name"))
        for problem in Problem:
            words = [f"{names[one.employee]} {rota.day_in_words(one.on)}" for one in found if one.skipped is problem]
            if words:
                left_out = ngettext("%d shift left out", "%d shifts left out", len(words)) % len(words)
                tells = messages.info if problem is Problem.STANDS else messages.warning
                tells(request, f"{left_out} ({rota.SENTENCES[problem]}): {some(words)}")

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:staffing_shift_changelist"))
        region, at = self.posted(request, "import"), clock.now()
        sent = request.FILES.get("file")
        found = shift_file.import_shifts(region.pk, sent.read(shift_file.LARGEST + 1) if sent else b"", at=at)
        first = min((line.slot.period[0] for line in found.lines if line.slot), default=at)
        context = self.admin_site.each_context(request) | {
            "title": gettext("Shifts from a file"),
            "opts": self.opts,
            "region": region,
            "file": found,
            "lines": [(line, rota.SENTENCES[line.problem] if line.problem else "") for line in found.lines],
            "made": len(found.to_make),
            "standing": sum(1 for line in found.lines if line.problem is Problem.STANDS),
            "wrong": sum(1 for line in found.lines if line.is_wrong),
            "back": self.address(region.pk, rota.day_of(first)),
        }
        return TemplateResponse(request, "admin/staffing/shift/import.html", context)


# ---------------------------------------------------------------- what stands in an address


def number_in(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def day_in(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year < 2100 else None  # what can be moved by a day and by a zone


def monday_in(text: str, at: datetime) -> date:
    """The Monday of the week of that day; of this week when it is not understood or far away."""
    today = rota.day_of(at)
    day = day_in(text) or today
    return rota.monday_of(day if abs(day - today) <= 2 * LOOK_AHEAD else today)
