"""
`make bench`: rounds over both stacks, one table, and the same figures in `bench.json` in STATE_DIR.

Every figure is taken from the floor, the product and the typical application one right after the other, in a new order each round,
so that whatever else the machine does falls on all of them. Ratios are made within a round; their median and spread are told.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import Wish, wish_as_json
from bench.processes import children
from bench.servers import ByHand, Product, Stack, Visit, columns
from tests.running import ROOT
from tests.stacks import postgresql, redis

COLUMNS = ("floor", "product", "typical")
LOAD_WITHIN = 400  # seconds
BUSY = 0.9  # beyond this share of its time the load generator itself was the bottleneck
TITLES = {"sqlite": "SQLite, everything in one process", "postgresql": "PostgreSQL and Redis"}


@dataclass(frozen=True)
class Job:
    """One visit of the load generator to the server of each of these columns: so many pairs, and what it does there."""

    pairs: int
    wish: dict[str, Any]
    columns: tuple[str, ...] = COLUMNS


FULL = [
    Job(10, {"closed": 4.0}),
    Job(50, {"open": 15.0, "closed": 4.0}),
    Job(100, {"closed": 4.0}),
    Job(500, {"closed": 4.0}),
    Job(1000, {"closed": 4.0}),
    Job(750, {"restart": True}),  # with their 250 employees 1,000 clients
    Job(1500, {"idle": True}),  # with their 500 employees 2,000 connections
]
_QUICK = {"closed": 1.5, "warm_up": 0.7}
SHORT = [
    Job(50, _QUICK | {"open": 5.0}, ("floor", "product")),
    Job(50, _QUICK, ("typical",)),
    Job(100, _QUICK, ("product",)),
    Job(1000, _QUICK | {"idle": True}, ("product",)),
]


# ---------------------------------------------------------------- rows


@dataclass(frozen=True)
class Row:
    """One line of the table: where its figure stands among those of a visit, and how it is written."""

    title: str
    part: str
    name: str
    digits: int = 0


ROWS = [
    *(Row(f"durable messages per second, {pairs:,} pairs", f"closed_{pairs}", "rate") for pairs in (10, 50, 100, 500, 1000)),
    Row("milliseconds from send to seen at 100 a second, p50", "open_100", "p50_ms", 2),
    Row("                                                p99", "open_100", "p99_ms", 2),
    Row("CPU seconds per 1,000 messages at 100 a second", "open_100", "cpu_1000_s", 3),
    Row("    with database and channel layer", "open_100", "cpu_1000_with_stores_s", 3),
    Row("CPU seconds per 1,000 messages, 50 pairs", "closed_50", "cpu_1000_s", 3),
    Row("    with database and channel layer", "closed_50", "cpu_1000_with_stores_s", 3),
    Row("KiB per idle connection", "idle", "kib", 1),
    Row("seconds until 1,000 clients are back after a restart", "restart", "back_s", 1),
    Row("    of these after the first one was back", "restart", "back_after_first_s", 1),
]

# The figures of one round: column -> part -> name -> figure.
Figures = dict[str, dict[str, dict[str, float]]]


def figures_of(job: Job, answer: dict[str, Any]) -> dict[str, dict[str, float]]:
    names = {"closed": f"closed_{job.pairs}", "open": "open_100", "idle": "idle", "restart": "restart"}
    return {names[part]: answer[part] for part in names if part in answer}


def taken(rounds: list[Figures], column: str, part: str, name: str) -> list[float]:
    return [one[column][part][name] for one in rounds if part in one[column]]


def ratios(rounds: list[Figures], column: str, part: str, name: str) -> list[float]:
    """This column to the floor, round by round."""
    return [
        one[column][part][name] / one["floor"][part][name]
        for one in rounds
        if part in one[column] and part in one["floor"] and one["floor"][part][name]
    ]


def middle(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


# ---------------------------------------------------------------- one visit


def run(job: Job, visit: Visit, stack: Stack) -> dict[str, Any]:
    """What the load generator found. Raises RuntimeError when it came to no end."""
    wish = Wish(port=visit.server.port, connections=visit.connections, server=[visit.server.pid], stores=list(stack.processes), **job.wish)
    command = [sys.executable, "-m", "bench.load"]
    with tempfile.TemporaryFile("w+") as errors:
        load = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert load.stdin
        assert load.stdout
        try:
            load.stdin.write(wish_as_json(wish) + "\n")
            load.stdin.flush()
            for line in load.stdout:
                if line.strip() != "ready":
                    return json.loads(line)
                visit.server.stop()
                visit.server.start()
            errors.seek(0)
            raise RuntimeError(errors.read().strip().rpartition("\n")[2] or "the load generator ended without an answer")
        finally:
            load.kill()
            load.wait()


def problems(job: Job, visit: Visit, answer: dict[str, Any]) -> list[str]:
    found = visit.wrong(answer["acks"])
    if not answer["sent"] == answer["acks"] == answer["entries"]:
        found.append(f"{answer['sent']} sent, {answer['acks']} acknowledged, {answer['entries']} seen by the other side")
    if answer["lost"]:
        found.append(f"{answer['lost']} connections were lost")
    return found + [f"unexpected: {what}" for what in answer["surprises"]]


def told(part: str, figures: dict[str, float]) -> str:
    match part.partition("_")[0]:
        case "closed":
            return f"{figures['rate']:,.0f} a second"
        case "open":
            return f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms"
        case "idle":
            return f"{figures['kib']:.1f} KiB"
        case _:
            return f"back in {figures['back_s']:.1f} s"


class Bench:
    def __init__(self, jobs: list[Job], rounds: int) -> None:
        self.jobs, self.rounds = jobs, rounds
        self.results: dict[str, list[Figures]] = {}
        self.remarks: list[str] = []
        self.begun = time.monotonic()
        self.done = 0

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:6.0f} s  {text}", flush=True)

    def prepare(self, stacks: list[Stack]) -> dict[str, tuple[ByHand, Product, ByHand]]:
        """The product's pairs, on all stacks at once: nothing is measured meanwhile."""
        made = {stack.name: columns(stack) for stack in stacks}
        sizes = sorted({job.pairs for job in self.jobs if "product" in job.columns})

        def prepare_one(stack: Stack) -> None:
            for standing in made[stack.name][1].prepare(sizes):
                self.say(f"{stack.name}: {standing} pairs prepared")

        with ThreadPoolExecutor() as pool:
            list(pool.map(prepare_one, stacks))
        return made

    def go(self, stacks: list[Stack]) -> None:
        prepared = self.prepare(stacks)
        total = self.rounds * len(stacks) * sum(len(job.columns) for job in self.jobs)
        self.results = {stack.name: [] for stack in stacks}
        for number in range(self.rounds):
            for stack in stacks:
                figures: Figures = {column: {} for column in COLUMNS}
                self.results[stack.name].append(figures)
                for job in self.jobs:
                    for column, servers in self.order(number, prepared[stack.name]):
                        if column in job.columns:
                            self.done += 1
                            self.say(f"{self.done} of {total}  {stack.name}, {column}, {job.pairs} pairs")
                            figures[column] |= self.visit(job, stack, column, servers)

    def order(self, number: int, servers: tuple[ByHand, Product, ByHand]) -> list[tuple[str, ByHand | Product]]:
        named: list[tuple[str, ByHand | Product]] = list(zip(COLUMNS, servers, strict=True))
        turn = number % len(named)
        return named[turn:] + named[:turn]

    def visit(self, job: Job, stack: Stack, column: str, servers: ByHand | Product) -> dict[str, dict[str, float]]:
        where = f"{stack.name}, {column}, {job.pairs} pairs"
        try:
            with servers.visit(job.pairs) as visit:
                answer = run(job, visit, stack)
                wrong = problems(job, visit, answer)
        except RuntimeError as problem:
            self.remarks.append(f"{where}: no figure, {problem}")
            return {}
        if wrong:
            self.remarks += [f"{where}: figures not counted, {what}" for what in wrong]
            return {}
        figures = figures_of(job, answer)
        self.say("    " + "; ".join(told(part, its) for part, its in figures.items()))
        busiest = max((its["load_busy"] for its in figures.values() if "load_busy" in its), default=0)
        if busiest > BUSY:
            self.remarks.append(f"{where}: the load generator was busy {busiest:.0%} of the time and may have been the bottleneck")
        return figures

    # ------------------------------------------------------------ what is told

    def table(self) -> Iterator[str]:
        for stack, rounds in self.results.items():
            yield f"\n{TITLES[stack]}: medians of {len(rounds)} rounds, × to the floor (lowest-highest)\n"
            yield f"{'':54}" + f"{'floor':>10}" + f"{'product':>10}{'×':>22}" + f"{'typical':>10}{'×':>22}"
            for row in ROWS:
                cells = f"{row.title:<54}"
                for column in COLUMNS:
                    value = middle(taken(rounds, column, row.part, row.name))
                    cells += f"{'-' if value is None else f'{value:,.{row.digits}f}':>10}"
                    if column != "floor":
                        cells += f"{spread(ratios(rounds, column, row.part, row.name)):>22}"
                yield cells
            growth = self.growth(rounds)
            if growth:
                yield f"{'product with 1,000 pairs × with 100 pairs':<64}{spread(growth):>32}"
        for remark in self.remarks:
            yield f"\n! {remark}"

    @staticmethod
    def growth(rounds: list[Figures]) -> list[float]:
        parts = [one["product"] for one in rounds if {"closed_1000", "closed_100"} <= one["product"].keys()]
        return [part["closed_1000"]["rate"] / part["closed_100"]["rate"] for part in parts]

    def as_json(self) -> dict[str, Any]:
        return {stack: self.stack_as_json(rounds) for stack, rounds in self.results.items()} | {
            "rounds": self.rounds,
            "remarks": self.remarks,
        }

    def stack_as_json(self, rounds: list[Figures]) -> dict[str, Any]:
        made: dict[str, Any] = defaultdict(dict)
        for row in ROWS:
            for column in COLUMNS:
                if (value := middle(taken(rounds, column, row.part, row.name))) is not None:
                    made[row.part].setdefault(row.name, {})[column] = value
        for part in [part for part in made if part.startswith("closed_")]:
            its = ratios(rounds, "product", part, "rate")
            made[part] |= {"ratio": middle(its), "spread": [min(its), max(its)] if its else None}
            made[f"typical_{part}"] = {"ratio": middle(ratios(rounds, "typical", part, "rate"))}
        for name, ratio in (("p50_ms", "p50_ratio"), ("p99_ms", "p99_ratio"), ("cpu_1000_s", "cpu_ratio")):
            made["open_100"][ratio] = middle(ratios(rounds, "product", "open_100", name))
        made["growth_1000_over_100"] = middle(self.growth(rounds))
        made["idle_kib"] = middle(taken(rounds, "product", "idle", "kib"))
        return made


def spread(values: list[float]) -> str:
    if not values:
        return ""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one round, fewer rows, within two minutes")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--stack", choices=["sqlite", "postgresql"])
    chosen = parser.parse_args()
    bench = Bench(SHORT if chosen.short else FULL, chosen.rounds or (1 if chosen.short else 3))
    # On the disk, not in memory: what a commit costs is part of the question.
    with tempfile.TemporaryDirectory(prefix="geruisloos-bench-") as name, ExitStack() as servers:
        place, stacks = Path(name), []
        if chosen.stack != "postgresql":
            stacks.append(Stack("sqlite", place))
        if chosen.stack != "sqlite":
            database, layer = servers.enter_context(postgresql(place)), servers.enter_context(redis(place))
            stacks.append(Stack("postgresql", place, database, layer, tuple(children(os.getpid()))))
        bench.go(stacks)
    print("\n".join(bench.table()))
    target = ROOT / os.environ.get("STATE_DIR", "var") / "bench.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bench.as_json(), indent=1) + "\n")
    print(f"\n{target}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
