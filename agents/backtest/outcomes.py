"""Scoring a replay against labelled outcomes: what the event files say of accounts, and the result as JSON types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agents.backtest.run import in_order_of_detection, told
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.portfolio.facts import leading_currency
from pipeline.portfolio.subscriptions import changes_of, places
from pipeline.scoring.foretold import Foretold
from pipeline.scoring.judged import Alert, Outcome, Warned
from pipeline.scoring.labels import Label
from pipeline.scoring.panel import panel_of
from pipeline.scoring.protocol import GAINS, LOSSES, WEEK_MS, Protocol
from pipeline.scoring.scored import Scored, score
from pipeline.scoring.stale import stale_alert
from pipeline.terms.arrays import F64, I64
from schemas.topics import DAY_MS

SERIES_BEFORE_WEEKS = 40
SERIES_AFTER_WEEKS = 12
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Activity:
    """Events of all accounts: usage, or where there is none of it, whatever there is."""

    account_ids: list[str]
    account: I64
    occurred_at_ms: I64
    quantity: F64

    @classmethod
    def of(cls, files: EventFiles) -> Activity:
        """The activity in event files."""
        tables = [files.usage] if files.usage.num_rows else [files.billing, files.tickets, files.signals]
        ids = pa.chunked_array([chunk for table in tables for chunk in table.column("account_id").chunks], pa.string())
        times = np.concatenate([table.column("occurred_at").to_numpy() for table in tables]).astype(np.int64)
        encoded = pc.dictionary_encode(ids.combine_chunks())
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        ones = np.ones(len(times))
        quantity = files.usage.column("quantity").to_numpy() if files.usage.num_rows else ones
        return cls(encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64), times, quantity)


def outcomes_of(labels: Sequence[Label], files: EventFiles) -> list[Outcome]:
    """The labels that are outcomes, with what each account paid before."""
    found = [label for label in labels if label.kind in (*LOSSES, *GAINS)]
    worth = _Worth(files, {label.account_id for label in found})
    return [
        Outcome(label.account_id, label.kind, label.at_ms, worth.before(label.account_id, label.at_ms), worth.currency)
        for label in found
    ]


def with_staleness(alerts: Sequence[Alert], scored: Scored, config: EngineConfig) -> list[Alert]:
    """The alerts, and among them in order of detection those that say that the scorecard is stale."""
    stale = [stale_alert(each, config) for each in scored.stale]
    return sorted([*alerts, *stale], key=in_order_of_detection)


def score_outcomes(
    outcomes: Sequence[Outcome],
    files: EventFiles,
    alerts: Sequence[Alert],
    protocol: Protocol | None = None,
    on_step: Callable[[str], None] = lambda _step: None,
    told_of: Sequence[Foretold] = (),
) -> Scored:
    """Score a replay's alerts, and what it told of accounts' outlook, against outcomes.

    Churn is taken to be declared when billing says so: then an account is not watched after it.
    """
    activity, protocol = Activity.of(files), protocol or Protocol()
    declared = protocol.declared or _has_cancellations(files)
    ends_ms = {each.account_id: each.at_ms for each in outcomes if declared and each.kind == "churned"}
    panel = panel_of(activity.account_ids, activity.account, activity.occurred_at_ms, protocol, ends_ms=ends_ms)
    openings = [alert for alert in alerts if alert["revision"] == 1]
    return score(outcomes, openings, panel, _owners(files), protocol, on_step, told_of, declared=declared)


def outcome_report(scored: Scored, outcomes: Sequence[Outcome], alerts: Sequence[Alert], files: EventFiles) -> Any:
    """The result in JSON types, with the weekly series of what went worst; shares have four digits."""
    series = _Series(Activity.of(files), outcomes, alerts)
    document = msgspec.to_builtins(
        {name: getattr(scored, name) for name in Scored.__slots__ if not name.startswith("worst_")}
    )
    document["worst_misses"] = [
        {**msgspec.to_builtins(each), **series.around(each.account_id, each.at_ms)} for each in scored.worst_misses
    ]
    document["worst_false_alarms"] = [
        {**_false_alarm(each), **series.around(each.account_id, each.at_ms)} for each in scored.worst_false_alarms
    ]
    return _rounded(document)


def _false_alarm(warned: Warned) -> dict[str, Any]:
    names = ("alert_id", "account_id", "kind", "severity", "score", "summary")
    return {**{name: warned.alert[name] for name in names}, "at_ms": warned.at_ms}


class _Worth:
    """Annual recurring revenue of some accounts at a time: from billing, else from the latest profile.

    Of the currency that most of their billing events, else profiles, name: amounts of others are no share of its sum.
    """

    def __init__(self, files: EventFiles, accounts: set[str]) -> None:
        self._place = {account_id: place for place, account_id in enumerate(sorted(accounts))}
        wanted = pa.array(sorted(accounts), pa.string())
        billing = files.billing.filter(pc.is_in(files.billing.column("account_id"), wanted))
        profiles = files.profiles.filter(pc.is_in(files.profiles.column("account_id"), wanted))
        named = billing if billing.num_rows else profiles
        self.currency = leading_currency(filter(None, named.column("currency").to_pylist()))
        changes = changes_of(billing, places(self._place), self.currency)
        self._steps: dict[int, list[tuple[int, int]]] = {}
        for at_ms, place, delta in zip(
            changes.at_ms.tolist(), changes.account.tolist(), changes.mrr_minor.tolist(), strict=True
        ):
            self._steps.setdefault(place, []).append((at_ms, delta))
        self._profile = {
            row["account_id"]: row["arr_minor"]
            for row in profiles.select(["account_id", "arr_minor", "currency"]).to_pylist()
            if row["arr_minor"] is not None and (row["currency"] or "").upper() in {"", self.currency}
        }

    def before(self, account_id: str, at_ms: int) -> int | None:
        steps = self._steps.get(self._place[account_id])
        if steps is None:
            return self._profile.get(account_id)
        # The loss itself may stand in billing some hours before the time of its label.
        return 12 * sum(delta for step_ms, delta in steps if step_ms < at_ms - DAY_MS)


class _Series:
    """Weekly activity of an account around a time, with what is known and what was said in it."""

    def __init__(self, activity: Activity, outcomes: Sequence[Outcome], alerts: Sequence[Alert]) -> None:
        self._activity = activity
        self._place = {account_id: place for place, account_id in enumerate(activity.account_ids)}
        order = np.argsort(activity.account, kind="stable")
        self._order = order
        self._bounds = np.searchsorted(activity.account[order], np.arange(len(activity.account_ids) + 1))
        self._outcomes: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            self._outcomes.setdefault(outcome.account_id, []).append(outcome)
        self._alerts: dict[str, list[Alert]] = {}
        for alert in told(alerts):
            if alert["revision"] == 1:
                self._alerts.setdefault(alert["account_id"], []).append(alert)

    def around(self, account_id: str, at_ms: int) -> dict[str, Any]:
        first_ms, last_ms = at_ms - SERIES_BEFORE_WEEKS * WEEK_MS, at_ms + SERIES_AFTER_WEEKS * WEEK_MS
        weeks = np.zeros(SERIES_BEFORE_WEEKS + SERIES_AFTER_WEEKS)
        place = self._place.get(account_id)
        if place is not None:
            rows = self._order[self._bounds[place] : self._bounds[place + 1]]
            times = self._activity.occurred_at_ms[rows]
            within = (first_ms <= times) & (times < last_ms)
            np.add.at(weeks, (times[within] - first_ms) // WEEK_MS, self._activity.quantity[rows[within]])
        return {
            "series_starts_at_ms": first_ms,
            "series": weeks.tolist(),
            "outcomes": [
                {"kind": each.kind, "at_ms": each.at_ms}
                for each in self._outcomes.get(account_id, [])
                if first_ms <= each.at_ms < last_ms
            ],
            "alerts": [
                {"kind": each["kind"], "at_ms": each["detected_at"]}
                for each in self._alerts.get(account_id, [])
                if first_ms <= each["detected_at"] < last_ms
            ],
        }


def _owners(files: EventFiles) -> dict[str, str]:
    profiles = files.profiles.select(["account_id", "owner"]).to_pylist()
    return {row["account_id"]: row["owner"] for row in profiles if row["owner"] is not None}


def _has_cancellations(files: EventFiles) -> bool:
    return bool(pc.any(pc.equal(files.billing.column("type"), "subscription_cancelled")).as_py())


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
