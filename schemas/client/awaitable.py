"""The client for programs on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from schemas.client.client import Client
from schemas.client.fields import Billing, Profile, Signals, Ticket, Usage


class AsyncEventClient(Client):
    """As `EventClient`; whatever waits there is awaited here. See `Client` for arguments."""

    async def usage(self, **fields: Unpack[Usage]) -> str:
        """Somebody used a feature."""
        return await self._emit("usage", fields)

    async def billing(self, **fields: Unpack[Billing]) -> str:
        """A subscription, an invoice or a payment changed."""
        return await self._emit("billing", fields)

    async def ticket(self, **fields: Unpack[Ticket]) -> str:
        """A support ticket changed."""
        return await self._emit("ticket", fields)

    async def signal(self, **fields: Unpack[Signals]) -> str:
        """People learned something about a customer."""
        return await self._emit("signal", fields)

    async def profile(self, **fields: Unpack[Profile]) -> None:
        """All that is known of an account; what is left out is empty from now on."""
        await self._emit("profile", fields)

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
