"""The product as a real process, as production starts it, on a state of its own that can be killed and started again."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.stacks import free_port

ROOT = Path(__file__).resolve().parent.parent
STARTS_WITHIN = 60  # seconds, on a machine that also drives two browsers
STOPS_WITHIN = 15  # reliability.md section 2 allows 10

direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def manage(*arguments: str, environment: dict[str, str]) -> str:
    """The output of `manage.py …` on that state. Raises AssertionError with the output when it fails."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, f"manage.py {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def environment(state: Path, database: str, redis: str, **more: str) -> dict[str, str]:
    """What a process of the demonstration on `state` gets to see; nothing of this machine's own settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    own = {"DEMO": "on", "HOST": "127.0.0.1", "STATE_DIR": str(state), "START_RATE": "off", "FRAME_RATE": "off", "PYTHONUNBUFFERED": "1"}
    return kept | own | {"DATABASE_URL": database, "REDIS_URL": redis} | more


class Prepared:
    """A migrated and seeded demonstration, made once and copied for each test."""

    def __init__(self, place: Path, database: str, redis: str):
        self.place, self.database, self.redis = place, database, redis
        self.copies = itertools.count(1)
        self.databases: list[str] = []
        self.template = place / "template"
        self.template.mkdir()
        url = self._create("template") if database else ""
        for command in ("migrate", "seed", "demo"):
            manage(command, environment=environment(self.template, url, redis))

    def run(self, **more: str) -> "Running":
        """A started copy; `more` is environment on top."""
        number = next(self.copies)
        state = self.place / f"state-{number}"
        shutil.copytree(self.template, state)
        url = self._create(str(number), template=self.databases[0]) if self.database else ""
        return Running(environment(state, url, self.redis, PORT=str(free_port()), **more)).start()

    def _create(self, suffix: str, template: str | None = None) -> str:
        name = f"running_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{suffix}"
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        self.databases.append(name)
        return urlunsplit(urlsplit(self.database)._replace(path=f"/{name}"))

    def discard(self) -> None:
        if self.databases:
            with psycopg.connect(self.database, autocommit=True) as connection:
                for name in self.databases:
                    connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        shutil.rmtree(self.place, ignore_errors=True)


class Running:
    """
    One server process. All methods wait for their effect; from a coroutine call them by `asyncio.to_thread`
    when something else in the loop has to go on meanwhile.
    """

    def __init__(self, environment: dict[str, str]):
        self.environment = environment
        self.state = Path(environment["STATE_DIR"])
        self.log = self.state.with_name(f"{self.state.name}.log")
        self.address = f"127.0.0.1:{environment['PORT']}"
        self.base, self.ws = f"http://{self.address}", f"ws://{self.address}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Running":
        """Returns once the server says that it is ready."""
        assert self.process is None, "runs already"
        with self.log.open("ab") as output:
            command = [sys.executable, "-m", "config.server"]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + STARTS_WITHIN
        while not self.is_ready():
            assert time.monotonic() < until, f"not ready after {STARTS_WITHIN} s:\n{self.output}"
            try:
                code = self.process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
            self.process = None
            raise AssertionError(f"the server ended with {code}:\n{self.output}")
        return self

    def is_ready(self) -> bool:
        try:
            with direct.open(f"{self.base}/health/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self) -> None:
        """kill -9: no goodbye, no flush."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """An ordinary stop, as a release does it; the exit code."""
        return self._end(signal.SIGTERM)

    def restart(self) -> "Running":
        """kill -9 and start again on the same state and port."""
        if self.process:
            self.kill()
        return self.start()

    def _end(self, how: signal.Signals) -> int:
        assert self.process, "does not run"
        process, self.process = self.process, None
        process.send_signal(how)
        try:
            return process.wait(timeout=STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"did not stop within {STOPS_WITHIN} s:\n{self.output}") from None

    def manage(self, *arguments: str) -> str:
        """The output of `manage.py …` with the environment of this server, while it runs or not."""
        return manage(*arguments, environment=self.environment)

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def discard(self) -> None:
        if self.process:
            self.kill()
        shutil.rmtree(self.state, ignore_errors=True)
