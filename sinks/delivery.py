"""What crosses the border of a sink: batches of decoded output records with the positions they end at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Projection(StrEnum):
    """What a record of an output topic is in the destination."""

    ALERT = "alert"
    HEALTH = "health"
    COMMAND = "command"
    FACT = "fact"
    """An input event that portfolio figures are made of."""


PROJECTIONS = {
    "alerts.health": Projection.ALERT,
    "alerts.expansion": Projection.ALERT,
    "alerts.shadow": Projection.ALERT,
    "account.health": Projection.HEALTH,
    "alert.commands": Projection.COMMAND,
    "billing.events": Projection.FACT,
    "ticket.events": Projection.FACT,
    "customer.signals": Projection.FACT,
}
"""The topics that a destination shows."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One decoded record and where it stood."""

    topic: str
    partition: int
    offset: int
    projection: Projection
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Advance:
    """A partition's move from one next offset to another; `old` is None where the destination knows none."""

    topic: str
    partition: int
    old: int | None
    next: int


@dataclass(frozen=True, slots=True)
class DeliveryBatch:
    """Records in offset order per partition, and one `Advance` for each partition that they cover."""

    records: Sequence[DeliveryRecord]
    advances: Sequence[Advance]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did.

    `conflicts` names alerts (id, revision) that had been written before with other content: a broken promise
    of the producer, never of the destination.
    """

    alerts: int
    health: int
    commands: int = 0
    facts: int = 0
    conflicts: tuple[tuple[str, int], ...] = ()


def nothing() -> None:
    """Do nothing: the default of a hook."""


class Sink(Protocol):
    """A destination that writes records and positions together, or neither."""

    def positions(self, topic: str) -> dict[int, int]:
        """Return the next offset to write of each partition known; raises SinkUnavailableError."""

    def write(self, batch: DeliveryBatch, before_commit: Callable[[], None] = nothing) -> Written:
        """Write all of the batch, or nothing of it.

        Raises:
            SinkUnavailableError: try the same batch later (CommitUnknownError: after reading the positions).
            SinkRejectedError: some records can never be written.
            PositionConflictError: a position is not where the batch says.
        """

    def close(self) -> None:
        """Let go of connections."""
