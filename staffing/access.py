"""Who may see what: sessions that still stand, the record of looks, and the one base class of everything in the admin."""

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import DataError, models
from django.db.models.functions import Now
from django.http import Http404, HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.text import capfirst

from staffing import clock
from staffing.among import among
from staffing.models import Employee, Look, Region, Role

# ---------------------------------------------------------------- sessions


def employees_of_sessions(keys: Collection[str]) -> dict[str, Employee]:
    """
    Whose session each of these is, as account, password and role stand now (threat-model S3); without those that have ended.

    Two statements, however many there are: the lines of a whole country are looked at every ten seconds.
    """
    stored = SessionStore.get_model_class().objects.filter(session_key__in=among(keys), expire_date__gt=Now()) if keys else ()
    sessions = {row.session_key: row.get_decoded() for row in stored}
    claimed = {key: session[SESSION_KEY] for key, session in sessions.items() if SESSION_KEY in session and BACKEND_SESSION_KEY in session}
    if not claimed:
        return {}
    active = Employee.objects.filter(pk__in=among(int(pk) for pk in claimed.values()), is_active=True)
    employees = {str(employee.pk): employee for employee in active}
    return {
        key: employees[pk]
        for key, pk in claimed.items()
        if pk in employees and constant_time_compare(sessions[key].get(HASH_SESSION_KEY, ""), employees[pk].get_session_auth_hash())
    }


def employee_of_session(key: str) -> Employee | None:
    """Whose session this is; None when it has ended."""
    return employees_of_sessions([key]).get(key)


def standing_sessions(keys: Collection[str]) -> dict[str, int]:
    """For each of these sessions that stands, whose it is. Who may not answer chats any more has no staff line."""
    return {key: employee.pk for key, employee in employees_of_sessions(keys).items() if employee.answers_chats}


# ---------------------------------------------------------------- looks


def record(
    request: HttpRequest,
    *,
    at: datetime,
    action: Look.Action,
    of: models.Model | type[models.Model],
    part: str = "",
    reason: str = "",
    basis: str = "",
    component: str = "admin",
) -> None:
    """Write down this look before it is answered: of one row, or of a list when `of` is a model. Outside a transaction."""
    object_id = of.pk if isinstance(of, models.Model) else ""
    fields = {"part": part, "reason": reason, "basis": basis, "component": component}
    _record(request, at, action=action, kind=str(of._meta.model_name), object_id=object_id, **fields)


def record_refusal(request: HttpRequest, *, at: datetime, kind: str, object_id: object, part: str = "", component: str = "admin") -> None:
    """Write down that somebody wanted to see what is not for them."""
    action = Look.Action.SEE if request.method in ("GET", "HEAD") else Look.Action.CHANGE
    fields = {"kind": kind, "object_id": object_id, "part": part, "basis": Look.Basis.NONE, "component": component}
    _record(request, at, action=action, outcome="refused", **fields)


KEPT = {"object_id": 60, "part": 60, "reason": 400}  # characters


def _record(request: HttpRequest, at: datetime, **fields: Any) -> None:
    by = request.user if isinstance(request.user, Employee) else None
    # Enough to see which looks belong to one login, and nothing that opens it.
    key = request.session.session_key if hasattr(request, "session") else None
    session = hashlib.sha256(key.encode()).hexdigest()[:16] if key else ""
    # What stood in an address is kept as it can be: PostgreSQL takes no NUL in a text.
    fields |= {name: str(fields.get(name, "")).replace("\0", "")[:length] for name, length in KEPT.items()}
    Look.objects.record(at=at, by=by, session=session, **fields)


# ---------------------------------------------------------------- the admin

COORDINATION = frozenset({Role.COORDINATOR, Role.ADMINISTRATOR})
OVERSIGHT = COORDINATION | {Role.MANAGER}
NATIONAL = frozenset({Role.ADMINISTRATOR})


def oversees(user: object) -> bool:
    """Does this person have anything to do in the admin? Front Office has not."""
    return isinstance(user, Employee) and user.is_active and user.role in OVERSIGHT


def is_national(user: object) -> bool:
    return isinstance(user, Employee) and user.is_active and user.role in NATIONAL


