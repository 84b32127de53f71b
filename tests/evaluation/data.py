"""Sets of event files with outcomes: what the product makes of them at each budget, beside other methods with as many
false alarms, and how well health ranks those who leave.

The rules are those of a backtest (pipeline/scoring), on the weekly axis. Other methods are set in hindsight, the
product is not. A set may say in `params.json` after how many weeks an account counts as established or silent, whether
churn is declared, and where its time ends.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from agents.backtest.outcomes import Activity, outcomes_of
from agents.backtest.run import Alert, replay, told
from agents.eventfiles.files import LABELS_FILE, EventFiles, read_events, read_labels
from pipeline.config import EngineConfig
from pipeline.scorecards.bands import NAMES
from pipeline.scoring.detection import Detecting, Detection
from pipeline.scoring.judged import Outcome, first_of_runs
from pipeline.scoring.panel import Panel, panel_of
from pipeline.scoring.protocol import GAINS, LOSSES, WEEK_MS, Protocol
from pipeline.terms.arrays import F64, I64, Bools
from pipeline.terms.records import Outcome as Produced
from tests.evaluation.budgets import SEEN_AT_MS, Budget, asked, is_fact, is_lead
from tests.evaluation.others import WEEKLY, Method, deviations, gaps, tuned
from tests.evaluation.steps import OURS
from tests.evaluation.task import Size, Task

STATISTICAL = f"{OURS}, without facts"
BOOSTED = "gradient boosting, trained on the set's own past"
HORIZON_WEEKS = 13
SNAPSHOT_WEEKS = 4
_RETRAINED_WEEKS = 26
_LEAST_CHURNS = 10
"""That must be known before anything is learnt."""


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


@dataclass(frozen=True, slots=True)
class DataSet:
    """One set, read."""

    name: str
    files: EventFiles
    outcomes: Sequence[Outcome]
    protocol: Protocol
    panel: Panel
    account_ids: Sequence[str]

    @classmethod
    def of(cls, folder: Path) -> DataSet:
        """Read a folder."""
        params = folder / "params.json"
        given = json.loads(params.read_text(encoding="utf-8")) if params.exists() else {}
        scoring = given.get("scoring", {})
        names = {"est_win": "established_weeks", "est_min": "active_weeks", "silence": "silent_weeks"}
        protocol = Protocol(
            **{own: scoring[name] for name, own in names.items() if name in scoring},
            declared=given.get("declared_churn", False),
        )
        files = read_events(folder)
        outcomes = outcomes_of(read_labels(folder / LABELS_FILE), files)
        activity = Activity.of(files)
        used = activity.quantity > 0
        end = given.get("bounds", {}).get("end")
        ends_ms = {each.account_id: each.at_ms for each in outcomes if each.kind == "churned" and protocol.declared}
        panel = panel_of(
            activity.account_ids,
            activity.account[used],
            activity.occurred_at_ms[used],
            protocol,
            end_ms=None if end is None else int(np.datetime64(end, "ms").astype(np.int64)),
            ends_ms=ends_ms,
        )
        return cls(folder.name, files, outcomes, protocol, panel, activity.account_ids)

    def weekly(self, account_ids: pa.ChunkedArray, at_ms: I64, amounts: F64 | None = None) -> F64:
        """Sums, one row a complete week and one column an account."""
        codes = account_ids.combine_chunks().dictionary_encode()
        columns = np.array([self.panel.row_of.get(one, -1) for one in codes.dictionary.to_pylist()], dtype=np.int64)
        account, week = columns[codes.indices.to_numpy()], (at_ms - self.panel.base_ms) // WEEK_MS
        known = (account >= 0) & (week >= 0) & (week < self.panel.weeks)
        out = np.zeros((self.panel.weeks, len(self.account_ids)))
        np.add.at(out, (week[known], account[known]), 1.0 if amounts is None else amounts[known])
        return out

    def usage(self) -> F64:
        """Quantities used."""
        table = self.files.usage
        return self.weekly(table["account_id"], table["occurred_at"].to_numpy(), table["quantity"].to_numpy())

    def figures(self, alerts: Sequence[Alert], kinds: Sequence[str]) -> Detection:
        """Alerts against the outcomes of these kinds."""
        own = [each for each in self.outcomes if each.kind in kinds]
        return Detecting(own, self.panel, self.protocol).figures(first_of_runs(alerts, self.panel, self.protocol))

    def figures_of(self, raised: Bools, kinds: Sequence[str]) -> Detection:
        """Another method's: it alerts at the end of these watched weeks."""
        places = np.argwhere(raised & self.panel.watched.T).tolist()
        return self.figures(
            [
                {
                    "alert_id": "",
                    "account_id": self.account_ids[account],
                    "detected_at": self.panel.base_ms + (week + 1) * WEEK_MS,
                }
                for week, account in places
            ],
            kinds,
        )

    def churn_ahead(self) -> Bools:
        """Weeks, one row each, after which the account churns within a quarter."""
        ahead = np.zeros((self.panel.weeks, len(self.account_ids)), dtype=np.bool_)
        for each in self.outcomes:
            if each.kind == "churned" and each.account_id in self.panel.row_of:
                week = self.panel.week_of(each.at_ms)
                ahead[max(0, week - HORIZON_WEEKS) : max(0, week), self.panel.row_of[each.account_id]] = True
        return ahead

    @property
    def judged_weeks(self) -> int:
        """Weeks after which it is known who has churned within a quarter."""
        return max(0, self.panel.weeks - HORIZON_WEEKS - self.protocol.silent_weeks)


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


