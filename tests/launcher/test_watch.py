"""Two real processes watch one line: one acts, and when it is killed or frozen the other one does within thirty seconds (P10)."""

import asyncio
import signal
import subprocess
import sys
import time

import pytest

from tests.launcher.state import ask, complaints
from tests.launcher.wire import a_moment, until
from tests.running import ROOT, STOPS_WITHIN

TAKES_OVER_WITHIN = 30  # seconds

# SQLite has one server process; that a command watches beside it is the same lease.
pytestmark = pytest.mark.postgresql_only


@pytest.fixture
def alone(running):
    """`manage.py watch` beside the server, on the same state."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "watch"],
        cwd=ROOT,
        env=running.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "watching\n"
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdout.close()


def watch(server) -> tuple[str, str]:
    """Who watches, and when everything was last looked at."""
    ((by, heartbeat),) = ask(server, "SELECT by, heartbeat_at FROM staffing_watch") or [("", None)]
    return by, str(heartbeat or "")


async def another_watches(server, before: str) -> float:
    """Waits until somebody else has looked at everything; the seconds that it took."""
    began, last = time.monotonic(), watch(server)[1]
    async with asyncio.timeout(TAKES_OVER_WITHIN):
        while watch(server)[0] == before or watch(server)[1] <= last:
            await a_moment()
    return time.monotonic() - began


async def test_who_watches_is_killed_or_frozen_and_another_process_takes_over(running, alone):
    await until(lambda: watch(running)[1], "the server watches")
    server, _ = watch(running)
    alarms = "SELECT r.code, a.kind FROM staffing_alarm a JOIN staffing_region r ON r.id = a.region_id WHERE a.over_at IS NULL"
    await until(lambda: len(ask(running, alarms)) == 2, "the regions of the demonstration have nobody")
    assert sorted(ask(running, alarms)) == [("amsterdam-amstelland", "nobody_on_duty"), ("zaanstreek-waterland", "nobody_on_duty")]

    await asyncio.to_thread(running.kill)
    assert await another_watches(running, server) < TAKES_OVER_WITHIN
    beside, _ = watch(running)

    await asyncio.to_thread(running.start)
    alone.send_signal(signal.SIGSTOP)
    try:
        assert await another_watches(running, beside) < TAKES_OVER_WITHIN
    finally:
        alone.send_signal(signal.SIGCONT)
    assert "kept" in await asyncio.to_thread(running.manage, "selfcheck")

    alone.send_signal(signal.SIGTERM)
    said, _ = await asyncio.to_thread(alone.communicate, timeout=STOPS_WITHIN)
    assert (alone.returncode, said) == (0, "")
    assert len(ask(running, alarms)) == 2
    assert complaints(running) == []
    assert await asyncio.to_thread(running.stop) == 0


async def test_who_stops_in_order_leaves_the_watch_to_another_at_once(running, alone):
    await until(lambda: watch(running)[1], "the server watches")
    server, _ = watch(running)

    assert await asyncio.to_thread(running.stop) == 0

    assert await another_watches(running, server) < 10
    alone.send_signal(signal.SIGINT)
    said, _ = await asyncio.to_thread(alone.communicate, timeout=STOPS_WITHIN)
    assert (alone.returncode, said) == (0, "")
