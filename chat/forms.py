"""The start form: everything is optional, and wrong input loses nothing."""

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from chat import protocol
from chat.language import LANGUAGES
from staffing.models import Municipality, Region
from staffing.refusal import SENTENCES
from staffing.rules import Refusal

ROLES = [
    ("self", _("About myself")),
    ("close", _("About someone in my family or a friend")),
    ("bystander", _("About someone else, for example a neighbour or pupil")),
    ("professional", _("I ask for my work")),
]


class Whatever(forms.CharField):
    """What is looked up, and counts as empty when it is not known: nothing that stands here is a reason to refuse."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def clean(self, value: Any) -> str:
        return str(value or "").strip()


class KnownOrEmpty(Whatever):
    """A choice that counts as empty when it is unknown: an old page or a tampered one is no reason to refuse."""

    def __init__(self, known: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = known

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        return text if text in self.known else ""


class StartForm(forms.Form):
    conversation = Whatever(widget=forms.HiddenInput)
    nickname = forms.CharField(label=_("What may we call you?"), required=False, strip=False)
    municipality = Whatever(label=_("In which municipality do you live?"))
    role = KnownOrEmpty({code for code, _label in ROLES}, label=_("Who is it about?"), widget=forms.RadioSelect(choices=ROLES))
    text = forms.CharField(label=_("What can we help you with?"), required=False, strip=False, widget=forms.Textarea)
    region = Whatever(widget=forms.HiddenInput)
    lang = KnownOrEmpty(LANGUAGES, widget=forms.HiddenInput)

    def clean_conversation(self) -> uuid.UUID:
        try:
            return protocol.uuid(self.cleaned_data["conversation"])
        except protocol.NotUnderstood:
            return uuid.uuid4()

    def clean_nickname(self) -> str:
        try:
            name = protocol.normalise_name(self.cleaned_data["nickname"])
        except protocol.NotUnderstood as error:
            raise forms.ValidationError(SENTENCES[Refusal.BAD_FRAME], code=Refusal.BAD_FRAME) from error
        if len(name) > settings.NICKNAME_CHARACTERS:
            raise forms.ValidationError(_("This name is too long. Choose one of at most 40 characters."), code=Refusal.TOO_LONG)
        return name

    def clean_municipality(self) -> Municipality | None:
        return Municipality.objects.called(self.cleaned_data["municipality"])

    def clean_region(self) -> Region | None:
        return Region.objects.with_code(self.cleaned_data["region"])

    def clean_text(self) -> str:
        try:
            return protocol.message_text(self.cleaned_data["text"])
        except protocol.NotUnderstood as no:
            if no.code is Refusal.EMPTY:
                return ""
            raise forms.ValidationError(SENTENCES[no.code], code=no.code) from no

    def reason(self) -> Refusal:
        """Why this form cannot begin a conversation."""
        codes = {error.code for errors in self.errors.as_data().values() for error in errors}
        return Refusal.TOO_LONG if Refusal.TOO_LONG in codes else Refusal.BAD_FRAME

    def asked_region(self) -> Region | None:
        """Whose chat it would have been; a municipality goes before the region of a website."""
        municipality = self.cleaned_data.get("municipality")
        return municipality.region if municipality else self.cleaned_data.get("region")
