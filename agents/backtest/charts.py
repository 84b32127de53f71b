"""Small charts as inline SVG: colours come from the page's style sheet, every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_WIDTH, _HEIGHT = 460, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 36
_SERIES_WIDTH, _SERIES_HEIGHT, _MARKS = 420, 64, 12
_WEEK_MS = 7 * 86_400_000
_TICKS = 4


def lead_time_chart(curve: Sequence[Mapping[str, Any]]) -> str:
    """Recall over the least lead time, beside that of random alerts."""
    last = max((point["lead_days"] for point in curve), default=0) or 1
    plot = _Plot("days before the loss", "share foreseen", last)
    for name, style in (("random_recall", "chance"), ("recall", "found")):
        plot.line([(point["lead_days"], point[name]) for point in curve if point[name] is not None], style)
    return plot.drawn("Share of losses foreseen, over days before the loss")


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> str:
    """Share of alerts that an outcome followed, over their score, with 95 % intervals."""
    plot = _Plot("score of the alert", "share followed by a loss", 20)
    points = [((each["low"] + each["high"]) / 2, each) for each in bins if each["rate"] is not None]
    for place, each in points:
        plot.interval(place, each["rate_low"], each["rate_high"])
    plot.line([(place, each["rate"]) for place, each in points], "found")
    for place, each in points:
        plot.dot(place, each["rate"], f"score {each['low']:g} to {each['high']:g}: {each['hits']} of {each['alerts']}")
    return plot.drawn("Share of alerts that a loss followed, over their score")


def foretold_chart(tenths: Sequence[Mapping[str, Any]]) -> str:
    """Share that happened over what was foretold, by tenths of the accounts, with 95 % intervals; equal is right."""
    most = max((max(each["foretold"], each["high"] or 0.0) for each in tenths), default=1.0)
    plot = _Plot("foretold", "happened", most, most)
    plot.line([(0.0, 0.0), (most, most)], "chance")
    for each in tenths:
        plot.interval(each["foretold"], each["low"], each["high"])
        plot.dot(each["foretold"], each["share"], f"{each['happened']} of {each['snapshots']}")
    return plot.drawn("Share that happened, over what was foretold")


def series_chart(series: Mapping[str, Any]) -> str:
    """Weekly activity around a time: what happened as a line, alerts as triangles."""
    weeks, first_ms = series["series"], series["series_starts_at_ms"]
    step = _SERIES_WIDTH / max(1, len(weeks))
    scale = (_SERIES_HEIGHT - _MARKS) / (max(weeks, default=0) or 1)
    parts = [
        f'<rect class="bar" x="{place * step:.1f}" y="{_SERIES_HEIGHT - value * scale:.1f}" '
        f'width="{step * 0.8:.1f}" height="{value * scale:.1f}"/>'
        for place, value in enumerate(weeks)
        if value > 0
    ]

    def place_of(at_ms: int) -> float:
        return float((at_ms - first_ms) / _WEEK_MS * step)

    for outcome in series["outcomes"]:
        x = place_of(outcome["at_ms"])
        line = f'<line class="outcome" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_SERIES_HEIGHT}">'
        parts.append(f"{line}<title>{escape(outcome['kind'])}</title></line>")
    for alert in series["alerts"]:
        x = place_of(alert["at_ms"])
        title = escape(alert["kind"])
        parts.append(f'<path class="alert" d="M{x - 4:.1f} 0h8l-4 8z"><title>{title}</title></path>')
    return _svg(_SERIES_WIDTH, _SERIES_HEIGHT, "Weekly activity", parts)


class _Plot:
    """Shares upwards, from 0 to 1 unless told otherwise."""

    def __init__(self, x_label: str, y_label: str, x_max: float, y_max: float = 1.0) -> None:
        self._x_max, self._y_max = x_max, y_max
        bottom = _HEIGHT - _BOTTOM
        self._parts = [
            _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, x_label, "middle"),
            _text(_LEFT, _TOP - 1, y_label, "start"),
        ]
        for tick in range(_TICKS + 1):
            share = tick / _TICKS
            y = self._y(share * y_max)
            self._parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            self._parts.append(_text(_LEFT - 6, y + 3, f"{share * y_max:.0%}", "end"))
            self._parts.append(_text(self._x(share * x_max), bottom + 14, f"{share * x_max:.3g}", "middle"))

    def line(self, points: Sequence[tuple[float, float]], style: str) -> None:
        if points:
            path = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in points)
            self._parts.append(f'<polyline class="{style}" points="{path}"/>')

    def dot(self, x: float, y: float, title: str) -> None:
        circle = f'<circle class="found" cx="{self._x(x):.1f}" cy="{self._y(y):.1f}" r="4">'
        self._parts.append(f"{circle}<title>{escape(title)}</title></circle>")

    def interval(self, x: float, low: float, high: float) -> None:
        at = f"{self._x(x):.1f}"
        self._parts.append(
            f'<line class="interval" x1="{at}" x2="{at}" y1="{self._y(low):.1f}" y2="{self._y(high):.1f}"/>'
        )

    def drawn(self, label: str) -> str:
        return _svg(_WIDTH, _HEIGHT, label, self._parts)

    def _x(self, value: float) -> float:
        return _LEFT + value / self._x_max * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, share: float) -> float:
        return _TOP + 6 + (1 - share / self._y_max) * (_HEIGHT - _TOP - 6 - _BOTTOM)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: int, height: int, label: str, parts: Iterable[str]) -> str:
    head = f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
    return head + "".join(parts) + "</svg>"
