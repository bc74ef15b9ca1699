"""Everything that the database holds, as bytes, for tests of what must not be found in it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection


def everything_stored() -> bytes:
    """All rows of all tables; of SQLite also the files as they lie on the disk."""
    found = [b"\n".join(_bytes(value) for row in _rows(table) for value in row) for table in connection.introspection.table_names()]
    if settings.SQLITE:
        name = Path(connection.settings_dict["NAME"])
        found += [path.read_bytes() for path in name.parent.glob(f"{name.name}*")]
    return b"\n".join(found)


def _rows(table: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
        return cursor.fetchall()


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
