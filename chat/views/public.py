"""The chatter's door over plain HTTP: one address, `/`; every change is a POST that leads back to it."""

import json
import logging
import sys
import uuid
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import cookies, entries, gauges, language, limits, log, presence, protocol, queue, waiting
from chat.forms import StartForm
from chat.models import Conversation, Credential, digest
from chat.rules import Author, State
from staffing import clock, opening, tally
from staffing.models import Municipality, Region
from staffing.refusal import Refused
from staffing.rules import AMSTERDAM, ClosingStep, Opening, Refusal, closing_step, is_open

logger = logging.getLogger("geruisloos.public")
STATUS = {Refusal.TOO_FAST: 429, Refusal.ID_REUSED: 409, Refusal.ENDED: 409, Refusal.UNAVAILABLE: 503, Refusal.NOT_FOUND: 404}


class SeeOther(HttpResponseRedirect):
    status_code = 303


def wants_json(request: HttpRequest) -> bool:
    accept = request.headers.get("Accept", "")
    return "application/json" in accept and "text/html" not in accept


def held(request: HttpRequest, at: datetime) -> Conversation | None:
    """The conversation that this browser holds; asking is a sign of life."""
    secret = cookies.halves(request.COOKIES)
    found = Conversation.objects.opened_by(secret, at) if secret else None
    if found is None:
        return None
    presence.touch(found[0].pk, at)
    translation.activate(found[0].language)
    request.LANGUAGE_CODE = found[0].language
    return found[0]


def speak(request: HttpRequest, asked: str | None) -> str:
    chosen = language.choose(asked, request.headers.get("Accept-Language", ""))
    translation.activate(chosen)
    request.LANGUAGE_CODE = chosen
    return chosen


def boot(conversation: Conversation | None, first_seq: int = 1, wait: waiting.Wait | None = None) -> dict[str, Any]:
    """What the page's script starts with; a page that begins a conversation is told its own `waiting` with the answer."""
    wait = wait or waiting.Wait(settings.OVERFLOW_AFTER.total_seconds(), full=False)
    return {
        "conversation": conversation is not None and conversation.state != State.ENDED,
        "last_seq": conversation.last_seq if conversation else 0,
        "first_seq": first_seq,
        "exit_target": settings.EXIT_TARGET,
        "cookie": settings.CHATTER_COOKIE_SCRIPT,
        "helped": conversation is not None and conversation.accepted_at is not None,
        "waiting": asdict(wait),
        "numbers": settings.CLIENT_NUMBERS,
    }


# ---------------------------------------------------------------- the one page


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    at = clock.now()
    conversation = held(request, at)
    if conversation is None:
        speak(request, request.GET.get("lang"))
        return start_page(request, at)
    if conversation.state == State.ENDED:
        return end_page(request, conversation, at)
    return conversation_page(request, conversation, at)


def start_page(request: HttpRequest, at: datetime, form: StartForm | None = None) -> HttpResponse:
    region = Region.objects.with_code(request.GET.get("region", ""))
    line = opening.opening(at)
    if not line.open:
        return closed_page(request, at)
    asked = request.GET.get("lang", "")
    form = form or StartForm(
        initial={
            "conversation": uuid.uuid4(),
            "region": region.code if region else "",
            "lang": asked if asked in language.LANGUAGES else "",
        }
    )
    context = {
        "form": form,
        "opening": line if closes_today(line, at) else replace(line, closes_at=None),
        "closing_soon": closing_step(line, at, soon=settings.CLOSING_SOON, last=settings.CLOSING_LAST) is not ClosingStep.OPEN,
        "municipalities": list(Municipality.objects.valid_on(at.astimezone(AMSTERDAM).date()).values_list("name", flat=True)),
        "region": region,
        "region_open": region is None or is_open(opening.timetables(at)[region.pk], at),
        "boot": boot(None),
        "message_id": uuid.uuid4(),
    }
    return render(request, "public/start.html", context, status=400 if form.is_bound else 200)


def closes_today(line: Opening, at: datetime) -> bool:
    """A time alone says 'today', up to midnight: a closing of another day is not mentioned."""
    last = line.closes_at and line.closes_at - timedelta(microseconds=1)
    return last is not None and last.astimezone(AMSTERDAM).date() == at.astimezone(AMSTERDAM).date()


