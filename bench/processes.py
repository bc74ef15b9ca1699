"""What server processes have used, from Linux's /proc: CPU seconds and memory, with their children."""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[str]:
    # The name of the program, in brackets, may contain anything.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _children() -> dict[int, list[int]]:
    found = defaultdict(list)
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                found[int(_fields(int(path.name))[1])].append(int(path.name))
            except OSError:
                continue  # has ended meanwhile
    return found


def children(pid: int) -> list[int]:
    return _children()[pid]


def with_children(pids: Iterable[int]) -> set[int]:
    children_of, found, waiting = _children(), set(), list(pids)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += children_of[pid]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of these processes and their children, those that have ended too."""
    ticks = 0
    for pid in with_children(pids):
        try:
            ticks += sum(int(value) for value in _fields(pid)[11:15])
        except OSError:
            continue
    return ticks / TICKS


def memory_kib(pids: Iterable[int]) -> int:
    """Memory of these processes and their children; what they share counts once."""
    total = 0
    for pid in with_children(pids):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def busy_seconds() -> float:
    """How long this process has run or wanted to run, all its threads together."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        running, waiting, _ = (task / "schedstat").read_text().split()
        total += int(running) + int(waiting)
    return total / 1e9
