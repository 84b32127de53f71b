"""The whole evaluation: what is measured, on how much, and the figures as plain JSON types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from itertools import repeat
from multiprocessing import get_context
from typing import Any

from tests.evaluation import budgets, cells, data, feeds, histories, outcomes, people, roles, steps
from tests.evaluation.budget import FalseAlerts
from tests.evaluation.budgets import Budget, Calm, Found
from tests.evaluation.data import OnData, Ranked
from tests.evaluation.feeds import Feed
from tests.evaluation.gates import gates
from tests.evaluation.outcomes import Declines, Heard, Outcome
from tests.evaluation.steps import Recall
from tests.evaluation.task import Size, Task, of

PARTS: Mapping[str, Callable[[Size], Sequence[Task]]] = {
    "data": data.tasks,
    "budgets": budgets.tasks,
    "outcomes": outcomes.tasks,
    "feeds": feeds.tasks,
    "steps": steps.tasks,
    "cells": cells.tasks,
    "people": people.tasks,
    "roles": roles.tasks,
    "histories": histories.tasks,
}
"""What takes long comes first, so that no core is left alone with it."""


def evaluate(size: Size, parts: Sequence[str], jobs: int, tell: Callable[[str], None]) -> list[object]:
    """Measure the parts in so many processes; `tell` is told what is done. Gives the rows of the result."""
    places = [(part, number) for part in PARTS if part in parts for number in range(len(PARTS[part](size)))]
    rows: list[object] = []
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for says, own in pool.map(_measured, repeat(size), places):
            tell(says)
            rows += own
    heard = of(rows, Heard)
    return [row for row in rows if not isinstance(row, Heard)] + [*outcomes.outcomes(heard)]


def _measured(size: Size, place: tuple[str, int]) -> tuple[str, list[object]]:
    part, number = place
    task = PARTS[part](size)[number]
    return task.says, [*task.measure()]


def as_document(size: Size, rows: Sequence[object]) -> dict[str, Any]:
    """The figures, rounded, as JSON types."""
    document = {
        "size": asdict(replace(size, data=None)),
        "gates": [asdict(gate) | {"passed": gate.passed} for gate in gates(rows)],
        "false_alerts": [_false_alerts(cell) for cell in of(rows, FalseAlerts)],
        "recalls": [asdict(row) for row in of(rows, Recall)],
        "budgets": [asdict(row) for row in of(rows, Budget)],
        "found": [asdict(row) for row in of(rows, Found)],
        "calm": [asdict(row) for row in of(rows, Calm)],
        "outcomes": [asdict(row) for row in of(rows, Outcome)],
        "declines": [asdict(row) for row in of(rows, Declines)],
        "feeds": [asdict(row) for row in of(rows, Feed)],
        "data": [asdict(row) for row in of(rows, OnData)],
        "ranked": [asdict(row) for row in of(rows, Ranked)],
    }
    return {name: _rounded(value) for name, value in document.items()}


def _false_alerts(cell: FalseAlerts) -> dict[str, Any]:
    derived = {name: getattr(cell, name) for name in ("per_year", "upper_per_year", "budget_per_year")}
    return asdict(cell) | derived


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case list():
            return [_rounded(one) for one in value]
    return value