def closed_page(request: HttpRequest, at: datetime, status: int = 200, *, refused: Refusal | None = None) -> HttpResponse:
    """`refused`: why no chat can begin although the line is open."""
    line = opening.opening(at)
    context = {
        "opening": line,
        "when": opening.when(line.opens_at, at) if line.opens_at else None,
        "hours": opening.usual_hours(at),
        "too_many": refused is Refusal.TOO_FAST,
        "overloaded": refused is Refusal.UNAVAILABLE,
        "boot": boot(None),
    }
    return render(request, "public/closed.html", context, status=status)


def conversation_page(
    request: HttpRequest, conversation: Conversation, at: datetime, *, draft: str = "", error: str = "", status: int = 200
) -> HttpResponse:
    facts = queue.look({conversation.pk}, (), at)
    state, wait = facts.chatter_state(conversation.pk), waiting.wait(conversation, at)
    lines = all_after(conversation.pk, 0)
    last = lines[-1].seq if lines else 0
    if last:
        presence.has_read(conversation.pk, Author.CHATTER, last)
    context = {
        "entries": [shown(line) for line in lines],
        "at": at,
        "state": state.body(),
        "line": waiting.line_of(state),
        "status_text": waiting.in_words(state, wait),
        "last_seq": last,
        "first_seq": 1,
        "message_id": uuid.uuid4(),
        "draft": draft,
        "error": error,
        "boot": boot(conversation, wait=wait) | {"last_seq": last},
    }
    return render(request, "public/conversation.html", context, status=status)


def end_page(request: HttpRequest, conversation: Conversation, at: datetime, *, unsent: str = "", status: int = 200) -> HttpResponse:
    """What the other side said last and was not read yet, and nothing earlier; nothing when the chatter ended it."""
    facts = queue.look({conversation.pk}, (), at)
    lines = all_after(conversation.pk, facts.first_seq(conversation.pk) - 1)
    given_up = conversation.ended_by == Author.SYSTEM
    context = {
        # Who was given up reads the last line, which says so, at the head of what they can do now, and not twice.
        "entries": [shown(line) for line in (lines[:-1] if given_up else lines)],
        "state": facts.chatter_state(conversation.pk).body(),
        "given_up": given_up,
        "helped": conversation.accepted_at is not None and not given_up,
        "unsent": unsent,
        "boot": boot(conversation),
        "new_conversation": uuid.uuid4(),
    }
    return render(request, "public/ended.html", context, status=status)


def all_after(conversation: uuid.UUID, seq: int) -> list[protocol.Entry]:
    """Everything after number `seq`, read in pages."""
    found: list[protocol.Entry] = []
    while page := entries.after(conversation, found[-1].seq if found else seq, settings.PAGE_OF_ENTRIES):
        found += page
        if len(page) < settings.PAGE_OF_ENTRIES:
            break
    return found


def shown(entry: protocol.Entry) -> dict[str, Any]:
    """An entry for a template: times as moments."""
    return entry.body() | {"at": entry.at}


# ---------------------------------------------------------------- start, write, end, leave


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    at = clock.now()
    form = StartForm(request.POST)
    valid = form.is_valid()
    chosen = speak(request, form.cleaned_data.get("lang") or request.POST.get("lang"))
    browser = request.META.get("CSRF_COOKIE", "")
    known = valid and Conversation.objects.begun_by(form.cleaned_data["conversation"], browser)
    if not known and not opening.opening(at).open:
        return refuse(request, Refusal.CLOSED, form, at)
    if not valid:
        count_refused(form.reason(), at, form)
        if wants_json(request):
            return JsonResponse({"errors": form.errors}, status=400)
        return start_page(request, at, form)
    if not known and log.is_overloaded():
        return refuse(request, Refusal.UNAVAILABLE, form, at)
    if not known and not limits.may_start(request.META["REMOTE_ADDR"], at):
        return refuse(request, Refusal.TOO_FAST, form, at)
    given = form.cleaned_data
    conversation, secret = Conversation.objects.start(
        form=given["conversation"],
        browser=browser,
        at=at,
        nickname=given["nickname"],
        municipality=given["municipality"],
        region=given["region"],
        role=given["role"],
        text=given["text"],
        language=chosen,
    )
    response: HttpResponse = HttpResponse(status=204) if wants_json(request) else SeeOther("/")
    if wants_json(request) and (wait := waiting.wait(conversation, at)):
        response.headers["Waiting"] = json.dumps(asdict(wait))
    cookies.give(response, secret)
    return response


