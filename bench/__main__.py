"""
`make bench`: how close the product is to a floor written by hand, on both stacks; one table, and the same figures in `bench.json`.

The servers that are compared live side by side and take turns of seconds, back and forth, so that whatever else the machine does falls
on all of them. Ratios are made turn by turn; their median and spread are told. Measures and prints, asserts nothing.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.figures import COLUMNS, Samples, as_json, remarks, table
from bench.processes import children, memory_kib
from bench.servers import Live, Product, Stack, columns
from tests.running import ROOT
from tests.stacks import postgresql

FIRST_LINES = 100  # they pay for what is made once, and are not counted in the memory per connection
SETTLES = 5.0  # seconds of idle connections before their memory is measured: a look of the round falls in


TWO = ("floor", "product")


class Turn(NamedTuple):
    """What one column does in its turn, with so many pairs."""

    part: str
    column: str
    pairs: int


def turns(part: str, pairs: int, among: tuple[str, ...] = COLUMNS) -> list[Turn]:
    return [Turn(part, column, pairs) for column in among]


@dataclass(frozen=True)
class Visit:
    """
    Servers that live side by side, and their turns in one round. `idle`: before, the memory of the connections of so many pairs.

    `apart`: one stack after the other, because so many idle connections of one would be felt by the other.
    """

    turns: list[Turn]
    rounds: int
    once: tuple[Turn, ...] = ()  # in the first round only
    idle: int = 0
    idle_among: tuple[str, ...] = COLUMNS
    apart: bool = False

    def of_round(self, number: int) -> list[Turn]:
        """Back and forth, so that a machine that gets slower is slower for all."""
        return [*self.turns, *self.once] if number == 0 else self.turns[:: -1 if number % 2 else 1]

    def parts(self) -> list[str]:
        return list(dict.fromkeys(turn.part for turn in self.turns)) or ["idle"]

    def places(self) -> list[tuple[str, int]]:
        """A server for each column and number of pairs."""
        idle = [(column, self.idle) for column in self.idle_among] if self.idle else []
        return list(dict.fromkeys([(turn.column, turn.pairs) for turn in (*self.turns, *self.once)] + idle))


@dataclass(frozen=True)
class Plan:
    visits: list[Visit]
    closed: float  # seconds of a turn
    open: float
    warm_up: float

    @property
    def sizes(self) -> list[int]:
        """Of how many pairs the product needs a state."""
        return sorted({pairs for visit in self.visits for column, pairs in visit.places() if column == "product"})


def full(rounds: int) -> Plan:
    return Plan(
        [
            Visit(turns("closed_10", 10), rounds),
            Visit(turns("open_100", 50) + turns("closed_50", 50), rounds),
            # The typical application needs many seconds for one answer to each of so many.
            Visit(turns("closed_500", 500, TWO), rounds, tuple(turns("closed_500", 500, ("typical",))), apart=True),
            Visit(
                turns("closed_100", 100) + turns("closed_1000", 1000, TWO),
                rounds,
                tuple(turns("closed_1000", 1000, ("typical",))),
                apart=True,
            ),
            Visit(turns("restart", 750), min(rounds, 2)),  # with their 250 employees 1,000 clients
            Visit([], 0, idle=1500),  # with their 500 employees 2,000 connections
        ],
        closed=2.0,
        open=4.0,
        warm_up=0.5,
    )


def short(rounds: int) -> Plan:
    """What is asked for most, in shorter turns; memory of the 1,334 connections of 1,000 pairs."""
    return Plan(
        [
            Visit(turns("open_100", 50, TWO) + turns("closed_50", 50), rounds),
            Visit(
                turns("closed_100", 100, ("product",)) + turns("closed_1000", 1000, ("product",)),
                rounds,
                idle=1000,
                idle_among=("product",),
            ),
        ],
        closed=0.7,
        open=1.5,
        warm_up=0.3,
    )


class Load:
    """The load generator, which does one thing after the other. Raises RuntimeError when it comes to no end."""

    def __init__(self, lives: list[Live], errors: Any) -> None:
        self.errors = errors
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        self._say([{"port": live.server.port, "connections": [asdict(one) for one in live.connections]} for live in lives])

    def _say(self, what: object) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):  # `answer` says why
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        if line := self.process.stdout.readline():
            return json.loads(line)
        self.errors.seek(0)
        raise RuntimeError(self.errors.read().strip().rpartition("\n")[2] or "the load generator ended without an answer")

    def do(self, what: str, **wish: object) -> dict[str, Any]:
        self._say({"do": what, **wish})
        return self.answer()


@contextmanager
def loading(lives: list[Live]) -> Iterator[Load]:
    with tempfile.TemporaryFile("w+") as errors:
        load = Load(lives, errors)
        try:
            yield load
        finally:
            load.process.kill()
            load.process.communicate()


def problems(live: Live, counts: dict[str, Any]) -> list[str]:
    found = live.wrong(counts["acks"])
    if not counts["sent"] == counts["acks"] == counts["entries"]:
        found.append(f"{counts['sent']} sent, {counts['acks']} acknowledged, {counts['entries']} seen by the other side")
    if counts["lost"]:
        found.append(f"{counts['lost']} connections were lost")
    return found + [f"unexpected: {what}" for what in counts["surprises"]]


def told(figures: dict[str, float]) -> str:
    if "p50_ms" in figures:
        return f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms"
    if "rate" in figures:
        return f"{figures['rate']:,.0f} a second"
    return f"back in {figures['back_s']:.1f} s" if "back_s" in figures else f"{figures['kib']:.1f} KiB"


@dataclass(frozen=True, eq=False)
class Place:
    """One running server and what was measured of it."""

    stack: Stack
    column: str
    pairs: int
    live: Live
    samples: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.stack.name}, {self.column}, {self.pairs} pairs"


class Bench:
    def __init__(self, plan: Plan, stacks: list[Stack]) -> None:
        self.plan, self.stacks = plan, stacks
        self.columns = {stack.name: columns(stack) for stack in stacks}
        self.samples: dict[str, Samples] = {stack.name: {} for stack in stacks}
        self.remarks: list[str] = []
        self.begun = time.monotonic()
        self.done = 0
        self.total = len(stacks) * sum(len(visit.turns) * visit.rounds + len(visit.once) for visit in plan.visits)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:6.0f} s  {text}", flush=True)

    def go(self) -> None:
        with ThreadPoolExecutor() as pool:  # both stacks at once: nothing is measured meanwhile
            list(pool.map(self.prepare, self.stacks))
        for visit in self.plan.visits:
            for stacks in [[stack] for stack in self.stacks] if visit.apart else [self.stacks]:
                try:
                    self.visit(visit, stacks)
                except RuntimeError as problem:
                    self.remarks.append(f"{', '.join(visit.parts())} came to no end: {problem}")
        for stack, samples in self.samples.items():
            self.remarks += remarks(stack, samples, os.cpu_count() or 1)

    def prepare(self, stack: Stack) -> None:
        product = self.columns[stack.name]["product"]
        assert isinstance(product, Product)
        for standing in product.prepare(self.plan.sizes):
            self.say(f"{stack.name}: {standing} pairs prepared")

    def visit(self, visit: Visit, stacks: list[Stack]) -> None:
        self.say(f"{', '.join(visit.parts())}: starting and connecting")
        with ExitStack() as things, ThreadPoolExecutor() as pool:
            places = [
                Place(stack, column, pairs, things.enter_context(self.columns[stack.name][column].live(pairs)))
                for stack in stacks
                for column, pairs in visit.places()
            ]
            list(pool.map(lambda place: place.live.server.start(), places))
            with loading([place.live for place in places]) as load:
                self.connect(places, visit.idle, load)
                for number in range(visit.rounds):
                    for stack in stacks:
                        for turn in visit.of_round(number):
                            self.turn(turn, stack, places, load)
                for number, place in enumerate(places):
                    self.count(place, problems(place.live, load.do("count", of=number)))

    def connect(self, places: list[Place], idle: int, load: Load) -> None:
        """Connect all lines; of the idle ones measure the memory."""
        measured = [number for number, place in enumerate(places) if place.pairs == idle]
        # Each place's lines from a number to a number.
        load.do("connect", lines=[[number, 0, FIRST_LINES if number in measured else None] for number in range(len(places))])
        if not measured:
            return
        time.sleep(SETTLES)
        before = [memory_kib([places[number].live.server.pid]) for number in measured]
        load.do("connect", lines=[[number, FIRST_LINES, None] for number in measured])
        time.sleep(SETTLES)
        for number, kib in zip(measured, before, strict=True):
            place = places[number]
            more = len(place.live.connections) - FIRST_LINES
            self.found(place, "idle", {"kib": (memory_kib([place.live.server.pid]) - kib) / more})

    def turn(self, turn: Turn, stack: Stack, places: list[Place], load: Load) -> None:
        number = next(n for n, p in enumerate(places) if (p.stack, p.column, p.pairs) == (stack, turn.column, turn.pairs))
        place, server = places[number], places[number].live.server
        self.done += 1
        if turn.part == "restart":
            load.do("restart", of=number)
            server.stop()
            server.start()
            self.found(place, turn.part, load.answer())
            return
        kind, wish = ("closed", {"seconds": self.plan.closed}) if turn.part.startswith("closed") else ("open", {"seconds": self.plan.open})
        # Larger servers of this stack would be felt by a smaller one. Only for these seconds: what a server does by itself, it does later.
        larger = [other.live.server for other in places if other.stack == stack and other.pairs > turn.pairs]
        others = [other.live.server.pid for other in places if other is not place]
        for other in larger:
            other.hold()
        try:
            figures = load.do(
                kind, of=number, warm_up=self.plan.warm_up, server=[server.pid], stores=place.live.stores, others=others, **wish
            )
        finally:
            for other in larger:
                other.go_on()
        self.found(place, turn.part, figures)

    def found(self, place: Place, part: str, figures: dict[str, float]) -> None:
        place.samples.setdefault(part, []).append(figures)
        self.say(f"{self.done} of {self.total}  {place}, {part}: {told(figures)}")

    def count(self, place: Place, wrong: list[str]) -> None:
        """Takes the figures of a server that has told and stored everything right, no others."""
        self.remarks += [f"{place}: figures not counted, {what}" for what in wrong]
        if not wrong:
            for part, figures in place.samples.items():
                self.samples[place.stack.name].setdefault(part, {}).setdefault(place.column, []).extend(figures)

    def report(self) -> str:
        lines = [f"\n{os.cpu_count()} processors; medians of the rounds, × to the floor (lowest-highest)"]
        for stack, samples in self.samples.items():
            lines += table(stack, samples)
        return "\n".join(lines + [f"\n! {remark}" for remark in self.remarks])

    def as_json(self) -> dict[str, Any]:
        figures = {stack: as_json(samples) for stack, samples in self.samples.items()}
        return figures | {"processors": os.cpu_count(), "remarks": self.remarks}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rows and shorter turns, within two minutes")
    parser.add_argument("--rounds", type=int, default=3, help="how often each has its turn")
    parser.add_argument("--stack", choices=["sqlite", "postgresql"])
    chosen = parser.parse_args()
    # On the disk, not in memory: what a commit costs is part of the question.
    with tempfile.TemporaryDirectory(prefix="geruisloos-bench-") as name, ExitStack() as servers:
        place, stacks = Path(name), []
        if chosen.stack != "postgresql":
            stacks.append(Stack("sqlite", place))
        if chosen.stack != "sqlite":
            database = servers.enter_context(postgresql(place))
            stacks.append(Stack("postgresql", place, database, tuple(children(os.getpid()))))
        bench = Bench((short if chosen.short else full)(chosen.rounds), stacks)
        try:
            bench.go()
        except RuntimeError as problem:
            sys.exit(str(problem))
    print(bench.report())
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
