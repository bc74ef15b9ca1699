"""What is measured, as real processes: the floor, the product, the typical application. Each has a database of its own."""

import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench.figures import COLUMNS
from bench.load import FAR_AHEAD, Connection
from bench.processes import children
from tests.running import ROOT, direct, environment
from tests.stacks import answers, redis

USUAL = 3  # conversations of one employee, as in the product
STARTS_WITHIN = 60  # seconds
STOPS_WITHIN = 15


@dataclass(frozen=True)
class State:
    """Where one server keeps its things: a directory and, on PostgreSQL, a database."""

    directory: Path
    database: str = ""

    def ask(self, question: str) -> int:
        """The answer to a question for one number."""
        if self.database:
            with psycopg.connect(self.database) as connection:
                found = connection.execute(question.encode()).fetchone()
        else:
            (file,) = self.directory.glob("*.sqlite3")
            with closing(sqlite3.connect(file)) as embedded:
                found = embedded.execute(question).fetchone()
        assert found
        return found[0]


@dataclass(frozen=True)
class Stack:
    """`sqlite` or `postgresql`, with the process of its database; an empty `database` means SQLite."""

    name: str
    place: Path
    database: str = ""
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

    @contextmanager
    def layer(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """
        A Redis for one server, with its process; none beside SQLite.

        Not one for all: servers of the same conversations would hear each other's hints.
        """
        if not self.database:
            yield "", ()
            return
        before = set(children(os.getpid()))
        with redis(self.place) as address:
            yield address, tuple(set(children(os.getpid())) - before)


def _name(database: str) -> str:
    return urlsplit(database).path.removeprefix("/")


def port_of_its_own() -> int:
    """A free one below those of outgoing connections, so that nobody's takes it while its server restarts."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """One server process that can be held, and stopped and started again."""

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
                self.process.wait(timeout=0.05)
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{' '.join(self.command)} did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def hold(self) -> None:
        """Not one instruction more until `go_on`: what this server does by itself is not to be measured as another one's."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """When all is counted: nothing of it is needed any more."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """As a release does it."""
        assert self.process, "does not run"
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


@dataclass
class Live:
    """A server with its connections, its stores, and what its log must say after a load."""

    server: Server
    connections: list[Connection]
    stores: list[int]
    state: State
    stored: str  # question: how many entries
    gaps: str  # question: how many conversations whose numbers are not 1, 2, 3 …
    before: int

    def wrong(self, acks: int) -> list[str]:
        """What is not true of the log after so many acks; a fast wrong server must not win."""
        stored, gaps = self.state.ask(self.stored) - self.before, self.state.ask(self.gaps)
        found = []
        if stored != acks:
            found.append(f"{stored} entries stored and {acks} acknowledged")
        if gaps:
            found.append(f"{gaps} conversations have a gap in their numbers")
        return found


class ByHand:
    """The floor and the typical application: no preparation, conversations are numbers."""

    ready = staticmethod(answers)

    def __init__(self, stack: Stack, name: str, stored: str, gaps: str) -> None:
        self.stack, self.name, self.stored, self.gaps = stack, name, stored, gaps

    def prepared(self, pairs: int) -> tuple[State | None, list[Connection]]:
        made, hello = [], json.dumps({"type": "hello", "after": FAR_AHEAD})
        for first in range(1, pairs + 1, USUAL):
            mine = range(first, min(first + USUAL, pairs + 1))
            made += [Connection(f"/chatter/{number}", hello, [""]) for number in mine]
            made.append(Connection(f"/staff/{','.join(map(str, mine))}", hello, [f'"conversation":{number},' for number in mine]))
        return None, made

    def process(self, state: State, port: int, layer: str) -> tuple[list[str], dict[str, str]]:
        """How it is started: the command and its environment."""
        database = state.database or f"sqlite:///{state.directory}/{self.name}.sqlite3"
        return [sys.executable, "-m", f"bench.{self.name}", str(port), database], environment(state.directory, "", layer)

    @contextmanager
    def live(self, pairs: int) -> Iterator[Live]:
        """A server for so many pairs, not started yet; stopped and forgotten afterwards."""
        like, connections = self.prepared(pairs)
        with ExitStack() as things:
            layer, layers = things.enter_context(self.stack.layer())
            state = self.stack.new(f"{self.name}-{pairs}", like=like)
            things.callback(self.stack.discard, state)
            port = port_of_its_own()
            server = Server(*self.process(state, port, layer), port, self.stack.place / f"{self.name}.log", self.ready)
            things.callback(server.kill)
            before = state.ask(self.stored) if like else 0
            yield Live(server, connections, [*self.stack.processes, *layers], state, self.stored, self.gaps, before)


class Product(ByHand):
    """`python -m config.server` with everything switched on but the limits per address and per line, on a copy of a prepared state."""

    def __init__(self, stack: Stack) -> None:
        stored = "SELECT count(*) FROM chat_entry"
        gaps = (
            "SELECT count(*) FROM chat_conversation c LEFT JOIN (SELECT conversation_id, count(*) AS n, max(seq) AS last FROM chat_entry"
            " GROUP BY conversation_id) e ON e.conversation_id = c.id WHERE coalesce(n, 0) <> c.last_seq OR coalesce(last, 0) <> c.last_seq"
        )
        super().__init__(stack, "product", stored, gaps)
        self.made: dict[int, tuple[State, list[Connection]]] = {}

    @staticmethod
    def ready(port: int) -> bool:
        try:
            with direct.open(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def environment(self, state: State, layer: str = "", **more: str) -> dict[str, str]:
        # A long run outlives the half hour after which a silent browser loses its conversation.
        own = {"START_RATE": "off", "FRAME_RATE": "off", "COOKIE_LIFE": "24h"}
        return environment(state.directory, state.database, layer, **own, **more)

    def process(self, state: State, port: int, layer: str) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-m", "config.server"], self.environment(state, layer, PORT=str(port))

    def prepare(self, sizes: list[int]) -> Iterator[int]:
        """A state with so many pairs for each of these sizes, each made out of the one before. Yields the number of pairs that stand."""
        state, standing = None, 0
        connections: list[Connection] = []
        for size in sorted(sizes):
            state = self.stack.new(f"prepared-{size}", like=state)
            command = [sys.executable, "-m", "bench.prepare", str(size - standing)]
            made = subprocess.run(command, cwd=ROOT, env=self.environment(state), capture_output=True, text=True)
            if made.returncode:
                raise RuntimeError(f"the pairs could not be prepared:\n{made.stderr[-3000:]}")
            connections = connections + [Connection(**one) for one in json.loads(made.stdout)]
            self.made[size], standing = (state, connections), size
            yield size

    def prepared(self, pairs: int) -> tuple[State | None, list[Connection]]:
        return self.made[pairs]


def columns(stack: Stack) -> dict[str, ByHand]:
    gaps = "SELECT count(*) FROM (SELECT conversation FROM entry GROUP BY conversation HAVING max(seq) <> count(*)) AS wrong"
    floor = ByHand(stack, "floor", stored="SELECT count(*) FROM entry", gaps=gaps)
    # Its rows carry no number of their own, so there is none to be missing.
    typical = ByHand(stack, "typical", stored="SELECT count(*) FROM typical_message", gaps="SELECT 0")
    return dict(zip(COLUMNS, (floor, Product(stack), typical), strict=True))
