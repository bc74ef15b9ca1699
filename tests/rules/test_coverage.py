"""
Who should be there and who was: gaps, plans and lateness against a model that looks at every minute (P10).

Process 1.2, steps Start chat and Handover.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing import rules
from staffing.coverage import hours_between
from staffing.opening import public_holidays
from staffing.rules import (
    AMSTERDAM,
    AROUND_THE_CLOCK,
    WORKING_DAYS,
    AlarmKind,
    Hours,
    Late,
    Period,
    Planned,
    Timetable,
    WasOnDuty,
    due_moments,
    gaps,
    is_open,
    joined,
    late,
    planned_twice,
    unplanned,
    without,
)

MINUTE = timedelta(minutes=1)
SILENCE = 2 * MINUTE
BEFORE = 30 * MINUTE
LENGTH = 100  # minutes of a model's day
# 50 minutes before both clock changes, the new year and an ordinary opening: what happens then happens in the middle of a model's day.
MIDDLES = ["2027-03-28T01:00+00:00", "2027-10-31T01:00+00:00", "2026-12-31T23:00+00:00", "2026-11-24T08:00+00:00"]
starts = st.sampled_from([datetime.fromisoformat(middle) - LENGTH // 2 * MINUTE for middle in MIDDLES])
minutes = st.integers(0, LENGTH)
stretches = st.tuples(minutes, minutes).map(sorted).filter(lambda pair: pair[0] < pair[1]).map(tuple)
some_stretches = st.lists(stretches, max_size=6)


def at(text: str) -> datetime:
    """A moment in Amsterdam."""
    return datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM).astimezone(UTC)


def moments(pairs: Iterable[tuple[int, int]], start: datetime) -> list[Period]:
    return [(start + begin * MINUTE, start + end * MINUTE) for begin, end in pairs]


def minutes_of(periods: Iterable[Period], start: datetime) -> list[int]:
    """Every minute of these periods; one that is in two of them stands there twice."""
    return sorted(n for begin, end in periods for n in range((begin - start) // MINUTE, (end - start) // MINUTE))


def covered(pairs: Iterable[tuple[int, int]]) -> set[int]:
    return {n for begin, end in pairs for n in range(begin, end)}


# ---------------------------------------------------------------- periods


@given(starts, stretches, some_stretches)
def test_what_is_left_of_a_period_is_every_minute_that_nothing_takes(start, period, taken):
    left = list(without(*moments([period], start), moments(taken, start)))

    assert minutes_of(left, start) == sorted(covered([period]) - covered(taken))
    assert all(begin < end for begin, end in left)
    assert left == sorted(left)


@given(starts, some_stretches)
def test_joined_periods_are_the_same_minutes_and_have_time_between_them(start, periods):
    found = joined(moments(periods, start))

    assert minutes_of(found, start) == sorted(covered(periods))
    assert all(one[1] < other[0] for one, other in pairwise(found))


# ---------------------------------------------------------------- gaps

duties = st.lists(
    st.tuples(
        st.integers(0, 2),  # who
        minutes,  # from
        st.none() | minutes,  # until
        st.none() | minutes,  # last heard
        some_stretches,  # not heard in between
    ),
    max_size=5,
)


def was_on_duty(rows, start: datetime) -> list[WasOnDuty]:
    return [
        WasOnDuty(
            who,
            start + begin * MINUTE,
            None if end is None else start + end * MINUTE,
            None if heard is None else start + heard * MINUTE,
            tuple(moments(silences, start)),
        )
        for who, begin, end, heard, silences in rows
    ]


def available_then(row, minute: int) -> bool:
    """On duty and connected in that minute, told as plainly as it can be."""
    _who, begin, end, heard, silences = row
    on_duty = begin <= minute and (end is None or minute < end)
    connected = heard is not None and minute < heard + SILENCE // MINUTE and minute not in covered(silences)
    return on_duty and connected


@given(starts, some_stretches, duties, minutes)
def test_a_gap_is_every_minute_that_is_open_and_over_and_had_nobody_available(start, hours, rows, now):
    found = gaps(was_on_duty(rows, start), moments(hours, start), start + now * MINUTE, SILENCE)

    without_anybody = {n for n in covered(hours) if n < now and not any(available_then(row, n) for row in rows)}
    assert minutes_of(found, start) == sorted(without_anybody)


@given(starts, some_stretches, duties, minutes, minutes)
def test_what_is_known_of_gaps_by_a_moment_does_not_depend_on_when_it_is_asked(start, hours, rows, one, other):
    """A watch that was dead meanwhile hides nothing (P10): who asks later gets the same of that time."""
    early, late_ = sorted((one, other))
    facts, open_ = was_on_duty(rows, start), moments(hours, start)

    first, second = (set(minutes_of(gaps(facts, open_, start + n * MINUTE, SILENCE), start)) for n in (early, late_))

    assert first == {n for n in second if n < early}


@given(starts, some_stretches, duties, duties)
def test_one_more_duty_never_makes_a_gap(start, hours, rows, more):
    now = start + LENGTH * MINUTE

    fewer = gaps(was_on_duty(rows + more, start), moments(hours, start), now, SILENCE)

    assert set(minutes_of(fewer, start)) <= set(minutes_of(gaps(was_on_duty(rows, start), moments(hours, start), now, SILENCE), start))


NIGHTS_TOO = tuple(Hours(weekday, opens, closes) for weekday in range(7) for opens, closes in [(time(0), time(4)), (time(18), time(0))])


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31", "2026-12-31", "2027-01-01", "2026-11-24", "2026-11-29"])
@pytest.mark.parametrize("hours", [WORKING_DAYS, AROUND_THE_CLOCK, NIGHTS_TOO])
def test_when_nobody_comes_the_gap_is_all_the_time_that_the_line_was_open(day, hours):
    table = Timetable(hours, public_holidays(2026) | public_holidays(2027))
    begins, ends = (datetime.combine(date.fromisoformat(day) + timedelta(days=n), time(0), AMSTERDAM).astimezone(UTC) for n in (0, 1))

    found = gaps([], hours_between(table, begins, ends), ends, SILENCE)

    five = 5 * MINUTE
    open_for = sum((five for n in range((ends - begins) // five) if is_open(table, begins + n * five)), timedelta(0))
    assert sum((until - since for since, until in found), timedelta(0)) == open_for


def test_who_went_on_duty_and_was_never_heard_covers_nothing():
    hours = [(at("2026-11-24 09:00"), at("2026-11-24 17:00"))]

    assert gaps([WasOnDuty(1, hours[0][0], None, None)], hours, at("2026-11-24 12:00"), SILENCE) == [(hours[0][0], at("2026-11-24 12:00"))]


def test_a_sign_of_life_from_a_clock_that_is_ahead_covers_no_time_that_is_still_to_come():
    """P17."""
    hours = [(at("2026-11-24 09:00"), at("2026-11-24 17:00"))]
    now = at("2026-11-24 12:00")
    duty = WasOnDuty(1, hours[0][0], None, now + timedelta(seconds=5))

    assert duty.available(now, SILENCE) == [(hours[0][0], now)]
    assert gaps([duty], hours, now, SILENCE) == []
    assert gaps([duty], hours, now + timedelta(minutes=3), SILENCE) == [(now + timedelta(seconds=125), now + timedelta(minutes=3))]


def test_a_duty_that_ends_by_a_clock_that_is_behind_before_it_began_is_no_time_at_all():
    """P17."""
    now = at("2026-11-24 12:00")

    assert WasOnDuty(1, now, now - timedelta(seconds=5), now).available(now + MINUTE, SILENCE) == []


# ---------------------------------------------------------------- plans

plans = st.lists(st.tuples(st.integers(0, 2), stretches), max_size=6)


def as_planned(rows, start: datetime) -> list[Planned]:
    return [Planned(number, who, moments([stretch], start)[0]) for number, (who, stretch) in enumerate(rows)]


@given(starts, some_stretches, plans)
def test_unplanned_is_every_minute_that_is_open_and_has_nobody_planned(start, hours, rows):
    found = unplanned(as_planned(rows, start), moments(hours, start))

    assert minutes_of(found, start) == sorted(covered(hours) - covered(stretch for _who, stretch in rows))


@given(starts, plans)
def test_planned_twice_are_all_pairs_of_one_employee_that_share_a_minute(start, rows):
    found = planned_twice(as_planned(rows, start))

    sharing = {
        frozenset((one, other))
        for one, (who, stretch) in enumerate(rows)
        for other, (also, another) in enumerate(rows[:one])
        if who == also and covered([stretch]) & covered([another])
    }
    assert {frozenset((one.shift, other.shift)) for one, other in found} == sharing
    assert len(found) == len(sharing)
    assert all(one.period[0] <= other.period[0] for one, other in found)


# ---------------------------------------------------------------- by when, and who was late


@given(starts, some_stretches, plans)
def test_somebody_planned_is_due_when_the_shift_begins_and_when_the_line_opens_in_it(start, hours, rows):
    open_ = covered(hours)
    opens = {n for n in open_ if n - 1 not in open_}
    before = BEFORE // MINUTE
    for shift, (_who, (begin, end)) in zip(as_planned(rows, start), rows, strict=True):
        found = due_moments(shift, moments(hours, start), BEFORE)

        due = {n for n in opens if begin <= n < end}
        if begin in open_ or any(begin <= n <= begin + before for n in opens):
            due.add(begin)
        assert found == [start + n * MINUTE for n in sorted(due)]


@given(starts, some_stretches, plans, duties, minutes)
def test_late_is_who_was_not_on_duty_when_due_once_for_each_time_of_not_being_there(start, hours, rows, duty_rows, now):
    shifts, open_ = as_planned(rows, start), moments(hours, start)

    found = late(shifts, was_on_duty(duty_rows, start), open_, start + now * MINUTE, BEFORE)

    expected = []
    for shift, (who, (_begin, end)) in zip(shifts, rows, strict=True):
        here = {n for n in range(LENGTH + 1) for its, since, until, *_ in duty_rows if its == who and since <= n < (until or LENGTH + 1)}
        come = {since for its, since, *_ in duty_rows if its == who}
        last_missed = None
        for due in sorted((moment - start) // MINUTE for moment in due_moments(shift, open_, BEFORE)):
            if due > now or due in here:
                continue
            if last_missed is None or any(last_missed < n <= due for n in come):
                came = min((n for n in come if due < n < end), default=None)
                expected.append(Late(shift.shift, who, start + due * MINUTE, None if came is None else start + came * MINUTE))
                last_missed = due
    assert sorted(found, key=lambda one: (one.shift, one.due_at)) == sorted(expected, key=lambda one: (one.shift, one.due_at))
    assert [one.due_at for one in found] == sorted(one.due_at for one in found)


NINE, FIVE = at("2026-11-24 09:00"), at("2026-11-24 17:00")
DAY = [(NINE, FIVE)]
LUNCH = [(NINE, at("2026-11-24 12:00")), (at("2026-11-24 13:00"), FIVE)]


def shift_from(begin: str, end: str = "17:00", employee: int = 1) -> Planned:
    return Planned(1, employee, (at(f"2026-11-24 {begin}"), at(f"2026-11-24 {end}")))


def duty(begin: str, end: str | None = None, employee: int = 1) -> WasOnDuty:
    return WasOnDuty(employee, at(f"2026-11-24 {begin}"), at(f"2026-11-24 {end}") if end else None, None)


def lateness(shift: Planned, *duties: WasOnDuty, hours=DAY) -> list[tuple[str, str | None]]:
    """When it was missed and when it was made up for, as clocks in Amsterdam show it."""
    found = late([shift], duties, hours, FIVE, BEFORE)
    shown = [[moment and f"{moment.astimezone(AMSTERDAM):%H:%M:%S}" for moment in (one.due_at, one.came_at)] for one in found]
    return [(due, came) for due, came in shown]


def test_who_is_planned_from_opening_is_on_time_at_nine_and_late_a_second_after():
    assert lateness(shift_from("09:00"), duty("09:00:00")) == []
    assert lateness(shift_from("09:00"), duty("09:00:01")) == [("09:00:00", "09:00:01")]


def test_late_is_late_even_when_a_colleague_is_there():
    assert lateness(shift_from("09:00"), duty("08:40", employee=2)) == [("09:00:00", None)]


def test_who_is_planned_before_duty_may_begin_is_due_at_the_opening():
    assert lateness(shift_from("07:00"), duty("08:59")) == []
    assert lateness(shift_from("07:00"), duty("09:10")) == [("09:00:00", "09:10:00")]


def test_who_is_planned_from_a_quarter_before_opening_is_due_then_and_late_once():
    assert lateness(shift_from("08:45"), duty("08:45")) == []
    assert lateness(shift_from("08:45"), duty("08:50")) == [("08:45:00", "08:50:00")]
    assert lateness(shift_from("08:45"), duty("09:10")) == [("08:45:00", "09:10:00")]


def test_who_left_before_the_opening_is_late_for_it():
    assert lateness(shift_from("08:45"), duty("08:45", "08:55"), duty("09:05")) == [("09:00:00", "09:05:00")]


def test_with_two_openings_in_a_shift_each_of_them_is_due():
    assert lateness(shift_from("09:00"), duty("08:50", "12:00"), duty("13:05"), hours=LUNCH) == [("13:00:00", "13:05:00")]
    assert lateness(shift_from("09:00"), duty("09:05", "12:00"), hours=LUNCH) == [("09:00:00", "09:05:00"), ("13:00:00", None)]
    assert lateness(shift_from("09:00"), hours=LUNCH) == [("09:00:00", None)]


def test_a_shift_that_begins_while_the_line_is_closed_is_due_when_it_opens_again():
    assert lateness(shift_from("12:10"), duty("13:00"), hours=LUNCH) == []
    assert lateness(shift_from("12:10"), duty("13:01"), hours=LUNCH) == [("13:00:00", "13:01:00")]


def test_who_comes_after_the_shift_has_not_come_in_it():
    assert lateness(shift_from("09:00", "10:00"), duty("10:00")) == [("09:00:00", None)]


def test_where_the_line_does_not_open_nobody_is_late():
    assert lateness(shift_from("09:00"), hours=[]) == []
    assert lateness(shift_from("18:00", "20:00")) == []


# ---------------------------------------------------------------- what is wrong now


@given(st.booleans(), st.integers(0, 3), st.integers(0, 3))
def test_an_open_line_with_nobody_available_is_an_alarm_and_nothing_else_is(open_now, silent, available):
    kind = rules.coverage(open_now=open_now, on_duty=silent + available, available=available)

    assert (kind is not None) == (open_now and not available)
    if kind:
        assert kind is (AlarmKind.NOBODY_AVAILABLE if silent else AlarmKind.NOBODY_ON_DUTY)
