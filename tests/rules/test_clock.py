"""The clock of the demonstration begins at DEMO_AT and runs on, also for commands and after a restart."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from staffing import clock
from staffing.rules import AMSTERDAM

CLOSING = datetime(2026, 11, 24, 16, 55, tzinfo=AMSTERDAM)
MOMENT = timedelta(seconds=30)  # longer than any machine needs between two lines of a test


@pytest.fixture(autouse=True)
def _current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "current", clock.Clock())


def kept(file, moment: datetime) -> datetime:
    """When, by the machine's clock, the demonstration of that moment began."""
    return datetime.fromisoformat(json.loads(file.read_text())[moment.astimezone(UTC).isoformat()])


def test_without_a_demonstration_the_clock_is_the_machines():
    machine = datetime.now(UTC)  # noqa: TID251 - what the clock is compared with

    assert machine <= clock.now() < machine + MOMENT


def test_the_demonstration_begins_at_its_moment_and_runs_on(tmp_path):
    clock.begin_at(CLOSING, tmp_path / "clock.json")

    first, second = clock.now(), clock.now()

    assert CLOSING <= first <= second < CLOSING + MOMENT
    assert first.tzinfo is UTC


def test_a_restart_or_a_command_an_hour_later_goes_on_from_there(tmp_path):
    file = tmp_path / "clock.json"
    clock.begin_at(CLOSING, file)
    an_hour_ago = {
        key: (datetime.fromisoformat(begun) - timedelta(hours=1)).isoformat() for key, begun in json.loads(file.read_text()).items()
    }
    file.write_text(json.dumps(an_hour_ago))

    clock.begin_at(CLOSING, file)

    assert CLOSING + timedelta(hours=1) <= clock.now() < CLOSING + timedelta(hours=1) + MOMENT


def test_the_same_moment_written_in_another_zone_is_the_same_demonstration(tmp_path):
    file = tmp_path / "clock.json"

    clock.begin_at(CLOSING, file)
    clock.begin_at(CLOSING.astimezone(UTC), file)

    assert len(json.loads(file.read_text())) == 1


def test_another_moment_begins_anew_and_leaves_the_first_its_own(tmp_path):
    file, opening = tmp_path / "clock.json", CLOSING.replace(hour=8)
    clock.begin_at(CLOSING, file)
    begun = kept(file, CLOSING)

    clock.begin_at(opening, file)

    assert opening <= clock.now() < opening + MOMENT
    assert kept(file, CLOSING) == begun


def test_the_directory_of_the_state_need_not_be_there_yet(tmp_path):
    clock.begin_at(CLOSING, tmp_path / "state" / "clock.json")

    assert [path.name for path in (tmp_path / "state").iterdir()] == ["clock.json"]


async def test_waiting_for_what_is_over_takes_no_time(tmp_path):
    clock.begin_at(CLOSING, tmp_path / "clock.json")

    await clock.sleep_until(CLOSING)
    await clock.sleep_until(clock.now() + timedelta(milliseconds=20))

    assert clock.now() >= CLOSING + timedelta(milliseconds=20)
