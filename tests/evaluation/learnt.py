"""What is possible with learning: gradient boosting on a set's own past."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.scoring.protocol import WEEK_MS
from pipeline.terms.arrays import F64
from tests.evaluation.others import deviations, gaps
from tests.evaluation.sets import HORIZON_WEEKS, DataSet, trailing

_RETRAINED_WEEKS = 26
_SAMPLED_WEEKS = 4
"""Weeks that follow each other say nearly the same."""
_LEAST_CHURNS = 10
"""That must be known before anything is learnt."""


def boosted(data: DataSet) -> F64:
    """The probability of churn within a quarter, by week and account, learnt anew every half a year.

    Learnt from weeks of which it was known by then what they were followed by; NaN until enough is known.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    features, churns, watched = _features(data), data.churn_ahead(), data.panel.watched.T
    unknown = HORIZON_WEEKS + (0 if data.protocol.declared else data.protocol.silent_weeks)
    sampled = watched & (np.arange(data.panel.weeks)[:, None] % _SAMPLED_WEEKS == 0)
    scores = np.full(watched.shape, np.nan)
    for first in range(0, data.panel.weeks, _RETRAINED_WEEKS):
        past = sampled[: max(0, first - unknown)]
        known = churns[: len(past)][past]
        if known.sum() >= _LEAST_CHURNS:
            model = HistGradientBoostingClassifier(
                max_iter=50, max_leaf_nodes=4, min_samples_leaf=100, l2_regularization=1.0, random_state=0
            )
            own = slice(first, first + _RETRAINED_WEEKS)
            # There are as many processes as cores already.
            with threadpool_limits(1):
                model.fit(features[: len(past)][past], known)
                scores[own][watched[own]] = model.predict_proba(features[own][watched[own]])[:, 1]
    return scores


def _features(data: DataSet) -> F64:
    """Of each week and account, from what was known at its end."""
    files, usage = data.files, data.usage()
    tickets = data.weekly(files.tickets["account_id"], files.tickets["occurred_at"].to_numpy())
    active = (usage > 0).astype(np.float64)
    week = np.arange(data.panel.weeks)[:, None]
    last = np.maximum.accumulate(np.where(active > 0, week, -1), axis=0)
    columns = [np.log1p(trailing(usage, weeks)) for weeks in (1, 4, 13, 26, 52)]
    columns += [trailing(active, weeks) for weeks in (4, 13, 26)]
    columns += [np.log1p(trailing(tickets, weeks)) for weeks in (4, 13, 26)]
    columns += [week - last, gaps(usage), deviations(usage, 4, 13), week - (active > 0).argmax(axis=0)]
    columns += [trailing(_people(data), weeks) for weeks in (4, 13)]
    columns += [_latest(data, name) for name in ("mrr_minor_after", "seats_after", "due_at")]
    # What is never known would have no values to be divided at.
    return np.asarray(np.nan_to_num(np.stack(columns, axis=2), nan=-1.0))


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
