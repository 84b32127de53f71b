"""Old billing events are taken away, and nothing changes from then on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.portfolio.facts import Trials, _currency
from pipeline.portfolio.movements import first_paid_ms
from pipeline.portfolio.subscriptions import SUBSCRIPTION_TYPES, changes_of, places, superseded

ACCOUNTS = ["a", "b"]
LAST_MS = 12
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("account_id", pa.string()),
        ("type", pa.string()),
        ("occurred_at", pa.int64()),
        ("subscription_id", pa.string()),
        ("mrr_minor_after", pa.int64()),
        ("seats_after", pa.int64()),
        ("currency", pa.string()),
        ("due_at", pa.int64()),
    ]
)
amounts = st.none() | st.integers(0, 3)
rows = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from(ACCOUNTS),
        "type": st.sampled_from(sorted(SUBSCRIPTION_TYPES)),
        "occurred_at": st.integers(0, LAST_MS),
        "subscription_id": st.sampled_from([None, "s"]),
        "mrr_minor_after": amounts,
        "seats_after": amounts,
        "currency": st.sampled_from(["EUR", "USD"]),
        "due_at": st.none() | st.integers(0, LAST_MS),
    }
)


def table(events: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"event_id": f"e{place}", **each} for place, each in enumerate(events)], SCHEMA)


def standings(billing: pa.Table, before_ms: int) -> dict[str, Any]:
    """Everything that figures take from billing from an instant on."""
    place_of = places(ACCOUNTS)
    currency, _counted = _currency(billing, {name: n for n, name in enumerate(ACCOUNTS)})
    changes = changes_of(billing, place_of, currency)
    cohort = Trials.of(billing, place_of, LAST_MS).cohort(before_ms, LAST_MS + 1)
    found: dict[str, Any] = {"currency": currency}
    found["paid before"] = np.maximum(first_paid_ms(changes, len(ACCOUNTS)), before_ms - 1).tolist()
    trials = zip(cohort.at_ms, cohort.account, cohort.converted, cohort.ended, strict=True)
    found["trials"] = sorted(tuple(value.item() for value in trial) for trial in trials)
    for at_ms in range(before_ms, LAST_MS + 2):
        held = changes.of_accounts(len(ACCOUNTS), at_ms)
        found[f"at {at_ms}"] = [column.tolist() for column in (held.mrr_minor, held.seats, held.paying)]
    return found


SECOND_TRIAL = ("trial_started", "trial_expired", "trial_started", "subscription_changed", "subscription_cancelled")


def event(kind: str, at_ms: int, mrr_minor: int | None = None) -> dict[str, Any]:
    amounts = {"mrr_minor_after": mrr_minor, "seats_after": None}
    return {"account_id": "a", "type": kind, "occurred_at": at_ms, "subscription_id": "s", "currency": "EUR", **amounts}


@settings(max_examples=200)
@example([event(kind, at_ms, 3 if at_ms == 3 else None) for at_ms, kind in enumerate(SECOND_TRIAL)], 6)
@given(st.lists(rows, max_size=25), st.integers(0, LAST_MS))
def test_all_that_holds_from_then_on_stays_the_same(events: list[dict[str, Any]], before_ms: int) -> None:
    billing = table(events)
    gone = set(superseded(billing, before_ms)["event_id"].to_pylist())
    left = table([{**row} for row in billing.to_pylist() if row["event_id"] not in gone])
    assert all(row["occurred_at"] < before_ms for row in billing.to_pylist() if row["event_id"] in gone)
    assert standings(left, before_ms) == standings(billing, before_ms)
    # What is left needs all of itself.
    assert superseded(left, before_ms).num_rows == 0


def test_of_a_long_history_little_is_left() -> None:
    changed = {"type": "subscription_changed", "subscription_id": "s", "currency": "EUR", "account_id": "a"}
    started = {**changed, "type": "subscription_started"}
    events = [
        {**(changed if at_ms else started), "occurred_at": at_ms, "mrr_minor_after": at_ms, "seats_after": 1}
        for at_ms in range(1000)
    ]
    assert table(events).num_rows - superseded(table(events), 990).num_rows == 10 + 2
    # The first, in which it began to pay, tells the stage too; the last tells the rest.
