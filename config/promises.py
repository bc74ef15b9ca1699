"""
The promises of the line, evaluated on the live database: by the watch every five minutes, and by `manage.py selfcheck`.

Each function is named after its promise, answers what breaks it (nothing, when it is kept), and takes a fixed number of statements.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from chat import queue
from chat.models import Conversation, Entry
from chat.rules import State
from registration.models import Delivery, RegisteredConversation, Registration, Version
from registration.rules import State as RegistrationState
from staffing import clock, coverage, opening, rules
from staffing.models import Alarm, Duty, Region, Watch
from staffing.rules import AlarmKind

SEEN_WITHIN = timedelta(seconds=60)  # what nobody sees is an alarm by then
TAKEN_WITHIN = timedelta(seconds=30)  # after REOFFER_AFTER: by then it has been offered again
AGAIN = timedelta(seconds=6)  # what is broken is so twice, this far apart: the watch has looked in between
CLOCKS_APART = timedelta(seconds=2)  # and no further (P17)
STATEMENT_LIMIT = timedelta(seconds=60)  # reading every entry takes longer than what people wait for
MOST = 1_000  # of one promise are counted


def shown_once_in_order_without_gaps(at: datetime) -> list[str]:
    """P2: the entries of each conversation are numbered 1, 2, 3 … to its last number."""
    numbered = (
        Entry.objects.order_by()
        .values("conversation", "conversation__last_seq")
        .annotate(number=Count("seq"), first=Min("seq"), last=Max("seq"))
        .exclude(first=1, number=F("conversation__last_seq"), last=F("conversation__last_seq"))
    )
    # Where the key is gone the entries are too: purged.
    silent = Conversation.objects.exclude(last_seq=0).exclude(key=None).exclude(Exists(Entry.objects.filter(conversation=OuterRef("pk"))))
    return _named(numbered.values_list("conversation", flat=True)) + _named(silent.order_by().values_list("pk", flat=True))


def a_waiting_chat_is_never_invisible(at: datetime) -> list[str]:
    """P7: what has to be taken is offered to somebody available, or an alarm for it stands; both had a minute to come true."""
    facts = queue.look_at_all(at)
    before = at - SEEN_WITHIN
    unseen = facts.offered_to_nobody(at) & facts.offered_to_nobody(before)
    unseen &= {chat.conversation for chat in facts.to_take if chat.since <= before}
    alarms = Alarm.objects.standing().filter(kind=AlarmKind.WAITING_OFFERED_TO_NOBODY)
    return _named(unseen - set(alarms.values_list("conversation", flat=True)))


def never_two_holders(at: datetime) -> list[str]:
    """P8: a running conversation has one holder or is interrupted, never both, and one that waits has none."""
    held, interrupted = Q(holder__isnull=False), Q(interrupted_at__isnull=False)
    wrong = (Q(state=State.ACTIVE) & ((held & interrupted) | ~(held | interrupted))) | Q(held | interrupted, state=State.WAITING)
    return _named(Conversation.objects.filter(wrong).order_by().values_list("pk", flat=True))


def a_held_conversation_is_never_orphaned(at: datetime) -> list[str]:
    """P9: whoever holds a running conversation is on duty and heard, or it has been offered again."""
    gone = at - settings.REOFFER_AFTER - TAKEN_WITHIN
    present = Duty.objects.running().filter(employee=OuterRef("holder"), heard_at__gt=gone)
    left = Conversation.objects.active().exclude(holder=None).exclude(Exists(present))
    left = left.annotate(since=Coalesce("assigned_at", "accepted_at", "started_at")).filter(since__lte=gone)
    return _named(left.order_by().values_list("pk", flat=True))


def coverage_never_drops_without_an_alarm(at: datetime) -> list[str]:
    """P10: where the line was open and nobody available for the last minute an alarm stands; and somebody watches."""
    before = at - SEEN_WITHIN
    lately = Duty.objects.during(before, at + timedelta.resolution)
    region_of = dict(lately.values_list("employee", "employee__region"))
    duties = defaultdict(list)
    for duty in lately.as_was_on_duty():
        duties[region_of.get(duty.employee)].append(duty)
    alarms = set(Alarm.objects.standing().filter(kind__in=coverage.KINDS).exclude(kind=AlarmKind.LATE).values_list("region", flat=True))
    taking_part, codes = coverage.taking_part(), dict(Region.objects.values_list("pk", "code"))
    found = [
        codes[region]
        for region, table in opening.timetables(at).items()
        if region in taking_part - alarms
        and any(opens <= before and at <= closes for opens, closes in coverage.hours_between(table, before, at))
        and not any(duty.started_at > before for duty in duties[region])  # is about to be heard
        and rules.gaps(duties[region], [(before, at)], at, settings.SILENCE) == [(before, at)]
    ]
    watch = Watch.objects.first()
    return found + (["watch"] if watch and watch.heartbeat_at and at - watch.heartbeat_at > settings.WATCH_DEAD else [])


def every_conversation_gets_its_registration(at: datetime) -> list[str]:
    """P11: each conversation that was ever accepted has exactly one registration (the key of the link sees to the *one*)."""
    links = RegisteredConversation.objects.filter(conversation=OuterRef("pk"))
    without = Conversation.objects.exclude(accepted_at=None).exclude(Exists(links))
    return _named(without.order_by().values_list("pk", flat=True))


def a_registration_reaches_clavis_or_somebody_sees_that_it_does_not(at: datetime) -> list[str]:
    """P12: what was closed has a version, each version is delivered, due or stuck; and for what is late or stuck an alarm stands."""
    versions = Version.objects.filter(registration=OuterRef("pk"))
    never = Registration.objects.filter(state=RegistrationState.CLOSED).exclude(Exists(versions))
    forgotten = Version.objects.filter(delivery=None)
    alarms = Alarm.objects.standing().filter(kind=AlarmKind.CLAVIS, region=OuterRef("version__registration__region"))
    unseen = Delivery.objects.overdue(at).exclude(Exists(alarms)).select_related("version")
    return _named(never.order_by().values_list("reference", flat=True)) + _named(forgotten) + _named(unseen)


def _named(found: Any) -> list[str]:
    """As people look for it, in a steady order."""
    return sorted(str(one) for one in list(found)[:MOST])


# What stands in a line beside the number of what breaks it.
PROMISES: dict[str, tuple[Callable[[datetime], list[str]], Any]] = {
    "P2": (shown_once_in_order_without_gaps, _("conversations whose messages are not numbered without a gap")),
    "P7": (a_waiting_chat_is_never_invisible, _("waiting chats that nobody sees, without an alarm")),
    "P8": (never_two_holders, _("conversations of which it is not plain who holds them")),
    "P9": (a_held_conversation_is_never_orphaned, _("running conversations whose employee is gone, and that nobody is offered")),
    "P10": (coverage_never_drops_without_an_alarm, _("regions that are open with nobody available, without an alarm; or nobody watches")),
    "P11": (every_conversation_gets_its_registration, _("accepted conversations without a registration")),
    "P12": (
        a_registration_reaches_clavis_or_somebody_sees_that_it_does_not,
        _("closed registrations that are lost on the way to Clavis, or late or stuck without an alarm"),
    ),
}


def in_words(promise: str) -> str:
    """What breaks it, as it stands beside the number, in the language of who reads it."""
    return str(PROMISES[promise][1])


def broken(at: datetime) -> dict[str, list[str]]:
    """What breaks each promise at `at`; without those that are kept."""
    with _one_moment():
        found = {promise: check(at) for promise, (check, _words) in PROMISES.items()}
    return {promise: names for promise, names in found.items() if names}


@contextmanager
def _one_moment() -> Iterator[None]:
    """On PostgreSQL all of it sees the same moment; on SQLite each statement does, since a transaction keeps everybody from writing."""
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = %s", [int(STATEMENT_LIMIT.total_seconds() * 1000)])
        yield


def clock_ahead() -> timedelta | None:
    """
    P17: how far this process's clock is ahead of the database's (negative: behind), as far as the time of asking does not explain it.

    None on SQLite, which has no clock of its own. The clock of the demonstration is moved on purpose: that is left out.
    """
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        before = clock.now()
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
        after = clock.now()
    least, most = (ours - clock.current.ahead - theirs for ours in (before, after))
    return max(least, min(most, timedelta(0)))