class Overseen(admin.options.BaseModelAdmin):
    """
    What each role may see and do, by the employee's role and region alone; Django's own permissions count for nothing.

    `region_lookup` leads to the region of a row; without it the rows are national and everybody who oversees may read them.
    """

    region_lookup = ""
    seen_by: frozenset[str] = OVERSIGHT
    added_by: frozenset[str] = NATIONAL
    changed_by: frozenset[str] = NATIONAL
    removed_by: frozenset[str] = frozenset()  # threat-model S7: delete is off except through the purge

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        if not self.region_lookup or is_national(request.user):
            return rows
        return rows.filter(self.visible_to(request.user))

    def visible_to(self, user: Any) -> models.Q:
        return models.Q(**{self.region_lookup: user.region_id}) if user.region_id else models.Q(pk__in=[])

    def _may(self, request: HttpRequest, roles: frozenset[str], obj: models.Model | None) -> bool:
        user = request.user
        if not (isinstance(user, Employee) and user.is_active and user.role in roles):
            return False
        return obj is None or is_national(user) or not self.region_lookup or self.is_own(obj, user)

    def is_own(self, obj: models.Model, user: Employee) -> bool:
        """May somebody of that region do to this row what the role allows?"""
        return type(obj)._default_manager.filter(models.Q(**{self.region_lookup: user.region_id}), pk__in=[obj.pk]).exists()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, self.seen_by, None)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Rows are found by get_queryset only, so a row in hand may be seen.
        return self._may(request, self.seen_by, None)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.added_by, None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.changed_by, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.removed_by, obj)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Whoever is of one region writes for that region only; 'all regions' is the administrator's."""
        if db_field.remote_field.model is not Region or is_national(request.user):
            return super().formfield_for_foreignkey(db_field, request, **kwargs)
        own: int | None = getattr(request.user, "region_id", None)
        rows = Region.objects.filter(pk__in=[own])
        kwargs |= {"queryset": rows, "initial": own, "empty_label": None, "required": True, "help_text": ""}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A choice is a choice: no buttons beside it that open windows to other rows."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field


class OversightAdmin(Overseen, admin.ModelAdmin):
    """The base of every page of the admin: own region only, and every look at what is about people is recorded before it is answered."""

    recorded = False  # L2 and L3 (threat-model section 1): what is about people
    has_history = True  # Django's list of changes; not for what only verbs change
    list_per_page = 50
    show_full_result_count = False
    save_on_top = False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if self.recorded and self.has_view_permission(request):
            self._look(request, Look.Action.LIST, self.model, part=request.GET.urlencode())
        return super().changelist_view(request, {"title": capfirst(self.opts.verbose_name_plural)} | (extra_context or {}))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        if object_id is None:
            if self.recorded and request.method == "POST" and self.has_add_permission(request):
                self._look(request, Look.Action.ADD, self.model)
        else:
            self.find(request, object_id)
        return super().changeform_view(request, object_id, form_url, {"has_history": self.has_history} | (extra_context or {}))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A form begins empty: what stands in its address is text, and not every field can show any text."""
        return {}

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        if not self.has_history:
            raise Http404
        self.find(request, object_id, part="history")
        return super().history_view(request, object_id, extra_context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        self.find(request, object_id, part="remove")
        return super().delete_view(request, object_id, extra_context)

    def find(self, request: HttpRequest, object_id: str, part: str = "", reason: str = "") -> Any:
        """The row, among what this person may see, with the look recorded. Elsewhere it is not here, and that is recorded too."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found = self.get_queryset(request).get(pk=unquote(object_id))
        except (ObjectDoesNotExist, ValidationError, ValueError, DataError):
            kind = str(self.opts.model_name)
            record_refusal(request, at=clock.now(), kind=kind, object_id=unquote(object_id), part=part)
            raise Http404 from None
        if self.recorded:
            changes = request.method == "POST"
            self._look(request, Look.Action.CHANGE if changes else Look.Action.SEE, found, part=part, reason=reason)
        return found

    def _look(self, request: HttpRequest, action: Look.Action, of: Any, part: str = "", reason: str = "") -> None:
        basis = Look.Basis.NATIONAL if is_national(request.user) else Look.Basis.REGION
        record(request, at=clock.now(), action=action, of=of, part=part, reason=reason, basis=basis)


class ReadOnlyAdmin(OversightAdmin):
    """Only verbs change these; here they are looked at."""

    added_by: frozenset[str] = frozenset()
    changed_by: frozenset[str] = frozenset()
    has_history = False
    actions = None


class OfTheRegion(OversightAdmin):
    """What a coordinator keeps for the own region; rows without a region are for all of them and the administrator's."""

    region_lookup = "region"
    added_by = changed_by = removed_by = COORDINATION
    actions: Any = None

    def visible_to(self, user: Any) -> models.Q:
        return super().visible_to(user) | models.Q(region=None)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [*super().get_list_filter(request), *(["region"] if is_national(request.user) else [])]
