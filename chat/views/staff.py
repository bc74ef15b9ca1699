"""The employees' door over plain HTTP: log in and out, duty, and the page of the workspace."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import handover
from chat.forms import ROLES
from chat.taken import taken_from
from staffing import clock, coverage, opening
from staffing.models import Employee, LocalFact, Municipality, Region, planned
from staffing.refusal import Refused
from staffing.rules import AMSTERDAM, Refusal


def where_to(employee: Employee, asked: str) -> str:
    """After the login: where one was going, if that is here; else the place of one's work."""
    if asked and url_has_allowed_host_and_scheme(asked, allowed_hosts=None):
        return asked
    return "/staff/" if employee.answers_chats else "/admin/"


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    asked = request.POST.get("next", "") or request.GET.get("next", "")
    error = ""
    if request.method == "POST":
        name = request.POST.get("login", "").replace("\0", "")  # PostgreSQL takes no NUL in a text
        employee = authenticate(request, username=name, password=request.POST.get("password", ""))
        if isinstance(employee, Employee):
            login(request, employee)
            return HttpResponseRedirect(where_to(employee, asked))
        error = _("This name and password do not belong together. Try again.")
    elif isinstance(request.user, Employee):
        return HttpResponseRedirect(where_to(request.user, asked))
    context = {"error": error, "next": asked, "login": request.POST.get("login", "")}
    return render(request, "staff/login.html", context, status=400 if error else 200)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Logging out ends duty by the rule of the handover."""
    if isinstance(request.user, Employee):
        try:
            handover.leave(request.user, at=clock.now())
        except Refused as no:
            if no.code is not Refusal.NOT_ON_DUTY:
                if "text/html" in request.headers.get("Accept", ""):
                    return render(request, "staff/refused.html", {"message": no.detail()}, status=409)
                return JsonResponse({"code": no.code, "detail": no.detail()}, status=409)
        logout(request)
    return redirect(settings.LOGIN_URL)


@require_GET
def workspace(request: HttpRequest) -> HttpResponse:
    if not isinstance(request.user, Employee):
        return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': '/staff/'})}")
    if not request.user.answers_chats:
        return redirect("/admin/")
    at = clock.now()
    employee, region = request.user, request.user.region
    assert region is not None
    line = opening.opening(at, region)
    boot: dict[str, Any] = {
        "employee": {"id": employee.pk, "name": employee.name},
        "region": {"slug": region.code, "name": region.name},
        "regions": dict(Region.objects.values_list("code", "name")),
        "roles": {code: str(label) for code, label in ROLES},
        "now": at.isoformat(),  # waiting times do not depend on this computer's clock
        "open": line.open,
        "opens_at": line.opens_at and line.opens_at.isoformat(),
        "closes_at": line.closes_at and line.closes_at.isoformat(),
        "numbers": settings.CLIENT_NUMBERS | {"maximum": employee.maximum},
        "may_oversee": employee.is_staff,
        "taken": [asdict(one) for one in taken_from(employee)],
        "rota": rota_of_today(region, at),
    }
    return render(request, "staff/workspace.html", {"employee": employee, "boot": boot})


def rota_of_today(region: Region, at: datetime) -> list[dict[str, str]]:
    """Who of the region is planned today and from when until when, the earliest first."""
    starts, ends = coverage.bounds(at.astimezone(AMSTERDAM).date())
    shifts = sorted(planned(region.pk, starts, ends), key=lambda shift: shift.period)
    names = dict(Employee.objects.filter(pk__in={shift.employee for shift in shifts}).values_list("pk", "name"))
    times = [[moment.astimezone(AMSTERDAM) for moment in shift.period] for shift in shifts]
    return [{"name": names[shift.employee], "time": f"{a:%H:%M}-{b:%H:%M}"} for shift, (a, b) in zip(shifts, times, strict=True)]


@require_GET
def region(request: HttpRequest, code: str) -> HttpResponse:
    """What helps in one region, as a fragment of the workspace. Of any region: who helps another one needs it. No personal data."""
    if not isinstance(request.user, Employee):
        return JsonResponse({"detail": _("You are logged out. Log in again.")}, status=401)
    if not request.user.answers_chats:
        return JsonResponse({"code": Refusal.NOT_ALLOWED, "detail": Refused(Refusal.NOT_ALLOWED).detail()}, status=403)
    found = Region.objects.with_code(code)
    if found is None:
        return JsonResponse({"code": Refusal.NOT_FOUND, "detail": _("There is no such region.")}, status=404)
    today = clock.now().astimezone(AMSTERDAM).date()
    named = Municipality.objects.called(request.GET.get("municipality", ""))
    places = list(found.municipalities.valid_on(today))
    facts = found.local_facts.select_related("municipality").order_by("position", "name")
    by_place: dict[Municipality | None, list[LocalFact]] = {None: []} | {place: [] for place in places}
    for fact in facts:
        fact.old = fact.is_old(today)  # type: ignore[attr-defined]
        if fact.municipality in by_place:
            by_place[fact.municipality].append(fact)
    # The place that the chatter named first, then what is for everybody.
    order = [place for place in [named, None, *places] if place in by_place]
    groups = [(place, by_place[place]) for place in dict.fromkeys(order) if by_place[place]]
    context = {"region": found, "places": places, "named": named if named in by_place else None, "groups": groups}
    return render(request, "staff/region.html", context)


@require_POST
def start_duty(request: HttpRequest) -> HttpResponse:
    return _by_verb(request, handover.begin)


@require_POST
def end_duty(request: HttpRequest) -> HttpResponse:
    return _by_verb(request, handover.leave)


def _by_verb(request: HttpRequest, verb: Any) -> HttpResponse:
    if not isinstance(request.user, Employee):
        return JsonResponse({"code": "not_authenticated", "detail": _("You are logged out. Log in again.")}, status=403)
    try:
        verb(request.user, at=clock.now())
    except Refused as no:
        return JsonResponse({"code": no.code, "detail": no.detail()}, status=409)
    return HttpResponse(status=204)
