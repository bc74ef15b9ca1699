"""Telling alarms outside the screens: by mail to the addresses of the region, and as a JSON POST to a hook."""

import json
import logging
import smtplib
from collections.abc import Callable
from datetime import datetime, timedelta
from http.client import HTTPException
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.translation import gettext as _
from django.utils.translation import override

from staffing.models import Alarm
from staffing.rules import AMSTERDAM

logger = logging.getLogger("geruisloos.alarms")
LATER = [timedelta(seconds=seconds) for seconds in (15, 30, 60, 300)]  # after each attempt that failed; then the last one again
OLD = timedelta(hours=24)  # an alarm that could not be told for so long is history
LEASE = timedelta(minutes=1)  # who has begun to tell it has that long


def send_due(at: datetime) -> int:
    """Tell every alarm that was not told yet; how many were. Never called inside a transaction."""
    return _send(at, "mail_at", _mail) + _send(at, "hook_at", _hook)


def _send(at: datetime, due: str, tell: Callable[[Alarm], None]) -> int:
    told = 0
    for alarm in Alarm.objects.filter(**{f"{due}__lte": at}).select_related("region", "employee").order_by("since_at"):
        claimed = Alarm.objects.filter(pk=alarm.pk, **{due: getattr(alarm, due)}).update(**{due: at + LEASE})
        if not claimed:
            continue  # another process tells it
        again: datetime | None = None
        try:
            tell(alarm)
            told += 1
        except (OSError, smtplib.SMTPException, HTTPException, ValueError) as problem:
            logger.warning("an alarm was not told (%s): %s", due.removesuffix("_at"), type(problem).__name__)
            again = None if at - alarm.since_at > OLD else at + LATER[min(alarm.attempts, len(LATER) - 1)]
        Alarm.objects.filter(pk=alarm.pk).update(**{due: again, "attempts": alarm.attempts + (again is not None)})
    return told


def _mail(alarm: Alarm) -> None:
    addresses = alarm.region.alarm_addresses.split() if alarm.region else []
    if not addresses or not settings.EMAIL_URL:
        return
    with override(settings.LANGUAGE_CODE):
        # Nothing of a conversation, and no name: mail is read by whoever holds the device.
        subject = _("Alarm: {what}").format(what=alarm.get_kind_display())
        text = _("{what}, {region}, since {time}. See the workspace or the oversight page.").format(
            what=alarm.get_kind_display(), region=alarm.region, time=f"{alarm.since_at.astimezone(AMSTERDAM):%H:%M}"
        )
    EmailMessage(subject, text, to=addresses).send()


def _hook(alarm: Alarm) -> None:
    if not settings.ALARM_HOOK:
        return
    body = {
        "alarm": str(alarm.pk),
        "kind": alarm.kind,
        "region": alarm.region.code if alarm.region else None,
        "since": alarm.since_at.isoformat(),
    }
    request = Request(settings.ALARM_HOOK, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 - https only: settings
    with _opener.open(request, timeout=settings.TELL_LIMIT.total_seconds()) as answer:
        if answer.status >= 300:
            raise URLError(str(answer.status))


class _NoRedirect(HTTPRedirectHandler):
    """An alarm goes where the operator said, and nowhere else."""

    def redirect_request(self, *args: object) -> None:
        return None


_opener = build_opener(_NoRedirect)
