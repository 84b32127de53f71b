"""The alert that says that the scorecard no longer foresees churn."""

from __future__ import annotations

from typing import Any

from pipeline.alerts.lifecycle import begin
from pipeline.alerts.records import Alerting, Explanation
from pipeline.books.book import Book, Context, Episode
from pipeline.config import EngineConfig
from pipeline.health.kinds import SCORECARD_STALE
from pipeline.scoring.labels import FLEET
from pipeline.scoring.spans import Staleness
from schemas.topics import DAY_MS

_EVERYBODY = Context(name="All accounts")


def stale_alert(staleness: Staleness, config: EngineConfig) -> dict[str, Any]:
    """The record, as in schemas/alert.avsc: of no account, detected when the last of the quarters has ended."""
    at_ms = staleness.at_ms
    episode = Episode(
        kind=SCORECARD_STALE.name,
        dimension=SCORECARD_STALE.dimension,
        opened_day=at_ms // DAY_MS,
        starts_at_ms=at_ms,
        detected_at_ms=at_ms,
        severity=SCORECARD_STALE.severity,
        observed=staleness.recalls[-1],
        expected=staleness.target,
        evidence=float(len(staleness.recalls)),
    )
    book = Book(context=_EVERYBODY)
    explanation = Explanation(window_start_ms=staleness.starts_at_ms, window_end_ms=at_ms)
    change = begin(book, episode)
    return Alerting(config).record(SCORECARD_STALE, FLEET, book, episode, change, explanation, episode.opened_day)
