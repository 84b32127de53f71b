"""What crosses the border of a sink: batches of decoded records in, what became of them out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.notify.routing import Routing


class Projection(StrEnum):
    """What a record of an output topic is in the destination."""

    ALERT = "alert"
    HEALTH = "health"
    CASE = "case"
    COMMAND = "command"
    RESULT = "result"
    """What became of a command."""
    FACT = "fact"
    """An input event that portfolio figures are made of."""


PROJECTIONS = {
    "alerts.health": Projection.ALERT,
    "alerts.expansion": Projection.ALERT,
    "alerts.shadow": Projection.ALERT,
    "account.health": Projection.HEALTH,
    "cases": Projection.CASE,
    "alert.commands": Projection.COMMAND,
    "command.results": Projection.RESULT,
    "billing.events": Projection.FACT,
    "ticket.events": Projection.FACT,
    "customer.signals": Projection.FACT,
}
"""The topics that destinations can read."""


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
    """Records in offset order per partition, and one `Advance` for each partition that they cover.

    Only a destination that keeps positions itself looks at the advances.
    """

    records: Sequence[DeliveryRecord]
    advances: Sequence[Advance]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did.

    `conflicts` names alerts and cases (id, revision) that had been written before with other content: a broken promise
    of the producer, never of the destination.
    """

    records: Mapping[Projection, int]
    """Records that the destination now has, by what they are in it."""
    conflicts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a sink may want to know of the deployment whose records it gets."""

    group: str
    """Names it; positions are of its topics."""
    source: str
    """CloudEvents source of everything that it says."""
    routing: Routing | None = None
    """Who is told of cases."""
    failpoint: Callable[[str], None] = lambda _name: None
    """Called at named places, for tests of crashes."""


class Sink(Protocol):
    """A destination of records, opened by its line in the table of sinks; for one thread.

    The same records again must change nothing: after a crash or an outage they come again. Where delivery stands
    is kept in the consumer group, unless the sink is a `PositionedSink`.
    """

    def write(self, batch: DeliveryBatch) -> Written:
        """Write the batch; returns once the destination has it for good.

        Raises:
            SinkUnavailableError: the same batch comes again later (CommitUnknownError: after reading the positions).
            SinkRejectedError: some records can never be written; the batch comes again without them.
            PositionConflictError: a position is not where the batch says.
        """

    def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class PositionedSink(Sink, Protocol):
    """A destination that writes records and positions together, or neither: each record is in it once."""

    def positions(self, topic: str) -> dict[int, int]:
        """Return the next offset to write of each partition known; raises SinkUnavailableError."""
