"""The default scorecard: eight dimensions, each 0…1 or missing, with weights 1–5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.detectors.view import View

F64 = npt.NDArray[np.float64]
OVERDUE_MS = 3 * 86_400_000
"""An unpaid invoice counts as overdue this long after it was due."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One dimension of each account: its value in 0…1 (NaN when missing) and the figures behind it."""

    value: F64
    observed: F64
    expected: F64


@dataclass(frozen=True, slots=True)
class Dimension:
    """One criterion of a scorecard."""

    name: str
    group: str
    weight: int
    read: Callable[[View], Reading]
    moves: bool = False
    """Whether what is expected is the account's own past, so that the dimension can be said to be down or up."""


@dataclass(frozen=True, slots=True)
class Score:
    """The scorecard's result for each account of a view."""

    score: F64
    """0…100, one decimal; NaN when no dimension is present."""
    coverage: F64
    readings: tuple[Reading, ...]


def _trend(ratio: F64, present: npt.NDArray[np.bool_]) -> F64:
    return np.where(present, np.clip((ratio - 0.4) / 0.6, 0.0, 1.0), np.nan)


def _usage_trend(view: View) -> Reading:
    observed = view.total("actions", view.day - 27, view.day) / 1000.0
    expected = 28.0 * view.level.mean
    present = view.level.judged
    return Reading(_trend(observed / np.where(present, expected, 1.0), present), observed, expected)


def _active_users(view: View) -> Reading:
    mean = view.users.days_base / np.maximum(view.level.days, 1)
    present = view.level.judged & (view.users.days_base > 0)
    observed = view.users.days_28.astype(np.float64)
    expected = 28.0 * mean
    return Reading(_trend(observed / np.where(present, expected, 1.0), present), observed, expected)


def _seat_utilisation(view: View) -> Reading:
    seats = view.accounts.seats[view.rows].astype(np.float64)
    users = view.users.active_28.astype(np.float64)
    value = np.where(seats > 0, np.clip(users / (0.8 * np.maximum(seats, 1.0)), 0.0, 1.0), np.nan)
    return Reading(value, users, seats)


def _feature_breadth(view: View) -> Reading:
    now = view.features.active_28.astype(np.float64)
    before = view.features.active_before.astype(np.float64)
    present = view.level.judged & (before > 0)
    value = np.where(present, np.clip(now / np.maximum(before, 1.0), 0.0, 1.0), np.nan)
    return Reading(value, now, before)


def _support(view: View) -> Reading:
    p1 = view.accounts.open_p1[view.rows].astype(np.float64)
    tickets = view.accounts.open_tickets[view.rows].astype(np.float64)
    value = np.maximum(0.0, 1.0 - 0.25 * p1 - 0.1 * np.maximum(0.0, tickets - 2.0))
    return Reading(np.where(view.accounts.tickets_seen[view.rows], value, np.nan), tickets, np.zeros(len(view)))


def _billing(view: View) -> Reading:
    accounts, rows = view.accounts, view.rows
    failed = accounts.failed_unpaid[rows].astype(np.float64)
    overdue = accounts.overdue_flagged[rows] | (accounts.first_due_ms[rows] + OVERDUE_MS <= view.end_ms)
    value = np.where(accounts.cancelled[rows], 0.0, 1.0 - 0.5 * failed - 0.5 * overdue)
    return Reading(np.where(accounts.billing_seen[rows], value, np.nan), failed + overdue, np.zeros(len(view)))


def _sentiment(view: View) -> Reading:
    accounts, rows = view.accounts, view.rows
    pulse = np.where(accounts.pulse_until_ms[rows] > view.end_ms, accounts.pulse[rows], np.nan)
    survey = np.where(accounts.survey_until_ms[rows] > view.end_ms, accounts.survey[rows], np.nan)
    both = (pulse + survey) / 2.0
    value = np.where(np.isnan(pulse), survey, np.where(np.isnan(survey), pulse, both))
    return Reading(value, value, np.ones(len(view)))


def _engagement(view: View) -> Reading:
    touches = view.total("touches", view.day - 83, view.day).astype(np.float64)
    value = np.where(view.accounts.signals_seen[view.rows], np.clip(touches / 3.0, 0.0, 1.0), np.nan)
    return Reading(value, touches, np.full(len(view), 3.0))


ID = "default"
VERSION = 1
DIMENSIONS: tuple[Dimension, ...] = (
    Dimension("usage_trend", "product", 5, _usage_trend, moves=True),
    Dimension("active_users", "product", 4, _active_users, moves=True),
    Dimension("seat_utilisation", "product", 3, _seat_utilisation),
    Dimension("feature_breadth", "product", 3, _feature_breadth, moves=True),
    Dimension("support", "relationship", 4, _support),
    Dimension("billing", "relationship", 5, _billing),
    Dimension("sentiment", "relationship", 3, _sentiment),
    Dimension("engagement", "relationship", 2, _engagement),
)
TOTAL_WEIGHT = sum(dimension.weight for dimension in DIMENSIONS)


def evaluate(view: View) -> Score:
    """Weighted mean of the dimensions that are present, times 100; their share of the weight is the coverage."""
    readings = tuple(dimension.read(view) for dimension in DIMENSIONS)
    points = np.zeros(len(view))
    weights = np.zeros(len(view))
    for dimension, reading in zip(DIMENSIONS, readings, strict=True):
        present = ~np.isnan(reading.value)
        points += np.where(present, dimension.weight * reading.value, 0.0)
        weights += dimension.weight * present
    known = weights > 0
    exact = np.where(known, 100.0 * points / np.where(known, weights, 1.0), np.nan)
    return Score(np.rint(10.0 * exact) / 10.0, weights / TOTAL_WEIGHT, readings)
