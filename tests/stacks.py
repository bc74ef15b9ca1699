"""
`make test`: the whole suite on SQLite, then on PostgreSQL with Redis, on servers of its own that end with it.

On each once more what is done at the doors, with hints at their worst (P4). Lost ones are lost alike on both stacks, so that goes
where it is quickest; double and late ones are doubled by a real Redis too.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

WORKERS = 2
STARTS_WITHIN = 60  # seconds
USER = "geruisloos"


@contextmanager
def directory() -> Iterator[Path]:
    """A new directory, in memory where there is room: what is stored for seconds need not wear a disk."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 1024**3
    path = Path(tempfile.mkdtemp(prefix="geruisloos-", dir=memory if roomy else None))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def service(command: list[str], ready: Callable[[], bool], log: Path, stop: signal.Signals, **options) -> Iterator[None]:
    """A server for the length of the block. Exits with its last words when it does not start."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **options)
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"{Path(command[0]).name} did not start:\n{log.read_text(errors='replace')[-3000:]}")
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.05)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def redis(place: Path) -> Iterator[str]:
    port = free_port()
    quiet = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(place)]
    with service(["redis-server", "--port", str(port), *quiet], lambda: answers(port), place / f"redis-{port}.log", signal.SIGTERM):
        yield f"redis://127.0.0.1:{port}/0"


def postgresql_programs() -> Path:
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not versions:
        sys.exit("PostgreSQL is missing: apt-get install postgresql")
    return versions[-1].parent


@contextmanager
def postgresql(place: Path) -> Iterator[str]:
    """A cluster with the durability that the product insists on (P1)."""
    programs, data, port = postgresql_programs(), place / "postgresql", free_port()
    data.mkdir()
    options = {"cwd": "/"}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        place.chmod(0o711)
        shutil.chown(data, "postgres", "postgres")
        options |= {"user": "postgres", "group": "postgres", "extra_groups": []}
    initdb = [programs / "initdb", "-D", data, "--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]
    made = subprocess.run(initdb, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if made.returncode:
        sys.exit(f"initdb failed:\n{made.stdout}{made.stderr}")
    wanted = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "max_connections": 200,
    }
    command = [str(programs / "postgres"), "-D", str(data), *(word for name, value in wanted.items() for word in ("-c", f"{name}={value}"))]
    is_ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    with service(command, lambda: subprocess.run(is_ready).returncode == 0, place / "postgresql.log", signal.SIGINT, **options):
        yield f"postgres://{USER}@127.0.0.1:{port}/postgres"


def run_pytest(name: str, arguments: list[str], place: Path, **environment: str) -> tuple[str, int, float]:
    print(f"\n==== {name}", flush=True)
    begun = time.monotonic()
    kept = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL", "TEST_REDIS_URLS")}
    command = [sys.executable, "-m", "pytest", "-n", str(WORKERS), *arguments]
    code = subprocess.run(command, env=kept | {"TMPDIR": str(place)} | environment).returncode
    return name, code, time.monotonic() - begun


def main(arguments: list[str]) -> int:
    """[sqlite | postgresql] [ARGUMENT OF PYTEST…]"""
    chosen = arguments.pop(0) if arguments and arguments[0] in ("sqlite", "postgresql") else "both"
    worst = arguments or ["tests/protocol"]  # the only tests that `--hints` takes are there
    results = []
    if chosen != "postgresql":
        with directory() as place:
            results.append(run_pytest("SQLite, everything in one process", arguments, place))
            results.append(run_pytest("SQLite, without a single hint", ["--hints=none", *worst], place))
    if chosen != "sqlite":
        with directory() as place, ExitStack() as servers:
            database = servers.enter_context(postgresql(place))
            layers = [servers.enter_context(redis(place)) for _ in range(WORKERS)]
            environment = {"DATABASE_URL": database, "TEST_REDIS_URLS": ",".join(layers)}
            results.append(run_pytest("PostgreSQL and Redis", arguments, place, **environment))
            results.append(run_pytest("PostgreSQL and Redis, hints double and late", ["--hints=wild", *worst], place, **environment))
    print()
    for name, code, seconds in results:
        print(f"{name}: {'passed' if code == 0 else 'no tests' if code == 5 else 'FAILED'} in {seconds:.0f} s")
    # A choice of tests may leave a stack without one; the whole suite may not.
    return int(any(code not in ((0, 5) if arguments else (0,)) for _, code, _ in results))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
