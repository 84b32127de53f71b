"""Sets of event files with outcomes: what the product makes of them at each budget, beside other methods with as many
false alarms, and how well health ranks those who leave.

The rules are those of a backtest, on the weekly axis. Other methods are set in hindsight, the product is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from agents.backtest.run import Alert, replay, told
from agents.eventfiles.files import LABELS_FILE
from pipeline.config import EngineConfig
from pipeline.scorecards.bands import NAMES
from pipeline.scoring.detection import Detection
from pipeline.scoring.foretold import auc
from pipeline.scoring.protocol import GAINS, LOSSES, WEEK_MS
from pipeline.terms.arrays import F64, I64, Bools
from pipeline.terms.records import Outcome as Produced
from tests.evaluation.budgets import SEEN_AT_MS, Budget, asked, is_fact, is_lead
from tests.evaluation.learnt import boosted
from tests.evaluation.others import WEEKLY, Method, deviations, tuned
from tests.evaluation.sets import HORIZON_WEEKS, DataSet, trailing
from tests.evaluation.steps import OURS
from tests.evaluation.task import Size, Task

STATISTICAL = f"{OURS}, without facts"
BOOSTED = "gradient boosting, trained on the set's own past"
SNAPSHOT_WEEKS = 4


@dataclass(frozen=True, slots=True)
class OnData:
    """How a method did on one set."""

    set: str
    method: str
    down: Mapping[str, Any]
    """Alerts of risk against churn and contraction: figures of `pipeline.scoring.detection`."""
    up: Mapping[str, Any] | None
    """Alerts of expansion against expansion, of methods that have them."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """How health ranks churn within a quarter, every four weeks, among accounts that are watched and still active."""

    set: str
    snapshots: int
    churns: int
    """Snapshots with a churn ahead."""
    auc: Mapping[str, float | None]
    weeks: Mapping[str, float]
    """Share of the watched weeks by band."""
    churn_ahead: Mapping[str, float | None]
    """Of the weeks of each band, the share with a churn within a quarter."""


class Health:
    """The last score and band told of each account by the end of each week."""

    def __init__(self, data: DataSet) -> None:
        self._panel = data.panel
        shape = data.panel.weeks, len(data.account_ids)
        self._last = np.full(shape, -1, dtype=np.int64)
        self._scores: list[float] = []
        self._bands: list[int] = []

    def keep(self, produced: Produced) -> None:
        """What a batch has told."""
        for record in produced.health:
            row = self._panel.row_of.get(record["account_id"])
            week = max(0, -(-(record["as_of"] - self._panel.base_ms) // WEEK_MS) - 1)
            if row is not None and week < self._panel.weeks:
                self._last[week, row] = len(self._scores)
                self._scores.append(np.nan if record["score"] is None else record["score"])
                self._bands.append(NAMES.index(record["band"]))

    def by_week(self) -> tuple[F64, I64]:
        """Scores and bands; NaN and −1 before anything was told."""
        last = np.maximum.accumulate(self._last, axis=0)
        scores, bands = np.array([*self._scores, np.nan]), np.array([*self._bands, -1])
        return scores[last], bands[last]


def tasks(size: Size) -> list[Task]:
    """Every set at every budget, the default with all methods; none without a folder."""
    if size.data is None:
        return []
    folders = [folder for folder in (size.data, *sorted(size.data.iterdir())) if (folder / LABELS_FILE).exists()]
    usual = EngineConfig().false_per_owner_per_week
    return [
        Task(f"{folder.name} at a budget of {budget:g}", partial(_measured, folder, budget))
        for budget in sorted(size.budgets, key=lambda each: each != usual)
        for folder in folders
    ]


def _measured(folder: Path, per_owner_week: float) -> Iterator[object]:
    data = DataSet.of(folder)
    config, health = EngineConfig(false_per_owner_per_week=per_owner_week), Health(data)
    replayed = replay(data.files, config, seen_at_ms=SEEN_AT_MS, on_outcome=health.keep)
    alerts = [alert for alert in told(replayed.alerts) if is_lead(alert)]
    of_all, of_statistical = (
        _ours(data, each) for each in (alerts, [one for one in alerts if not is_fact(one["kind"])])
    )
    yield _budget(data, per_owner_week, alerts, of_all, of_statistical)
    if config == EngineConfig():
        for method, (down, up) in ((OURS, of_all), (STATISTICAL, of_statistical)):
            yield _on_data(data, method, down, up)
        scores = boosted(data)
        yield from _others(data, scores, of_all, asked(per_owner_week))
        yield _ranked(data, health, scores)


def _ours(data: DataSet, alerts: Sequence[Alert]) -> tuple[Detection, Detection]:
    down, up = ([alert for alert in alerts if alert["family"] == family] for family in ("risk", "expansion"))
    return data.figures(down, LOSSES), data.figures(up, GAINS)


def _budget(
    data: DataSet,
    per_owner_week: float,
    alerts: Sequence[Alert],
    of_all: tuple[Detection, Detection],
    of_statistical: tuple[Detection, Detection],
) -> Budget:
    got, every = (
        sum(each.false_alarms_per_account_quarter or 0.0 for each in pair) for pair in (of_statistical, of_all)
    )
    down = of_all[0]
    found = down.churns * (down.churn_recall or 0.0) + down.shifts * (down.shift_recall or 0.0)
    return Budget(
        data.name,
        per_owner_week,
        asked(per_owner_week),
        got,
        every - got,
        down.account_quarters,
        down.churns + down.shifts,
        round(found),
        dict(Counter(alert["kind"] for alert in alerts).most_common()),
    )


def _others(data: DataSet, scores: F64, ours: tuple[Detection, Detection], allowed: float) -> Iterator[OnData]:
    """Each with the product's false alarms, and with those that were asked for."""
    usage = data.usage()
    ranks = np.full(scores.shape, np.nan)
    known = ~np.isnan(scores)
    ranks[known] = np.argsort(np.argsort(scores[known])) / max(1, known.sum())
    methods = {**WEEKLY, BOOSTED: Method(lambda _counts, limit: ranks >= limit, 1.01, 0.0)}
    up = Method(lambda counts, limit: deviations(counts, 4, 13) >= limit, 30.0, 0.0)
    for at, rates in (("as many", tuple(_rate(each) for each in ours)), ("as asked", (allowed, allowed))):
        for name, method in methods.items():
            rises = _set(data, up, usage, GAINS, rates[1]) if name == "4 weeks against 13, z" else None
            yield _on_data(data, f"{name}; {at}", _set(data, method, usage, LOSSES, rates[0]), rises)


