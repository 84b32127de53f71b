"""Input events as facts of the portfolio: which are kept, and what of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.portfolio.facts import KEPT_TYPES
from sinks.database.rows import Row, UnstorableError, canonical
from sinks.errors import Refusal

_COLUMNS = (
    "subscription_id", "mrr_minor_after", "seats_after", "currency", "score", "scale", "phase", "csat", "ticket_id",
    "component",
)  # fmt: skip


def fact_row(topic: str, offset: int, record: Mapping[str, Any]) -> Row | None:
    """The row of an event; None for one that no figure is made of. Raises UnstorableError."""
    if record.get("type") not in KEPT_TYPES.get(topic, ()):
        return None
    kept = {name: record.get(name) for name in _COLUMNS}
    try:
        identity = {name: record[name] for name in ("account_id", "event_id", "type")}
        times = {"occurred_at_ms": record["occurred_at"], "due_at_ms": record.get("due_at")}
        row = {"topic": topic, **identity, **times, "arrival": offset, **kept}
    except KeyError as error:
        raise UnstorableError(Refusal.BAD_RECORD, f"KeyError: {error}") from error
    canonical(row)
    return row
