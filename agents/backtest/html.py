"""The report of a backtest as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from agents.backtest.charts import foretold_chart, lead_time_chart, reliability_chart, series_chart
from agents.backtest.run import Alert, told
from pipeline.kinds import KINDS
from pipeline.terms.money import money

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 960, 220, 40, 20
_SHOWN_ALERTS = 500
_COLOURS = (
    "#2f6db5", "#d1495b", "#edae49", "#3b8f6b", "#7d5ba6", "#8a5a44",
    "#00798c", "#b83b8c", "#6b7280", "#5f9e2f", "#c96f2b",
)  # fmt: skip
COLOUR_OF = dict(zip(KINDS, cycle(_COLOURS), strict=False))


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle of the chart and what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A text on an axis."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars by kind over time."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    dates: tuple[Mark, ...]
    levels: tuple[Mark, ...]


def render(document: Mapping[str, Any], alerts: Sequence[Alert], *, title: str) -> str:
    """The page.

    Args:
        document: of `backtest_report.report`.
        alerts: every revision in order of detection.
        title: says what was replayed.
    """
    openings = [alert for alert in told(alerts) if alert["revision"] == 1]
    return (
        _environment()
        .get_template("backtest.html.j2")
        .render(
            title=title,
            report=document,
            chart=chart(document["alerts"]["over_time"]),
            colours=COLOUR_OF,
            charts=_outcome_charts(document["outcomes"]),
            openings=sorted(openings, key=lambda alert: -alert["score"])[:_SHOWN_ALERTS],
            openings_total=len(openings),
        )
    )


def render_comparison(found: Mapping[str, Any], *, title: str) -> str:
    """The page of `compare.compare`."""
    return _environment().get_template("compare.html.j2").render(title=title, found=found, shown=_SHOWN_ALERTS)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("agents.backtest", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["day"] = _day
    environment.filters["day_before"] = lambda at_ms: _day(at_ms - 1)
    environment.filters["money"] = money
    environment.filters["grouped"] = lambda number: f"{number:,}".replace(",", " ")
    return environment


def _outcome_charts(outcomes: Mapping[str, Any] | None) -> dict[str, Any]:
    if outcomes is None:
        return {}
    return {
        "lead_times": lead_time_chart(outcomes["curve"]),
        "reliability": reliability_chart(outcomes["reliability"]),
        "outlook": [foretold_chart(each["tenths"]) for each in outcomes["outlook"]],
        "misses": [series_chart(each) for each in outcomes["worst_misses"]],
        "false_alarms": [series_chart(each) for each in outcomes["worst_false_alarms"]],
    }


def chart(over_time: Mapping[str, Any]) -> Chart | None:
    """The chart of openings over time; None when there are none."""
    starts, by_kind = over_time["starts"], over_time["by_kind"]
    if not starts:
        return None
    highest = max(sum(column) for column in zip(*by_kind.values(), strict=True))
    step = (_WIDTH - _LEFT) / len(starts)
    scale = (_HEIGHT - _BOTTOM - 10) / highest
    bars = []
    for place, start in enumerate(starts):
        y = float(_HEIGHT - _BOTTOM)
        for kind in [kind for kind in KINDS if by_kind.get(kind)]:
            count = by_kind[kind][place]
            height = count * scale
            y -= height
            if count:
                x = _LEFT + place * step
                bars.append(Bar(x, y, step * 0.85, height, COLOUR_OF[kind], f"{start}: {count} {kind}"))
    every = max(1, len(starts) // 8)
    dates = [Mark(_LEFT + place * step, _HEIGHT - 4, starts[place]) for place in range(0, len(starts), every)]
    levels = [
        Mark(_LEFT - 6, _HEIGHT - _BOTTOM - level * scale, str(level)) for level in sorted({0, highest // 2, highest})
    ]
    return Chart(_WIDTH, _HEIGHT, tuple(bars), tuple(dates), tuple(levels))


def _day(at_ms: int | None) -> str:
    return "" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")
