"""What is measured, as real processes: the floor, the product, the typical application. Each visit has a database of its own."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench.load import FAR_AHEAD, Connection
from tests.running import ROOT, direct, environment, manage
from tests.stacks import answers, free_port

USUAL = 3  # conversations of one employee, as in the product
STARTS_WITHIN = 60  # seconds
STOPS_WITHIN = 15


@dataclass(frozen=True)
class State:
    """Where one server keeps its things: a directory and, on PostgreSQL, a database."""

    directory: Path
    database: str = ""

    def ask(self, question: str) -> list[int]:
        """The first row of the answer."""
        if self.database:
            with psycopg.connect(self.database) as connection:
                return list(connection.execute(question.encode()).fetchone() or ())
        (file,) = self.directory.glob("*.sqlite3")
        with closing(sqlite3.connect(file)) as embedded:
            return list(embedded.execute(question).fetchone())


@dataclass(frozen=True)
class Stack:
    """`sqlite` or `postgresql`, with the processes of its stores; an empty `database` means SQLite."""

    name: str
    place: Path
    database: str = ""
    redis: str = ""
    processes: tuple[int, ...] = ()

    def new(self, name: str, like: State | None = None) -> State:
        directory, database = self.place / f"{self.name}-{name}", ""
        if like:
            shutil.copytree(like.directory, directory)
        else:
            directory.mkdir()
        if self.database:
            with psycopg.connect(self.database, autocommit=True) as connection:
                template = f' TEMPLATE "{_name(like.database)}"' if like else ""
                connection.execute(f'CREATE DATABASE "{name}"{template}'.encode())
            database = urlunsplit(urlsplit(self.database)._replace(path=f"/{name}"))
        return State(directory, database)

    def discard(self, state: State) -> None:
        shutil.rmtree(state.directory, ignore_errors=True)
        if state.database:
            with psycopg.connect(self.database, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{_name(state.database)}" WITH (FORCE)'.encode())


def _name(database: str) -> str:
    return urlsplit(database).path.removeprefix("/")


class Server:
    """One server process that can be stopped and started again."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int, log: Path, ready: Callable[[int], bool]) -> None:
        self.command, self.environment, self.port, self.log, self.ready = command, environment, port, log, ready
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + STARTS_WITHIN
        while not self.ready(self.port):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=0.02)
            if self.process.poll() is not None or time.monotonic() > until:
                sys.exit(f"{' '.join(self.command)} did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        assert self.process, "does not run"
        return self.process.pid


@dataclass(frozen=True)
class Visit:
    """A running server with its connections, and what its log must say after a load."""

    server: Server
    connections: list[Connection]
    state: State
    stored: str  # question: how many entries
    gaps: str  # question: how many conversations whose numbers are not 1, 2, 3 …
    before: int = 0

    def wrong(self, acks: int) -> list[str]:
        """What is not true of the log after so many acks; a fast wrong server must not win."""
        (stored,), (gaps,) = self.state.ask(self.stored), self.state.ask(self.gaps)
        found = []
        if stored - self.before != acks:
            found.append(f"{stored - self.before} entries stored and {acks} acknowledged")
        if gaps:
            found.append(f"{gaps} conversations have a gap in their numbers")
        return found


def kept(**more: str) -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ} | {"PYTHONUNBUFFERED": "1"} | more


class ByHand:
    """The floor and the typical application: no preparation, conversations are numbers."""

    def __init__(self, stack: Stack, name: str, stored: str, gaps: str) -> None:
        self.stack, self.name, self.stored, self.gaps = stack, name, stored, gaps

    @contextmanager
    def visit(self, pairs: int) -> Iterator[Visit]:
        state = self.stack.new(self.name)
        port = free_port()
        command = [
            sys.executable,
            "-m",
            f"bench.{self.name}",
            str(port),
            state.database or f"sqlite:///{state.directory}/{self.name}.sqlite3",
        ]
        server = Server(command, kept(REDIS_URL=self.stack.redis), port, self.stack.place / f"{self.name}.log", answers)
        try:
            server.start()
            yield Visit(server, self.connections(pairs), state, self.stored, self.gaps)
        finally:
            server.stop()
            self.stack.discard(state)

    @staticmethod
    def connections(pairs: int) -> list[Connection]:
        made, hello = [], json.dumps({"type": "hello", "after": FAR_AHEAD})
        for first in range(1, pairs + 1, USUAL):
            mine = range(first, min(first + USUAL, pairs + 1))
            made += [Connection(f"/chatter/{number}", hello, [""]) for number in mine]
            made.append(Connection(f"/staff/{','.join(map(str, mine))}", hello, [f'"conversation":{number},' for number in mine]))
        return made


class Product:
    """`python -m config.server` with everything switched on but the limits per address and per line, on a copy of a prepared state."""

    stored = "SELECT count(*) FROM chat_entry"
    gaps = (
        "SELECT count(*) FROM chat_conversation c LEFT JOIN (SELECT conversation_id, count(*) AS n, max(seq) AS last FROM chat_entry"
        " GROUP BY conversation_id) e ON e.conversation_id = c.id WHERE coalesce(n, 0) <> c.last_seq OR coalesce(last, 0) <> c.last_seq"
    )

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.prepared: dict[int, tuple[State, list[Connection]]] = {}

    def environment(self, state: State, **more: str) -> dict[str, str]:
        # A long run outlives the half hour after which a silent browser loses its conversation.
        own = {"FRAME_RATE": "off", "COOKIE_LIFE": "24h"}
        return environment(state.directory, state.database, self.stack.redis, **own, **more)

    def prepare(self, sizes: list[int]) -> Iterator[int]:
        """A state with so many pairs for each of these sizes, each made out of the one before. Yields the number of pairs that stand."""
        state, standing = self.stack.new("prepared"), 0
        connections: list[Connection] = []
        for name in ("migrate", "seed"):
            manage(name, environment=self.environment(state))
        for size in sorted(sizes):
            state = self.stack.new(f"prepared-{size}", like=state)
            command = [sys.executable, "-m", "bench.prepare", str(size - standing)]
            made = subprocess.run(command, cwd=ROOT, env=self.environment(state), capture_output=True, text=True)
            if made.returncode:
                sys.exit(f"The pairs could not be prepared:\n{made.stderr[-3000:]}")
            connections = connections + [Connection(**one) for one in json.loads(made.stdout)]
            self.prepared[size], standing = (state, connections), size
            yield size

    @contextmanager
    def visit(self, pairs: int) -> Iterator[Visit]:
        like, connections = self.prepared[pairs]
        state = self.stack.new("product", like=like)
        port = free_port()
        more = self.environment(state, PORT=str(port))
        server = Server([sys.executable, "-m", "config.server"], more, port, self.stack.place / "product.log", is_ready)
        try:
            (before,) = state.ask(self.stored)
            server.start()
            yield Visit(server, connections, state, self.stored, self.gaps, before)
        finally:
            server.stop()
            self.stack.discard(state)


def is_ready(port: int) -> bool:
    try:
        with direct.open(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def columns(stack: Stack) -> tuple[ByHand, Product, ByHand]:
    floor = ByHand(
        stack,
        "floor",
        stored="SELECT count(*) FROM entry",
        gaps="SELECT count(*) FROM (SELECT conversation FROM entry GROUP BY conversation HAVING max(seq) <> count(*)) AS wrong",
    )
    # Its rows carry no number of their own, so there is none to be missing.
    typical = ByHand(stack, "typical", stored="SELECT count(*) FROM typical_message", gaps="SELECT 0")
    return floor, Product(stack), typical
