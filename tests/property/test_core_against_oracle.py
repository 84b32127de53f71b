"""The columnar core and the one-event-at-a-time oracle agree on every log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.feed import Feed
from tests.oracle.streams import Case, interleavings, long_cases, short_cases
from tests.property.agreement import (
    assert_same_alerts,
    assert_same_health,
    assert_same_ledger,
    assert_same_windows,
    batches_in_order,
    engine_config,
    run_core,
    run_oracle,
)
from tests.support.examples import tried


def check(case: Case, order: list[str], size: int) -> None:
    oracle = run_oracle(case.config, case.log)
    feed = Feed(engine_config(case.config), 0)
    outcome = run_core(feed, batches_in_order(case.log, order, size))
    assert feed.open_day == oracle.open_day
    assert_same_ledger(oracle, feed)
    assert_same_windows(oracle, feed)
    assert_same_alerts(oracle, outcome.alerts)
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
