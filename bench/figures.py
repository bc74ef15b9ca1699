"""What is made of the measured figures: medians, ratios to the floor with their spread, the table, and `bench.json`."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

COLUMNS = ("floor", "product", "typical")
TITLES = {"sqlite": "SQLite, everything in one process", "postgresql": "PostgreSQL and Redis"}
BUSY = 0.9  # beyond this share of its time the load generator, or the whole machine, was the bottleneck
FELT = 0.1  # of a processor

# Of one stack: part of the bench -> column -> the figures of each round, by name.
Samples = dict[str, dict[str, list[dict[str, float]]]]


@dataclass(frozen=True)
class Row:
    """One line of the table: which figure of which part, and how it is written."""

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


def median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def taken(samples: Samples, part: str, column: str, name: str) -> list[float]:
    return [figures[name] for figures in samples.get(part, {}).get(column, [])]


def ratios(samples: Samples, part: str, column: str, name: str) -> list[float]:
    """This column to the floor, round by round: what the machine did otherwise meanwhile falls on both."""
    mine, floor = taken(samples, part, column, name), taken(samples, part, "floor", name)
    return [one / other for one, other in zip(mine, floor, strict=False) if other]


def growth(samples: Samples) -> list[float]:
    """The product's rate with 1,000 pairs to that with 100, round by round."""
    many, few = taken(samples, "closed_1000", "product", "rate"), taken(samples, "closed_100", "product", "rate")
    return [one / other for one, other in zip(many, few, strict=False) if other]


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})" if values else ""


def table(stack: str, samples: Samples) -> Iterator[str]:
    yield f"\n{TITLES[stack]}\n"
    yield f"{'':54}{'floor':>9}{'product':>10}{'× floor':>20}{'typical':>10}{'× floor':>20}"
    for row in ROWS:
        if row.part not in samples:
            continue
        cells = f"{row.title:<54}"
        for column in COLUMNS:
            value = median(taken(samples, row.part, column, row.name))
            cells += f"{'-' if value is None else f'{value:,.{row.digits}f}':>{9 if column == 'floor' else 10}}"
            if column != "floor":
                cells += f"{spread(ratios(samples, row.part, column, row.name)):>20}"
        yield cells.rstrip()
    if grown := growth(samples):
        yield f"{'durable messages per second, 1,000 pairs × 100 pairs':<73}{spread(grown):>20}"


def as_json(samples: Samples) -> dict[str, Any]:
    """The figures of one stack by the names that others read, and whatever else the table holds."""
    made: dict[str, Any] = {"closed_50": {}, "open_100": {}}
    for row in ROWS:
        for column in COLUMNS:
            if (value := median(taken(samples, row.part, column, row.name))) is not None:
                made.setdefault(row.part, {}).setdefault(row.name, {})[column] = value
    for part in [part for part in made if part.startswith("closed_")]:
        its = ratios(samples, part, "product", "rate")
        made[part] |= {"ratio": median(its), "spread": [min(its), max(its)] if its else None}
        made[f"typical_{part}"] = {"ratio": median(ratios(samples, part, "typical", "rate"))}
    for name, ratio in (("p50_ms", "p50_ratio"), ("p99_ms", "p99_ratio"), ("cpu_1000_s", "cpu_ratio")):
        made["open_100"][ratio] = median(ratios(samples, "open_100", "product", name))
    made["growth_1000_over_100"] = median(growth(samples))
    made["idle_kib"] = median(taken(samples, "idle", "product", "kib"))
    return made


def remarks(stack: str, samples: Samples, processors: int) -> Iterator[str]:
    """Where something else than the server was the bottleneck."""
    for part, columns in samples.items():
        for column, figures in columns.items():
            if "load_busy" not in figures[0]:
                continue
            names = ("load_busy", "server_cpu", "stores_cpu", "load_cpu", "others_cpu")
            busy, server, stores, load, others = (statistics.median(one[name] for one in figures) for name in names)
            where = f"{stack}, {part}, {column}"
            if busy > BUSY:
                yield f"{where}: the load generator was busy {busy:.0%} of the time and may have been the bottleneck"
            if server + stores + load > BUSY * processors:
                used = f"server {server:.2f}, stores {stores:.2f}, load {load:.2f}"
                yield f"{where}: all {processors} processors were busy ({used}); with more of them it would have been faster"
            if others > FELT:
                yield f"{where}: the other servers, idle, used {others:.2f} of a processor meanwhile"
