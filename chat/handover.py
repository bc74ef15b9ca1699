"""The process step Handover: nobody leaves the line unmanned. Every way out of duty goes through `leave`."""

from datetime import datetime

from django.conf import settings
from django.db import transaction

from chat import hints
from chat.models import Conversation
from staffing import opening, rules
from staffing.models import Duty, Employee, Region
from staffing.refusal import Refused
from staffing.rules import Refusal


def begin(employee: Employee, *, at: datetime) -> None:
    """Go on duty. Raises Refused: too_early, not_allowed."""
    table = opening.timetables(at).get(employee.region_id or 0)
    Duty.objects.start(
        employee=employee,
        may=rules.may_start_duty(
            open_now=bool(table and rules.is_open(table, at)),
            opens_at=rules.next_opening(table, at) if table else None,
            waiting=Conversation.objects.waiting().in_region(employee.region_id).count(),
            at=at,
            before=settings.DUTY_BEFORE_OPENING,
        ),
        at=at,
    )
    hints.changed()


@transaction.atomic
def leave(employee: Employee, *, at: datetime) -> None:
    """
    Go off duty, when a colleague is there and nothing is held.

    Locks region, then employee: of two last colleagues who leave at the same moment one is refused.
    Raises Refused: not_on_duty, last_one, holds_conversations.
    """
    region = Region.objects.select_for_update(no_key=True).filter(pk=employee.region_id or 0).first()
    employee.lock()
    duty = Duty.objects.running().filter(employee=employee).select_related("employee").first()
    if duty is None:
        raise Refused(Refusal.NOT_ON_DUTY)
    table = opening.timetables(at).get(region.pk) if region else None
    duty.end(
        held=Conversation.objects.active().filter(holder=employee).count(),
        open_now=bool(table and rules.is_open(table, at)),
        waiting=Conversation.objects.waiting().in_region(employee.region_id).count(),
        at=at,
    )
    transaction.on_commit(hints.changed)
