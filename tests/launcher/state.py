"""What a server has stored, printed and used, looked at from outside of it."""

import json
import re
import sqlite3
import subprocess
import sys
from collections import defaultdict
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from bench.processes import memory_kib
from tests.running import ROOT, Running, direct


def database(server: Running) -> Any:
    """A connection of our own to its database."""
    if url := server.environment["DATABASE_URL"]:
        return closing(psycopg.connect(url, autocommit=True))
    return closing(sqlite3.connect(server.state / "geruisloos.sqlite3", timeout=30, isolation_level=None))


def ask(server: Running, question: str) -> list[tuple[Any, ...]]:
    with database(server) as connection:
        return connection.execute(question).fetchall()


def logs(server: Running) -> dict[str, list[tuple[int, str]]]:
    """Number and id of every entry, by conversation, in the order of the numbers."""
    found = defaultdict(list)
    for conversation, seq, id in ask(server, "SELECT conversation_id, seq, id FROM chat_entry ORDER BY conversation_id, seq"):
        found[str(UUID(str(conversation)))].append((seq, str(UUID(str(id)))))
    return found


@contextmanager
def nothing_is_stored(server: Running):
    """For the length of the block every append waits."""
    with database(server) as connection:
        if server.environment["DATABASE_URL"]:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE chat_entry IN EXCLUSIVE MODE")
        else:
            connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def gauge(server: Running, name: str) -> float:
    with direct.open(f"{server.base}/metrics", timeout=30) as answer:
        found = re.search(rf"^geruisloos_{name} (\S+)$", answer.read().decode(), re.M)
    assert found, name
    return float(found[1])


def memory(server: Running) -> int:
    """KiB of this server with its children."""
    assert server.process
    return memory_kib([server.process.pid])


def threads(server: Running) -> int:
    assert server.process
    return len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))


def database_connections(server: Running) -> int:
    if server.environment["DATABASE_URL"]:
        ((count,),) = ask(server, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        return count
    assert server.process
    name = str(server.state / "geruisloos.sqlite3")
    return sum(1 for file in Path(f"/proc/{server.process.pid}/fd").iterdir() if _target(file) == name)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def complaints(server: Running) -> list[str]:
    """What it printed that is not its address."""
    return [line for line in server.output.splitlines() if line and line.rstrip("/") != server.base]


@dataclass(frozen=True)
class Visitor:
    """One line of a crowd that stands in the database: its cookie, and for staff the conversations that it speaks in."""

    path: str
    cookie: str
    about: tuple[dict[str, Any], ...]

    @property
    def is_chatter(self) -> bool:
        return self.path == "/ws/chatter/"

    @property
    def after(self) -> Any:
        """For `hello`: everything has been seen."""
        return 10**9 if self.is_chatter else {about["conversation"]: 10**9 for about in self.about}


def crowd(server: Running, pairs: int) -> list[Visitor]:
    """So many conversations, each held by an employee on duty, made at once and not by the door: that would take minutes."""
    made = subprocess.run(
        [sys.executable, "-m", "bench.prepare", str(pairs)], cwd=ROOT, env=server.environment, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return [
        Visitor(one["path"], one["cookie"], tuple(json.loads("{" + side.rstrip(",") + "}") for side in one["sides"]))
        for one in json.loads(made.stdout)
    ]
