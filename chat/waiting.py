"""How a conversation stands, in words for the chatter; and what the page of who waits has to know for it."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from chat.models import Conversation
from chat.protocol import StateFrame
from chat.rules import Peer, State
from staffing.models import Duty


@dataclass(frozen=True, slots=True)
class Wait:
    """In how many seconds it is offered to other regions too (0: it is), and whether everybody who could take it talks already."""

    long_in: float
    full: bool


def wait(conversation: Conversation, at: datetime) -> Wait | None:
    """What else there is to say to who waits; None when this conversation does not."""
    chat = conversation.as_waiting() if conversation.state == State.WAITING else None
    if chat is None:
        return None
    return Wait(max(0.0, (chat.since + chat.overflow_after - at).total_seconds()), _is_full(chat.region, at))


def _is_full(region: int | None, at: datetime) -> bool:
    """Is everybody in a conversation? Of the own region, or of all when nobody of it is available; not when nobody is there at all."""
    held = Count("employee__conversations", filter=Q(employee__conversations__state=State.ACTIVE))
    available = Duty.objects.running().filter(heard_at__gt=at - settings.SILENCE).annotate(held=held)
    there = list(available.values_list("employee__region", "held"))
    asked = [number for its, number in there if its == region] or [number for _its, number in there]
    return bool(asked) and all(asked)


def line_of(state: StateFrame) -> str:
    """The sign before the words: `here`, `lost` or `waiting` (look.md, principle 6: never colour alone)."""
    if state.state is not State.ACTIVE or state.employee is None:
        return "waiting"
    return "lost" if state.peer is Peer.LOST else "here"


def in_words(state: StateFrame, wait: Wait | None) -> str:
    """The state of the conversation in sentences, for pages without script; `talk.js` says the same."""
    if state.state is State.ENDED:
        return _("The conversation is over.")
    if state.state is State.WAITING:
        return " ".join(_while_waiting(_place(state.position or 1), wait))
    if state.employee is None:
        return " ".join([_("A colleague will come soon."), _("You can already type something. The employee will read it.")])
    if state.peer is Peer.LOST:
        text = _("The connection with {name} is gone. A colleague will come soon. Everything you wrote is kept.")
    else:
        text = _("{name} is here.")
    return text.format(name=state.employee)


def _place(position: int) -> str:
    match position - 1:
        case 0:
            return _("You are next.")
        case 1:
            return _("There is 1 person before you.")
    return _("There are {n} people before you.").format(n=position - 1)


def _while_waiting(place: str, wait: Wait | None) -> list[str]:
    if wait and not wait.long_in:
        long = _("It takes longer than we want. We now also look in other regions. Don't you want to wait? Then call 0800-2000.")
        return [place, long]
    if wait and wait.full:
        full = _(
            "It is very busy. All employees are in a conversation. You are in the queue and your place stays yours."
            " You can also call: 0800-2000, day and night. In danger: 112."
        )
        return [full, place]
    return [
        _("Good that you are here. We are looking for an employee for you."),
        place,
        _("You can already type something. The employee will read it."),
    ]
