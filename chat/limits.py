"""Bounds against floods: how fast one connection may speak, and how many conversations one address may start."""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from django.conf import settings
from django.core.cache import cache

logger = logging.getLogger("geruisloos.limits")


@dataclass(slots=True)
class Bucket:
    """A token bucket: `count` in `per`, `most` at once. Holds the same few numbers, however many frames come."""

    count: int
    per: timedelta
    most: int
    left: float
    at: datetime

    @classmethod
    def full(cls, rate: tuple[int, timedelta], burst: int, at: datetime) -> "Bucket":
        count, per = rate
        return cls(count, per, count * burst, float(count * burst), at)

    def take(self, at: datetime) -> bool:
        """One more now? False when that is too fast."""
        self.left = min(self.most, self.left + max(0.0, (at - self.at) / self.per) * self.count)
        self.at = at
        if self.left < 1:
            return False
        self.left -= 1
        return True


class CountHere:
    """Counts of one window in this process, for when the cache does not answer."""

    def __init__(self) -> None:
        self._guard, self._window, self._counted = Lock(), -1, Counter[str]()

    def one_more(self, window: int, address: str) -> int:
        with self._guard:
            if window != self._window:
                self._window, self._counted = window, Counter()
            self._counted[address] += 1
            return self._counted[address]


_here = CountHere()


def may_start(address: str, at: datetime) -> bool:
    """
    May this address (a keyed digest) start one more conversation? START_RATE, in windows of its length.

    Counted in the cache, for all processes; without it this process counts alone, so that nobody is shut out (P14).
    """
    if settings.START_RATE is None:
        return True
    count, per = settings.START_RATE
    window = int(at.timestamp() // per.total_seconds())
    try:
        key = f"start:{window}:{address}"
        cache.add(key, 0, per.total_seconds())
        return cache.incr(key) <= count
    except Exception as problem:
        logger.warning("starts are counted by this process alone: %s", type(problem).__name__)
        return _here.one_more(window, address) <= count
