"""Producing the sample stream at the worker's pace, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from agents.demo.folder import GROUP
from agents.demo.processes import DemoError
from agents.eventfiles.files import EventFiles
from agents.replay.arrivals import day_ends
from agents.replay.emit import EmitOptions, Emitted, emit
from agents.replay.pace import Pace
from pipeline.config import EngineConfig
from schemas.registry.source import FileRegistry

_MAX_BYTES = 2 * 1024 * 1024
"""Outstanding in one partition, of the 5 MB that the embedded broker keeps."""
_LINGER_MS = 150
"""The embedded broker answers a fetch with one batch of each partition: they must not be small."""


class Replay(threading.Thread):
    """Produces in a thread, so that a dead worker is noticed meanwhile."""

    def __init__(self, client: Mapping[str, Any], files: EventFiles, until_ms: int | None = None) -> None:
        """`until_ms`: when the stream is over, if that is later than its last event."""
        # A daemon: when something else fails, nobody waits for it.
        super().__init__(name="replay", daemon=True)
        self.events = 0
        self._client = client
        self._files = files
        self._until_ms = until_ms
        self._emitted: Emitted | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Produce everything."""
        pace = Pace(self._client, GROUP, max_bytes=_MAX_BYTES)
        options = EmitOptions(day_ends(EngineConfig()), source="demo", final_tick_ms=self._until_ms)
        client = {**self._client, "linger.ms": _LINGER_MS}
        try:
            self._emitted = emit(self._files, client, FileRegistry(), options, pace=pace, on_step=self._count)
        except Exception as error:
            self._error = error
        finally:
            pace.close()

    def join_for(self, seconds: float) -> bool:
        """Whether it has ended within this time."""
        self.join(seconds)
        return not self.is_alive()

    def result(self) -> Emitted:
        """What was produced. Raises what the production raised."""
        if self._emitted is None:
            raise self._error or DemoError("the stream was not produced")
        return self._emitted

    def _count(self, emitted: Emitted) -> None:
        self.events = emitted.events
