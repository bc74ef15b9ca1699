"""The registration form, one for the workspace and the admin."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from django import forms
from django.db.models import Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from chat import protocol
from registration import rules
from registration.models import Code, CodeList, Registration
from registration.rules import Answers
from staffing.models import Municipality
from staffing.refusal import SENTENCES, Refused
from staffing.rules import AMSTERDAM, Refusal

UNKNOWN = ("", _("Not known"))


class Text(forms.CharField):
    """A text as it is stored: normalised (threat-model X2), with one character for the end of a line, as the page counts it."""

    widget = forms.Textarea(attrs={"rows": 6})
    default_error_messages = {"max_length": _("At most %(limit_value)d characters fit. This text has %(show_value)d: make it shorter.")}

    def to_python(self, value: Any) -> str:
        try:
            return protocol.normalise(value) if isinstance(value, str) else ""
        except protocol.NotUnderstood as error:
            raise forms.ValidationError(SENTENCES[Refusal.BAD_FRAME]) from error


class RegistrationForm(forms.Form):
    """
    What is filled in of a registration. Nothing is required here: a draft may be as incomplete as it is.

    `seen` is the revision that the form was drawn from, `form_id` which opened form it is (see Registration.save_draft).
    """

    template_name = "staff/registration_fields.html"

    content = Text(label=_("Content of the conversation"), max_length=rules.TEXT_CHARACTERS, required=False)
    advice = Text(label=_("Advice given"), max_length=rules.TEXT_CHARACTERS, required=False)
    chat = forms.BooleanField(
        label=_("Chat conversation"),
        required=False,
        initial=True,
        disabled=True,
        widget=forms.CheckboxInput(attrs={"aria-readonly": "true"}),
    )
    municipality = forms.ChoiceField(label=_("Municipality"), required=False)

    def __init__(self, data: Any = None, *, registration: Registration, at: datetime) -> None:
        """Raises Refused: unreadable."""
        self.registration, self.at, self.known = registration, at, registration.answers()
        initial: dict[str, Any] = {"content": self.known.content, "advice": self.known.advice, "municipality": self.known.municipality}
        initial |= {asked.key: self._chosen(asked) for asked in self.lists}
        super().__init__(data, initial=initial, auto_id=f"r{registration.pk.hex[:8]}-%s")
        self.fields["municipality"].choices = self._municipalities()  # type: ignore[attr-defined]
        for asked in self.lists:
            self.fields[asked.key] = self._field(asked)
        self.order_fields(["content", "advice", "chat", "enquirer_kind", "municipality", "nature"])
        self.form_id, self.seen = uuid.uuid4(), registration.revision
        if self.is_bound:
            self.form_id, self.seen = self._of_the_page()
        self.show_missing = False
        self.theirs: dict[str, str] = {}

    def _of_the_page(self) -> tuple[uuid.UUID, int]:
        try:
            return uuid.UUID(self.data.get("form_id", "")), int(self.data.get("version", ""))
        except ValueError:
            return self.form_id, -1  # never the newest

    @cached_property
    def lists(self) -> list[CodeList]:
        return CodeList.objects.asked()

    def _chosen(self, asked: CodeList) -> Any:
        chosen = self.known.codes.get(asked.key, frozenset())
        return sorted(chosen) if asked.multiple else next(iter(chosen), "")

    def _field(self, asked: CodeList) -> forms.Field:
        today = self.at.astimezone(AMSTERDAM).date()
        kept = Q(list=asked, code__in=self.known.codes.get(asked.key, ()))
        codes = Code.objects.filter(kept) | Code.objects.filter(list=asked).valid_on(today)
        choices = [(code.code, code.label) for code in codes.order_by("position", "code")]
        if asked.multiple:
            return forms.MultipleChoiceField(label=asked.label, choices=choices, required=False, widget=forms.CheckboxSelectMultiple)
        return forms.ChoiceField(label=asked.label, choices=[UNKNOWN, *choices], required=False)

    def _municipalities(self) -> Iterable[Any]:
        """Those of the region first, then all others, by region."""
        own = self.registration.region
        today = self.at.astimezone(AMSTERDAM).date()
        found = Municipality.objects.valid_on(today) | Municipality.objects.filter(cbs_code=self.known.municipality)
        rows = found.order_by("region__name", "name").values_list("region", "region__name", "cbs_code", "name")
        groups = [(pk == own.pk, name, [row[2:] for row in its]) for (pk, name), its in groupby(rows, key=lambda row: row[:2])]
        groups.sort(key=lambda group: not group[0])
        return [UNKNOWN, *((name, places) for _own, name, places in groups)]

    def answers(self) -> Answers:
        """What a valid form says."""
        said = self.cleaned_data
        codes = {one.key: frozenset(said[one.key] if one.multiple else filter(None, [said[one.key]])) for one in self.lists}
        return Answers(said["content"], said["advice"], said["municipality"], codes)

    @property
    def missing(self) -> list[str]:
        """The names of the fields that closing still needs, of what is kept."""
        return rules.missing(self.registration.answers(), [asked.as_asked() for asked in self.lists])

    @property
    def missing_labels(self) -> list[str]:
        return [str(self.fields[name].label) for name in self.missing]

    def changed_meanwhile(self) -> None:
        """Show beside what was typed what stands there now; saving again then is a decision."""
        self.registration.refresh_from_db()
        now, mine = self.registration.answers(), by_field(self.answers())
        self.seen = self.registration.revision
        words = {"content": now.content, "advice": now.advice, "municipality": str(self.registration.municipality or "")}
        for asked in self.lists:
            words[asked.key] = ", ".join(code.label for code in self.registration.chosen() if code.list_id == asked.pk)
        self.theirs = {name: text for name, text in words.items() if mine.get(name) != by_field(now).get(name, frozenset())}
        self.add_error(None, _("Somebody else has changed this meanwhile. Look at both; saving again puts yours in its place."))

    def refused(self, no: Refused, needed: Iterable[str] = ()) -> None:
        """Say at the form why it was refused, and beside the fields what is needed first."""
        for name in needed:
            if not self.has_error(name):
                self.add_error(name, _("Fill this in first."))
        self.add_error(None, no.detail())

    def get_context(self) -> dict[str, Any]:
        context, missing = super().get_context(), self.missing if self.show_missing else []
        rows = [
            {"field": field, "errors": errors, "missing": field.name in missing and not errors, "theirs": self.theirs.get(field.name)}
            for field, errors in context["fields"]
        ]
        return context | {"rows": rows}


def by_field(answers: Answers) -> dict[str, Any]:
    return {"content": answers.content, "advice": answers.advice, "municipality": answers.municipality} | dict(answers.codes)
