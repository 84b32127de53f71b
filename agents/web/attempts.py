"""How often a sign-in may fail."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic

WINDOW_S = 300.0
ALLOWED = {"name and address": 5, "name": 50, "address": 20}
"""Failed attempts within the window: a name from everywhere may fail more often, or anybody could lock it."""
_REMEMBERED = 10_000


class Attempts:
    """Failed sign-ins of the last minutes, by name and address; a bounded number of them."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def wait_s(self, name: str, address: str) -> int:
        """Seconds until another attempt may be made; 0: now."""
        since = self._clock() - WINDOW_S
        left = 0.0
        for (what, _), times in self._of(name, address):
            while times and times[0] <= since:
                times.popleft()
            if len(times) >= ALLOWED[what]:
                left = max(left, times[-ALLOWED[what]] - since)
        return math.ceil(left)

    def failed(self, name: str, address: str) -> None:
        """Remember that an attempt failed."""
        for key, times in self._of(name, address):
            times.append(self._clock())
            self._failed[key] = times
            self._failed.move_to_end(key)
        while len(self._failed) > _REMEMBERED:
            self._failed.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """Take back the last attempt: it did not fail. Other failures still count."""
        for _, times in self._of(name, address):
            if times:
                times.pop()

    def _of(self, name: str, address: str) -> list[tuple[tuple[str, str], deque[float]]]:
        keys = [("name and address", f"{address} {name}"), ("name", name), ("address", address)]
        return [(key, self._failed.get(key) or deque(maxlen=ALLOWED[key[0]])) for key in keys]
