"""The columnar core and the one-event-at-a-time oracle agree on every log."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from tests.oracle.model import (
    BILLING,
    COMMANDS,
    DAY_MS,
    PROFILES,
    SIGNALS,
    TICKETS,
    TOPICS,
    USAGE,
    OracleConfig,
    Record,
)
from tests.oracle.streams import Case, Log, gapped_cases, interleavings, long_cases, short_cases
from tests.property.agreement import (
    assert_same_alerts,
    assert_same_answers,
    assert_same_cases,
    assert_same_health,
    assert_same_ledger,
    assert_same_windows,
    batches_in_order,
    engine_config,
    run_core,
    run_oracle,
)
from tests.property.commanded import commanded
from tests.support.examples import RANDOMS, tried


def check(case: Case, order: list[str], size: int) -> None:
    oracle = run_oracle(case.config, case.log)
    feed = Feed(engine_config(case.config), 0)
    outcome = run_core(feed, batches_in_order(case.log, order, size))
    assert feed.open_day == oracle.open_day
    assert_same_ledger(oracle, feed)
    assert_same_windows(oracle, feed)
    assert_same_alerts(oracle, outcome.alerts)
    assert_same_cases(oracle, outcome.cases)
    assert_same_answers(oracle, outcome.results)
    assert_same_health(oracle, outcome.health)


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(40)
@given(st.data())
def test_short_logs_read_in_any_order_in_any_batches_give_the_oracles_result(data: st.DataObject) -> None:
    case = data.draw(short_cases())
    order = data.draw(interleavings(case.log))
    check(case, order, data.draw(st.integers(1, 7)))


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(6)
@given(st.data())
def test_months_of_activity_give_the_oracles_alerts(data: st.DataObject) -> None:
    case = data.draw(long_cases())
    order = [topic for topic in case.log for _ in case.log[topic]]
    check(case, order, 1_000_000)


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(20)
@given(st.data())
def test_commands_about_cases_read_in_any_order_give_the_oracles_result(data: st.DataObject) -> None:
    case = commanded(data.draw(short_cases()), data.draw(RANDOMS))
    check(case, shuffled(case.log, data.draw(RANDOMS)), data.draw(st.integers(1, 7)))


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(4)
@given(long_cases(), RANDOMS)
def test_months_of_work_with_cases_give_the_oracles_result(case: Case, random: Random) -> None:
    case = commanded(case, random)
    check(case, shuffled(case.log, random), 1_000_000)


def shuffled(log: Log, random: Random) -> list[str]:
    """An order in which the records of all topics may be read."""
    order = [topic for topic in log for _ in log[topic]]
    random.shuffle(order)
    return order


def _ended(alerts: list[dict[str, Any]], kind: str) -> bool:
    """Whether all alerts of a kind have ended."""
    last = {alert["alert_id"]: alert["status"] for alert in alerts if alert["kind"] == kind}
    return set(last.values()) == {"resolved"}


LONG_AGO = 14_300
"""A day of 2009."""
_AT_MS = LONG_AGO * DAY_MS
_EVENT = {"account_id": "a", "event_id": "e", "occurred_at": _AT_MS}
OLD = {
    USAGE: (_EVENT | {"feature": "home", "quantity": 1.0}, set()),
    BILLING: (_EVENT | {"type": "invoice_issued", "amount_minor": 5_000, "due_at": _AT_MS}, {"invoice_overdue"}),
    TICKETS: (_EVENT | {"type": "opened", "ticket_id": "t", "priority": "p1"}, {"p1_open"}),
    SIGNALS: (_EVENT | {"type": "review_held"}, {"review_overdue"}),
    PROFILES: ({"account_id": "a", "updated_at": _AT_MS}, set()),
    COMMANDS: (
        {"account_id": "a", "command_id": "c", "issued_at": _AT_MS, "action": "comment", "author": "ann"},
        set(),
    ),
}
"""An event of that day, and the kinds of alert that it leads to."""


@pytest.mark.parametrize("topic", TOPICS)
def test_an_event_of_long_ago_costs_a_year_of_closes_and_what_it_opened_ends(topic: str) -> None:
    at_ms, now_ms = _AT_MS, (LONG_AGO + 6_000) * DAY_MS
    event, kinds = OLD[topic]
    log: Log = {name: [Record(0, "tick", now_ms, at_ms + 2 * DAY_MS)] for name in TOPICS}
    log[topic] = [Record(0, "event", now_ms, at_ms, event)]
    log[topic].append(Record(1, "tick", now_ms, at_ms + 2 * DAY_MS))
    for records in log.values():
        records.append(Record(len(records), "tick", now_ms, now_ms))
    oracle, feed = run_oracle(OracleConfig(), log), Feed(EngineConfig(), 0)
    outcome = run_core(feed, batches_in_order(log, [name for name in TOPICS for _ in log[name]], 1_000))
    assert feed.open_day == oracle.open_day == LONG_AGO + 5_999
    assert outcome.days_closed == 402
    assert_same_ledger(oracle, feed)
    assert_same_alerts(oracle, outcome.alerts)
    assert_same_health(oracle, outcome.health)
    assert {alert["kind"] for alert in outcome.alerts} == kinds
    left = {alert["kind"] for alert in outcome.alerts if alert["status"] == "firing"} - {"invoice_overdue"}
    assert all(_ended(outcome.alerts, kind) for kind in left)
    assert (outcome.fleet_days[-1].since, outcome.fleet_days[-1].day) == (LONG_AGO + 401, LONG_AGO + 5_998)


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(4)
@given(st.data())
def test_a_gap_of_a_year_and_more_gives_the_oracles_result(data: st.DataObject) -> None:
    case = data.draw(gapped_cases())
    order = data.draw(interleavings(case.log))
    check(case, order, data.draw(st.integers(1, 7)))
