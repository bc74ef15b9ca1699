"""Oversight of conversations: that they were, when, and how they ended. Never their text."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.models import Conversation
from chat.rules import EndKind, State
from staffing.access import ReadOnlyAdmin, is_national

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
