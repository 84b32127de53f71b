"""What explains an account's alerts on a closed day: dimensions, contributors, health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.alerts import Scene, change_pct, optional, state_of
from pipeline.bands import NAMES
from pipeline.benchmark import benchmark
from pipeline.detectors import (
    combined_evidence,
    feature_abandonment,
    levels,
    power_user_decline,
    ratios,
    role_decline,
    silence,
)
from pipeline.detectors.view import F64, Evaluator, Finding, View
from pipeline.evidence.power import MIN_POWER_USERS
from pipeline.hashing import U64
from pipeline.judging import Judgement, Verdict
from pipeline.scorecards.dimensions import dimension_of
from pipeline.scorecards.score import Score
from pipeline.state import State

_RATIOS = np.arange(0.0, 1.0, 0.0005)
_INFORMATION = np.where(_RATIOS > 0, _RATIOS * np.log(np.maximum(_RATIOS, 1e-300)), 0.0) + 1.0 - _RATIOS
"""Evidence per unit of expected count over dispersion for a drop to each ratio."""


@dataclass(slots=True)
class DayContext:
    """A view with everything that was computed on it."""

    view: View
    findings: Mapping[str, Finding]
    judgement: Judgement
    previous_primary: U64


def scene(state: State, day: DayContext, verdict: Verdict, row: int, place: int) -> Scene:
    """What surrounds the alerts of one account on this close, its health by one of its scorecards."""
    around = day_scene(state, day.view, place)
    return replace(
        around,
        dimensions=(*around.dimensions, *_criteria(verdict.score, place)),
        health=verdict_record(state, verdict, row, place),
        benchmark=benchmark(state.fleet, day.view, _segment(state, row), place),
    )


def _segment(state: State, row: int) -> str | None:
    belonging = state.accounts.belonging
    return belonging.segments.names[int(belonging.segment[row])]


def day_scene(state: State, view: View, place: int) -> Scene:
    """What surrounds the alerts of one account as of a day, without its health."""
    return Scene(
        window_start_ms=state.days.start_ms(view.day - 6),
        window_end_ms=view.end_ms,
        dimensions=tested_dimensions(view, place),
        baseline_days=int(view.level.days[place]),
        provisional=bool(view.level.provisional[place]),
    )


def verdict_record(state: State, verdict: Verdict, row: int, place: int) -> dict[str, Any]:
    """A scorecard's verdict on an account, as alerts show it."""
    band, previous_band = verdict.bands_at(state, row, place)
    return {
        "scorecard": verdict.card.id,
        "version": verdict.card.version,
        "score": optional(float(state.accounts.standings.score[verdict.slot, row])),
        "previous_score": optional(float(verdict.previous_score[place])),
        "band": NAMES[band],
        "previous_band": NAMES[previous_band],
    }


def tested_dimensions(view: View, place: int) -> list[dict[str, Any]]:
    """What detectors say of one account, flat dimensions too; each one's part in the combined evidence."""
    weighed = [(detector, weight, view.finding(detector)) for detector, weight in combined_evidence.COMPONENTS]
    parts = np.array([finding.surest[place] + np.log(weight) for _, weight, finding in weighed])
    shares = np.exp(parts - np.logaddexp.reduce(parts)) if np.isfinite(parts).any() else np.zeros(len(parts))
    entries = [
        _tested(detector.DIMENSION, weight, finding, place)
        | {"evidence": optional(_evidence(view, detector, place)), "contribution_pct": round(100.0 * float(share), 2)}
        for (detector, weight, finding), share in zip(weighed, shares, strict=True)
        if _speaks(view, detector.KIND, finding, place)
    ]
    alone = [(detector, view.finding(detector)) for detector in (*ratios.DETECTORS, role_decline, silence)]
    return entries + [
        _tested(detector.DIMENSION, 0, finding, place)
        for detector, finding in alone
        if finding.evidence[place] >= combined_evidence.SPEAKING
    ]


def _evidence(view: View, detector: Evaluator, place: int) -> float:
    """Of values off their level as found; of the others it is computed only here, where it is shown."""
    if isinstance(detector, levels.LevelDetector):
        return detector.evidence_at(view, place)
    return float(view.finding(detector).evidence[place])


def _criteria(score: Score, place: int) -> list[dict[str, Any]]:
    """What the scorecard reads of one account; each criterion's points of the score."""
    entries = []
    weights = score.weights[place]
    for criterion, reading in zip(score.card.criteria, score.readings, strict=True):
        value = float(reading.value[place])
        if not np.isfinite(value):
            continue
        observed = float(reading.observed[place])
        moves = dimension_of(criterion.dimension).moves
        expected = float(reading.expected[place]) if moves else np.nan
        entries.append(
            {
                "name": criterion.dimension,
                "observed": optional(observed),
                "expected": optional(expected),
                "change_pct": change_pct(observed, expected),
                "evidence": None,
                "weight": criterion.weight,
                "contribution_pct": round(100.0 * criterion.weight * value / float(weights), 2),
                "state": state_of(observed, expected),
            }
        )
    return entries


def _speaks(view: View, kind: str, finding: Finding, place: int) -> bool:
    """Whether there is anything to say of what a kind judges, flat or not."""
    if kind == power_user_decline.KIND:
        return bool(view.power.count[place] >= MIN_POWER_USERS)
    return bool(finding.expected[place] > 0 or finding.observed[place] > 0)


def _tested(name: str, weight: int, finding: Finding, place: int) -> dict[str, Any]:
    observed, expected = float(finding.observed[place]), float(finding.expected[place])
    if name == feature_abandonment.DIMENSION:
        # Told as the features that are still used, like every dimension of which less is worse.
        observed = expected - observed
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


def smallest_visible_drops(week_information: F64, weeks: int, threshold: float) -> F64:
    """The smallest relative drop that raises within so many weeks; NaN where even silence does not.

    `week_information` is the expected weekly count over its dispersion. Source: the growth rate of the e-detector,
    `(W/φ)(ρ ln ρ + 1 − ρ)` a week.
    """
    needed = threshold / np.maximum(week_information * weeks, 1e-300)
    # Information falls as the remaining ratio rises, so the table is searched from its end.
    place = len(_INFORMATION) - np.searchsorted(_INFORMATION[::-1], needed) - 1
    return np.where(place >= 0, 1.0 - _RATIOS[np.maximum(place, 0)], np.nan)
