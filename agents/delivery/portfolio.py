"""Keeps the portfolio figures of the database up with its facts, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from pipeline.portfolio.facts import Events, facts_of, spent
from pipeline.portfolio.measure import GROWTH_MONTHS, Portfolio, measure
from pipeline.portfolio.periods import month_before
from pipeline.terms.days import Days
from sinks.database.portfolio import PortfolioStore, Stamp
from sinks.errors import SinkUnavailableError
from sinks.metrics import Metrics

logger = logging.getLogger(__name__)

_EVERY_S = 60.0
_PAUSES = 20
"""Computing takes at most one part in so many of the time."""
_EXPORTED = "trailing_30d"


class PortfolioKeeper:
    """Computes the figures when facts have changed, at most once a minute, and removes facts that no figure needs.

    Only weeks with new facts are read; figures of the last `months` months, and of months that have none yet, are
    computed, so that late events count.

    Args:
        store: where facts are read and figures written. The caller closes it.
        timezone: of the business.
        metrics: shows the ratios of the last 30 days, and what people say of alerts, and the cases that are open.
        months: the months before the open one whose figures late events still correct.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        store: PortfolioStore,
        timezone: str,
        metrics: Metrics,
        *,
        months: int = 24,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._days = Days(timezone)
        self._metrics = metrics
        self._months = months
        self._clock = clock
        self._stop = threading.Event()
        self._seen: Stamp | None = None
        self._bound_ms: int | None = None

    def stop(self) -> None:
        """Ask `run` to return after a last look."""
        self._stop.set()

    def run(self) -> None:
        """Refresh until stopped. While the database is away, figures are old."""
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            pause_s = self._try()
        self._try()

    def _try(self) -> float:
        """Refresh, and return the seconds until the next time."""
        began_s = self._clock()
        try:
            self._metrics.feedback(self._store.feedback())
            self._metrics.open_cases(self._store.open_cases())
            self.refresh()
        except SinkUnavailableError as error:
            logger.warning("portfolio figures have to wait: %s", error)
        return max(_EVERY_S, _PAUSES * (self._clock() - began_s))

    def refresh(self) -> None:
        """Compute and write the figures unless nothing has changed. Raises SinkUnavailableError."""
        stamp = self._store.stamp()
        if stamp == self._seen or not stamp.facts:
            return
        began_s = self._clock()
        events = self._store.events(stamp)
        facts = facts_of(events, self._days)
        if facts is None:
            return
        open_day = self._days.of_one(stamp.as_of_ms)
        settled = month_before(open_day, self._months)
        # A month without figures is computed however old it is: history may come in faster than it is looked at.
        first = min(settled, self._store.next_month() or self._days.of_one(facts.first_ms))
        # Growth looks back.
        found = measure(
            facts,
            self._days,
            bands=self._store.bands(),
            first_day=month_before(first, GROWTH_MONTHS),
            open_day=open_day,
        )
        self._store.replace(found, stamp.as_of_ms, first)
        self._metrics.portfolio(_ratios(found), _worse(found), stamp.as_of_ms)
        logger.info("%d portfolio figures in %.1f s", len(found.figures), self._clock() - began_s)
        self._seen = stamp
        self._bound(events, self._days.start_ms(month_before(settled, GROWTH_MONTHS)))

    def _bound(self, events: Events, before_ms: int) -> None:
        """Once a month, remove the facts that no open month needs."""
        if before_ms == self._bound_ms:
            return
        for topic, facts in spent(events, before_ms).items():
            self._store.remove(topic, facts, self._stop.wait)
        self._bound_ms = before_ms


def _ratios(found: Portfolio) -> dict[tuple[str, str | None], float | None]:
    return {
        (each.metric, each.segment): each.value / 100 if each.metric == "nps" and each.value else each.value
        for each in found.figures
        if each.period == _EXPORTED and each.dimension is None
    }


def _worse(found: Portfolio) -> Counter[str]:
    """By survey, the touchpoints whose answers have surely become worse."""
    fallen = (each for each in found.figures if each.segment is None and each.high is not None and each.high < 0)
    return Counter(survey for each in fallen if (survey := each.metric.removesuffix("_change")) != each.metric)
