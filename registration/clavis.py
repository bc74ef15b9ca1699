"""The record for Clavis: how a registration is written down, checked against its schema, and laid into the drop directory."""

import hashlib
import json
import os
import secrets
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
from django.conf import settings

from chat.protocol import time_text

if TYPE_CHECKING:
    from registration.models import Code, Registration
    from staffing.models import Employee

SCHEMA = "geruisloos.registratie.v1"
SCHEMA_FILE = "registration/data/registratie-v1.schema.json"

# The code lists that a registration asks, and under which name they stand in the record: with one code, with several.
ONE = {"enquirer_kind": "vraagsteller"}
SEVERAL = {"nature": "aard"}
ASKED = [*ONE, *SEVERAL]


class Invalid(Exception):
    """A record that its own schema does not take, or another one under the same name: trying again does not help."""


def coded(code: "Code") -> dict[str, str]:
    return {"code": code.code, "omschrijving": code.label_nl}


def record_of(registration: "Registration", *, version: int, content: str, advice: str, by: "Employee", at: datetime) -> str:
    """The record of one version as the JSON text that is kept, sealed, and delivered byte by byte. Raises Invalid."""
    place, registered_by = registration.municipality, registration.registered_by
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "registratie": str(registration.pk),
        "versie": version,
        "regio": registration.region.code,
        "kanaal": "chat",
        "chatgesprek": True,
        "begonnen_op": time_text(registration.begun_at),
        "geregistreerd_door": registered_by.name if registered_by else by.name,
        "afgesloten_op": time_text(at),
        "afgesloten_door": by.name,
        "gemeente": {"naam": place.name, "cbs_code": place.cbs_code} if place else None,
        "inhoud": content,
        "advies": advice,
    }
    chosen = registration.chosen()
    record |= {name: next((coded(code) for code in chosen if code.list.key == key), None) for key, name in ONE.items()}
    record |= {name: [coded(code) for code in chosen if code.list.key == key] for key, name in SEVERAL.items()}
    check(record)
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


@cache
def _validator() -> Any:
    schema = json.loads((settings.BASE_DIR / SCHEMA_FILE).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def check(record: Any) -> None:
    """Raises Invalid, with the place but without the text, when the record is not as its schema says."""
    if error := jsonschema.exceptions.best_match(_validator().iter_errors(record)):
        raise Invalid(f"{error.json_path}: {error.validator}")


def deliver(record: str, *, region: str, name: str) -> str:
    """
    Lay the record into `CLAVIS_DIR/region/name.json` and return its receipt, the SHA-256 of the file.

    Written aside under a name that begins with a dot, flushed, renamed (P12); the same file again is a delivery that had
    arrived. Raises Invalid when it can never arrive, OSError when it can be tried again.
    """
    check(json.loads(record))
    data = record.encode()
    receipt = hashlib.sha256(data).hexdigest()
    directory = settings.CLAVIS_DIR / region
    target = directory / f"{name}.json"
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        _flush_directory(directory.parent)
    if target.exists():
        if target.read_bytes() != data:
            raise Invalid("another file stands there under this name")
    else:
        _write_aside(directory, target, data)
    for left in directory.glob(f".{target.name}.*"):  # of a try that crashed before it renamed
        left.unlink(missing_ok=True)
    _flush_directory(directory)
    return receipt


def _write_aside(directory: Path, target: Path, data: bytes) -> None:
    aside = directory / f".{target.name}.{secrets.token_hex(8)}"
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(aside, target)


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
