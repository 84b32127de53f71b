"""What was foretold of accounts against what happened to them: how likely each outcome was said to be, by layer."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.fleet.outlook import QUARTER
from pipeline.portfolio.renewals import Renewal, forecast, part_within
from pipeline.portfolio.surveys import wilson
from pipeline.scoring.judged import Outcome
from pipeline.scoring.panel import Panel
from pipeline.scoring.protocol import WEEK_MS, Protocol
from pipeline.terms.arrays import F64, Bools
from schemas.topics import DAY_MS

KINDS = {"churn": "churned", "contraction": "contracted", "expansion": "expanded"}
"""Labels by what is foretold."""
IN_FORCE = "in force"
EVERY_WEEKS = 4
FRESH_WEEKS = 4
"""What is foretold is not older when it is looked at, and the account not unused for longer."""
BINS = 10
LEAST = 1e-4
"""A probability is taken to be no nearer to 0 or 1, as it is told in so many digits."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """What was told of an account's outlook."""

    account_id: str
    at_ms: int
    outlook: Mapping[str, Any]

    @classmethod
    def of(cls, health: Iterable[Mapping[str, Any]]) -> list[Foretold]:
        """Those of some records of account.health."""
        return [cls(each["account_id"], each["as_of"], each["outlook"]) for each in health if each["outlook"]]


@dataclass(frozen=True, slots=True)
class OfLayer:
    """How well a layer foretold an outcome; a base rate is the share that happened, known in hindsight."""

    layer: str
    snapshots: int
    happened: int
    mean: float
    auc: float | None
    brier: float
    brier_of_base: float
    log_loss: float
    log_loss_of_base: float


