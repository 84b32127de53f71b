"""How long to wait before the next try: twice as long each time, with jitter, within bounds."""

from __future__ import annotations

import random
from collections.abc import Callable

_MOST_DOUBLINGS = 16


class Backoff:
    """Counts failures in a row; `jitter` returns numbers in [0, 1)."""

    def __init__(self, longest_s: float, jitter: Callable[[], float] = random.random) -> None:
        self._longest_s = longest_s
        self._jitter = jitter
        self._failures = 0

    def next_delay(self, retry_after_s: float) -> float:
        """Count one more failure and return the seconds to wait, given what the destination asked for.

        Between half of it and all of it, so that several waiters do not come back at the same moment.
        """
        # Who asks for longer than our longest gets what it asks for.
        longest_s = max(self._longest_s, retry_after_s)
        whole_s = min(longest_s, retry_after_s * 2.0 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        return whole_s * (0.5 + 0.5 * self._jitter())

    def reset(self) -> None:
        """Forget the failures: a try went well."""
        self._failures = 0
