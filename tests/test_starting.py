"""Bad configuration stops the start with one line that names the variable and what it must be (interface.md, Environment)."""

import socket
import subprocess
import sys

import pytest

from tests.running import ROOT, environment


def says_at_the_start(tmp_path, **variables: str) -> list[str]:
    state = environment(tmp_path / "state", "", "", **variables)
    done = subprocess.run([sys.executable, "-m", "config.server"], cwd=ROOT, env=state, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STATE_DIR", "/dev/null/state"),
        ("COOKIE_LIFE", "99999999999999h"),
        ("OVERFLOW_AFTER", "99999999h"),
        ("DEMO_AT", "0001-01-01T00:00"),
        ("REDIS_URL", "localhost"),
        ("EXIT_TARGET", "https://"),
        ("DATABASE_URL", "mysql://localhost/line"),
        ("PORT", "70000"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(tmp_path, name, value):
    (line,) = says_at_the_start(tmp_path, **{name: value})

    assert line.startswith(f"{name}: must be ")


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (line,) = says_at_the_start(tmp_path, PORT=str(taken.getsockname()[1]))

    assert line.startswith("PORT: must be one that is free")


def test_a_database_that_does_not_answer_is_not_started_on_unasked(tmp_path, unused_tcp_port):
    lines = says_at_the_start(tmp_path, DATABASE_URL=f"postgres://nobody@127.0.0.1:{unused_tcp_port}/line")

    assert lines[-1] == "DATABASE_URL: must be a database that answers."
