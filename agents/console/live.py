"""Pages that renew themselves: one look at the database a second for all viewers, while there are any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from sinks.database.reading.pipeline import arrived
from sinks.errors import SinkError

Reading = Callable[[], AbstractContextManager[Connection]]

logger = logging.getLogger(__name__)

POLL_S = 1.0
ALIVE_S = 20.0
"""A connection on which nothing is said is closed by proxies."""
_PARTS = {"account.health": "health", "cases": "cases", "command.results": "cases", "alert.commands": "cases"}


class Live:
    """Tells viewers which parts of the database changed; for one event loop."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._viewers: set[asyncio.Queue[frozenset[str]]] = set()
        self._task: asyncio.Task[None] | None = None
        self.polls = 0
        """Looks at the database so far."""

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """Parts that changed, again and again; an empty set while nothing does."""
        mine: asyncio.Queue[frozenset[str]] = asyncio.Queue()
        self._viewers.add(mine)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            while True:
                try:
                    parts = await asyncio.wait_for(mine.get(), ALIVE_S)
                except TimeoutError:
                    parts = frozenset()
                yield parts
        finally:
            self._viewers.discard(mine)

    async def _watch(self) -> None:
        known: Mapping[str, int] | None = None
        while self._viewers:
            try:
                found = await run_in_threadpool(self._look)
            except SinkError:
                logger.debug("the database cannot be read now", exc_info=True)
            else:
                if known is not None and found != known:
                    changed = {topic for topic, number in found.items() if number != known.get(topic)}
                    self._tell(frozenset(_PARTS.get(topic, _part(topic)) for topic in changed))
                known = found
            await asyncio.sleep(POLL_S)

    def _look(self) -> Mapping[str, int]:
        self.polls += 1
        with self._reading() as connection:
            return arrived(connection)

    def _tell(self, parts: frozenset[str]) -> None:
        for viewer in self._viewers:
            viewer.put_nowait(parts)


def _part(topic: str) -> str:
    return "cases" if topic.startswith("alerts.") else "facts"


def sse(parts: frozenset[str]) -> str:
    """What a viewer is told; a line that says nothing keeps the connection."""
    return f"event: changed\ndata: {' '.join(sorted(parts))}\n\n" if parts else ": alive\n\n"
