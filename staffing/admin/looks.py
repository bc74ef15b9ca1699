"""Oversight of who looked at what."""

from django.apps import apps
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from staffing.access import ReadOnlyAdmin
from staffing.models import Look, Role


def in_words(kind: str) -> str:
    """What was looked at: the model of that name, as people call it."""
    found = next((model for model in apps.get_models() if model._meta.model_name == kind), None)
    return str(found._meta.verbose_name) if found else kind


OUTCOMES = {"allowed": _("allowed"), "refused": _("refused")}
COMPONENTS = {"admin": _("Oversight"), "workspace": _("workspace")}
PARTS = {
    "override": _("ending it against the rule"),
    "close": _("closing it"),
    "register": _("registering it"),
    "registration": _("its registration"),
    "password": _("the password"),
    "history": _("its history"),
    "remove": _("removing it"),
    "day": _("a day"),
}


class KindFilter(admin.SimpleListFilter):
    title = _("of what")
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        kinds = model_admin.get_queryset(request).order_by("kind").values_list("kind", flat=True).distinct()
        return [(kind, in_words(kind)) for kind in kinds]

    def queryset(self, request, queryset):
        return queryset.filter(kind=self.value()) if self.value() else queryset


class OutcomeFilter(admin.SimpleListFilter):
    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request, model_admin):
        return OUTCOMES.items()

    def queryset(self, request, queryset):
        return queryset.filter(outcome=self.value()) if self.value() in OUTCOMES else queryset


@admin.register(Look)
class LookAdmin(ReadOnlyAdmin):
    """Who looked at what. Reading it is a look too."""

    recorded = True
    region_lookup = "region"
    list_display = ["at", "username", "role_name", "action", "kind_name", "object_id", "part_name", "basis", "outcome_name"]
    list_filter = [KindFilter, "action", OutcomeFilter, "basis"]
    fields = ["at", "by", "username", "role_name", "region", "action", "kind_name", "object_id", "part_name", "reason", "basis"]
    fields += ["outcome_name", "component_name", "session"]
    readonly_fields = ["role_name", "kind_name", "part_name", "outcome_name", "component_name"]
    search_fields = ["object_id", "username"]
    search_help_text = _("Account, or the number of what was looked at")

    @admin.display(description=_("role"), ordering="role")
    def role_name(self, look: Look) -> str:
        return str(Role(look.role).label) if look.role in Role else look.role

    @admin.display(description=_("of what"), ordering="kind")
    def kind_name(self, look: Look) -> str:
        return in_words(look.kind)

    @admin.display(description=_("which part"), ordering="part")
    def part_name(self, look: Look) -> str:
        return str(PARTS.get(look.part, look.part))

    @admin.display(description=_("where"), ordering="component")
    def component_name(self, look: Look) -> str:
        return str(COMPONENTS.get(look.component, look.component))

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_name(self, look: Look) -> str:
        return str(OUTCOMES.get(look.outcome, look.outcome))
