"""Answers of surveys in order of event time, each on the scale that its formula takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.books.signals import SURVEYS
from pipeline.portfolio.surveys import (
    Estimate,
    ces_by,
    ces_easy,
    ces_mean,
    csat_share,
    mean_score,
    nps,
    nps_by,
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
                found.append(Answer(row["occurred_at"], place_of[row["account_id"]], kind, moved, row["phase"]))
    for row in tickets:
        if row["csat"] is not None and row["account_id"] in place_of:
            found.append(Answer(row["occurred_at"], place_of[row["account_id"]], "csat", float(row["csat"]), "support"))
    return sorted(found, key=lambda answer: answer.at_ms)


def survey_figures(answers: Sequence[Answer]) -> Iterator[tuple[str, str | None, Estimate]]:
    """Every figure of some answers: its name, the touchpoint or phase if it is of one, and the estimate."""
    scores = {kind: [each.score for each in answers if each.kind == kind] for kind in SURVEYS}
    yield "nps", None, nps(scores["nps"])
    yield "csat", None, csat_share(scores["csat"])
    yield "csat_mean", None, mean_score(scores["csat"])
    yield "csat_above_3_5", None, share_above(scores["csat"])
    yield "ces", None, ces_mean(scores["ces"])
    yield "ces_easy", None, ces_easy(scores["ces"])
    for name, estimate in nps_by(_by_phase(answers, "nps")).items():
        yield "nps", name, estimate
    for name, estimate in ces_by(_by_phase(answers, "ces")).items():
        yield "ces", name, estimate


def _by_phase(answers: Sequence[Answer], kind: str) -> dict[str, list[float]]:
    phases: dict[str, list[float]] = {}
    for each in answers:
        if each.kind == kind and each.phase is not None:
            phases.setdefault(each.phase, []).append(each.score)
    return phases
