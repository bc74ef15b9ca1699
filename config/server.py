"""The launcher, `python -m config.server`: limits, no addresses in logs, one process or several, and a drain before it stops."""

import asyncio
import fcntl
import gc
import importlib
import logging
import os
import resource
import signal
import socket
import sys
import threading
from typing import IO, Any

import django
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from chat import gauges

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

logger = logging.getLogger("geruisloos.server")
HEAD_BYTES = 32 * 1024  # request line and headers together
HEAD_PATIENCE = 10.0  # seconds until a request has to be there with its headers
REQUEST_BYTES = 256 * 1024  # all of a request; more than twice what a form may hold (DATA_UPLOAD_MAX_MEMORY_SIZE)
BODY_PATIENCE = 30.0  # seconds until it has to be complete: a message over a bad line takes a while
SIDE_FRAMES = 1_000  # pings, pongs and pieces of a message that one message may come with
PIPELINED = 10  # requests that wait behind the one that is being answered; browsers send none
EXIT_WITHIN = 9.0  # seconds from the signal to end; P13 allows 10
LAST_PATIENCE = 10.0  # seconds for the other side to take what was said last
SWITCH = 0.0005  # seconds for which a thread that looks around may keep messages waiting; Python's own 5 ms is felt
RESTARTS = 5  # of a process that dies right after its start; then the launcher gives up


