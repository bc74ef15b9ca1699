"""The registration beside its conversation: a part of the workspace, which fetches it by address. For who holds the conversation."""

import uuid
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from registration import rules
from registration.forms import RegistrationForm
from registration.models import Registration
from staffing import access, clock
from staffing.models import Employee, Look
from staffing.refusal import Refused
from staffing.rules import Refusal

HERE = "workspace"


@require_http_methods(["GET", "POST"])
def registration(request: HttpRequest, conversation: uuid.UUID) -> HttpResponse:
    """GET the form as a fragment; POST saves what stands in it."""
    at = clock.now()
    kept = held(request, conversation, at)
    if isinstance(kept, HttpResponse):
        return kept
    try:
        if request.method == "POST":
            return save(request, kept, at)
        access.record(request, at=at, action=Look.Action.SEE, of=kept, basis=Look.Basis.HOLDER, component=HERE)
        return fragment(request, RegistrationForm(registration=kept, at=at), conversation)
    except Refused as no:
        return refused(no)


def held(request: HttpRequest, conversation: uuid.UUID, at: datetime) -> Registration | HttpResponse:
    """The registration of a conversation that this employee holds or held last; for all others it is not here."""
    if not isinstance(request.user, Employee):
        if request.method == "GET":
            return HttpResponseRedirect(settings.LOGIN_URL)
        return JsonResponse({"detail": _("You are logged out. Log in again.")}, status=401)
    kept = (
        Registration.objects.of_conversation(conversation, request.user).select_related("region", "municipality", "holder", "key").first()
    )
    if kept is None:
        access.record_refusal(request, at=at, kind="conversation", object_id=conversation, part="registration", component=HERE)
        return refused(Refused(Refusal.NOT_FOUND), 404)
    return kept


def refused(no: Refused, status: int = 409) -> JsonResponse:
    return JsonResponse({"code": no.code, "detail": no.detail()}, status=status)


def fragment(request: HttpRequest, form: RegistrationForm, conversation: uuid.UUID, status: int = 200) -> HttpResponse:
    addresses = {"save_url": reverse("registration", args=[conversation]), "register_url": reverse("register", args=[conversation])}
    return render(request, "staff/registration.html", {"form": form} | addresses, status=status)


def save(request: HttpRequest, kept: Registration, at: datetime) -> HttpResponse:
    form = RegistrationForm(request.POST, registration=kept, at=at)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    keep(request, kept, form, at)
    return JsonResponse({"version": kept.revision, "missing": form.missing_labels, "saved_at": at.isoformat()})


def keep(request: HttpRequest, kept: Registration, form: RegistrationForm, at: datetime) -> None:
    """Save a draft. It is saved every second while somebody types, so one opened form is one recorded change."""
    if form.form_id != kept.saved_from:
        access.record(request, at=at, action=Look.Action.CHANGE, of=kept, basis=Look.Basis.HOLDER, component=HERE)
    kept.save_draft(answers=form.answers(), seen=form.seen, by=request.user, at=at, form=form.form_id)  # type: ignore[arg-type]
    form.seen = kept.revision


@require_POST
def register(request: HttpRequest, conversation: uuid.UUID) -> HttpResponse:
    """Save and register: 204, or the fragment with what is wrong beside the fields. What was typed is kept either way."""
    at = clock.now()
    kept = held(request, conversation, at)
    if isinstance(kept, HttpResponse):
        return kept
    try:
        form = RegistrationForm(request.POST, registration=kept, at=at)
        if not form.is_valid():
            return fragment(request, form, conversation, status=400)
        keep(request, kept, form, at)
        access.record(request, at=at, action=Look.Action.CHANGE, of=kept, part="register", basis=Look.Basis.HOLDER, component=HERE)
        kept.register(seen=kept.revision, by=request.user, at=at)  # type: ignore[arg-type]
    except Refused as no:
        if no.code not in (Refusal.INCOMPLETE, Refusal.STILL_RUNNING):
            return refused(no)
        form.refused(no, rules.missing_to_register(kept.answers()))
        return fragment(request, form, conversation, status=400)
    return HttpResponse(status=204)
