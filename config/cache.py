"""How values lie in the cache: numbers as they are (so that they can be counted up), everything else as JSON, never pickled (O4)."""

import json
from typing import Any


class Json:
    def dumps(self, value: Any) -> Any:
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, data: Any) -> Any:
        return json.loads(data)
