"""Oversight of conversations: that they were, when, and how they ended, never their text; and ending a duty against the rule."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from chat import handover
from chat.models import Conversation
from chat.protocol import normalise_name
from chat.rules import EndKind, State
from staffing import clock
from staffing.access import COORDINATION, OversightAdmin, ReadOnlyAdmin, is_national, record_refusal
from staffing.models import Duty, Employee
from staffing.refusal import Refused
from staffing.rules import Refusal

STATES = {State.WAITING: _("waiting"), State.ACTIVE: _("running"), State.ENDED: _("over")}
ENDS = {
    EndKind.AGREED: _("ended together"),
    EndKind.CHATTER_ENDED: _("ended by the chatter"),
    EndKind.QUICK_EXIT: _("site left quickly"),
    EndKind.LINE_LOST_THEIRS: _("line lost at the chatter's side"),
    EndKind.LINE_LOST_OURS: _("line lost at our side"),
    EndKind.NEVER_REACHED: _("never reached"),
    EndKind.MISUSE: _("misuse"),
}


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request, model_admin):
        return [(state.value, label) for state, label in STATES.items()]

    def queryset(self, request, queryset):
        return queryset.filter(state=self.value()) if self.value() in set(State) else queryset


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    recorded = True
    region_lookup = "region"
    list_display = ["number", "state_name", "region", "started_at", "accepted_at", "ended_at", "end_name", "holder"]
    list_display_links = ["number"]
    list_filter = [StateFilter]
    list_select_related = ["region", "holder"]
    fields = ["id", "state_name", "region", "started_at", "accepted_at", "ended_at", "end_name", "holder", "registered_at"]
    readonly_fields = ["id", "state_name", "end_name", "registered_at"]

    def get_list_filter(self, request: HttpRequest) -> list[object]:  # type: ignore[override]
        return [StateFilter, "region"] if is_national(request.user) else [StateFilter]

    @admin.display(description=_("number"))
    def number(self, conversation: Conversation) -> str:
        return str(conversation)

    @admin.display(description=_("state"), ordering="state")
    def state_name(self, conversation: Conversation) -> str:
        return str(STATES[State(conversation.state)])

    @admin.display(description=_("how it ended"), ordering="end_kind")
    def end_name(self, conversation: Conversation) -> str:
        return str(ENDS[EndKind(conversation.end_kind)]) if conversation.end_kind else ""


# ---------------------------------------------------------------- the override


class OverrideForm(forms.Form):
    """Why, and once more who one is: an open screen that somebody has walked away from ends no duty (ASVS 7.5.3)."""

    reason = forms.CharField(
        label=_("Why do you end this duty?"),
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Everybody of the region reads this with the alarm. Write nothing about a chatter."),
        error_messages={"required": _("Write down why. Without a reason no duty is ended.")},
    )
    password = forms.CharField(
        label=_("Your own password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": _("Fill in your own password.")},
    )

    def __init__(self, data: Any = None, *, by: Employee) -> None:
        super().__init__(data, label_suffix="")
        self.by = by

    def clean_reason(self) -> str:
        """One line that can be read: it stands in an alarm between the words of others."""
        reason = normalise_name(self.cleaned_data["reason"])
        if not any(letter.isalnum() for letter in reason):
            raise ValidationError(self.fields["reason"].error_messages["required"])
        return reason

    def clean_password(self) -> str:
        if not self.by.check_password(self.cleaned_data["password"]):
            raise ValidationError(_("This is not your password. The duty has not been ended."), code="wrong")
        return ""


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def override(request: HttpRequest, duty: str) -> HttpResponse:
    """End somebody's duty although the rule of the handover says no: the coordinator of the region, or a national administrator."""
    at, by = clock.now(), request.user
    if not isinstance(by, Employee) or by.role not in COORDINATION:
        raise PermissionDenied
    duties = admin.site.get_model_admin(Duty)
    assert isinstance(duties, OversightAdmin)
    found: Duty = duties.find(request, duty, part="override", reason=request.POST.get("reason", "").strip())
    there = HttpResponseRedirect(reverse("admin:staffing_duty_change", args=[found.pk]))
    form = OverrideForm(request.POST if request.method == "POST" else None, by=by)
    try:
        if found.ended_at is not None:
            raise Refused(Refusal.NOT_ON_DUTY)
        if form.is_valid():
            handover.override(found.employee, by=by, reason=form.cleaned_data["reason"], at=at)
            messages.success(request, _("The duty of %(name)s has ended. The region sees it as an alarm.") % {"name": found.employee})
            return there
    except Refused:
        messages.warning(request, _("This duty had ended already. Nothing was changed."))
        return there
    if form.has_error("password", "wrong"):
        record_refusal(request, at=at, kind="duty", object_id=found.pk, part="override")
    context = admin.site.each_context(request) | {
        "title": _("End the duty of %(name)s") % {"name": found.employee},
        "opts": Duty._meta,
        "duty": found,
        "left": handover.left_behind(found.employee, at=at),
        "form": form,
    }
    return TemplateResponse(request, "admin/chat/override.html", context, status=400 if form.errors else 200)
