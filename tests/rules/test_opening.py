"""When the line is open: whole years, both clock changes, holidays and closures. Process 1.2, step Start chat."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.utils.translation import override
from hypothesis import example, given
from hypothesis import strategies as st

from staffing.opening import public_holidays, when
from staffing.rules import (
    AMSTERDAM,
    AROUND_THE_CLOCK,
    LOOK_AHEAD,
    LOOK_BACK,
    WORKING_DAYS,
    ClosingStep,
    Closure,
    Hours,
    Opening,
    Timetable,
    closed_since,
    closes_at,
    closing_step,
    is_open,
    left_to_others,
    next_opening,
    opening,
)

CLOCKS_FORWARD, CLOCKS_BACK = date(2027, 3, 28), date(2027, 10, 31)
SUNDAY = 6


def at(text: str) -> datetime:
    """A moment in Amsterdam."""
    return datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM).astimezone(UTC)


def open_for(table: Timetable, day: date) -> timedelta:
    """How long the line is open on that day, counted in steps of a quarter."""
    start, end = (datetime.combine(d, time(0), AMSTERDAM).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    quarter = timedelta(minutes=15)
    return sum((quarter for n in range((end - start) // quarter) if is_open(table, start + n * quarter)), timedelta(0))


def days_of(year: int) -> Iterable[date]:
    return (date(year, 1, 1) + timedelta(days=n) for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days))


# ---------------------------------------------------------------- any timetable at any moment

minutes = st.integers(0, 2 * 366 * 24 * 60).map(lambda n: datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=n))
around_a_clock_change = st.builds(
    lambda day, n: datetime.combine(day, time(0), UTC) + timedelta(minutes=n),
    st.sampled_from([CLOCKS_FORWARD, CLOCKS_BACK]),
    st.integers(-36 * 60, 36 * 60),
)
moments = minutes | around_a_clock_change
clock_times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45])) | st.just(time(0))
days = st.dates(date(2026, 6, 1), date(2028, 6, 1))
hours = st.builds(Hours, st.integers(0, 6), clock_times, clock_times, st.none() | days, st.none() | days, on_closed_days=st.booleans())
closures = st.builds(
    lambda start, length: Closure(start, start + length if length else None),
    moments,
    st.none() | st.integers(0, 10**5).map(lambda n: timedelta(minutes=n)),
)
timetables = st.builds(
    Timetable,
    st.lists(hours, max_size=8).map(tuple) | st.sampled_from([WORKING_DAYS, AROUND_THE_CLOCK]),
    st.frozensets(days, max_size=30),
    st.lists(closures, max_size=3).map(tuple),
)
fractions = st.floats(0, 0.999)  # nearer to one it is rounded to the moment itself


@given(timetables, moments)
def test_all_questions_about_one_line_have_one_answer(table: Timetable, now: datetime):
    answer = opening([table], now)

    assert answer.open == is_open(table, now)
    assert closes_at(table, now) == answer.closes_at
    assert next_opening(table, now) == (now if answer.open else answer.opens_at)
    assert answer.opens_at is None or not answer.open
    assert answer.closes_at is None or answer.open


@given(timetables, moments, fractions)
def test_a_closed_line_opens_at_the_moment_that_it_says_and_not_before(table: Timetable, now: datetime, fraction: float):
    opens_at = next_opening(table, now)

    if opens_at is None:
        assert not is_open(table, now + LOOK_AHEAD * fraction)
    else:
        assert is_open(table, opens_at)
        assert opens_at == now or not is_open(table, now + (opens_at - now) * fraction)


@given(timetables, moments, fractions)
@example(Timetable(AROUND_THE_CLOCK), at("2027-03-28 01:59"), 0.0)
@example(Timetable(AROUND_THE_CLOCK), at("2027-10-31 02:30"), 0.0)
def test_an_open_line_closes_at_the_moment_that_it_says_and_not_before(table: Timetable, now: datetime, fraction: float):
    if not is_open(table, now):
        return
    closes = closes_at(table, now)

    if closes is None:
        assert is_open(table, now + LOOK_AHEAD * fraction)
    else:
        assert not is_open(table, closes)
        assert is_open(table, now + (closes - now) * fraction)
        assert is_open(table, closes - timedelta(microseconds=1))


@given(st.lists(timetables, max_size=4), moments, fractions)
def test_the_whole_line_is_open_when_any_region_is(tables: list[Timetable], now: datetime, fraction: float):
    answer = opening(tables, now)

    assert answer.open == any(is_open(table, now) for table in tables)
    if answer.closes_at:
        assert not any(is_open(table, answer.closes_at) for table in tables)
        assert any(is_open(table, now + (answer.closes_at - now) * fraction) for table in tables)
    if not answer.open:
        assert answer.opens_at == min((opens for table in tables if (opens := next_opening(table, now))), default=None)


@given(moments)
def test_a_line_around_the_clock_is_always_open_and_never_says_when_it_closes(now: datetime):
    table = Timetable(AROUND_THE_CLOCK, closed_days=frozenset(days_of(2027)))

    assert opening([table], now) == Opening(open=True, opens_at=None, closes_at=None)


def test_without_any_region_the_line_is_closed():
    assert opening([], at("2026-11-24 10:00")) == Opening(open=False, opens_at=None, closes_at=None)


# ---------------------------------------------------------------- every minute of a year

# Two periods a day, an evening, a night over a Sunday in which the clocks change, new hours from the summer on, a holiday that is not kept.
MANY_HOURS = (
    *(Hours(weekday, time(9), time(12, 30)) for weekday in range(5)),
    *(Hours(weekday, time(13), time(17), valid_until=date(2027, 6, 30)) for weekday in range(5)),
    *(Hours(weekday, time(12), time(20), valid_from=date(2027, 7, 1)) for weekday in range(5)),
    Hours(5, time(22), time(0)),
    Hours(SUNDAY, time(0), time(2)),
    Hours(SUNDAY, time(3), time(6)),
    Hours(1, time(10), time(14), valid_from=date(2027, 4, 27), valid_until=date(2027, 4, 27), on_closed_days=True),
)
KEPT = public_holidays(2027) | public_holidays(2028) | {date(2027, 9, 15)}
DECIDED = (("2027-02-02 11:11", "2027-02-02 15:00"), ("2027-10-31 01:30", "2027-10-31 03:30"), ("2027-12-31 13:37", "2028-01-01 00:00"))
MANY = Timetable(MANY_HOURS, KEPT, tuple(Closure(at(since), at(until)) for since, until in DECIDED))


def shows_open(now: datetime) -> bool:
    """Is MANY open, read off the clock on the wall in Amsterdam alone?"""
    wall = now.astimezone(AMSTERDAM)
    day, clock = wall.date(), wall.time()
    if any(since <= f"{wall:%Y-%m-%d %H:%M}" < until for since, until in DECIDED):
        return False
    return any(
        day.weekday() == hours.weekday
        and hours.opens <= clock
        and (clock < hours.closes or hours.closes == time(0))
        and (hours.valid_from or day) <= day <= (hours.valid_until or day)
        and (day not in KEPT or hours.on_closed_days)
        for hours in MANY_HOURS
    )


def test_a_whole_year_is_open_as_the_clock_on_the_wall_says_and_as_every_answer_said_before():
    """Each minute of the days on which something special happens, and every 31st of the others."""
    now, end, minute = at("2027-01-01 00:00"), at("2028-01-01 00:00"), timedelta(minutes=1)
    special = {CLOCKS_FORWARD, CLOCKS_BACK, *(datetime.fromisoformat(day).date() for day, _until in DECIDED), date(2027, 6, 30)}
    answer, changes_at, turns = opening([MANY], now), now, 0

    while now < end:
        if now >= changes_at:
            answer, turns = opening([MANY], now), turns + 1
            changes_at = answer.closes_at or answer.opens_at or end
            assert changes_at > now
        assert is_open(MANY, now) == answer.open == shows_open(now), now
        now = min(now + minute * (1 if now.astimezone(AMSTERDAM).date() in special else 31), max(changes_at, now + minute))

    assert turns > 900


# ---------------------------------------------------------------- closing time: the chat ends at 17:00, by a ladder

SOON, LAST = timedelta(minutes=20), timedelta(minutes=5)


def step(table: Timetable, now: datetime) -> ClosingStep:
    return closing_step(opening([table], now), now, soon=SOON, last=LAST)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("08:59:59", ClosingStep.CLOSED),
        ("09:00:00", ClosingStep.OPEN),
        ("16:39:59", ClosingStep.OPEN),
        ("16:40:00", ClosingStep.SOON),
        ("16:54:59", ClosingStep.SOON),
        ("16:55:00", ClosingStep.LAST),
        ("16:59:59", ClosingStep.LAST),
        ("17:00:00", ClosingStep.CLOSED),
    ],
)
def test_from_16_40_it_is_said_that_the_line_closes_from_16_55_to_those_who_wait_and_at_17_00_new_ones_stop(now, expected):
    assert step(Timetable(WORKING_DAYS), at(f"2026-11-24 {now}")) is expected


@given(timetables, moments)
def test_each_step_of_the_ladder_is_how_long_the_line_still_is_open(table: Timetable, now: datetime):
    closes = closes_at(table, now)

    if not is_open(table, now):
        expected = ClosingStep.CLOSED
    elif closes and closes - now <= LAST:
        expected = ClosingStep.LAST
    else:
        expected = ClosingStep.SOON if closes and closes - now <= SOON else ClosingStep.OPEN
    assert step(table, now) is expected


def test_a_line_around_the_clock_never_begins_to_close():
    assert step(Timetable(AROUND_THE_CLOCK), at("2026-12-31 23:59")) is ClosingStep.OPEN


def test_a_closure_that_is_decided_for_later_is_told_in_time():
    table = Timetable(WORKING_DAYS, closures=(Closure(at("2026-11-24 12:00")),))

    assert step(table, at("2026-11-24 11:40")) is ClosingStep.SOON


@given(timetables, moments, fractions)
def test_a_line_that_is_closed_since_a_moment_was_open_just_before_it_and_not_since(table: Timetable, now: datetime, fraction: float):
    since = closed_since(table, now)

    if since is None:
        assert is_open(table, now)
        return
    assert since <= now
    assert not is_open(table, since + (now - since) * fraction)
    assert since == now - LOOK_BACK or is_open(table, since - timedelta(microseconds=1))


@given(timetables, moments)
def test_since_when_a_line_is_closed_is_when_it_said_that_it_would_close(table: Timetable, now: datetime):
    closes = closes_at(table, now)

    if closes:
        assert closed_since(table, closes) == closes


@pytest.mark.parametrize(
    ("now", "since"),
    [
        ("2026-11-24 10:00", None),
        ("2026-11-24 17:00", "2026-11-24 17:00"),
        ("2026-11-25 08:59", "2026-11-24 17:00"),
        ("2026-11-30 08:00", "2026-11-27 17:00"),  # a weekend
        ("2027-03-30 08:00", "2027-03-26 17:00"),  # Easter, and the clocks go forward in it
        ("2027-11-01 08:00", "2027-10-29 17:00"),  # the clocks go back
    ],
)
def test_the_line_is_closed_since_it_last_was_open(now: str, since: str | None):
    table = Timetable(WORKING_DAYS, public_holidays(2026) | public_holidays(2027))

    assert closed_since(table, at(now)) == (since and at(since))


# ---------------------------------------------------------------- the ordinary year


def test_the_line_is_open_eight_hours_on_each_working_day_and_not_on_others():
    holidays = public_holidays(2027)
    table = Timetable(WORKING_DAYS, holidays)

    for day in days_of(2027):
        works = day.weekday() < 5 and day not in holidays
        assert open_for(table, day) == timedelta(hours=8 if works else 0), day


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-24 08:59", "2026-11-24 09:00"),
        ("2026-11-24 09:00", "2026-11-24 09:00"),
        ("2026-11-24 17:00", "2026-11-25 09:00"),
        ("2026-11-27 17:00", "2026-11-30 09:00"),  # a weekend
        ("2026-12-24 17:00", "2026-12-28 09:00"),  # Christmas
        ("2027-03-26 17:00", "2027-03-30 09:00"),  # Easter, and the clocks go forward in it
        ("2027-10-29 17:00", "2027-11-01 09:00"),  # the clocks go back
        ("2027-05-05 17:00", "2027-05-07 09:00"),  # Ascension Day
    ],
)
def test_after_closing_the_line_opens_on_the_next_working_day(now: str, opens: str):
    table = Timetable(WORKING_DAYS, public_holidays(2026) | public_holidays(2027))

    assert next_opening(table, at(now)) == at(opens)


def test_nine_oclock_is_nine_oclock_in_amsterdam_in_summer_and_in_winter():
    table = Timetable(WORKING_DAYS)

    assert next_opening(table, at("2027-03-26 17:00")) == datetime(2027, 3, 29, 7, tzinfo=UTC)
    assert next_opening(table, at("2027-10-29 17:00")) == datetime(2027, 11, 1, 8, tzinfo=UTC)


def test_the_chat_is_open_on_good_friday_and_liberation_day_and_closed_on_the_other_holidays():
    assert {day for day in public_holidays(2027) if day.weekday() < 5} == {
        date(2027, 1, 1),
        date(2027, 3, 29),
        date(2027, 4, 27),
        date(2027, 5, 6),
        date(2027, 5, 17),
    }
    assert date(2030, 4, 19) not in public_holidays(2030)  # Good Friday
    assert date(2025, 5, 5) not in public_holidays(2025)  # Liberation Day in a lustrum year, a Monday
    assert date(2031, 4, 26) in public_holidays(2031)  # the King's birthday when the 27th is a Sunday


def test_a_region_may_open_on_one_closed_day():
    kings_day = date(2027, 4, 27)
    own = Hours(1, time(10), time(14), valid_from=kings_day, valid_until=kings_day, on_closed_days=True)
    table = Timetable((*WORKING_DAYS, own), public_holidays(2027))

    assert next_opening(table, at("2027-04-26 17:00")) == at("2027-04-27 10:00")
    assert closes_at(table, at("2027-04-27 10:00")) == at("2027-04-27 14:00")
    assert next_opening(table, at("2027-04-27 14:00")) == at("2027-04-28 09:00")


# ---------------------------------------------------------------- evenings, nights, clock changes


def test_hours_that_close_at_midnight_go_on_into_hours_that_open_at_midnight():
    table = Timetable((Hours(4, time(18), time(0)), Hours(5, time(0), time(2))))

    assert closes_at(table, at("2026-11-27 18:00")) == at("2026-11-28 02:00")


def test_hours_that_meet_or_overlap_are_one_stretch_in_whatever_order_they_stand():
    table = Timetable((Hours(1, time(13), time(22)), Hours(1, time(9), time(13)), Hours(1, time(12), time(14))))

    assert next_opening(table, at("2026-11-24 00:00")) == at("2026-11-24 09:00")
    assert closes_at(table, at("2026-11-24 09:00")) == at("2026-11-24 22:00")


def test_hours_that_would_close_before_they_open_are_never_open():
    table = Timetable((Hours(1, time(22), time(2)), Hours(3, time(9), time(9))))

    assert next_opening(table, at("2026-11-24 12:00")) is None


def test_a_sunday_around_the_clock_has_23_hours_in_spring_and_25_in_autumn():
    table = Timetable((Hours(SUNDAY, time(0), time(0)),))

    assert open_for(table, CLOCKS_FORWARD) == timedelta(hours=23)
    assert open_for(table, CLOCKS_BACK) == timedelta(hours=25)


def test_the_hour_that_is_skipped_is_never_open_and_the_hour_that_comes_twice_is_open_twice():
    table = Timetable((Hours(SUNDAY, time(2), time(3)),))

    assert open_for(table, CLOCKS_FORWARD) == timedelta(0)
    assert open_for(table, CLOCKS_BACK) == timedelta(hours=2)


def test_new_hours_count_from_their_first_day_and_old_ones_up_to_their_last():
    old = Hours(1, time(9), time(17), valid_until=date(2026, 12, 1))
    new = Hours(1, time(9), time(22), valid_from=date(2026, 12, 2))
    table = Timetable((old, new))

    assert closes_at(table, at("2026-12-01 12:00")) == at("2026-12-01 17:00")
    assert closes_at(table, at("2026-12-08 12:00")) == at("2026-12-08 22:00")


def test_the_last_hours_of_a_line_that_stops_still_say_when_they_close():
    table = Timetable((Hours(1, time(9), time(17), valid_until=date(2026, 11, 24)),))

    assert closes_at(table, at("2026-11-24 12:00")) == at("2026-11-24 17:00")
    assert next_opening(table, at("2026-11-24 17:00")) is None


def test_a_line_around_the_clock_that_keeps_closed_days_says_when_the_next_one_begins():
    nights_too = tuple(Hours(weekday, time(0), time(0)) for weekday in range(7))
    table = Timetable(nights_too, public_holidays(2026) | public_holidays(2027))

    assert closes_at(table, at("2026-11-24 12:00")) == at("2026-12-25 00:00")


# ---------------------------------------------------------------- closed by decision


def test_a_line_that_is_closed_until_further_notice_says_no_opening():
    table = Timetable(AROUND_THE_CLOCK, closures=(Closure(at("2026-11-24 10:00")),))

    assert closes_at(table, at("2026-11-24 09:59")) == at("2026-11-24 10:00")
    assert opening([table], at("2026-11-24 10:00")) == Opening(open=False, opens_at=None, closes_at=None)


@pytest.mark.parametrize(
    ("until", "opens"),
    [("2026-11-24 12:30", "2026-11-24 12:30"), ("2026-11-24 20:00", "2026-11-25 09:00"), ("2026-11-25 09:00", "2026-11-25 09:00")],
)
def test_after_a_closure_the_line_opens_at_once_within_its_hours_and_otherwise_at_their_next_begin(until: str, opens: str):
    table = Timetable(WORKING_DAYS, closures=(Closure(at("2026-11-24 10:00"), at(until)),))

    assert next_opening(table, at("2026-11-24 11:00")) == at(opens)


def test_closures_that_follow_each_other_are_one():
    closed = (Closure(at("2026-11-24 12:00"), at("2026-11-24 15:00")), Closure(at("2026-11-24 10:00"), at("2026-11-24 12:00")))
    table = Timetable(WORKING_DAYS, closures=closed)

    assert next_opening(table, at("2026-11-24 10:00")) == at("2026-11-24 15:00")


# ---------------------------------------------------------------- in words


@pytest.mark.parametrize(
    ("opens", "words"),
    [
        ("2026-11-24 09:00", "today from 09:00"),
        ("2026-11-25 09:00", "tomorrow from 09:00"),
        ("2026-11-30 13:30", "on Monday 30 November from 13:30"),
    ],
)
def test_the_next_opening_is_said_in_words(opens: str, words: str):
    with override("en"):
        assert when(at(opens), at("2026-11-24 00:30")) == words


def test_a_closed_region_is_left_to_others_while_another_one_is_open():
    at = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    open_now, closed = Timetable(WORKING_DAYS), Timetable(WORKING_DAYS, closures=(Closure(at),))

    assert left_to_others({1: open_now, 2: closed}, at) == {2}
    assert left_to_others({1: closed, 2: closed}, at) == left_to_others({1: open_now}, at) == left_to_others({}, at) == set()
