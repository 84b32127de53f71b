"""What explains an account's alerts on a closed day: dimensions, contributors, health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.alerts import Scene, change_pct, context_record, optional, state_of
from pipeline.bands import NAMES
from pipeline.books import Book
from pipeline.detectors import power_user_decline, usage_drop
from pipeline.detectors.view import Finding, View
from pipeline.members import last_days
from pipeline.rules import health_of
from pipeline.scorecards import default
from pipeline.state import State

MAX_CONTRIBUTORS = 5
_RATIOS = np.arange(0.0, 1.0, 0.0005)
_INFORMATION = np.where(_RATIOS > 0, _RATIOS * np.log(np.maximum(_RATIOS, 1e-300)), 0.0) + 1.0 - _RATIOS
"""Evidence per unit of expected count over dispersion for a drop to each ratio."""


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
        provisional=bool(level.defined[place] and level.days[place] < 28),
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
        observed, expected = float(reading.observed[place]), float(reading.expected[place])
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
    places, _ = state.users.of(np.array([row], dtype=np.int32))
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


def smallest_visible_drop(week_information: float, weeks: int, threshold: float) -> float | None:
    """The smallest relative drop that raises within so many weeks; nothing when even silence does not.

    `week_information` is the expected weekly count over its dispersion. Source: the growth rate of the e-detector,
    `(W/φ)(ρ ln ρ + 1 − ρ)` a week.
    """
    needed = threshold / (week_information * weeks) if week_information > 0 else np.inf
    visible = _INFORMATION >= needed
    return round(1.0 - float(_RATIOS[visible][-1]), 4) if visible.any() else None


def health_record(state: State, day: DayContext, row: int, place: int, book: Book) -> dict[str, Any]:
    """The account's health after this close, as in schemas/account_health.avsc."""
    accounts, view = state.accounts, day.view
    level = view.level
    information = 7.0 * float(level.mean[place] * level.safe[place] / level.dispersion[place])
    drops = {f"min_drop_{7 * weeks}d": smallest_visible_drop(information, weeks, view.threshold) for weeks in (1, 2, 4)}
    health = health_of(state, row, float(day.previous_score[place]), int(day.previous_band[place]))
    return {
        "account_id": accounts.ids[row],
        "as_of": view.end_ms,
        "day": view.day,
        "scorecard": default.ID,
        "version": default.VERSION,
        "score": health["score"],
        "band": health["band"],
        "previous_band": health["previous_band"],
        "band_since": state.days.end_ms(int(accounts.band_since_day[row])),
        "coverage": round(float(day.score.coverage[place]), 4),
        "dimensions": _health_dimensions(day.score, place),
        "monitorability": drops,
        "provisional": bool(level.defined[place] and level.days[place] < 28),
        "context": context_record(book.context, view.end_ms, at_risk=NAMES[int(accounts.band[row])] == "red"),
        "owner": book.context.owner,
    }


def _health_dimensions(score: default.Score, place: int) -> list[dict[str, Any]]:
    weights = float(score.coverage[place] * default.TOTAL_WEIGHT)
    entries = []
    for dimension, reading in zip(default.DIMENSIONS, score.readings, strict=True):
        value = float(reading.value[place])
        present = bool(np.isfinite(value))
        entries.append(
            {
                "name": dimension.name,
                "group": dimension.group,
                "weight": dimension.weight,
                "value": round(value, 6) if present else None,
                "observed": optional(float(reading.observed[place])) if present else None,
                "expected": optional(float(reading.expected[place])) if present else None,
                "contribution": round(100.0 * dimension.weight * value / weights, 4) if present else None,
            }
        )
    return entries
