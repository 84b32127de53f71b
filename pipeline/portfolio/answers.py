"""Answers of surveys in order of event time, each on the scale that its formula takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.books.signals import SURVEYS
from pipeline.portfolio.surveys import (
    Estimate,
    ces_easy,
    ces_mean,
    change,
    csat_share,
    mean_score,
    nps,
    rescaled,
    share_above,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a survey."""

    at_ms: int
    account: int
    """Place in the list of accounts."""
    kind: str
    """nps, csat or ces."""
    score: float
    phase: str | None


def answers_of(
    signals: Sequence[Mapping[str, Any]], tickets: Sequence[Mapping[str, Any]], place_of: Mapping[str, int]
) -> list[Answer]:
    """Answers in signals (`type`, `score`, `scale`, `phase`) and tickets (`csat`); unknown scales are left out."""
    found = []
    for row in signals:
        kind, score = row["type"], row["score"]
        if kind in SURVEYS and score is not None and row["account_id"] in place_of:
            moved = rescaled(score, row["scale"] if row["scale"] is not None else SURVEYS[kind], SURVEYS[kind])
            if moved is not None:
                found.append(Answer(row["occurred_at"], place_of[row["account_id"]], kind, moved, row["phase"] or None))
    for row in tickets:
        if row["csat"] is not None and row["account_id"] in place_of:
            found.append(Answer(row["occurred_at"], place_of[row["account_id"]], "csat", float(row["csat"]), "support"))
    return sorted(found, key=lambda answer: answer.at_ms)


def survey_figures(answers: Sequence[Answer]) -> Iterator[tuple[str, str | None, Estimate]]:
    """Every figure of some answers: its name, the touchpoint or phase if it is of one, and the estimate.

    Of all answers first, then of each phase after which was asked, such as onboarding or support.
    """
    scores: dict[str | None, dict[str, list[float]]] = {None: {kind: [] for kind in SURVEYS}}
    for each in answers:
        for phase in {None, each.phase}:
            scores.setdefault(phase, {kind: [] for kind in SURVEYS})[each.kind].append(each.score)
    for phase in sorted(scores, key=lambda name: name or ""):
        for name, (kind, formula) in _FIGURES.items():
            yield name, phase, formula(scores[phase][kind])


def survey_changes(now: Sequence[Answer], before: Sequence[Answer]) -> Iterator[tuple[str, str | None, Estimate]]:
    """How the shares among some answers differ from those among earlier ones, of each touchpoint that both have."""
    usual = {(name, phase): each for name, phase, each in survey_figures(before)}
    for name, phase, each in survey_figures(now):
        if name in COMPARED and (name, phase) in usual:
            yield f"{name}_change", phase, change(each, usual[name, phase])


_FIGURES: dict[str, tuple[str, Callable[[Sequence[float]], Estimate]]] = {
    "nps": ("nps", nps),
    "csat": ("csat", csat_share),
    "csat_mean": ("csat", mean_score),
    "csat_above_3_5": ("csat", share_above),
    "ces": ("ces", ces_mean),
    "ces_easy": ("ces", ces_easy),
}
"""Which survey each figure is of, and its formula."""
COMPARED = ("nps", "csat", "ces_easy")
"""Figures that are shares, whose intervals are sound for few answers."""