@dataclass(frozen=True, slots=True)
class Tenth:
    """A tenth of the snapshots, by probability in force: what was foretold and what happened."""

    snapshots: int
    foretold: float
    happened: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class OutcomeForetold:
    """One outcome."""

    outcome: str
    layers: list[OfLayer]
    tenths: list[Tenth]
    quarters: int
    """Quarters of which the number was forecast, of those that are watched at their start."""
    covered: int
    """Of these, those whose number lay within the bounds that are said to hold nine times of ten."""
    held: float
    """Mean part of the number that lay within them (P9): nine tenths if they are right, however small it is."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    week: int
    chance: Mapping[str, Any]
    happened: bool


def foretold(
    told: Sequence[Foretold], outcomes: Sequence[Outcome], panel: Panel, protocol: Protocol, *, declared: bool
) -> list[OutcomeForetold]:
    """Score what was told, every four weeks, of accounts that are watched and in use.

    Args:
        told: in order of time.
        outcomes: what happened.
        panel: which accounts were watched when.
        protocol: the rules.
        declared: whether churn is known at once, not only once an account was silent for long.
    """
    pending = QUARTER * DAY_MS + (0 if declared else protocol.silent_weeks * WEEK_MS)
    weeks = range(EVERY_WEEKS - 1, panel.weeks, EVERY_WEEKS)
    judged = [week for week in weeks if panel.base_ms + (week + 1) * WEEK_MS <= panel.end_ms - pending]
    of_account: dict[str, list[Foretold]] = {}
    for each in told:
        of_account.setdefault(each.account_id, []).append(each)
    found = []
    for name, kind in KINDS.items():
        happened = _times(outcomes, kind)
        snapshots = [
            snapshot
            for account_id, records in of_account.items()
            for snapshot in _snapshots(account_id, records, name, happened, panel, judged)
        ]
        if snapshots:
            found.append(_scored(name, sorted(snapshots, key=lambda each: each.week)))
    return found


def _times(outcomes: Sequence[Outcome], kind: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for each in outcomes:
        if each.kind == kind:
            found.setdefault(each.account_id, []).append(each.at_ms)
    return {account_id: sorted(times) for account_id, times in found.items()}


def _snapshots(
    account_id: str,
    records: Sequence[Foretold],
    name: str,
    happened: Mapping[str, Sequence[int]],
    panel: Panel,
    judged: Sequence[int],
) -> Iterable[_Snapshot]:
    times = [each.at_ms for each in records]
    for week in judged:
        at_ms = panel.base_ms + (week + 1) * WEEK_MS
        last = bisect_right(times, at_ms) - 1
        watched = panel.is_watched(account_id, at_ms) and panel.is_used(account_id, at_ms, FRESH_WEEKS)
        if not watched or last < 0 or times[last] < at_ms - FRESH_WEEKS * WEEK_MS:
            continue
        came = _within(happened.get(account_id, ()), at_ms + 1, at_ms + QUARTER * DAY_MS)
        yield _Snapshot(week, records[last].outlook[name], came)


def _within(times: Sequence[int], first: int, end: int) -> bool:
    return bisect_left(times, first) < bisect_left(times, end)


def _scored(name: str, snapshots: Sequence[_Snapshot]) -> OutcomeForetold:
    happened = np.array([each.happened for each in snapshots])
    columns = {IN_FORCE: np.array([each.chance["probability"] for each in snapshots])}
    for layer in ("stated", "fleet", "learned"):
        columns[layer] = np.array([each.chance["layers"].get(layer, np.nan) for each in snapshots])
    layers = [_of_layer(layer, column, happened) for layer, column in columns.items() if not np.isnan(column).all()]
    starts = _apart(sorted({each.week for each in snapshots}))
    found = [_held([each for each in snapshots if each.week == week]) for week in starts]
    covered, held = sum(hit for hit, _ in found), float(np.mean([part for _, part in found]))
    return OutcomeForetold(name, layers, _tenths(columns[IN_FORCE], happened), len(found), covered, held)


def _apart(weeks: Iterable[int]) -> Iterable[int]:
    """Those that are a quarter apart at least, so that no outcome counts for two."""
    last = -QUARTER
    for week in weeks:
        if 7 * (week - last) >= QUARTER:
            last = week
            yield week


def _held(snapshots: Sequence[_Snapshot]) -> tuple[bool, float]:
    """Whether the number of a quarter lay within its bounds, and which part of it did."""
    renewals = [Renewal(each.chance["probability"], each.chance["common_doubt"]) for each in snapshots]
    bounds, number = forecast(renewals), sum(not each.happened for each in snapshots)
    return bounds.low <= number <= bounds.high, part_within(renewals, number)


def _of_layer(layer: str, said: F64, came: Bools) -> OfLayer:
    known = ~np.isnan(said)
    chance, happened = np.clip(said[known], LEAST, 1.0 - LEAST), came[known]
    base = np.full(len(happened), np.clip(happened.mean(), LEAST, 1.0 - LEAST))
    brier, brier_of_base = (float(((each - happened) ** 2).mean()) for each in (chance, base))
    loss, loss_of_base = (float(-np.where(happened, np.log(each), np.log1p(-each)).mean()) for each in (chance, base))
    figures = (auc(happened, chance), brier, brier_of_base, loss, loss_of_base)
    return OfLayer(layer, len(happened), int(happened.sum()), float(chance.mean()), *figures)


def _tenths(chance: F64, happened: Bools) -> list[Tenth]:
    found = []
    for places in np.array_split(np.argsort(chance, kind="stable"), BINS):
        if len(places):
            share = wilson(int(happened[places].sum()), len(places))
            bounds = (share.value, share.low, share.high)
            found.append(Tenth(len(places), float(chance[places].mean()), int(happened[places].sum()), *bounds))
    return found


def auc(positive: Bools, risk: F64) -> float | None:
    """The probability that one of the positive is at a higher risk than one of the others."""
    positives = int(positive.sum())
    others = len(positive) - positives
    if not positives or not others:
        return None
    _values, places, counts = np.unique(risk, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[places]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2.0) / (positives * others))
