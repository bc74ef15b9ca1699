"""What was taken from an employee while their line was gone: who comes back reads who has it now (P9)."""

from dataclasses import dataclass
from uuid import UUID

from chat import entries
from chat.models import Conversation
from staffing.models import Alarm, Duty, Employee
from staffing.rules import AlarmKind


@dataclass(frozen=True, slots=True)
class Taken:
    """`employee` is the name of who has it now, empty while it still waits for somebody."""

    conversation: UUID
    nickname: str
    employee: str


def taken_from(employee: Employee) -> list[Taken]:
    """
    What was offered again since this employee was last heard: nothing as soon as their line is back.

    For a page that begins anew; one that was there all the time reads it in `gone`.
    """
    duty = Duty.objects.running().filter(employee=employee).first()
    if duty is None:
        return []
    since = duty.heard_at or duty.started_at
    lost = Alarm.objects.filter(kind=AlarmKind.INTERRUPTED, employee=employee, since_at__gt=since).values("conversation")
    rows = list(Conversation.objects.filter(pk__in=lost).exclude(holder=employee).order_by("pk").values_list("pk", "holder__name"))
    opened = entries.opened(pk for pk, _name in rows)
    return [Taken(pk, opened[pk].nickname if pk in opened else "", name or "") for pk, name in rows]
