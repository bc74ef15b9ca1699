"""How fast somebody may speak: the bucket over any stream of frames."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chat.limits import Bucket, CountHere

BEGIN = datetime(2026, 11, 24, 10, tzinfo=UTC)
pauses = st.lists(st.floats(0, 5), max_size=200)


def bucket() -> Bucket:
    return Bucket.full((10, timedelta(seconds=1)), 3, BEGIN)


def test_thirty_at_once_are_in_time_and_the_next_one_is_not():
    frames = bucket()

    assert [frames.take(BEGIN) for _ in range(31)] == [True] * 30 + [False]


def test_who_keeps_to_the_rate_is_never_too_fast():
    frames = bucket()

    assert all(frames.take(BEGIN + n * timedelta(milliseconds=100)) for n in range(1_000))


@given(pauses)
def test_never_more_than_the_burst_and_the_rate_since(seconds):
    frames, at, taken = bucket(), BEGIN, 0

    for pause in seconds:
        at += timedelta(seconds=pause)
        taken += frames.take(at)

    assert taken <= 30 + 10 * (at - BEGIN).total_seconds() + 1e-6


@given(pauses)
def test_who_was_refused_is_heard_again_after_a_tenth_of_a_second(seconds):
    frames, at = bucket(), BEGIN

    for pause in seconds:
        at += timedelta(seconds=pause)
        if not frames.take(at):
            at += timedelta(milliseconds=101)
            assert frames.take(at)


def test_a_clock_that_steps_back_gives_nothing_and_takes_nothing():
    frames = bucket()

    assert frames.take(BEGIN - timedelta(hours=1))
    assert frames.left == 29


def test_without_a_cache_starts_are_counted_by_window_and_address():
    here = CountHere()

    assert [here.one_more(1, "a"), here.one_more(1, "a"), here.one_more(1, "b"), here.one_more(2, "a")] == [1, 2, 1, 1]
