"""The process step Handover: nobody leaves the line unmanned, and no conversation without somebody. Every way out of duty is here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction

from chat import hints, queue, rules
from chat.models import Conversation
from staffing import opening
from staffing.models import Alarm, Duty, Employee, Found, Region
from staffing.refusal import Refused
from staffing.rules import (
    AlarmKind,
    ClosingStep,
    Refusal,
    Timetable,
    closed_since,
    closing_step,
    is_open,
    may_leave,
    may_start_duty,
    next_opening,
)
from staffing.rules import opening as whole_line


def begin(employee: Employee, *, at: datetime) -> None:
    """Go on duty. Raises Refused: too_early, not_allowed."""
    table = opening.timetables(at).get(employee.region_id or 0)
    Duty.objects.start(
        employee=employee,
        may=may_start_duty(
            open_now=bool(table and is_open(table, at)),
            opens_at=next_opening(table, at) if table else None,
            waiting=Conversation.objects.work_of(employee.region_id).count(),
            at=at,
            before=settings.DUTY_BEFORE_OPENING,
        ),
        at=at,
    )
    hints.changed()


def _locked_duty(employee: Employee) -> Duty:
    """The running duty, after the locks: region, then employee. Raises Refused: not_on_duty."""
    Region.objects.select_for_update(no_key=True).filter(pk=employee.region_id or 0).first()
    employee.lock()
    duty = Duty.objects.running().filter(employee=employee).select_related("employee").first()
    if duty is None:
        raise Refused(Refusal.NOT_ON_DUTY)
    return duty


@transaction.atomic
def leave(employee: Employee, *, at: datetime) -> None:
    """
    Go off duty, when a colleague is there and nothing is held.

    Locks region, then employee: of two last colleagues who leave at the same moment one is refused.
    Raises Refused: not_on_duty, last_one, holds_conversations.
    """
    duty = _locked_duty(employee)
    left = left_behind(employee, at=at)
    may = may_leave(open_now=left.open_now, waiting=left.waiting, available_colleagues=left.available, held=left.held)
    duty.end(may=may, at=at)
    transaction.on_commit(hints.changed)


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What somebody leaves who would go off duty now: conversations held, the work of the region, and the colleagues available."""

    held: int
    waiting: int
    available: int
    open_now: bool

    @property
    def nobody(self) -> bool:
        """Would nobody be there for what is open or waits?"""
        return self.available == 0 and (self.open_now or self.waiting + self.held > 0)


def left_behind(employee: Employee, *, at: datetime) -> LeftBehind:
    """
    What this employee would leave behind. Without the locks of `leave` it may have changed when it is decided about.

    What a colleague holds who has fallen silent waits too: in a moment it is offered again.
    """
    table = opening.timetables(at).get(employee.region_id or 0)
    colleagues = Duty.objects.running().in_region(employee.region_id).exclude(employee=employee)
    available = {duty.employee_id for duty in colleagues if duty.is_connected(at, settings.SILENCE)}
    running = Conversation.objects.active()
    of_the_silent = running.filter(holder__region=employee.region_id).exclude(holder=employee).exclude(holder__in=available)
    return LeftBehind(
        held=running.filter(holder=employee).count(),
        waiting=Conversation.objects.work_of(employee.region_id).count() + of_the_silent.count(),
        available=len(available),
        open_now=bool(table and is_open(table, at)),
    )


@transaction.atomic
def override(employee: Employee, *, by: Employee, reason: str, at: datetime) -> None:
    """
    End somebody's duty against the rule: what is still held is offered again at once, and an alarm says who did it and why.

    Raises Refused: incomplete without a reason, not_on_duty.
    """
    if not reason.strip():
        raise Refused(Refusal.INCOMPLETE)
    duty = _locked_duty(employee)
    duty.override(by=by, reason=reason, at=at)
    for conversation in Conversation.objects.active().filter(holder=employee).order_by("pk"):
        conversation.interrupt(at=at)
    # A duty is ended once, so its number tells two of these alarms apart.
    Alarm.objects.stand(
        Found(AlarmKind.OVERRIDE, employee.region_id, str(duty.pk), employee=employee.pk, text=f"{by.name}: {reason}"), at=at
    )
    transaction.on_commit(hints.changed)


def telephone(employee: Employee, *, busy: bool) -> None:
    """This employee is on the telephone, or no longer. Raises Refused: not_on_duty."""
    with transaction.atomic():
        employee.lock()
        duty = Duty.objects.running().filter(employee=employee).first()
        if duty is None:
            raise Refused(Refusal.NOT_ON_DUTY)
        duty.telephone(busy=busy)
    hints.changed()


