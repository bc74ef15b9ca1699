"""Oversight of the regions and their municipalities."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from staffing.access import COORDINATION, NATIONAL, Overseen, OversightAdmin, is_national
from staffing.models import Municipality, PlaceName, Region

OVERFLOW_MOST = timedelta(hours=1)
ADDRESSES_MOST = 10
ADDRESS_CHARACTERS = 254
KEPT_BY_REGION = ("overflow_after", "alarm_addresses")


class Wait(forms.Field):
    """A duration as people write it: '90' are seconds, '1:30' are minutes and seconds."""

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, timedelta):
            return value
        minutes, seconds = divmod(int(value.total_seconds()), 60)
        return f"{minutes}:{seconds:02}"

    def to_python(self, value: Any) -> timedelta | None:
        written = str(value or "").strip()
        if not written:
            return None
        minutes, colon, seconds = written.rpartition(":")
        if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in ([minutes] if colon else []) + [seconds]):
            raise ValidationError(_("Write a number of seconds (90), or minutes and seconds (1:30)."))
        if colon and int(seconds) > 59:
            raise ValidationError(_("There are at most 59 seconds after the colon."))
        wait = timedelta(minutes=int(minutes or 0), seconds=int(seconds))
        if wait > OVERFLOW_MOST:
            raise ValidationError(_("At most one hour: nobody waits longer than that for somebody who could have helped."))
        return wait

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != (data or None))


class RegionForm(forms.ModelForm):
    overflow_after = Wait(
        label=_("Offered to other regions after"),
        required=False,
        help_text=_(
            "How long a chat of your region waits before other regions see it too: a number of seconds (90) or minutes and seconds (1:30), "
            "at most an hour. 0: at once. Empty: as the whole line does."
        ),
    )

    class Meta:
        widgets = {"alarm_addresses": forms.Textarea(attrs={"rows": 4})}

    def clean_alarm_addresses(self) -> str:
        """One address on each line, and nothing else: they are put in the head of a mail."""
        lines = [line.strip() for line in self.cleaned_data["alarm_addresses"].splitlines()]
        addresses = list(dict.fromkeys(line for line in lines if line))
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError(self._no_address(address)) from error
            # What may stand between quotes in an address is more than what may stand in one line of a mail.
            if '"' in address or not address.isprintable() or len(address) > ADDRESS_CHARACTERS:
                raise ValidationError(self._no_address(address))
        if len(addresses) > ADDRESSES_MOST:
            raise ValidationError(
                _("At most %(most)d addresses, and there are %(n)d. Take an address of a group."),
                params={"most": ADDRESSES_MOST, "n": len(addresses)},
            )
        return "\n".join(addresses)

    def _no_address(self, address: str) -> ValidationError:
        shown = "".join(letter if letter.isprintable() else "�" for letter in address[:100])
        return ValidationError(_("“%(address)s” is no e-mail address. Write one address on each line."), params={"address": shown})


@admin.register(Region)
class RegionAdmin(OversightAdmin):
    """What a region is called and is reached by is national; how it works on this line is its coordinator's."""

    form = RegionForm
    changed_by = COORDINATION
    list_display = ["name", "code", "phone", "website"]
    search_fields = ["name", "code"]
    fields = ("name", "code", "phone", "website", *KEPT_BY_REGION, "source")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or is_national(request.user) or self._is_own(request, obj))

    def _is_own(self, request: HttpRequest, region: Region) -> bool:
        return getattr(request.user, "region_id", None) == region.pk

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # An address of another region's people is nobody's business here.
        hidden = [] if obj is None or is_national(request.user) or self._is_own(request, obj) else ["alarm_addresses"]
        return [name for name in self.fields if name not in hidden]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if not is_national(request.user):
            return [name for name in self.fields if name not in KEPT_BY_REGION]
        return ["code"] if obj else []  # addresses and the directories of Clavis are made of it


class PlaceNameInline(Overseen, admin.TabularInline):
    model = PlaceName
    fields = ["name"]
    extra = 1
    removed_by = NATIONAL


@admin.register(Municipality)
class MunicipalityAdmin(OversightAdmin):
    list_display = ["name", "region", "cbs_code", "valid_from", "valid_until"]
    list_filter = ["region"]
    search_fields = ["name", "cbs_code", "place_names__name"]
    fields = ["name", "cbs_code", "region", "certainty", "valid_from", "valid_until"]
    inlines = [PlaceNameInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["cbs_code"] if obj else []  # registrations are kept and delivered under it
