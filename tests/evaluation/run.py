"""The whole evaluation: what is measured, on how much, and the figures as plain JSON types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.evaluation import cells, histories, people, roles, steps, streams
from tests.evaluation.budget import FalseAlerts
from tests.evaluation.gates import Gate, gates
from tests.evaluation.steps import Recall
from tests.evaluation.streams import Streams

PARTS = ("cells", "people", "roles", "histories", "steps", "streams")
_SEED = 1


@dataclass(frozen=True, slots=True)
class Size:
    """How much is drawn."""

    account_years: float
    """A cell of false alerts, at least."""
    accounts: int
    """A scenario of recall."""
    compared: int
    """Accounts of each on which the other methods are measured."""
    streams: streams.Size


FULL = Size(2000.0, 2000, 250, streams.Size(3, 300, 250, 9))
QUICK = Size(100.0, 400, 20, streams.Size(1, 120, 150, 3))


@dataclass(slots=True)
class Evaluation:
    """Everything that was measured."""

    size: Size
    false_alerts: list[FalseAlerts] = field(default_factory=list)
    recalls: list[Recall] = field(default_factory=list)
    streams: Streams = field(default_factory=Streams)


def evaluate(size: Size, parts: Sequence[str], tell: Callable[[str], None]) -> Evaluation:
    """Measure the parts; `tell` is told what is being done."""
    result = Evaluation(size)
    if "cells" in parts:
        result.false_alerts += cells.false_alerts(size.account_years, _SEED, size.compared, tell=tell)
    if "people" in parts:
        result.false_alerts += people.false_alerts(size.account_years, _SEED, tell)
        result.recalls += people.recalls(size.accounts, _SEED, tell)
    if "roles" in parts:
        result.false_alerts += roles.false_alerts(size.account_years, _SEED, tell)
        result.recalls += roles.recalls(size.accounts, _SEED, tell)
    if "histories" in parts:
        result.false_alerts += histories.false_alerts(size.account_years, _SEED, tell)
        result.recalls += histories.recalls(size.accounts, _SEED, tell)
    if "steps" in parts:
        result.recalls += steps.recalls(size.accounts, _SEED, size.compared, tell)
    if "streams" in parts:
        result.streams = streams.measure(size.streams, _SEED, tell)
    return result


def as_document(evaluation: Evaluation) -> dict[str, Any]:
    """The figures, rounded, as JSON types."""
    return {
        "size": asdict(evaluation.size),
        "gates": [_gate(gate) for gate in gates(evaluation.false_alerts, evaluation.recalls, evaluation.streams.quiet)],
        "false_alerts": [_false_alerts(cell) for cell in evaluation.false_alerts],
        "recalls": [_rounded(asdict(recall)) for recall in evaluation.recalls],
        "found": [_rounded(asdict(row)) for row in evaluation.streams.found],
        "quiet": [asdict(row) for row in evaluation.streams.quiet],
        "calm": [_rounded(asdict(row)) for row in evaluation.streams.calm],
    }


def _gate(gate: Gate) -> dict[str, Any]:
    return _rounded(asdict(gate) | {"passed": gate.passed})


def _false_alerts(cell: FalseAlerts) -> dict[str, Any]:
    derived = {name: getattr(cell, name) for name in ("per_year", "upper_per_year", "budget_per_year")}
    return _rounded(asdict(cell) | derived)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in row.items()}