# ---------------------------------------------------------------- what has to happen although nobody asks

AT_ONCE = 200  # conversations of which one step does the same thing; the rest have their turn in the next, and nothing else waits long


def look_after(at: datetime, *, blind: bool) -> bool:
    """
    Offer again what has lost its employee, say what has to be said at closing, and let the alarms of conversations stand. Any news?

    `blind`: nobody has watched for a while. Then who is silent may be on the way back: nothing is taken from anybody, nobody is given
    up, and no alarm says so yet.
    """
    tables = opening.timetables(at)
    if blind:
        return _tell_closing(tables, at)
    return _each(partial(_tell_closing, tables, at), partial(_reoffer_lost, at), partial(_give_up, tables, at), partial(_alarms, at))


def _each(*verbs: Callable[[], bool]) -> bool:
    """
    Do all of these; did any of them do something? One that fails keeps nobody from the others: a damaged row is one person's, not all's.

    Raises the first of what went wrong, when all have been done: then there is no heartbeat, and every screen says so.
    """
    done, problem = False, None
    for verb in verbs:
        try:
            done |= verb()
        except Exception as its:
            problem = problem or its
            if isinstance(its, (DatabaseError, InterfaceError)) and not connection.is_usable():
                break  # a database that is gone is not asked a thousand times
    if problem:
        raise problem
    return done


def _reoffer_lost(at: datetime) -> bool:
    """P9: a held conversation is never orphaned."""
    present = Duty.objects.running().filter(heard_at__gt=at - settings.REOFFER_AFTER).values("employee")
    lost = Conversation.objects.active().exclude(holder=None).exclude(holder__in=present).order_by("pk")
    return _each(*(partial(conversation.interrupt, at=at) for conversation in lost[:AT_ONCE]))


def _tables_of(region: int | None, tables: dict[int, Timetable]) -> list[Timetable]:
    """What decides when a chat of this region comes too late: without a region the whole line."""
    return [tables[region]] if region in tables else list(tables.values())


def _tell_closing(tables: dict[int, Timetable], at: datetime) -> bool:
    untold = Conversation.objects.waiting().filter(told_closing_at=None)
    verbs: list[Callable[[], bool]] = []
    for region in (None, *tables):
        line = whole_line(_tables_of(region, tables), at)
        step = closing_step(line, at, soon=settings.CLOSING_SOON, last=settings.CLOSING_LAST)
        if step is ClosingStep.LAST and line.closes_at:
            verbs += [partial(chat.tell_closing, closes_at=line.closes_at, at=at) for chat in untold.in_region(region).order_by("pk")]
    return _each(*verbs[:AT_ONCE])


def _give_up(tables: dict[int, Timetable], at: datetime) -> bool:
    facts = queue.look((), (), at)
    anybody_available = bool(rules.staffed_regions(facts.available, at))

    @cache  # however many wait, they are of few regions
    def closed(region: int | None) -> datetime | None:
        closings = [closed_since(table, at) for table in _tables_of(region, tables)]
        return max((moment for moment in closings if moment), default=None) if all(closings) else None

    never_reached = [
        chat
        for chat in facts.to_take
        if rules.is_never_reached(
            chat=chat,
            closed_since=closed(chat.region),
            anybody_available=anybody_available,
            at=at,
            after=settings.GIVEN_UP_AFTER_CLOSING,
        )
    ]
    found = Conversation.objects.in_bulk([chat.conversation for chat in never_reached[:AT_ONCE]])
    return _each(*(partial(chat.give_up, closed_since=closed(chat.region_id), at=at) for chat in found.values()))


def _alarms(at: datetime) -> bool:
    """P7 and P9: what nobody available is offered, and what has lost its employee, stands as an alarm."""
    facts = queue.look_at_all(at)
    unseen = facts.offered_to_nobody(at)
    found = [_about(AlarmKind.WAITING_OFFERED_TO_NOBODY, facts.conversations[pk].region, pk) for pk in unseen]
    for chat in facts.to_take:
        if chat.interrupted:
            lost = facts.conversations[chat.conversation].lost_holder
            found += [_about(AlarmKind.INTERRUPTED, region, chat.conversation, lost) for region in chat.home or (None,)]
    return Alarm.objects.settle([AlarmKind.WAITING_OFFERED_TO_NOBODY, AlarmKind.INTERRUPTED], found, at=at)


def _about(kind: AlarmKind, region: int | None, conversation: UUID, employee: int | None = None) -> Found:
    return Found(kind, region, str(conversation), employee=employee, conversation=conversation)
