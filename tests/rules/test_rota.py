"""The rota: times of the day over the change of the clock, copying a week, and reading shifts out of a file. Design, *Being there*."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.rota import Problem, Slot, Taken, copies, moment, monday_of, period, problem_of, times
from staffing.rules import AMSTERDAM, WORKING_DAYS, Timetable
from staffing.shift_file import MOST_LINES, read, text_of

CLOCKS_FORWARD, CLOCKS_BACK = date(2027, 3, 28), date(2027, 10, 31)
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=AMSTERDAM).astimezone(UTC)
ACCOUNTS = {"fo-1": 1, "fo-2": 2}
HEAD = "account,dag,van,tot\n"


def slot(employee: int, day: date, begins: time, ends: time) -> Slot:
    found = period(day, begins, ends)
    assert not isinstance(found, Problem)
    return Slot(employee, found)


def local(slot: Slot) -> tuple[date, time, time]:
    starts, ends = (at.astimezone(AMSTERDAM) for at in slot.period)
    return starts.date(), starts.time(), ends.time()


# ---------------------------------------------------------------- times of a day


def test_a_shift_is_planned_in_the_time_of_amsterdam_whatever_the_clock_does():
    winter, summer = period(date(2027, 3, 26), time(9), time(17)), period(date(2027, 3, 29), time(9), time(17))

    assert winter == (datetime(2027, 3, 26, 8, tzinfo=UTC), datetime(2027, 3, 26, 16, tzinfo=UTC))
    assert summer == (datetime(2027, 3, 29, 7, tzinfo=UTC), datetime(2027, 3, 29, 15, tzinfo=UTC))


def test_midnight_is_the_end_of_the_day():
    found = period(date(2026, 11, 30), time(17), time(0))

    assert found == (datetime(2026, 11, 30, 16, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC))
    assert times(found) == "17:00–24:00"


def test_a_time_that_the_clock_leaves_out_is_no_time():
    assert moment(CLOCKS_FORWARD, time(2, 30)) is None
    assert period(CLOCKS_FORWARD, time(2, 30), time(9)) is Problem.NO_SUCH_TIME


def test_a_time_that_there_is_twice_is_the_first():
    assert moment(CLOCKS_BACK, time(2, 30)) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(("begins", "ends"), [(time(9), time(9)), (time(17), time(9)), (time(22), time(6))])
def test_a_shift_ends_later_on_the_day_that_it_begins(begins, ends):
    assert period(date(2026, 11, 30), begins, ends) is Problem.NOT_LATER


@pytest.mark.parametrize(
    ("starts", "problem"),
    [
        (NOW, Problem.BEGUN),
        (NOW + timedelta(minutes=1), None),
        (NOW + timedelta(days=370), None),
        (NOW + timedelta(days=371), Problem.FAR),
    ],
)
def test_nothing_is_planned_afterwards_nor_more_than_a_year_ahead(starts, problem):
    assert problem_of((starts, starts + timedelta(hours=1)), NOW) is problem


# ---------------------------------------------------------------- copying a week

TABLE = Timetable(WORKING_DAYS)
minutes = st.integers(0, 24 * 60 - 1).map(lambda n: time(n // 60, n % 60))


@given(
    monday=st.dates(date(2026, 11, 30), date(2027, 12, 1)).map(monday_of),
    planned=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 6), minutes, minutes), max_size=12),
    weeks=st.integers(1, 8),
)
def test_a_copied_shift_has_the_same_times_on_the_same_weekday_over_both_clock_changes(monday, planned, weeks):
    taken, week = Taken([]), []
    for employee, day, begins, ends in planned:
        found = period(monday + timedelta(days=day), begins, ends)
        if not isinstance(found, Problem) and not taken.against(one := Slot(employee, found)):
            taken.add(one)
            week.append(one)

    made = list(copies(week, weeks, table=TABLE, taken=Taken([]), answering={1, 2, 3}, at=NOW))

    assert len(made) == len(week) * weeks
    for n, one in enumerate(made):
        original, later = week[n % len(week)], timedelta(weeks=1 + n // len(week))
        day, begins, ends = local(original)
        if one.slot:
            assert local(one.slot) == (day + later, begins, ends)
        else:
            assert one.skipped is Problem.NO_SUCH_TIME
            assert one.on in (CLOCKS_FORWARD, CLOCKS_BACK)
    stored = Taken([])
    for one in (one.slot for one in made if one.slot):
        assert stored.against(one) is None
        stored.add(one)


MONDAY = date(2026, 11, 30)


def copied(week, weeks=1, *, table=TABLE, standing=(), answering=(1, 2), at=NOW):
    return [
        (one.on, one.skipped) for one in copies(week, weeks, table=table, taken=Taken(standing), answering=answering, at=at)
    ]  # fmt: skip


def test_copying_again_makes_nothing_twice():
    week, next_week = slot(1, MONDAY, time(9), time(17)), slot(1, MONDAY + timedelta(weeks=1), time(9), time(17))

    assert copied([week], 2, standing=[next_week]) == [(date(2026, 12, 7), Problem.STANDS), (date(2026, 12, 14), None)]


def test_copying_plans_nobody_twice_at_the_same_time():
    week, other = slot(1, MONDAY, time(9), time(17)), slot(1, MONDAY + timedelta(weeks=1), time(16), time(18))

    assert copied([week], standing=[other]) == [(date(2026, 12, 7), Problem.TWICE)]


def test_copying_leaves_closed_days_out_and_keeps_shifts_on_days_without_hours():
    friday, saturday = slot(1, MONDAY + timedelta(days=4), time(9), time(17)), slot(1, MONDAY + timedelta(days=5), time(9), time(17))
    table = Timetable(WORKING_DAYS, frozenset({date(2026, 12, 25)}))

    found = copied([friday, saturday], 3, table=table)

    assert [day for day, skipped in found if skipped] == [date(2026, 12, 25)]
    assert dict(found)[date(2026, 12, 25)] is Problem.CLOSED
    assert dict(found)[date(2026, 12, 26)] is None


def test_copying_plans_nobody_who_does_not_answer_chats_any_more():
    assert copied([slot(3, MONDAY, time(9), time(17))]) == [(date(2026, 12, 7), Problem.GONE)]


def test_copying_an_old_week_plans_nothing_that_is_over():
    last_week = [slot(1, date(2026, 11, 16) + timedelta(days=n), time(9), time(17)) for n in range(3)]

    found = copied(last_week)

    assert found == [(date(2026, 11, 23), Problem.BEGUN), (date(2026, 11, 24), Problem.BEGUN), (date(2026, 11, 25), None)]


# ---------------------------------------------------------------- a file


def verdicts(text: str, standing=()):
    return [(line.number, line.problem) for line in read(text, ACCOUNTS, Taken(standing), NOW).lines]


@pytest.mark.parametrize(
    "text",
    [
        "account,dag,van,tot\nfo-1,2026-11-30,09:00,17:00\n",
        "account;dag;van;tot\r\nfo-1;30-11-2026;9:00;17:00\r\n",
        "Account ; Dag ; Van ; Tot\n fo-1 ; 30-11-2026 ; 09:00 ; 17:00",
        "\ntot,van,opmerking,account,day\n\n17:00,09:00,ruilt,fo-1,2026-11-30\n\n".lstrip(),
        '"account","dag","van","tot"\n"fo-1","2026-11-30","09:00","17:00"\n',
    ],
)
def test_a_line_of_a_file_is_a_shift(text):
    found = read(text, ACCOUNTS, Taken([]), NOW)

    assert found.to_make == [slot(1, MONDAY, time(9), time(17))]
    assert not found.is_wrong


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("fo-3,2026-11-30,09:00,17:00", Problem.ACCOUNT),
        (",2026-11-30,09:00,17:00", Problem.ACCOUNT),
        ("=1+1,2026-11-30,09:00,17:00", Problem.ACCOUNT),
        ("fo-1,30/11/2026,09:00,17:00", Problem.DAY),
        ("fo-1,2026-02-30,09:00,17:00", Problem.DAY),
        ("fo-1,30-11-26,09:00,17:00", Problem.DAY),
        ("fo-1,9999-12-31,09:00,24:00", Problem.DAY),
        ("fo-1,٢٠٢٦-11-30,09:00,17:00", Problem.DAY),
        ("fo-1,2026-11-30,9,17:00", Problem.TIME),
        ("fo-1,2026-11-30,09:00,25:00", Problem.TIME),
        ("fo-1,2026-11-30,09:60,17:00", Problem.TIME),
        ("fo-1,2026-11-30,17:00,09:00", Problem.NOT_LATER),
        ("fo-1,2027-03-28,02:30,09:00", Problem.NO_SUCH_TIME),
        ("fo-1,2026-11-24,10:00,17:00", Problem.BEGUN),
        ("fo-1,2028-11-30,09:00,17:00", Problem.FAR),
        ("fo-1,2026-11-30", Problem.COLUMNS),
    ],
)
def test_a_wrong_line_says_what_is_wrong_and_nothing_is_made_of_it(line, problem):
    found = read(HEAD + line, ACCOUNTS, Taken([]), NOW)

    assert [(one.number, one.problem) for one in found.lines] == [(2, problem)]
    assert found.is_wrong
    assert found.to_make == []


def test_what_stands_already_is_nothing_wrong_also_when_it_has_begun():
    today, later = slot(1, date(2026, 11, 24), time(9), time(17)), slot(2, MONDAY, time(9), time(17))
    text = HEAD + "fo-1,2026-11-24,09:00,17:00\nfo-2,2026-11-30,09:00,17:00\nfo-2,2026-12-01,09:00,17:00\n"

    assert verdicts(text, [today, later]) == [(2, Problem.STANDS), (3, Problem.STANDS), (4, None)]


def test_two_lines_of_one_file_plan_nobody_twice():
    text = HEAD + "fo-1,2026-11-30,09:00,17:00\nfo-2,2026-11-30,09:00,17:00\nfo-1,2026-11-30,16:00,18:00\nfo-1,2026-11-30,17:00,18:00\n"

    assert verdicts(text) == [(2, None), (3, None), (4, Problem.TWICE), (5, None)]


@pytest.mark.parametrize("text", ["", "\n \n", "fo-1,2026-11-30,09:00,17:00\n", "account,dag,van\n", "<html>\n"])
def test_a_file_without_its_columns_is_refused_whole(text):
    found = read(text, ACCOUNTS, Taken([]), NOW)

    assert found.refused
    assert found.is_wrong
    assert found.lines == ()


def test_a_file_with_too_many_lines_is_refused_whole():
    def lines(count: int) -> str:
        return HEAD + "fo-1,2026-11-30,09:00,17:00\n" * count

    assert not read(lines(MOST_LINES), ACCOUNTS, Taken([]), NOW).refused
    assert read(lines(MOST_LINES + 1), ACCOUNTS, Taken([]), NOW).refused


def test_a_field_without_end_is_refused():
    assert read(HEAD + '"' + "x" * 200_000, ACCOUNTS, Taken([]), NOW).refused


def test_utf8_is_read_with_and_without_its_mark_and_nothing_else():
    assert text_of(b"\xef\xbb\xbfaccount") == text_of(b"account") == "account"
    assert text_of("coördinator".encode("cp1252")) is None
    assert text_of("account".encode("utf-16")) is None


@given(st.text())
def test_no_text_breaks_the_reading(text):
    read(text, ACCOUNTS, Taken([]), NOW)
    read(HEAD + text, ACCOUNTS, Taken([]), NOW)


@given(st.text(alphabet='fo-12,;:"\n 0369'))
def test_what_is_made_is_whole_and_overlaps_nothing(text):
    standing = Taken([])

    for one in read(HEAD + text, ACCOUNTS, Taken([]), NOW).to_make:
        assert one.period[0] < one.period[1]
        assert standing.against(one) is None
        standing.add(one)
