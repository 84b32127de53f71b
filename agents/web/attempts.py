"""How often a sign-in may fail."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sinks.database.people import failed_sign_ins

if TYPE_CHECKING:
    from agents.web.store import Store

WINDOW_S = 300
ALLOWED = {"name and address": 5, "name": 50, "address": 20}
"""Failed attempts within the window: a name from everywhere may fail more often, or anybody could lock it."""


class Attempts:
    """Failed sign-ins of the last minutes: of all consoles, as the audit log has them, and those under way here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._under_way: list[tuple[str, str]] = []

    @contextmanager
    def one(self, name: str, address: str) -> Iterator[None]:
        """An attempt, which counts as failed until it is over: many at once are not more than many in turn."""
        self._under_way.append((name, address))
        try:
            yield
        finally:
            self._under_way.remove((name, address))

    def wait_s(self, name: str, address: str) -> int:
        """Seconds until the attempt under way may be made; 0: now. Raises SinkUnavailableError."""
        now_ms = time.time_ns() // 1_000_000
        # Before the log is read: who fails meanwhile counts twice rather than not at all.
        others = self._under_way.copy()
        others.remove((name, address))
        with self._store.reading() as connection:
            logged = failed_sign_ins(connection, now_ms - WINDOW_S * 1000, name, address)
        failed = [(now_ms, *each) for each in others] + logged
        times = {
            "name and address": [at_ms for at_ms, *of in failed if of == [name, address]],
            "name": [at_ms for at_ms, of, _ in failed if of == name],
            "address": [at_ms for at_ms, _, of in failed if of == address],
        }
        left_ms = [
            at_ms[ALLOWED[what] - 1] + WINDOW_S * 1000 - now_ms
            for what, at_ms in times.items()
            if len(at_ms) >= ALLOWED[what]
        ]
        return math.ceil(max(left_ms, default=0) / 1000)