def refuse(request: HttpRequest, reason: Refusal, form: StartForm, at: datetime) -> HttpResponse:
    """No new chat for now, and where else one finds somebody; nothing is stored."""
    count_refused(reason, at, form)
    status = 429 if reason is Refusal.TOO_FAST else 503
    if wants_json(request):
        return JsonResponse({"code": reason, "detail": why_not(reason)}, status=status)
    return closed_page(request, at, status=status, refused=reason)


def why_not(reason: Refusal) -> str:
    if reason is not Refusal.TOO_FAST:
        return Refused(reason).detail()
    # Of a message that goes too fast the script sends it again; of a start it does not.
    often = _("Many conversations were begun from your connection. Wait a few minutes and try again.")
    return f"{often} {_('Would you rather phone? Call 0800-2000. It is free, day and night.')}"


def count_refused(reason: Refusal, at: datetime, form: StartForm | None = None) -> None:
    """Somebody wanted to begin and could not: counted with its reason, for who decides about hours and people."""
    gauges.STARTS_REFUSED.labels(reason).inc()
    region = form.asked_region() if form else None
    tally.add(f"start_refused/{reason}", at=at, region=region.code if region else "")


def count_refused_start(request: HttpRequest, reason: Refusal) -> None:
    """As above, for what fails before or behind the form."""
    if request.method == "POST" and request.path == "/start/":
        count_refused(reason, clock.now())


@require_http_methods(["GET", "POST"])
def log_of_entries(request: HttpRequest) -> HttpResponse:
    """`/entries/`: the frame of a page without script (GET), one message (POST). Long polling is answered by chat/polls.py."""
    at = clock.now()
    conversation = held(request, at)
    if conversation is None:
        return not_here(request)
    return newer_entries(request, conversation, at) if request.method == "GET" else write(request, conversation, at)


def newer_entries(request: HttpRequest, conversation: Conversation, at: datetime) -> HttpResponse:
    try:
        after = max(0, int(request.GET.get("after", "0")[:12]))
    except ValueError:
        after = 0
    facts = queue.look({conversation.pk}, (), at)
    state = facts.chatter_state(conversation.pk)
    lines = all_after(conversation.pk, max(after, facts.first_seq(conversation.pk) - 1))
    if lines and state.state is not State.ENDED:
        presence.has_read(conversation.pk, Author.CHATTER, lines[-1].seq)
    context = {
        "at": at,
        "entries": [shown(line) for line in lines],
        "state": state.body(),
        "line": waiting.line_of(state),
        "status_text": waiting.in_words(state, waiting.wait(conversation, at)),
    }
    response = render(request, "public/entries.html", context)
    response.headers["Refresh"] = "10"
    return response


def write(request: HttpRequest, conversation: Conversation, at: datetime) -> HttpResponse:
    as_json = wants_json(request)
    id, text = None, ""
    try:
        sent = read_json(request) if as_json else request.POST
        text = sent.get("text", "") if isinstance(sent.get("text"), str) else ""
        id = protocol.uuid(sent.get("id"))
        new = entries.New(conversation.pk, Author.CHATTER, id, protocol.message_text(sent.get("text")), at)
        entry = log.append_now(new).entry
    except (protocol.NotUnderstood, Refused) as no:
        status, detail = STATUS.get(no.code, 400), Refused(no.code).detail()
        if as_json:
            return JsonResponse({"type": "refused", **protocol.RefusedFrame(id, no.code, detail).body()}, status=status)
        if no.code is Refusal.ENDED:
            conversation.refresh_from_db()  # it may have ended since it was looked up
            return end_page(request, conversation, at, unsent=text, status=status)
        return conversation_page(request, conversation, at, draft=text, error=detail, status=status)
    if as_json:
        return JsonResponse({"type": "ack", **protocol.Ack(entry.id, entry.seq, entry.at).body()})
    return SeeOther("/")


