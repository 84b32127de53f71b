"""The client by which products emit events; the distribution `foreshock-client` has it as `foreshock_client`."""

from __future__ import annotations

from schemas.client.awaitable import AsyncEventClient
from schemas.client.client import Counters, EventClient, FullError, Undelivered
from schemas.client.events import EventError
from schemas.client.spool import SpoolError

__all__ = ["AsyncEventClient", "Counters", "EventClient", "EventError", "FullError", "SpoolError", "Undelivered"]
