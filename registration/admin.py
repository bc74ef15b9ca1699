"""Oversight of registrations: what is still to be done, completing and closing, and whether they reached Clavis; and the code lists."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from registration.forms import RegistrationForm
from registration.models import Code, CodeList, Delivery, RegisteredConversation, Registration
from registration.rules import State
from staffing import clock
from staffing.access import NATIONAL, Overseen, OversightAdmin, ReadOnlyAdmin, is_national
from staffing.models import Employee
from staffing.refusal import Refused
from staffing.rules import Refusal


class ToDoFilter(admin.SimpleListFilter):
    """What somebody still has to do with it."""

    title = gettext_lazy("what is to be done")
    parameter_name = "todo"

    def lookups(self, request, model_admin):
        return [
            ("running", _("conversation still running")),
            ("register", _("not yet registered")),
            ("close", _("to be closed")),
            ("deliver", _("not yet in Clavis")),
            ("stuck", _("stuck on the way to Clavis")),
            ("done", _("in Clavis")),
        ]

    def queryset(self, request, queryset):
        return {
            "running": lambda rows: rows.filter(state=State.DRAFT).exclude(pk__in=rows.not_registered().values("pk")),
            "register": lambda rows: rows.not_registered(),
            "close": lambda rows: rows.to_close(),
            "deliver": lambda rows: rows.filter(Exists(deliveries().waiting())),
            "stuck": lambda rows: rows.filter(Exists(deliveries().filter(state=Delivery.State.STUCK))),
            "done": lambda rows: rows.filter(state=State.CLOSED).exclude(Exists(deliveries().exclude(state=Delivery.State.DELIVERED))),
        }.get(self.value() or "", lambda rows: rows)(queryset)


def deliveries() -> Any:
    return Delivery.objects.filter(version__registration=OuterRef("pk"))


@admin.register(Registration)
class RegistrationAdmin(ReadOnlyAdmin):
    """Completing and closing are verbs of the registration; this door calls them and shows what they answer."""

    recorded = True
    region_lookup = "region"
    list_display = ["reference", "region", "state", "made_at", "age", "holder"]
    list_display_links = ["reference"]
    list_select_related = ["region", "holder"]
    search_fields = ["reference"]
    search_help_text = gettext_lazy("Reference")
    change_form_template = "admin/registration/registration/change_form.html"

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [ToDoFilter, "state", *(["region"] if is_national(request.user) else [])]

    @admin.display(description=gettext_lazy("age"), ordering="made_at")
    def age(self, registration: Registration) -> str:
        return timesince(registration.made_at, clock.now(), depth=1)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        at = clock.now()
        kept: Registration = self.find(request, object_id or "", part="close" if "_close" in request.POST else "")
        by = request.user
        assert isinstance(by, Employee)
        if kept.state == State.CLOSED or not kept.decided_by(by):
            if request.method == "POST":
                messages.error(request, Refused(Refusal.FROZEN if kept.state == State.CLOSED else Refusal.NOT_ALLOWED).detail())
                return HttpResponseRedirect(request.path)
            return self.page(request, kept, form=None)
        try:
            form = RegistrationForm(request.POST if request.method == "POST" else None, registration=kept, at=at)
        except Refused as no:
            messages.error(request, no.detail())
            return self.page(request, kept, form=None)
        form.show_missing = True
        if request.method == "POST" and form.is_valid() and self.keep(request, kept, form, by=by, at=at):
            return HttpResponseRedirect(request.path)
        return self.page(request, kept, form=form)

    def keep(self, request: HttpRequest, kept: Registration, form: RegistrationForm, *, by: Employee, at: datetime) -> bool:
        """Save what stands in the form, and close when that was pressed. What was saved stays, also when closing is refused."""
        try:
            kept.save_draft(answers=form.answers(), seen=form.seen, by=by, at=at, form=form.form_id)
            form.seen = kept.revision
            if "_close" in request.POST:
                kept.close(seen=kept.revision, by=by, at=at)
        except Refused as no:
            if no.code is Refusal.CHANGED:
                form.changed_meanwhile()
            else:
                form.refused(no, form.missing if no.code is Refusal.INCOMPLETE else ())
            return False
        messages.success(request, _("The registration is closed.") if "_close" in request.POST else _("The registration is saved."))
        return True

    def page(self, request: HttpRequest, kept: Registration, *, form: RegistrationForm | None) -> TemplateResponse:
        context = self.admin_site.each_context(request) | {
            "title": _("Registration %(reference)s") % {"reference": kept.reference},
            "opts": self.opts,
            "original": kept,
            "registration": kept,
            "form": form,
            "document": None if form else document(kept),
            "conversations": [in_words(link) for link in kept.links.select_related("conversation__holder")],
            "versions": kept.versions.select_related("delivery", "closed_by"),
            "missing": form.missing_labels if form else [],
        }
        return TemplateResponse(request, self.change_form_template, context)


def document(kept: Registration) -> list[tuple[str, list[str]]]:
    """Labels and what stands there, as somebody reads it."""
    try:
        answers = kept.answers()
    except Refused as no:
        return [(_("Content of the conversation"), [no.detail()])]
    chosen = kept.chosen()
    lines = [(_("Content of the conversation"), [answers.content]), (_("Advice given"), [answers.advice])]
    lines += [(asked.label, [code.label for code in chosen if code.list == asked]) for asked in CodeList.objects.asked()]
    return [*lines, (_("Municipality"), [str(kept.municipality)] if kept.municipality else [])]


def in_words(link: RegisteredConversation) -> dict[str, Any]:
    """One of its conversations, with how it ended in the words of the code list."""
    ended = Code.objects.filter(list__key="end_kind", code=link.conversation.end_kind).first()
    return {"conversation": link.conversation, "end": ended.label if ended else ""}


# ---------------------------------------------------------------- code lists


class CodeForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "code" in self.fields:
            self.fields["code"].disabled = True  # Clavis knows it by this


class CodeInline(Overseen, admin.TabularInline):
    """A code is never removed: old registrations keep theirs. It gets a last day."""

    model = Code
    form = CodeForm
    fields = ["code", "label_nl", "label_en", "position", "valid_from", "valid_until"]
    extra = 0
    can_delete = False


@admin.register(CodeList)
class CodeListAdmin(OversightAdmin):
    list_display = ["label_nl", "key", "official", "multiple", "required_to_close"]
    list_filter = ["official"]
    fields = ["key", "label_nl", "label_en", "required_to_close", "multiple", "official", "position", "note"]
    # The form and the record for Clavis are made for these.
    readonly_fields = ["key", "multiple", "official"]
    inlines = [CodeInline]
    added_by = frozenset()
    changed_by = NATIONAL

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("codes")
