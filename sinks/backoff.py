"""For loops that try again and again: how long to wait before the next try, and whether they still go round."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

_MOST_DOUBLINGS = 16
_STUCK_S = 120.0


class Backoff:
    """Twice as long each time, within bounds. Counts failures in a row; `jitter` returns numbers in [0, 1)."""

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


class Progress:
    """When a loop last went round."""

    def __init__(self) -> None:
        self.made()

    def made(self) -> None:
        """It goes round now."""
        self._at_s = time.monotonic()

    def problem(self) -> str | None:
        """Say what is wrong with the loop, for /-/healthy."""
        idle_s = time.monotonic() - self._at_s
        return None if idle_s < _STUCK_S else f"no progress for {idle_s:.0f} s"
