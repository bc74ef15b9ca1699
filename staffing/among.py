"""Many values as one parameter of a statement."""

import json
from collections.abc import Iterable
from uuid import UUID

from django.db import connection
from django.db.models.expressions import RawSQL

UNNEST: dict[type, str] = {
    UUID: "SELECT unnest(%s::uuid[])",
    int: "SELECT unnest(%s::bigint[])",
    str: "SELECT unnest(%s::text[])",
}
EACH = "SELECT value FROM json_each(%s)"


def among(values: Iterable[UUID | int | str]) -> RawSQL:
    """
    For `field__in=`: these values, of one kind and at least one, as one parameter.

    A parameter for each makes another statement of each number of values, and SQLite's driver keeps what it has prepared:
    a hundred looks over a thousand lines were tens of megabytes.
    """
    found = list(values)
    if connection.vendor == "postgresql":
        return RawSQL(UNNEST[type(found[0])], [found])  # noqa: S611 - constants
    return RawSQL(EACH, [json.dumps([value.hex if isinstance(value, UUID) else value for value in found])])  # noqa: S611
