"""The client for programs on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from types import TracebackType
from typing import Any, Self

from schemas.client.client import Client


class AsyncEventClient(Client[Awaitable[str]]):
    """As `EventClient`; whatever waits there is awaited here. See `Client` for arguments, methods and errors."""

    async def flush(self, timeout_s: float = 30.0) -> int:
        """Wait until all is acknowledged; how many events are not yet."""
        for pause_s in self._left(timeout_s):
            await asyncio.sleep(pause_s)
        return self.waiting

    async def close(self, timeout_s: float = 30.0) -> int:
        """Flush and stop; how many events were not delivered: they have failed or are in the spool."""
        await self.flush(timeout_s)
        return await asyncio.to_thread(self._close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _emit(self, method: str, fields: Mapping[str, Any]) -> str:
        made = self._made(method, fields)
        for pause_s in self._attempts(made.event):
            await asyncio.sleep(pause_s)
        return made.event_id
