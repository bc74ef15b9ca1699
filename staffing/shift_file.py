"""Shifts out of a file: what stands in each line, what is wrong with it, and planning all of them or none."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy

from staffing import rota, rules
from staffing.rota import END_OF_DAY, Problem, Slot, Taken

MOST_LINES = 2_000
LARGEST = 128 * 1024  # bytes; the server takes twice that for a whole request
COLUMNS = {"account": "account", "dag": "day", "day": "day", "van": "from", "from": "from", "tot": "until", "until": "until"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file as it was read. Without a slot it is wrong, and `problem` says why; STANDS is none that stops the others."""

    number: int
    text: str
    slot: Slot | None
    problem: Problem | None

    @property
    def is_wrong(self) -> bool:
        return self.problem not in (None, Problem.STANDS)


@dataclass(frozen=True, slots=True)
class File:
    """What stands in a file, line by line; `refused` is a sentence when it could not be read at all."""

    lines: tuple[Line, ...] = ()
    refused: Any = ""

    @property
    def is_wrong(self) -> bool:
        return bool(self.refused) or any(line.is_wrong for line in self.lines)

    @property
    def to_make(self) -> list[Slot]:
        return [line.slot for line in self.lines if line.slot and not line.problem]


def text_of(content: bytes) -> str | None:
    """The text of a file in UTF-8, with or without its mark; None when it is in another encoding."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def read(text: str, accounts: Mapping[str, int], taken: Taken, at: datetime) -> File:
    """
    The shifts in a file with the columns account, day, from and until, by the accounts that are known. `taken` grows with them.

    Comma or semicolon between them, a day as 2026-11-30 or 30-11-2026, times as 09:00.
    """
    head, _end, _rest = text.partition("\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",")
    try:
        rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error:
        return File(refused=gettext_lazy("This is not a CSV file. Save the sheet as 'CSV UTF-8'."))
    if not rows:
        return File(refused=gettext_lazy("Nothing stands in this file."))
    names = [COLUMNS.get(cell.strip().casefold()) for cell in rows[0][1]]
    if not {"account", "day", "from", "until"} <= set(names):
        return File(refused=gettext_lazy("The first line has to name the columns: account, dag, van, tot."))
    if len(rows) > MOST_LINES + 1:
        return File(refused=gettext_lazy("This file has more than %s lines. Divide it.") % MOST_LINES)
    places = {name: names.index(name) for name in names if name}
    lines = []
    for number, cells in rows[1:]:
        found = _slot(cells, places, accounts)
        slot, problem = (found, None) if isinstance(found, Slot) else (None, found)
        if slot:
            # What stands already is none of it: a week that has begun can be read again.
            problem = taken.against(slot)
            problem = problem if problem is Problem.STANDS else rota.problem_of(slot.period, at) or problem
        if slot and not problem:
            taken.add(slot)
        lines.append(Line(number, " · ".join(cell.strip() for cell in cells)[:120], slot, problem))
    return File(tuple(lines))


def _slot(cells: list[str], places: Mapping[str, int], accounts: Mapping[str, int]) -> Slot | Problem:
    if len(cells) <= max(places.values()):
        return Problem.COLUMNS
    found = {name: cells[place].strip() for name, place in places.items()}
    if found["account"] not in accounts:
        return Problem.ACCOUNT
    if not (day := _day(found["day"])):
        return Problem.DAY
    begins, ends = _time(found["from"]), _time(found["until"])
    if begins is None or ends is None:
        return Problem.TIME
    when = rota.period(day, begins, ends)
    return when if isinstance(when, Problem) else Slot(accounts[found["account"]], when)


def _day(text: str) -> date | None:
    if match := re.fullmatch(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", text):
        year, month, day = map(int, match.groups())
    elif match := re.fullmatch(r"([0-9]{1,2})-([0-9]{1,2})-([0-9]{4})", text):
        day, month, year = map(int, match.groups())
    else:
        return None
    try:
        return date(year, month, day) if 2000 <= year < 2100 else None  # what the database and the clock take without care
    except ValueError:
        return None


def _time(text: str) -> time | None:
    if text == "24:00":
        return END_OF_DAY
    match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", text)
    hour, minute = map(int, match.groups()) if match else (24, 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


@transaction.atomic
def import_shifts(region_id: int, content: bytes, *, at: datetime) -> File:
    """Plan the shifts of this file in this region, and say what became of each line. Nothing is kept when one of them is wrong."""
    if len(content) > LARGEST:
        return File(refused=gettext_lazy("This file is larger than %s KB. Divide it.") % (LARGEST // 1024))
    if (text := text_of(content)) is None:
        return File(refused=gettext_lazy("This file is not in UTF-8. Save the sheet as 'CSV UTF-8'."))
    accounts = {employee.username: employee.pk for employee in rota.locked(region_id)}
    taken = Taken(rota.slots(region_id, at - 2 * rota.WEEK, at + rules.LOOK_AHEAD + 2 * rota.WEEK))
    found = read(text, accounts, taken, at)
    if not found.is_wrong:
        rota.store(found.to_make)
    return found
