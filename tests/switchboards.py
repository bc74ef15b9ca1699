"""Hints at their worst, for `--hints=none` and `--hints=wild`: every promise holds with these, only later (P4)."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import chain, cycle
from typing import Any

from chat import hints
from staffing import clock

# Seconds of the standing clock, two for each hint. Three pairs, so that hints of two kinds in turn do not get the same ones each time.
LATE = ((3, 7), (1, 2), (5, 9))


class Event(asyncio.Event):
    """An event of which the board decides when it is told."""

    def __init__(self, tell: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self._tell = tell

    def set(self) -> None:
        self._tell(super().set)


class Silent(hints.Switchboard):
    """Delivers nothing: not in this process, not to others, not from others."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.something_changed = Event(lambda _: None)

    def deliver(self, *hint: Any) -> None:
        pass

    def tell(self, *hint: Any) -> None:
        pass

    def publish(self, **facts: Any) -> None:
        pass

    def _hear(self, message: dict[str, Any]) -> None:
        pass


class Wild(hints.Switchboard):
    """Delivers everything twice, seconds late and out of order; with Redis also what this process itself has told the others."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.something_changed = Event(self._twice)
        self._late = cycle(chain.from_iterable(LATE))
        self._on_its_way: set[asyncio.Task[None]] = set()

    def deliver(self, *hint: Any) -> None:
        self._twice(super().deliver, *hint)

    def tell(self, *hint: Any) -> None:
        self._twice(super().tell, *hint)

    def _hear(self, message: dict[str, Any]) -> None:
        self._twice(super()._hear, message | {"process": "another"})

    def _twice(self, deliver: Callable[..., None], *hint: Any) -> None:
        for _ in range(2):
            task = self.loop.create_task(self._once(next(self._late), deliver, hint))
            self._on_its_way.add(task)
            task.add_done_callback(self._on_its_way.discard)

    async def _once(self, late: int, deliver: Callable[..., None], hint: tuple[Any, ...]) -> None:
        await clock.sleep_until(clock.now() + timedelta(seconds=late))
        deliver(*hint)

    def close(self) -> None:
        super().close()
        for task in self._on_its_way:
            task.cancel()


BOARDS = {"none": Silent, "wild": Wild}