def read_json(request: HttpRequest) -> dict[str, Any]:
    try:
        sent = json.loads(request.body)
    except RequestDataTooBig as error:
        raise Refused(Refusal.TOO_LONG) from error
    except (ValueError, RecursionError) as error:
        raise protocol.NotUnderstood from error
    if not isinstance(sent, dict):
        raise protocol.NotUnderstood
    return sent


@require_POST
def end(request: HttpRequest) -> HttpResponse:
    at = clock.now()
    conversation = held(request, at)
    if conversation is None:
        return not_here(request)
    conversation.end(by=Author.CHATTER, at=at)
    return HttpResponse(status=204) if wants_json(request) else SeeOther("/")


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Quick exit. The HttpOnly half alone suffices here: the script has deleted the other one already (threat-model 4.2)."""
    first = request.COOKIES.get(settings.CHATTER_COOKIE, "")
    try:
        found = Credential.objects.filter(first=digest(first)).select_related("conversation").first() if first else None
        if found:
            found.conversation.quick_exit(at=clock.now())
    except (DatabaseError, InterfaceError) as problem:
        # The page has to be gone and the cookie with it, whatever could be stored.
        logger.error("a quick exit was not stored: %s", type(problem).__name__)
    mode = request.headers.get("Sec-Fetch-Mode")
    as_form = mode == "navigate" if mode else "text/html" in request.headers.get("Accept", "")
    if as_form:
        response: HttpResponse = render(request, "public/left.html")
        response.headers["Refresh"] = f"0;url={settings.EXIT_TARGET}"
    else:
        response = HttpResponse(status=204)
    cookies.take_back(response)
    # Not "cookies": it would log out an employee who tries the page. Not "cache": Chromium can hang on it for seconds.
    response.headers["Clear-Site-Data"] = '"storage"'
    return response


@require_GET
def status(request: HttpRequest) -> HttpResponse:
    at = clock.now()
    code = request.GET.get("region")
    region = Region.objects.with_code(code) if code else None
    if code and region is None:
        response = JsonResponse({"detail": _("There is no such region.")}, status=404)
    else:
        line = opening.opening(at, region)
        response = JsonResponse(
            {
                "open": line.open,
                "opens_at": line.opens_at and protocol.time_text(line.opens_at),
                "closes_at": line.closes_at and protocol.time_text(line.closes_at),
                "region": region.code if region else None,
            }
        )
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


# ---------------------------------------------------------------- what is not here


def not_here(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_json(request):
        no = Refused(Refusal.NOT_FOUND)
        return JsonResponse({"type": "refused", **protocol.RefusedFrame(None, no.code, no.detail()).body()}, status=404)
    return error_page(request, _("This page is not here."), 404)


def error_page(request: HttpRequest, message: str, status: int, **typed: Any) -> HttpResponse:
    return render(request, "public/error.html", {"message": message, "boot": boot(None), **typed}, status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    count_refused_start(request, Refusal.NOT_ALLOWED)
    return error_page(request, _("This form is too old. Load the page again; what you typed can be copied first."), 403)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponseBase:
    count_refused_start(request, Refusal.TOO_LONG if isinstance(exception, RequestDataTooBig) else Refusal.BAD_FRAME)
    return error_page(request, Refused(Refusal.BAD_FRAME).detail(), 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponseBase:
    return error_page(request, Refused(Refusal.NOT_ALLOWED).detail(), 403)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """An error of ours, or (503) a database that is away. What was on its way comes back, under the id that it had (P3)."""
    no, error = Refused(Refusal.UNAVAILABLE), sys.exc_info()[1]
    away = isinstance(error, DatabaseError | InterfaceError) and not isinstance(error, DataError | IntegrityError)
    status = 503 if away else 500
    count_refused_start(request, no.code)
    if wants_json(request):
        id = None
        if request.content_type == "application/json":
            with suppress(protocol.NotUnderstood):
                id = protocol.uuid(read_json(request).get("id"))
        return JsonResponse({"type": "refused", **protocol.RefusedFrame(id, no.code, no.detail()).body()}, status=status)
    sent = request.POST if away and request.method == "POST" else {}
    typed = {"draft": sent.get("text", ""), "message_id": sent.get("id", ""), "is_message": request.path == "/entries/"}
    return error_page(request, no.detail(), status, **typed)
