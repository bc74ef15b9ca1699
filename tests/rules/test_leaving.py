"""Who may begin and end duty, so that no chat is lost. Process 1.2, steps Start chat and Handover."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.rules import Refusal, is_connected, may_leave, may_start_duty

OPENS = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
BEFORE = timedelta(minutes=30)
SILENCE = timedelta(seconds=30)
some = st.integers(0, 5)


def leaving(open_now: bool = True, waiting: int = 0, available_colleagues: int = 0, held: int = 0) -> Refusal | None:
    return may_leave(open_now=open_now, waiting=waiting, available_colleagues=available_colleagues, held=held)


def starting(at: datetime, open_now: bool = False, opens_at: datetime | None = OPENS, waiting: int = 0) -> Refusal | None:
    return may_start_duty(open_now=open_now, opens_at=opens_at, waiting=waiting, at=at, before=BEFORE)


# ---------------------------------------------------------------- ending duty


def test_the_last_available_colleague_may_not_leave_while_the_line_is_open():
    assert leaving(open_now=True) is Refusal.LAST_ONE


def test_the_last_available_colleague_may_not_leave_after_closing_while_a_chat_still_waits():
    assert leaving(open_now=False, waiting=1) is Refusal.LAST_ONE


def test_the_last_one_may_leave_after_closing_when_nobody_waits():
    assert leaving(open_now=False) is None


def test_an_employee_may_leave_when_a_colleague_is_available():
    assert leaving(available_colleagues=1, waiting=3) is None


@given(st.booleans(), some, some, st.integers(1, 5))
def test_nobody_leaves_a_running_conversation_behind(open_now: bool, waiting: int, colleagues: int, held: int):
    assert leaving(open_now, waiting, colleagues, held) is Refusal.HOLDS_CONVERSATIONS


@given(st.booleans(), some, some, some)
def test_whoever_may_leave_leaves_no_gap(open_now: bool, waiting: int, colleagues: int, held: int):
    if leaving(open_now, waiting, colleagues, held) is None:
        assert not held
        assert colleagues or not (open_now or waiting)


@given(st.booleans(), some, some, some)
def test_one_more_colleague_never_keeps_anybody_from_leaving(open_now: bool, waiting: int, colleagues: int, held: int):
    if leaving(open_now, waiting, colleagues, held) is None:
        assert leaving(open_now, waiting, colleagues + 1, held) is None


@given(st.booleans(), some, some)
def test_who_may_leave_may_still_leave_when_less_waits_or_the_line_closes(open_now: bool, waiting: int, colleagues: int):
    if leaving(open_now, waiting, colleagues) is None:
        assert leaving(False, waiting, colleagues) is None
        assert leaving(open_now, max(0, waiting - 1), colleagues) is None


@given(st.booleans(), some, some)
def test_of_two_who_want_to_leave_one_may_exactly_when_nobody_else_is_needed_or_there(open_now: bool, waiting: int, others: int):
    """One after the other, as the lock of the region lets them: the second counts the first no more."""
    first = leaving(open_now, waiting, available_colleagues=others + 1)
    second = leaving(open_now, waiting, available_colleagues=others)

    assert first is None
    assert (second is None) == (others > 0 or not (open_now or waiting))


# ---------------------------------------------------------------- beginning duty


def test_duty_may_begin_from_half_an_hour_before_opening():
    assert starting(OPENS - BEFORE) is None


def test_duty_may_not_begin_earlier_than_that():
    assert starting(OPENS - BEFORE - timedelta(seconds=1)) is Refusal.TOO_EARLY


@given(st.booleans(), st.none() | st.integers(-7_200, 7_200), st.integers(0, 1))
def test_duty_may_begin_exactly_when_the_line_is_open_or_about_to_or_somebody_waits(
    open_now: bool, until_opening: int | None, waiting: int
):
    opens_at = None if until_opening is None else OPENS + timedelta(seconds=until_opening)
    may = open_now or waiting or (until_opening is not None and until_opening <= BEFORE.total_seconds())

    assert starting(OPENS, open_now, opens_at, waiting) is (None if may else Refusal.TOO_EARLY)


def test_duty_may_begin_at_any_time_while_the_line_is_open():
    assert starting(OPENS, open_now=True, opens_at=None) is None


def test_duty_may_begin_after_closing_while_a_chat_of_the_region_still_waits():
    assert starting(OPENS + timedelta(hours=9), opens_at=OPENS + timedelta(days=1), waiting=1) is None


def test_duty_may_not_begin_after_closing_when_nobody_waits():
    assert starting(OPENS + timedelta(hours=9), opens_at=OPENS + timedelta(days=1)) is Refusal.TOO_EARLY


def test_duty_may_not_begin_when_no_opening_is_in_sight():
    assert starting(OPENS, opens_at=None) is Refusal.TOO_EARLY


# ---------------------------------------------------------------- being heard


@pytest.mark.parametrize(("seconds", "connected"), [(0, True), (29, True), (30, False), (3600, False)])
def test_an_employee_counts_as_connected_until_thirty_seconds_of_silence(seconds: int, connected: bool):
    assert is_connected(OPENS, OPENS + timedelta(seconds=seconds), SILENCE) is connected


@given(st.integers(-600, 600), st.integers(0, 600))
def test_silence_only_ever_ends_a_connection(heard_before: int, later: int):
    """Also when the clock that wrote it down is ahead (P17)."""
    heard_at = OPENS - timedelta(seconds=heard_before)
    if not is_connected(heard_at, OPENS, SILENCE):
        assert not is_connected(heard_at, OPENS + timedelta(seconds=later), SILENCE)


def test_an_employee_who_was_never_heard_is_not_connected():
    assert not is_connected(None, OPENS, SILENCE)
