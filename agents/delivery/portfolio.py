"""Keeps the portfolio figures of the database up with its facts: recomputed whole, so that late events count too."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pipeline.portfolio.facts import facts_of
from pipeline.portfolio.measure import Portfolio, measure
from pipeline.terms.days import Days
from sinks.database.portfolio import PortfolioStore, Stamp
from sinks.metrics import Metrics

logger = logging.getLogger(__name__)

_EVERY_S = 60.0
_PAUSES = 20
"""Computing takes at most one part in so many of the time."""
_EXPORTED = "trailing_30d"


class PortfolioKeeper:
    """Computes the figures when facts have changed, at most once a minute; for the thread of the delivery.

    Args:
        store: where facts are read and figures written. The caller closes it.
        timezone: of the business.
        metrics: shows the ratios of the last 30 days.
        clock: seconds that only grow.
    """

    def __init__(
        self, store: PortfolioStore, timezone: str, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._days = Days(timezone)
        self._metrics = metrics
        self._clock = clock
        self._next_s = clock()
        self._seen: Stamp | None = None

    def tick(self) -> None:
        """Refresh if it is time to. Raises SinkUnavailableError."""
        began_s = self._clock()
        if began_s < self._next_s:
            return
        self._next_s = began_s + _EVERY_S
        self.refresh()
        self._next_s = max(self._next_s, self._clock() + _PAUSES * (self._clock() - began_s))

    def refresh(self) -> None:
        """Compute and write the figures unless nothing has changed. Raises SinkUnavailableError."""
        stamp = self._store.stamp()
        if stamp == self._seen or not stamp.facts:
            return
        began_s = self._clock()
        facts = facts_of(self._store.events(), self._days)
        if facts is None:
            return
        open_day = self._days.of_one(stamp.as_of_ms)
        found = measure(facts, self._days, bands=self._store.bands(), open_day=open_day)
        self._store.replace(found, stamp.as_of_ms)
        self._seen = stamp
        self._metrics.portfolio(_ratios(found), stamp.as_of_ms)
        logger.info("%d portfolio figures in %.1f s", len(found.figures), self._clock() - began_s)


def _ratios(found: Portfolio) -> dict[tuple[str, str | None], float | None]:
    return {
        (figure.metric, figure.segment): figure.value
        for figure in found.figures
        if figure.period == _EXPORTED and figure.dimension is None
    }
