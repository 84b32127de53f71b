"""All accounts together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from agents.console.accounts import BANDS
from agents.console.charts import Chart, Line
from agents.console.pages import console_of, page
from agents.console.words import label
from agents.web.people import person
from sinks.database.reading import portfolio as reading
from sinks.database.reading.scope import Owners, last_close_ms

TIERS = ("high", "middle", "low")
METRICS = {
    "gross_revenue_retention": "Gross revenue retention",
    "net_revenue_retention": "Net revenue retention",
    "logo_churn": "Customers lost",
    "gross_mrr_churn": "MRR lost",
    "nps": "NPS",
    "csat": "CSAT",
}
"""Figures with a chart each."""
_SHOWN = 25
AT_RISK = ("red", "yellow")


@dataclass(frozen=True, slots=True)
class Money:
    """Sums that are never added up across currencies."""

    by_currency: dict[str, int]

    @property
    def items(self) -> list[tuple[int, str]]:
        """Amounts, the largest first."""
        return sorted(((amount, code) for code, amount in self.by_currency.items() if amount), reverse=True)


def show(request: Request) -> Response:
    """`/portfolio`."""
    who, console = person(request), console_of(request)
    with console.reading() as connection:
        as_of_ms = last_close_ms(connection)
        changes = reading.changes(connection, as_of_ms, who.owners)
        renewals = reading.renewals(connection, as_of_ms, who.owners)
        figures = reading.figures(connection, list(METRICS)) if who.owners is None else []
    overview = console.overview(as_of_ms)
    standings = _of(overview.standings, who.owners) if overview else []
    return page(
        request,
        "portfolio",
        as_of_ms=as_of_ms,
        ready=overview is not None,
        bands=BANDS,
        total=counted(standings, lambda each: each.band),
        by_segment=table_of(standings, lambda each: each.segment or "no segment"),
        nine_box=table_of([each for each in standings if each.value_tier], lambda each: each.value_tier),
        tiers=TIERS,
        at_risk={band: worth(each for each in standings if each.band == band) for band in AT_RISK},
        arr=worth(standings),
        over_time=bands_chart(overview.daily) if overview and who.owners is None else None,
        changes=changes[:_SHOWN],
        renewals=renewals[:_SHOWN],
        renewal_days=reading.RENEWAL_DAYS,
        figures=figure_charts(figures),
        latest=latest(figures),
        metrics=METRICS,
    )


def _of(standings: Sequence[reading.Standing], owners: Owners) -> list[reading.Standing]:
    return [each for each in standings if owners is None or each.owner in owners]


def counted(standings: Iterable[reading.Standing], of: Any) -> dict[str, int]:
    """Accounts by what a function says of them."""
    found: dict[str, int] = defaultdict(int)
    for each in standings:
        found[of(each)] += each.accounts
    return dict(found)


def table_of(standings: Iterable[reading.Standing], of: Any) -> dict[str, dict[str, int]]:
    """Accounts by what a function says of them, and by band."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(BANDS, 0))
    for each in standings:
        found[of(each)][each.band] += each.accounts
    return dict(sorted(found.items()))


def worth(standings: Iterable[reading.Standing]) -> Money:
    """ARR by currency."""
    found: dict[str, int] = defaultdict(int)
    for each in standings:
        if each.currency:
            found[each.currency] += each.arr_minor
    return Money(dict(found))


def bands_chart(daily: Sequence[reading.Bands]) -> Chart | None:
    """Accounts by band over time."""
    if not daily:
        return None
    by_day = {each.day: each for each in daily}
    days = range(daily[0].day, daily[-1].day + 1)
    lines = []
    for band in BANDS:
        values: list[float | None] = []
        for day in days:
            values.append(getattr(by_day[day], band) if day in by_day else values[-1])
        lines.append(Line(band, values, band))
    return Chart("Accounts by band", days, lines)


def figure_charts(figures: Sequence[reading.Figure]) -> dict[str, Chart]:
    """A chart for each figure of the business, of all accounts, by month."""
    charts = {}
    for metric, title in METRICS.items():
        months = [each for each in figures if each.metric == metric and not each.segment and not each.dimension]
        if len(months) < 2:
            continue
        days = [(date.fromisoformat(each.starts_on) - date(1970, 1, 1)).days for each in months]
        line = Line(label(title), [each.value for each in months])
        charts[metric] = Chart(title, days, [line], low=None, high=None, height=150)
    return charts


def latest(figures: Sequence[reading.Figure]) -> dict[str, reading.Figure]:
    """The newest figure of each metric, of all accounts."""
    return {each.metric: each for each in figures if not each.segment and not each.dimension}