class Http(HttpToolsProtocol):
    """Bounds what uvicorn leaves open: the size of the headers, and the time that a half-open request may take (N5)."""

    _size = 0
    _head_is_complete = False
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(HEAD_PATIENCE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        super().data_received(data)
        # A header that has not ended, at the head or behind the body, is kept by the parser; a body lands on the disk.
        if self._size > (REQUEST_BYTES if self._head_is_complete else HEAD_BYTES):
            gauges.REQUESTS_CUT.labels("too large").inc()
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_is_complete = False
        self._in_head = 0
        self._wait(HEAD_PATIENCE)

    def on_url(self, url: bytes) -> None:
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if b"_" in name:
            raise ValueError("a name that Django could not tell from the one with a hyphen (N7)")
        self._count(name + value)
        super().on_header(name, value)

    def _count(self, part: bytes) -> None:
        self._in_head += len(part)
        if self._in_head > HEAD_BYTES:
            gauges.REQUESTS_CUT.labels("too large").inc()
            raise ValueError("too much before the body")  # the parser answers 400 and closes

    def on_headers_complete(self) -> None:
        self._head_is_complete = True
        self._wait(BODY_PATIENCE)
        super().on_headers_complete()
        if len(self.pipeline) > PIPELINED:
            gauges.REQUESTS_CUT.labels("too many at once").inc()
            raise ValueError("too many at once")

    def on_message_complete(self) -> None:
        self._size = 0
        self._wait(None)
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._wait(None)
        super().handle_websocket_upgrade()
        upgraded = self.transport.get_protocol()
        if isinstance(upgraded, WebSocketsSansIOProtocol) and not upgraded.handshake_initiated:
            # With a body, with headers that are too long or too many: websockets answers with silence, for ever.
            self.send_400_response("Invalid HTTP request received.")

    def _wait(self, seconds: float | None) -> None:
        if self._patience:
            self._patience.cancel()
        self._patience = self.loop.call_later(seconds, self._give_up) if seconds else None

    def _give_up(self) -> None:
        self._patience = None
        gauges.REQUESTS_CUT.labels("too slow").inc()
        self.transport.abort()


class Socket(WebSocketsSansIOProtocol):
    """Bounds what uvicorn leaves open after the upgrade: frames that are no messages, and who does not read (N5, P15)."""

    _beside = 0

    def handle_ping(self) -> None:
        if self._is_bounded():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self._is_bounded():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        if self._is_bounded():
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        self._beside = 0
        super().send_receive_event_to_app()

    def _is_bounded(self) -> bool:
        """Pings are answered and pieces are kept, however little is read: a frame rate for those that no consumer sees."""
        self._beside += 1
        if self._beside > SIDE_FRAMES:
            gauges.CUT.inc()
            self.transport.abort()
        return self._beside <= SIDE_FRAMES

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._give_up_later()

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        self._give_up_later()

    def _give_up_later(self) -> None:
        """A connection that is closed waits until all is read: whoever reads nothing would hold it for ever."""
        self.loop.call_later(LAST_PATIENCE, self.transport.abort)


def give_up() -> None:
    """A database that does not answer may hold threads for longer than a stop may take: nothing of theirs was acknowledged (P13)."""
    logger.error("the stop took too long; what was on its way to the database was not waited for")
    sys.stdout.flush()
    os._exit(1)


class Server(uvicorn.Server):
    """Before it stops: not ready any more, every line told that we restart (4012), everything on its way stored (P13)."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        from chat import rounds
        from config import health

        health.draining = True
        last_moment = threading.Timer(EXIT_WITHIN, give_up)
        last_moment.daemon = True
        last_moment.start()
        for server in self.servers:
            server.close()
        await rounds.stop(for_good=True)
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


def configuration() -> uvicorn.Config:
    from django.conf import settings

    return uvicorn.Config(
        "config.asgi:application",
        host=settings.HOST,
        port=settings.PORT,
        loop="uvloop",
        http=Http,
        ws=Socket,
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
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
    )


def serve(sockets: list[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT; an ordinary stop is an ordinary end."""
    # uvicorn raises the signal again once it has stopped in order: that is not a death.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda number, frame: None)
    Server(configuration()).run(sockets)


class Workers:
    """Several processes on one socket: each that dies is begun again, a signal to end goes to all of them."""

    def __init__(self, count: int, listening: socket.socket) -> None:
        self.listening = listening
        self.ending = False
        self.deaths = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.end)
        self.running = {self.begin() for _ in range(count)}

    def begin(self) -> int:
        sys.stdout.flush()
        if pid := os.fork():
            return pid
        try:
            serve([self.listening])
        finally:
            sys.stdout.flush()
            os._exit(0)

    def end(self, number: int, frame: Any) -> None:
        self.ending = True
        for pid in self.running:
            os.kill(pid, signal.SIGTERM)

    def wait(self) -> None:
        while self.running:
            pid, status = os.wait()
            self.running.discard(pid)
            if self.ending:
                continue
            self.deaths += 1
            logger.warning("a server process ended (%d); %s", status, "another begins" if self.deaths <= RESTARTS else "too often")
            if self.deaths <= RESTARTS:
                self.running.add(self.begin())


def listen() -> socket.socket:
    """The address is taken before anything else begins; when somebody else has it, one line says so."""
    from django.conf import settings

    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.HOST, settings.PORT))
    except OSError as error:
        print(f"PORT: must be one that is free on HOST {settings.HOST}; {settings.PORT} is not ({error.strerror}).", file=sys.stderr)
        raise SystemExit(1) from None
    listening.set_inheritable(True)
    return listening


def main() -> None:
    django.setup()
    from django.conf import settings
    from django.db import connections

    refuse_to_start()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold texts and keys (threat-model K5)
    lock = only_one()
    listening = listen()
    importlib.import_module("config.asgi")
    sys.setswitchinterval(SWITCH)
    gc.collect()
    gc.freeze()  # what stays for good is not looked through again and again, at the cost of everybody's latency
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    print(f"http://{host}:{settings.PORT}/", flush=True)
    if settings.WORKERS == 1:
        serve([listening])
    else:
        connections.close_all()
        for connection in connections.all():
            if hasattr(connection, "close_pool"):
                connection.close_pool()  # threads of a pool do not survive the fork
        Workers(settings.WORKERS, listening).wait()
    if lock:
        lock.close()


if __name__ == "__main__":
    main()
