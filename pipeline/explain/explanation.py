"""What explains an account's alerts on a closed day: dimensions, contributors, health."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.alerts.lifecycle import Change
from pipeline.alerts.records import TIME, Explanation, change_pct, optional, state_of
from pipeline.books.book import Episode
from pipeline.detectors import COMBINED, DETECTORS
from pipeline.detectors.combined_evidence import SPEAKING
from pipeline.detectors.levels import LevelDetector
from pipeline.detectors.power_users import power_user_decline
from pipeline.detectors.shares import feature_abandonment
from pipeline.evidence.power import MIN_POWER_USERS
from pipeline.evidence.view import Evaluator, Finding, View
from pipeline.explain.benchmark import benchmark
from pipeline.explain.contributors import contributors
from pipeline.health.dimensions import dimension_of
from pipeline.health.judging import JudgedView, Verdict
from pipeline.health.score import Score
from pipeline.kinds import KNOWN
from pipeline.scorecards.bands import NAMES
from pipeline.state.state import State
from pipeline.terms.arrays import F64, Bools, Places
from pipeline.terms.kind import Kind, surprise

_TOLD = sorted((detector for detector in DETECTORS if detector.KIND.told), key=lambda detector: detector.KIND.told)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an account's episode on a close; how it is explained is the same for all steps of a block."""

    row: int
    place: int
    verdict: Verdict
    """The scorecard that the alert shows."""
    episode: Episode
    """As the step left it."""
    change: Change


def alert_records(state: State, judged: JudgedView, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The alert records of a close's steps, in their order."""
    if not steps:
        return []
    around = explanations(state, judged.view, np.array(sorted({step.place for step in steps}), dtype=np.intp))
    explained: dict[tuple[int, int], Explanation] = {}
    records = []
    for step in steps:
        key = step.verdict.slot, step.place
        if key not in explained:
            explained[key] = _with_health(state, judged, around[step.place], step)
        kind = KNOWN[step.episode.kind]
        explanation = told_with(explained[key], state, step.row, judged.view.day, step.episode)
        account_id, book = state.accounts.ids[step.row], state.accounts.books[step.row]
        records.append(
            state.alerting.record(kind, account_id, book, step.episode, step.change, explanation, judged.view.day)
        )
    return records


def told_with(around: Explanation, state: State, row: int, day: int, episode: Episode) -> Explanation:
    """What surrounds an alert with what it says of its own: whom it names, and what has followed."""
    named = contributors(state, row, day, KNOWN[episode.kind], episode.who)
    return replace(around, contributors=named, joined=[KNOWN[name].joins for name in episode.joined])


def _with_health(state: State, judged: JudgedView, around: Explanation, step: Step) -> Explanation:
    return replace(
        around,
        dimensions=(*around.dimensions, *_criteria(step.verdict.score, step.place)),
        health=verdict_record(state, step.verdict, step.row, step.place),
        benchmark=benchmark(state.fleet, judged.view, _segment(state, step.row), step.place),
    )


def _segment(state: State, row: int) -> str | None:
    belonging = state.accounts.belonging
    return belonging.segments.names[int(belonging.segment[row])]


def explanations(state: State, view: View, places: Places) -> dict[int, Explanation]:
    """What surrounds the alerts of the accounts at some places as of a day, without their health."""
    days, provisional = view.level.days[places].tolist(), view.level.provisional[places].tolist()
    start_ms = state.days.start_ms(view.day - 6)
    found = zip(places.tolist(), tested_dimensions(view, places), days, provisional, strict=True)
    return {
        place: Explanation(start_ms, view.end_ms, dimensions, baseline_days=baseline_days, provisional=young)
        for place, dimensions, baseline_days, young in found
    }


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


def tested_dimensions(view: View, places: Places) -> list[list[dict[str, Any]]]:
    """What detectors say of each account, flat dimensions too; each one's part in the combined evidence."""
    dimensions: list[list[dict[str, Any]]] = [[] for _ in places]
    parts = COMBINED.parts(view)[:, places]
    known = np.isfinite(parts).any(axis=0)
    shares = np.exp(parts - np.where(known, np.logaddexp.reduce(parts, axis=0), np.inf))
    for detector, share in zip(COMBINED.components, shares, strict=True):
        finding = view.finding(detector)
        chosen = np.flatnonzero(_speaks(view, detector, finding, places))
        if not len(chosen):
            continue
        evidence = _evidence(view, detector, places[chosen])
        told = _tested(detector.KIND, finding, places[chosen], evidence)
        for number, entry, part in zip(chosen.tolist(), told, share[chosen].tolist(), strict=True):
            dimensions[number].append(entry | {"contribution_pct": round(100.0 * part, 2)})
    for detector in _TOLD:
        finding = view.finding(detector)
        evidence = finding.evidence[places]
        if detector.KIND.evidence == "probability":
            evidence = np.array([surprise(each) for each in evidence.tolist()])
        chosen = np.flatnonzero(evidence >= SPEAKING)
        told = _tested(detector.KIND, finding, places[chosen], evidence[chosen])
        for number, entry in zip(chosen.tolist(), told, strict=True):
            dimensions[number].append(entry)
    return dimensions


def _evidence(view: View, detector: Evaluator, places: Places) -> F64:
    """Of values off their level as found; of the others it is computed only here, where it is shown."""
    if isinstance(detector, LevelDetector):
        return detector.evidence_of(view, places)
    return view.finding(detector).evidence[places]


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


def _speaks(view: View, detector: Evaluator, finding: Finding, places: Places) -> Bools:
    """Whether there is anything to say of what a kind judges, flat or not."""
    if detector is power_user_decline:
        return np.asarray(view.power.count[places] >= MIN_POWER_USERS)
    return np.asarray((finding.expected[places] > 0) | (finding.observed[places] > 0))


def _tested(kind: Kind, finding: Finding, places: Places, evidence: F64) -> Iterator[dict[str, Any]]:
    observed, expected = finding.observed[places], finding.expected[places]
    if kind is feature_abandonment.KIND:
        # Told as the features that are still used, like every dimension of which less is worse.
        observed = expected - observed
    for seen, usual, surety in zip(observed.tolist(), expected.tolist(), evidence.tolist(), strict=True):
        state = state_of(seen, usual)
        if kind.unit in TIME:
            # Days without activity: more of them is less of it.
            state = {"up": "down", "down": "flat"}.get(state, state)
        yield {
            "name": kind.dimension,
            "observed": optional(seen),
            "expected": optional(usual),
            "change_pct": None if kind.unit in TIME else change_pct(seen, usual),
            "evidence": optional(surety),
            "weight": kind.weight,
            "contribution_pct": None,
            "state": state,
        }
