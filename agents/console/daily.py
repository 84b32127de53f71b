"""What an account did day by day: beside what was expected, how far that scatters, and what happened meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from statistics import median
from typing import Any

from agents.console.charts import Band, Chart, Line, Mark, Span
from agents.console.words import label
from pipeline.fleet.alerts import FEED_STOPPED, FLEET_DIP
from pipeline.health.outlook import NINETY
from pipeline.terms.days import Days
from schemas.accounts import FLEET
from sinks.database.reading.fleet import FleetAlert

_USUAL_WEEKS = 4
"""On both sides of a day, whose same weekdays tell what is usual on it."""
_REDUCED = 0.75
"""Of what is usual, below which it is expected to be a day off."""
_DOTTED_DAYS = 62
"""So many can be told apart."""
_DIPS = (FLEET_DIP.name, FEED_STOPPED.name)

Daily = Mapping[int, Mapping[str, Any]]
"""What is known of each day, as the database's `activity` has it."""


def actions_chart(daily: Daily, days: Sequence[int], spans: Sequence[Span], marks: Sequence[Mark]) -> Chart:
    """Actions of each day beside the expected ones; where nothing is expected, as on a day off, there are none."""
    expected = [(daily.get(day) or {}).get("expected") or None for day in days]
    bounds: list[tuple[float, float] | None] = []
    for day, usual in zip(days, expected, strict=True):
        width = NINETY * sqrt(daily[day]["dispersion"] * usual) if usual else 0.0
        bounds.append((max(0.0, usual - width), usual + width) if usual else None)
    lines = [
        Line("expected", expected, "expected"),
        Line("actions", [(daily.get(day) or {}).get("actions") for day in days], dots=len(days) <= _DOTTED_DAYS),
    ]
    spans = [*spans, *_days_off(daily, spans)]
    return Chart("Actions a day", days, lines, spans, marks, band=Band("nine of ten days", bounds, "main"))


def users_chart(daily: Daily, days: Sequence[int], spans: Sequence[Span], marks: Sequence[Mark]) -> Chart:
    """Users of each day."""
    users = Line("users", [(daily.get(day) or {}).get("users") for day in days], dots=len(days) <= _DOTTED_DAYS)
    return Chart("Users a day", days, [users], [*spans, *_days_off(daily, spans)], marks)


def _days_off(daily: Daily, spans: Iterable[Span]) -> list[Span]:
    """Days on which clearly less is expected than on the same weekday around them, unless the fleet explains it."""
    found: list[Span] = []
    weeks = [7 * week for week in range(-_USUAL_WEEKS, _USUAL_WEEKS + 1) if week]
    of_fleet = [each for each in spans if each.tone == "fleet"]
    for day, told in sorted(daily.items()):
        around = [daily[day + back]["expected"] for back in weeks if day + back in daily]
        usual = median([each for each in around if each is not None] or [0.0])
        off = told["expected"] is not None and (told["expected"] == 0 or told["expected"] < _REDUCED * usual)
        if not off or any(each.first <= day <= each.last for each in of_fleet):
            continue
        if found and found[-1].last == day - 1:
            found[-1] = Span(found[-1].first, day, "day off", "grey")
        else:
            found.append(Span(day, day, "day off", "grey"))
    return found


def around(
    alerts: Iterable[Mapping[str, Any]], dips: Iterable[FleetAlert], segment: str | None, days: Days
) -> tuple[list[Span], list[Mark]]:
    """When the change began, what the fleet or the account's segment did, and when each alert opened."""
    spans, marks = [], []
    for dip in dips:
        if dip.kind in _DIPS and dip.account_id in {FLEET, f"{FLEET}:{segment}"}:
            last_ms = dip.ends_at_ms or dip.detected_at_ms
            spans.append(Span(days.of_one(dip.starts_at_ms), days.of_one(last_ms - 1), label(dip.kind), "fleet"))
    for alert in alerts:
        onset = alert.get("onset")
        if onset is not None:
            spans.append(Span(days.of_one(onset["low"]), days.of_one(onset["high"]), "onset", "onset"))
        marks.append(Mark(days.of_one(alert["detected_at"] - 1), label(alert["kind"]), alert["severity"]))
    return spans, marks
