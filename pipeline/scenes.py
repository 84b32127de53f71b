"""What explains an account's alerts on a closed day: dimensions, contributors, health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.alerts import Scene, change_pct, context_record, optional, state_of
from pipeline.bands import NAMES
from pipeline.books import Context
from pipeline.detectors import power_user_decline, usage_drop
from pipeline.detectors.view import F64, Finding, View
from pipeline.level import SEASONAL_DAYS
from pipeline.members import last_days
from pipeline.rules import health_of
from pipeline.scorecards import default
from pipeline.state import State

MAX_CONTRIBUTORS = 5
_RATIOS = np.arange(0.0, 1.0, 0.0005)
_INFORMATION = np.where(_RATIOS > 0, _RATIOS * np.log(np.maximum(_RATIOS, 1e-300)), 0.0) + 1.0 - _RATIOS
"""Evidence per unit of expected count over dispersion for a drop to each ratio."""
NO_CONTEXT = Context()


@dataclass(slots=True)
class DayContext:
    """A view with everything that was computed on it."""

    view: View
    findings: Mapping[str, Finding]
    score: default.Score
    previous_score: np.ndarray[tuple[int], np.dtype[np.float64]]
    previous_band: np.ndarray[tuple[int], np.dtype[np.uint8]]


def scene(state: State, day: DayContext, row: int, place: int) -> Scene:
    """What surrounds the alerts of one account on this close."""
    level = day.view.level
    return Scene(
        window_start_ms=state.days.start_ms(day.view.day - 6),
        window_end_ms=day.view.end_ms,
        dimensions=_dimensions(day, place),
        contributors=contributors(state, row, day.view.day),
        health=health_of(state, row, float(day.previous_score[place]), int(day.previous_band[place])),
        baseline_days=int(level.days[place]),
        provisional=bool(level.defined[place] and level.days[place] < SEASONAL_DAYS),
    )


def _dimensions(day: DayContext, place: int) -> list[dict[str, Any]]:
    entries = [_tested(usage_drop.DIMENSION, 5, day.findings[usage_drop.KIND], place)]
    if day.view.power.count[place] >= power_user_decline.MIN_POWER_USERS:
        entries.append(_tested(power_user_decline.DIMENSION, 5, day.findings[power_user_decline.KIND], place))
    weights = day.score.coverage[place] * default.TOTAL_WEIGHT
    for dimension, reading in zip(default.DIMENSIONS, day.score.readings, strict=True):
        value = float(reading.value[place])
        if not np.isfinite(value):
            continue
        observed = float(reading.observed[place])
        expected = float(reading.expected[place]) if dimension.moves else np.nan
        entries.append(
            {
                "name": dimension.name,
                "observed": optional(observed),
                "expected": optional(expected),
                "change_pct": change_pct(observed, expected),
                "evidence": None,
                "weight": dimension.weight,
                "contribution_pct": round(100.0 * dimension.weight * value / float(weights), 2),
                "state": state_of(observed, expected),
            }
        )
    return entries


def _tested(name: str, weight: int, finding: Finding, place: int) -> dict[str, Any]:
    observed, expected = float(finding.observed[place]), float(finding.expected[place])
    return {
        "name": name,
        "observed": optional(observed),
        "expected": optional(expected),
        "change_pct": change_pct(observed, expected),
        "evidence": optional(float(finding.evidence[place])),
        "weight": weight,
        "contribution_pct": None,
        "state": state_of(observed, expected),
    }


def contributors(state: State, row: int, day: int) -> list[dict[str, Any]]:
    """The users whose activity of the last week fell most below their own of the eight weeks before last month."""
    places = state.users.of_one(row)
    if not len(places):
        return []
    bits = state.users.bits[places]
    week = np.bitwise_count(last_days(bits, day, 7)).astype(np.float64)
    usual = np.bitwise_count(last_days(bits, day - 28, 56)) / 8.0
    change = week - usual
    order = np.lexsort((state.users.hashes[places], change))[:MAX_CONTRIBUTORS]
    return [
        {
            "kind": "user",
            "ref": state.users.ids[places[k]].decode("utf-8", "replace"),
            "change": round(float(change[k]), 4),
        }
        for k in order
        if change[k] < 0
    ]


def smallest_visible_drops(week_information: F64, weeks: int, threshold: float) -> F64:
    """The smallest relative drop that raises within so many weeks; NaN where even silence does not.

    `week_information` is the expected weekly count over its dispersion. Source: the growth rate of the e-detector,
    `(W/φ)(ρ ln ρ + 1 − ρ)` a week.
    """
    needed = threshold / np.maximum(week_information * weeks, 1e-300)
    # Information falls as the remaining ratio rises, so the table is searched from its end.
    place = len(_INFORMATION) - np.searchsorted(_INFORMATION[::-1], needed) - 1
    return np.where(place >= 0, 1.0 - _RATIOS[np.maximum(place, 0)], np.nan)


def _cells(values: F64, digits: int) -> list[float | None]:
    """Rounded figures; nothing for what is not finite."""
    rounded = np.round(values, digits).astype(object)
    rounded[~np.isfinite(values)] = None
    return list(rounded)


def health_records(state: State, day: DayContext, places: npt.NDArray[np.intp], first_row: int) -> list[dict[str, Any]]:
    """The health of some accounts after this close, as in schemas/account_health.avsc."""
    accounts, level = state.accounts, day.view.level
    rows = places + first_row
    columns = _figure_columns(state, day, places, rows)
    dimensions = _dimension_columns(day.score, places)
    provisional = (level.defined[places] & (level.days[places] < SEASONAL_DAYS)).tolist()
    previous = day.previous_band[places].tolist()
    records = []
    for number, row in enumerate(rows.tolist()):
        book, band = accounts.books.get(row), NAMES[int(accounts.band[row])]
        context = book.context if book is not None else NO_CONTEXT
        records.append(
            {
                "account_id": accounts.ids[row],
                "as_of": day.view.end_ms,
                "day": day.view.day,
                "scorecard": default.ID,
                "version": default.VERSION,
                "score": columns["score"][number],
                "band": band,
                "previous_band": NAMES[previous[number]],
                "band_since": state.days.end_ms(int(accounts.band_since_day[row])),
                "coverage": columns["coverage"][number],
                "dimensions": [
                    {"name": dimension.name, "group": dimension.group, "weight": dimension.weight}
                    | {name: cells[number] for name, cells in figures.items()}
                    for dimension, figures in dimensions
                    if figures["value"][number] is not None
                ],
                "monitorability": {
                    name: columns[name][number] for name in ("min_drop_7d", "min_drop_14d", "min_drop_28d")
                },
                "provisional": provisional[number],
                "context": context_record(context, day.view.end_ms, at_risk=band == "red"),
                "owner": context.owner,
            }
        )
    return records


def _figure_columns(
    state: State, day: DayContext, places: npt.NDArray[np.intp], rows: npt.NDArray[np.intp]
) -> dict[str, list[float | None]]:
    level = day.view.level
    information = 7.0 * level.mean[places] * level.safe[places] / level.dispersion[places]
    columns = {
        f"min_drop_{7 * weeks}d": _cells(smallest_visible_drops(information, weeks, day.view.threshold), 4)
        for weeks in (1, 2, 4)
    }
    columns["score"] = _cells(state.accounts.score[rows], 1)
    columns["coverage"] = _cells(day.score.coverage[places], 4)
    return columns


def _dimension_columns(
    score: default.Score, places: npt.NDArray[np.intp]
) -> list[tuple[default.Dimension, dict[str, list[float | None]]]]:
    weights = score.coverage[places] * default.TOTAL_WEIGHT
    columns = []
    for dimension, reading in zip(default.DIMENSIONS, score.readings, strict=True):
        value = reading.value[places]
        missing = np.isnan(value)
        figures = {
            "value": _cells(value, 6),
            "observed": _cells(np.where(missing, np.nan, reading.observed[places]), 6),
            "expected": _cells(np.where(missing, np.nan, reading.expected[places]), 6),
            "contribution": _cells(100.0 * dimension.weight * value / np.where(missing, 1.0, weights), 4),
        }
        columns.append((dimension, figures))
    return columns
