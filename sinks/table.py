"""The destinations: a new one is one file and one line here, and has settings, metrics and a delivery by that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sinks.database.settings import Database, open_database
from sinks.delivery import PROJECTIONS, Deployment, Sink
from sinks.section import Section
from sinks.webhook import Webhook, open_webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSpec:
    """One destination; its name in the table is also its section of the settings and its value of the label `sink`."""

    section: type[Section]
    open: Callable[[Any, Deployment], Sink | None]
    """Makes it of its section; None when the settings name no destination."""
    topics: Sequence[str]
    """Those of `PROJECTIONS` that it gets."""
    group: str
    """Ending of the consumer group that reads for it."""
    batch_records: int = 2_000
    """At most so many records are written at once; one, where a destination takes them one by one."""


SINKS: Mapping[str, SinkSpec] = {
    "database": SinkSpec(section=Database, open=open_database, topics=tuple(PROJECTIONS), group="deliver"),
    "webhook": SinkSpec(
        section=Webhook,
        open=open_webhook,
        topics=("alerts.health", "alerts.expansion"),
        group="deliver-webhook",
        batch_records=1,
    ),
}
