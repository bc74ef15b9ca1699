"""
What a registration still needs, who may do what with it, when a delivery is tried again. Pure: values in, a decision out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from staffing.rules import Refusal

TEXT_CHARACTERS = 1_000
FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(minutes=15)


class State(StrEnum):
    DRAFT = "draft"
    REGISTERED = "registered"
    CLOSED = "closed"


class Required(StrEnum):
    """When a code list has to be answered before closing."""

    ALWAYS = "always"
    SERIOUS = "serious"
    NEVER = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """What somebody filled in. `municipality` is a CBS code or empty; `codes` the chosen codes of each list that was asked."""

    content: str = ""
    advice: str = ""
    municipality: str = ""
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def say_the_same_as(self, known: "Answers") -> bool:
        texts = (self.content, self.advice, self.municipality) == (known.content, known.advice, known.municipality)
        return texts and all(codes == known.codes.get(key, frozenset()) for key, codes in self.codes.items())


@dataclass(frozen=True, slots=True)
class ListAsked:
    """A code list that the form asks."""

    key: str
    required: Required


def missing_to_register(answers: Answers) -> list[str]:
    """The fields that the employee has to fill in. Process 1.2, step Register: content and advice, short and to the point."""
    return [name for name in ("content", "advice") if not getattr(answers, name).strip()]


def missing(answers: Answers, lists: Iterable[ListAsked]) -> list[str]:
    """
    The fields that are still to be filled in before closing, in the order of the form.

    Process 1.2, step Close: following the CBS lists. As long as the kind of conversation is not asked, each counts as an
    advice, so what is required of an advice is required of all.
    """
    return missing_to_register(answers) + [
        asked.key for asked in lists if asked.required is not Required.NEVER and not answers.codes.get(asked.key)
    ]


def may_save(*, state: State, is_holder: bool, decides: bool, revision: int, seen: int, by_same_form: bool) -> Refusal | None:
    """
    May these answers replace what stands there?

    The newest wins by its revision, never silently over another's edit (P11). A form that got no answer to its last save
    still says the revision before it: it may go on from its own.
    """
    if not (is_holder or decides):
        return Refusal.NOT_ALLOWED
    if state is State.CLOSED:
        return Refusal.FROZEN
    if seen != revision and not (by_same_form and seen == revision - 1):
        return Refusal.CHANGED
    return None


def may_register(*, running: int, answers: Answers) -> Refusal | None:
    """May the employee register? Not while one of its conversations still runs: what is said after it would be missing."""
    if running:
        return Refusal.STILL_RUNNING
    return Refusal.INCOMPLETE if missing_to_register(answers) else None


def may_close(*, decides: bool, state: State, running: int, answers: Answers, lists: Iterable[ListAsked]) -> Refusal | None:
    """
    May the responsible person close it? Process 1.2, step Close.

    A draft that its employee never registered can be closed too, once its conversations are over: nobody else would finish it.
    """
    if not decides:
        return Refusal.NOT_ALLOWED
    if state is State.CLOSED:
        return Refusal.FROZEN
    if running:
        return Refusal.STILL_RUNNING
    return Refusal.INCOMPLETE if missing(answers, lists) else None


def next_attempt(attempts: int, at: datetime, spread: float) -> datetime:
    """When a delivery that failed for the `attempts`th time is tried again: ever later, never given up; `spread` is 0 to 1 (P12)."""
    delay: timedelta = min(LONGEST_DELAY, FIRST_DELAY * (1 << min(max(attempts - 1, 0), 10)))
    return at + delay * (0.5 + spread / 2)