def _set(data: DataSet, method: Method, usage: F64, kinds: Sequence[str], rate: float) -> Detection:
    """The figures of a method that has so many false alarms at most."""

    def figures(setting: float) -> Detection:
        return data.figures_of(method.raised(usage, setting), kinds)

    return figures(tuned(method.quiet, method.loud, lambda setting: _rate(figures(setting)), rate))


def _rate(detection: Detection) -> float:
    return detection.false_alarms_per_account_quarter or 0.0


_FIGURES = (
    "churns", "churn_recall", "churn_recall_early", "random_churn_recall", "random_churn_recall_early",
    "shifts", "shift_recall", "random_shift_recall", "false_alarms_per_account_quarter", "alerts",
)  # fmt: skip


def _on_data(data: DataSet, method: str, down: Detection, up: Detection | None) -> OnData:
    own, rises = ({name: getattr(each, name) for name in _FIGURES} if each else None for each in (down, up))
    return OnData(data.name, method, own or {}, rises)


def _ranked(data: DataSet, health: Health, learnt: F64) -> Ranked:
    scores, bands = health.by_week()
    usage, ahead, watched = data.usage(), data.churn_ahead(), data.panel.watched.T
    week = np.arange(data.panel.weeks)[:, None]
    asked_of = watched & (trailing(usage, SNAPSHOT_WEEKS) > 0) & (week < data.judged_weeks)
    asked_of &= week % SNAPSHOT_WEEKS == SNAPSHOT_WEEKS - 1
    known = asked_of & ~np.isnan(learnt)

    def area(rows: Bools, risk: F64) -> float | None:
        return auc(ahead[rows], risk[rows])

    # What is not known stands for the least risk, as in a list in which it does not appear.
    risk = np.where(np.isnan(scores), -100.0, -scores)
    level = -trailing(usage, HORIZON_WEEKS)
    judged = watched & (week < data.judged_weeks)
    by_band = {name: judged & (bands == number) for number, name in enumerate(NAMES)}
    return Ranked(
        data.name,
        int(asked_of.sum()),
        int(ahead[asked_of].sum()),
        {
            "health": area(asked_of, risk),
            "health where judged": area(asked_of & ~np.isnan(scores), risk),
            "use of 13 weeks": area(asked_of, level),
            "gradient boosting, where learnt": area(known, learnt),
            "health there": area(known, risk),
        },
        {name: float(watched[bands == number].sum() / watched.sum()) for number, name in enumerate(NAMES)},
        {name: float(ahead[rows].mean()) if rows.any() else None for name, rows in by_band.items()},
    )
