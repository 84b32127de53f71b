"""Notices that the process was away: frozen, starved or suspended."""

from __future__ import annotations

from threading import Event, Thread
from time import monotonic

from agents.process.exits import ExitCode, leave, logger

_TICK_S = 0.2


class Lease:
    """A thread that counts time; a process that missed a third of its session must not write any more.

    Another member of the group may own the partitions by then. `check` is to be called right before state is
    written: after a freeze it may run before the thread does.
    """

    def __init__(self, session_timeout_ms: int) -> None:
        self._limit_s = session_timeout_ms / 3_000
        self._seen_at = monotonic()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._seen_at = monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Stop counting."""
        self._stop.set()

    def check(self) -> None:
        """End the process with code 75 if it was away for too long."""
        away_s = monotonic() - self._seen_at
        if away_s > self._limit_s and not self._stop.is_set():
            logger.critical("the process was away for %.1f s: leaving before anything is written", away_s)
            leave(ExitCode.LEASE_LOST)

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            self.check()
            self._seen_at = monotonic()
