"""A set of event files with outcomes, on the weekly axis of a backtest (pipeline/scoring).

A set may say in `params.json` after how many weeks an account counts as established or silent, whether churn is
declared, and where its time ends.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from agents.backtest.outcomes import Activity, outcomes_of
from agents.backtest.run import Alert
from agents.eventfiles.files import LABELS_FILE, EventFiles, read_events, read_labels
from pipeline.scoring.detection import Detecting, Detection
from pipeline.scoring.judged import Outcome, first_of_runs
from pipeline.scoring.panel import Panel, panel_of
from pipeline.scoring.protocol import WEEK_MS, Protocol
from pipeline.terms.arrays import F64, I64, Bools

HORIZON_WEEKS = 13


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


def trailing(values: F64, weeks: int) -> F64:
    """Sums of the last weeks, one row a week."""
    total = np.cumsum(values, axis=0)
    total[weeks:] -= total[:-weeks].copy()
    return total