def boosted(data: DataSet) -> F64:
    """What is possible with learning: the probability of churn within a quarter, learnt anew every half a year.

    Learnt from weeks of which it was known by then what they were followed by; NaN until enough is known.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    features, churns, watched = _features(data), data.churn_ahead(), data.panel.watched.T
    unknown = HORIZON_WEEKS + (0 if data.protocol.declared else data.protocol.silent_weeks)
    scores = np.full(watched.shape, np.nan)
    for first in range(0, data.panel.weeks, _RETRAINED_WEEKS):
        past = watched[: max(0, first - unknown)]
        learnt = churns[: len(past)][past]
        if learnt.sum() >= _LEAST_CHURNS:
            model = HistGradientBoostingClassifier(
                max_iter=80, learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=50, random_state=0
            )
            model.fit(features[: len(past)][past], learnt)
            own = slice(first, first + _RETRAINED_WEEKS)
            scores[own][watched[own]] = model.predict_proba(features[own][watched[own]])[:, 1]
    return scores


def _features(data: DataSet) -> F64:
    """Of each week and account, from what was known at its end."""
    files, usage = data.files, data.usage()
    tickets = data.weekly(files.tickets["account_id"], files.tickets["occurred_at"].to_numpy())
    active = (usage > 0).astype(np.float64)
    week = np.arange(data.panel.weeks)[:, None]
    last = np.maximum.accumulate(np.where(active > 0, week, -1), axis=0)
    columns = [np.log1p(_trailing(usage, weeks)) for weeks in (1, 4, 13, 26, 52)]
    columns += [_trailing(active, weeks) for weeks in (4, 13, 26)]
    columns += [np.log1p(_trailing(tickets, weeks)) for weeks in (4, 13, 26)]
    columns += [week - last, gaps(usage), deviations(usage, 4, 13), week - (active > 0).argmax(axis=0)]
    columns += [_trailing(_people(data), weeks) for weeks in (4, 13)]
    columns += [_latest(data, name) for name in ("mrr_minor_after", "seats_after", "due_at")]
    return np.stack(columns, axis=2)


def _people(data: DataSet) -> F64:
    """Different users of each week."""
    table = data.files.usage.select(["account_id", "user_id", "occurred_at"]).drop_null()
    weeks = (table["occurred_at"].to_numpy() - data.panel.base_ms) // WEEK_MS
    once = table.append_column("week", pa.array(weeks)).group_by(["account_id", "user_id", "week"]).aggregate([])
    return data.weekly(once["account_id"], data.panel.base_ms + once["week"].to_numpy() * WEEK_MS)


def _latest(data: DataSet, name: str) -> F64:
    """The last that billing has said by the end of each week; of a time the weeks until then."""
    out = np.full((data.panel.weeks, len(data.account_ids)), np.nan)
    table = data.files.billing.select(["account_id", "occurred_at", name]).drop_null()
    for row in table.sort_by("occurred_at").to_pylist():
        account, week = data.panel.row_of.get(row["account_id"]), data.panel.week_of(row["occurred_at"])
        if account is not None and week < data.panel.weeks:
            out[max(0, week) :, account] = row[name]
    return (out - data.panel.base_ms) / WEEK_MS - np.arange(len(out))[:, None] if name == "due_at" else out


def _trailing(values: F64, weeks: int) -> F64:
    total = np.cumsum(values, axis=0)
    total[weeks:] -= total[:-weeks].copy()
    return total


def _ranked(data: DataSet, health: Health, learnt: F64) -> Ranked:
    scores, bands = health.by_week()
    usage, ahead, watched = data.usage(), data.churn_ahead(), data.panel.watched.T
    week = np.arange(data.panel.weeks)[:, None]
    asked_of = watched & (_trailing(usage, SNAPSHOT_WEEKS) > 0) & (week < data.judged_weeks)
    asked_of &= week % SNAPSHOT_WEEKS == SNAPSHOT_WEEKS - 1
    known = asked_of & ~np.isnan(learnt)

    def area(rows: Bools, risk: F64) -> float | None:
        return auc(ahead[rows], risk[rows])

    # What is not known stands for the least risk, as in a list in which it does not appear.
    risk = np.where(np.isnan(scores), -100.0, -scores)
    level = -_trailing(usage, HORIZON_WEEKS)
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


def auc(positive: Bools, risk: F64) -> float | None:
    """The probability that one of the positive is at a higher risk than one of the others."""
    positives = int(positive.sum())
    others = len(positive) - positives
    if not positives or not others:
        return None
    _values, places, counts = np.unique(risk, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[places]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2.0) / (positives * others))
