"""Telling alarms outside the screens: by mail to the addresses of the region, and as a JSON POST to a hook."""

import json
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from http.client import HTTPException
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.utils.translation import gettext as _
from django.utils.translation import override

from staffing.models import Alarm, Employee, Region, Role
from staffing.models.alarms import FOR_OPERATORS
from staffing.rules import AMSTERDAM

logger = logging.getLogger("geruisloos.alarms")
# After an attempt that failed: as long again as it has been tried, within these bounds.
SOONEST, LATEST = timedelta(seconds=15), timedelta(minutes=15)
OLD = timedelta(hours=24)  # an alarm that could not be told for so long is history
LEASE = timedelta(minutes=1)  # who has begun to tell it has that long
RECEIVERS_MOST = 100  # of one mail: what a mail server has to take (RFC 5321)


def mail_next(at: datetime) -> bool:
    """Mail the alarm whose turn it is; was there one, and did it get away? Never called inside a transaction."""
    return _tell_next("mail_at", _mail, at)


def hook_next(at: datetime) -> bool:
    """Tell the hook of the alarm whose turn it is; was there one, and did it get away? Never called inside a transaction."""
    return _tell_next("hook_at", _hook, at)


def _tell_next(way: str, tell: Callable[[Alarm], None], at: datetime) -> bool:
    for alarm in Alarm.objects.to_be_told(way, at, since=at - OLD).select_related("region")[:20]:
        mine = Alarm.objects.filter(pk=alarm.pk, **{way: getattr(alarm, way)})
        if mine.update(**{way: at + LEASE}):
            break
    else:
        return False  # nothing is to be told, or others tell it
    claimed = Alarm.objects.filter(pk=alarm.pk, **{way: at + LEASE})
    try:
        tell(alarm)
    except (OSError, HTTPException, ValueError) as problem:  # what smtplib and urllib raise: no address or text in the log
        logger.warning("an alarm was not told (%s): %s", way.removesuffix("_at"), type(problem).__name__)
        again = at + max(SOONEST, min(at - alarm.since_at, LATEST))
        claimed.update(**{way: again, "attempts": alarm.attempts + 1})
        return False
    claimed.update(**{way: None})
    return True


def _mail(alarm: Alarm) -> None:
    receivers = list(dict.fromkeys(_usable(_addresses(alarm)))) if settings.EMAIL_URL else []
    with override(settings.LANGUAGE_CODE):
        # Nothing of a conversation, and no name: mail is read by whoever holds the device.
        words = {"what": alarm.get_kind_display(), "region": alarm.region or _("whole line"), "time": _time(alarm.since_at)}
        subject = _("Alarm: {what}").format(**words)
        text = _("{what}, {region}, since {time}. See the workspace or the oversight page.").format(**words)
        if alarm.over_at:
            text += "\n" + _("It was over at {time}.").format(time=_time(alarm.over_at))
    for first in range(0, len(receivers), RECEIVERS_MOST):
        EmailMessage(
            subject,
            text,
            bcc=receivers[first : first + RECEIVERS_MOST],
            headers={
                "To": "undisclosed-recipients:;",
                # Whoever gets it twice, since the answer to the first was lost, can see that it is the same one.
                "Message-ID": f"<{alarm.pk}.{first}@{settings.DEFAULT_FROM_EMAIL.rpartition('@')[2]}>",
                "Auto-Submitted": "auto-generated",
            },
        ).send()


def _addresses(alarm: Alarm) -> list[str]:
    """Of its region; of every region when it is everybody's; of the national administrators when it is for operators."""
    if alarm.kind in FOR_OPERATORS:
        return list(Employee.objects.filter(role=Role.ADMINISTRATOR, is_active=True).values_list("email", flat=True))
    if alarm.region:
        return alarm.region.alarm_addresses.splitlines()
    return [line for lines in Region.objects.values_list("alarm_addresses", flat=True) for line in lines.splitlines()]


def _usable(addresses: Iterable[str]) -> Iterable[str]:
    """Without those that are none: one slip of the pen keeps no alarm from the others, and no line gets into the head of a mail."""
    for address in addresses:
        try:
            validate_email(address.strip())
            yield address.strip()
        except ValidationError:
            if address.strip():
                logger.warning("an address for alarms is none")


def _time(at: datetime) -> str:
    return f"{at.astimezone(AMSTERDAM):%d-%m %H:%M}"


def _hook(alarm: Alarm) -> None:
    if not settings.ALARM_HOOK:
        return
    body = {
        "alarm": str(alarm.pk),
        "kind": alarm.kind,
        "region": alarm.region.code if alarm.region else None,
        "since": alarm.since_at.isoformat(),
        "over": alarm.over_at and alarm.over_at.isoformat(),
    }
    request = Request(settings.ALARM_HOOK, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 - https only: settings
    _opener.open(request, timeout=settings.TELL_LIMIT.total_seconds()).close()


class _NoRedirect(HTTPRedirectHandler):
    """An alarm goes where the operator said, and nowhere else: a redirect is an answer that tells nobody."""

    def redirect_request(self, *args: object) -> None:
        return None


_opener = build_opener(_NoRedirect)
