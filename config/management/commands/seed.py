import csv
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import models, transaction

from registration.models import Code, CodeList
from staffing.models import Municipality, OpeningHours, PlaceName, Region, Seeded, name_key
from staffing.rules import WORKING_DAYS

REGIONS = Path("staffing/data/regions.csv")
MUNICIPALITIES = Path("staffing/data/municipalities.csv")
PLACE_NAMES = Path("staffing/data/place_names.csv")
CODE_LISTS = Path("registration/data/code_lists.json")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a data file, which knows where it stands."""

    where: str
    fields: dict[str, Any]

    def __getitem__(self, field: str) -> Any:
        return self.fields[field]

    def wrong(self, what: str) -> CommandError:
        return CommandError(f"{self.where}: {what}")

    def refers(self, field: str, to: dict[str, Any], what: str) -> None:
        if self[field] not in to:
            raise self.wrong(f"there is no {what} '{self[field]}'")


class Command(BaseCommand):
    help = "Make the regions, municipalities, place names, code lists and opening hours that were never made here. Changes nothing."

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        data = ReferenceData(settings.BASE_DIR)
        self.made: list[str] = []
        self.left_out: list[str] = []
        with transaction.atomic():
            # One seeding at a time: a second one waits here and then finds nothing to do.
            Seeded.objects.get_or_create(key="seed")
            Seeded.objects.select_for_update().get(key="seed")
            self.seeded = set(Seeded.objects.values_list("key", flat=True))
            self.seed(data)
        self.stdout.write(f"seed: {', '.join(self.made) or 'nothing new'}")
        if self.left_out:
            self.stdout.write(f"seed: left out, since what they belong to is no longer here: {', '.join(self.left_out)}")

    def seed(self, data: "ReferenceData") -> None:
        self.make(Region, data.regions, Region.objects.values_list("code", flat=True), lambda e: [Region(**e.fields)])
        regions = Region.objects.in_bulk(field_name="code")
        self.make(
            OpeningHours,
            data.regions,
            Region.objects.exclude(opening_hours=None).values_list("code", flat=True),
            lambda e: [
                OpeningHours(region=regions[e["code"]], weekday=hours.weekday, opens=hours.opens, closes=hours.closes)
                for hours in WORKING_DAYS
            ],
        )
        self.make(
            Municipality,
            data.municipalities,
            Municipality.objects.values_list("cbs_code", flat=True),
            lambda e: [Municipality(**e.fields | {"region": regions[e["region"]]})],
        )
        municipalities = Municipality.objects.in_bulk(field_name="cbs_code")
        self.make(
            PlaceName,
            data.place_names,
            PlaceName.objects.values_list("key", flat=True),
            lambda e: [PlaceName(name=e["name"], key=name_key(e["name"]), municipality=municipalities[e["municipality"]])],
        )
        self.make(CodeList, data.code_lists, CodeList.objects.values_list("key", flat=True), lambda e: [CodeList(**e.fields)])
        lists = CodeList.objects.in_bulk(field_name="key")
        self.make(
            Code,
            data.codes,
            (f"{key}/{code}" for key, code in Code.objects.values_list("list__key", "code")),
            lambda e: [Code(**e.fields | {"list": lists[e["list"]]})],
        )

    def make(
        self, model: type[models.Model], entries: dict[str, Entry], there: Iterable[str], rows_of: Callable[[Entry], list[models.Model]]
    ) -> None:
        """Make the rows of every entry that was never seeded, unless somebody has made such a row already."""
        kind = str(model._meta.model_name)
        new = {key: entry for key, entry in entries.items() if f"{kind}/{key}" not in self.seeded}
        if not new:
            return
        existing, relations = set(there), {field.name for field in model._meta.fields if field.is_relation}
        rows: list[models.Model] = []
        for key, entry in list(new.items()):
            try:
                its_rows = rows_of(entry)
            except KeyError:
                # An administrator has removed or recoded its region, municipality or list. It is looked for again next time.
                self.left_out.append(f"{model._meta.verbose_name} {key}")
                del new[key]
                continue
            for row in its_rows if key not in existing else []:
                try:
                    row.clean_fields(exclude=relations)
                except ValidationError as error:
                    raise entry.wrong("; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())) from error
                rows.append(row)
        model._default_manager.bulk_create(rows)
        Seeded.objects.bulk_create([Seeded(key=f"{kind}/{key}") for key in new])
        if rows:
            self.made.append(f"{len(rows)} {model._meta.verbose_name if len(rows) == 1 else model._meta.verbose_name_plural}")


class ReferenceData:
    """The data files, each entry under its key, complete and at one with each other. Raises CommandError that names file and place."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.regions = _by_key(self._rows(REGIONS, ["code", "name", "website", "phone", "source"]), lambda e: e["code"])
        columns = ["name", "cbs_code", "region", "certainty", "valid_from", "valid_until"]
        self.municipalities = _by_key(self._rows(MUNICIPALITIES, columns), lambda e: e["cbs_code"])
        for entry in self.municipalities.values():
            entry.refers("region", self.regions, "region")
            entry.fields.update({day: entry[day] or None for day in ("valid_from", "valid_until")})
        self.place_names = _by_key(self._names(), lambda e: name_key(e["name"]))
        self.code_lists, self.codes = self._code_lists()

    def _text(self, file: Path) -> str:
        try:
            return (self.root / file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file}: {error}") from error

    def _rows(self, file: Path, columns: list[str]) -> Iterator[Entry]:
        """The rows of a CSV file; lines that begin with '#' are notes. The first of `columns` is never empty."""
        reader = csv.reader(self._text(file).splitlines(), strict=True)
        header = None
        try:
            for row in reader:
                entry = Entry(f"{file}, line {reader.line_num}", {})
                if not row or row[0].startswith("#"):
                    continue
                if header is None:
                    header = row
                    if header != columns:
                        raise entry.wrong(f"the columns must be {','.join(columns)}")
                    continue
                if len(row) != len(columns):
                    raise entry.wrong(f"{len(row)} values in {len(columns)} columns")
                entry.fields.update((column, value.strip()) for column, value in zip(columns, row, strict=True))
                if not entry[columns[0]]:
                    raise entry.wrong(f"{columns[0]} is empty")
                yield entry
        except csv.Error as error:
            raise CommandError(f"{file}, line {reader.line_num}: {error}") from error

    def _names(self) -> Iterator[Entry]:
        """What people say for a municipality: first of all its own name."""
        own = _by_key(iter(self.municipalities.values()), lambda e: e["name"])
        for name, entry in own.items():
            yield Entry(entry.where, {"name": name, "municipality": entry["cbs_code"]})
        for entry in self._rows(PLACE_NAMES, ["name", "municipality"]):
            entry.refers("municipality", own, "municipality")
            yield Entry(entry.where, {"name": entry["name"], "municipality": own[entry["municipality"]]["cbs_code"]})

    def _code_lists(self) -> tuple[dict[str, Entry], dict[str, Entry]]:
        try:
            document = json.loads(self._text(CODE_LISTS))
        except json.JSONDecodeError as error:
            raise CommandError(f"{CODE_LISTS}, line {error.lineno}: {error.msg}") from error
        whole = _has(Entry(str(CODE_LISTS), document), {"sources", "lists"}, {"about", "version", "required_to_close"})
        lists, codes = [], []
        for position, fields in enumerate(whole["lists"], start=1):
            where = f"{CODE_LISTS}, list {fields.get('key') or position}"
            of = _has(Entry(where, fields), {"key", "label_nl", "label_en", "official", "multiple", "required_to_close", "note", "codes"})
            lists.append(Entry(where, {name: value for name, value in fields.items() if name != "codes"} | {"position": position}))
            for number, its_fields in enumerate(of["codes"], start=1):
                code = Entry(f"{where}, code {its_fields.get('code') or number}", its_fields)
                _has(code, {"code", "label_nl", "label_en", "source"}, {"group", "valid_from", "valid_until", "cbs_code_2015"})
                code.refers("source", whole["sources"], "source")
                # cbs_code_2015 is a hint for people: see the note in the file.
                loaded = {name: value for name, value in its_fields.items() if name != "cbs_code_2015"}
                codes.append(Entry(code.where, loaded | {"list": of["key"], "position": number}))
        return _by_key(iter(lists), lambda e: e["key"]), _by_key(iter(codes), lambda e: f"{e['list']}/{e['code']}")


def _has(entry: Entry, fields: set[str], may: Collection[str] = ()) -> Entry:
    """The entry, which has all these fields and no others than those that it may have."""
    if missing := fields - set(entry.fields):
        raise entry.wrong(f"{', '.join(sorted(missing))} is missing")
    if unknown := set(entry.fields) - fields - set(may):
        raise entry.wrong(f"unknown: {', '.join(sorted(unknown))}")
    return entry


def _by_key(entries: Iterator[Entry], key_of: Callable[[Entry], str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        first = found.setdefault(key_of(entry), entry)
        if first is not entry:
            raise entry.wrong(f"'{key_of(entry)}' stands already at {first.where}")
    return found
