"""What a registration needs before it is registered and before it is closed, and when a delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registration import rules
from registration.rules import Answers, ListAsked, Required, State
from staffing.rules import Refusal

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
NATURE = ListAsked("nature", Required.SERIOUS)
KIND = ListAsked("enquirer_kind", Required.NEVER)
COMPLETE = Answers("inhoud", "advies", "", {"nature": frozenset({"witness"})})


def test_registering_needs_content_and_advice_and_nothing_else():
    assert rules.missing_to_register(Answers()) == ["content", "advice"]
    assert rules.missing_to_register(Answers("inhoud", " \n")) == ["advice"]
    assert rules.missing_to_register(Answers("inhoud", "advies")) == []


def test_closing_also_needs_what_the_lists_require():
    assert rules.missing(Answers("inhoud", "advies"), [KIND, NATURE]) == ["nature"]
    assert rules.missing(COMPLETE, [KIND, NATURE]) == []


def test_who_is_asked_about_may_stay_unknown():
    assert "enquirer_kind" not in rules.missing(Answers(), [KIND, NATURE])


def test_an_answer_of_another_list_does_not_count():
    answers = Answers("inhoud", "advies", "", {"enquirer_kind": frozenset({"self"})})

    assert rules.missing(answers, [NATURE]) == ["nature"]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({}, None),
        ({"decides": False}, Refusal.NOT_ALLOWED),
        ({"state": State.CLOSED}, Refusal.FROZEN),
        ({"state": State.DRAFT}, None),
        ({"running": 1}, Refusal.STILL_RUNNING),
        ({"answers": Answers("inhoud", "")}, Refusal.INCOMPLETE),
    ],
)
def test_the_responsible_person_closes_what_is_over_and_complete(change, refusal):
    situation = {"decides": True, "state": State.REGISTERED, "running": 0, "answers": COMPLETE, "lists": [NATURE]}

    assert rules.may_close(**situation | change) is refusal


revisions = st.integers(0, 9)


@given(revision=revisions, seen=revisions, by_same_form=st.booleans(), holder=st.booleans(), decides=st.booleans())
def test_nothing_is_ever_written_over_what_somebody_has_not_seen(revision, seen, by_same_form, holder, decides):
    refusal = rules.may_save(state=State.DRAFT, is_holder=holder, decides=decides, revision=revision, seen=seen, by_same_form=by_same_form)

    if refusal is None:
        assert holder or decides
        assert seen == revision or (by_same_form and seen == revision - 1)


@given(attempts=st.integers(0, 10_000), spread=st.floats(0, 1))
def test_a_delivery_is_always_tried_again_and_never_later_than_a_quarter_of_an_hour(attempts, spread):
    later = rules.next_attempt(attempts, AT, spread) - AT

    assert timedelta(seconds=5) <= later <= timedelta(minutes=15)


@given(attempts=st.integers(1, 20), spread=st.floats(0, 1))
def test_the_pause_grows(attempts, spread):
    assert rules.next_attempt(attempts, AT, spread) <= rules.next_attempt(attempts + 1, AT, spread)
