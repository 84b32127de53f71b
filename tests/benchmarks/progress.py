"""How fast a contestant gets through a backlog: from its first records to its last."""

from __future__ import annotations

import time
from typing import Any

from tests.benchmarks.process import resident_mib


class Progress:
    """Counts records as they are done; what came with the first look is not in the rate, nor is starting up.

    Args:
        total: records of the backlog.
        skip: so many are warm-up; the clock starts when they are done.
        waits: whether it does not start before `settled` is called either.
    """

    def __init__(self, total: int, skip: int = 0, *, waits: bool = False) -> None:
        self.done = 0
        self._waits = waits
        self._total = total
        self._skip = max(1, skip)
        self._base = 0
        self._began_s = self._ended_s = 0.0
        self._cpu_s = self._ended_cpu_s = 0.0

    @property
    def finished(self) -> bool:
        """Whether all is done."""
        return self.done >= self._total

    def saw(self, count: int) -> None:
        """So many more records are done."""
        self.done += count
        if self._base == 0:
            if self.done >= self._skip and not self._waits:
                self._base, self._began_s, self._cpu_s = self.done, time.perf_counter(), time.process_time()
        elif self.finished and not self._ended_s:
            self._ended_s, self._ended_cpu_s = time.perf_counter(), time.process_time()

    def settled(self) -> None:
        """What comes once in a contestant's life is over."""
        self._waits = False

    def since_start_s(self) -> float:
        """Seconds since the clock started, until now."""
        return time.perf_counter() - self._began_s

    def report(self) -> dict[str, Any]:
        """Records a second, by the clock and by CPU time of this process. Only when finished."""
        measured, seconds = self.done - self._base, self._ended_s - self._began_s
        return {
            "records": measured,
            "seconds": seconds,
            "per_s": measured / seconds,
            "per_cpu_s": measured / (self._ended_cpu_s - self._cpu_s),
            "peak_mib": resident_mib(peak=True),
        }
