"""The launcher, `python -m config.server`: limits, no addresses in logs, and a drain before the server stops."""

import fcntl
import logging
import os
import resource
import signal
import socket
import sys
from typing import IO

import django
import uvicorn

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

logger = logging.getLogger("geruisloos.server")


class Server(uvicorn.Server):
    """Before it stops: not ready any more, every line told that we restart (4012), everything on its way stored (P13)."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        from chat import rounds
        from config import health

        health.draining = True
        await rounds.stop()
        await super().shutdown(sockets)


def refuse_to_start() -> None:
    """Bad configuration stops the start with one line for each variable."""
    from django.conf import settings
    from django.core import checks

    problems = [message.msg for message in checks.run_checks() if message.level >= checks.ERROR]
    if not problems and not _database_answers():
        # Not later either: whether it keeps what it acknowledges was not asked (P1).
        problems = [f"{'STATE_DIR' if settings.SQLITE else 'DATABASE_URL'}: must be a database that answers."]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(1)


def _database_answers() -> bool:
    from django.db import DatabaseError, InterfaceError, connection

    try:
        connection.ensure_connection()
        return True
    except (DatabaseError, InterfaceError):
        return False


def can_listen(host: str, port: int) -> None:
    """Refuse the start in words when nothing can be served at this address."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        print(f"PORT: must be one that is free on HOST {host}; {port} is not.", file=sys.stderr)
        raise SystemExit(1) from None


def only_one() -> IO[str] | None:
    """On SQLite one server process: a second one on the same file is refused. The lock ends with the process."""
    from django.conf import settings

    if not settings.SQLITE:
        return None
    lock = (settings.STATE_DIR / "server.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print(f"STATE_DIR: another server already runs on {settings.STATE_DIR}; SQLite takes one.", file=sys.stderr)
        raise SystemExit(1) from None
    return lock


def main() -> None:
    django.setup()
    from django.conf import settings

    refuse_to_start()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold texts and keys (threat-model K5)
    lock = only_one()
    can_listen(settings.HOST, settings.PORT)
    config = uvicorn.Config(
        "config.asgi:application",
        host=settings.HOST,
        port=settings.PORT,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=settings.FRAME_BYTES,
        ws_per_message_deflate=False,  # it triples the memory of a connection
        ws_ping_interval=10,
        ws_ping_timeout=10,
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",  # uvicorn.error prints the addresses of sockets below this (threat-model N2)
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=512,
        limit_concurrency=None,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=4,
        h11_max_incomplete_event_size=32 * 1024,
    )
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    print(f"http://{host}:{settings.PORT}/", flush=True)
    # uvicorn raises the signal again once it has stopped in order: that is an ordinary end, not a death.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda number, frame: None)
    Server(config).run()
    if lock:
        lock.close()


if __name__ == "__main__":
    main()
