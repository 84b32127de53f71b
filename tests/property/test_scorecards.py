"""Several scorecards, profiles and changes of both: core and oracle agree, and no change of settings alerts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.feed import Feed
from pipeline.terms.records import Batch
from tests.oracle.batches import to_batches
from tests.oracle.cards import scored
from tests.oracle.model import DAY_MS, TOPICS, OracleConfig, Record
from tests.oracle.oracle import Oracle
from tests.oracle.streams import Case, Log, long_cases, short_cases
from tests.property.agreement import (
    assert_same_alerts,
    assert_same_cases,
    assert_same_health,
    engine_config,
    known_to,
    run_core,
    run_oracle,
)
from tests.support.examples import tried
from tests.support.recovered import restarted


def batches(log: Log) -> list[Batch]:
    """A log, topic after topic."""
    return [batch for topic in TOPICS for batch in to_batches(log, topic, [100_000])]


def check(config: OracleConfig, log: Log) -> None:
    oracle = run_oracle(config, log)
    outcome = run_core(Feed(engine_config(config), 0), batches(log))
    assert_same_alerts(oracle, outcome.alerts)
    assert_same_cases(oracle, outcome.cases)
    assert_same_health(oracle, outcome.health)


def check_change(case: Case, after: OracleConfig, share: float) -> None:
    """The settings change after a share of each topic and some quiet days; another worker reads on."""
    log, cut = with_quiet_days(case.log, share)
    oracle = run_oracle(case.config, {topic: log[topic][: cut[topic]] for topic in TOPICS})
    feed = Feed(engine_config(case.config), 0)
    outcome = run_core(feed, batches({topic: log[topic][: cut[topic]] for topic in TOPICS}))
    oracle.config = known_to(after)
    oracle.feed({topic: log[topic][cut[topic] :] for topic in TOPICS})
    # What stood behind a barrier is not applied, so the next worker reads it again.
    unread = {topic: [record for record in log[topic] if record.offset >= feed.positions[topic]] for topic in TOPICS}
    outcome.extend(run_core(restarted(feed, engine_config(after)), batches(unread)))
    assert_same_alerts(oracle, outcome.alerts)
    assert_same_cases(oracle, outcome.cases)
    assert_same_health(oracle, outcome.health)
    assert_no_alert_by_change(oracle)


def with_quiet_days(log: Log, share: float) -> tuple[Log, dict[str, int]]:
    """The log with two quiet days behind a share of each topic and five at its end; where the first ones end."""
    first = {topic: records[: int(len(records) * share)] for topic, records in log.items()}
    early_ms = max([r.occurred_at_ms for records in first.values() for r in records], default=DAY_MS) + 2 * DAY_MS
    late_ms = max([r.occurred_at_ms for records in log.values() for r in records], default=early_ms) + 5 * DAY_MS
    found: Log = {}
    for topic in TOPICS:
        rest = log.get(topic, [])[len(first.get(topic, ())) :]
        records = [*first.get(topic, ()), quiet(early_ms), *rest, quiet(max(early_ms, late_ms))]
        found[topic] = [replace(record, offset=offset) for offset, record in enumerate(records)]
    return found, {topic: len(first.get(topic, ())) + 1 for topic in TOPICS}


def quiet(until_ms: int) -> Record:
    """A tick."""
    return Record(0, "tick", until_ms, until_ms)


def assert_no_alert_by_change(oracle: Oracle) -> None:
    switched = {(who, oracle.days.end(day), name) for (who, day, name), v in oracle.verdicts.items() if v.config_change}
    for alert in oracle.alerts.values():
        if (alert["account_id"], alert["updated_at"], alert["dimension"]) in switched:
            assert (alert["status"], alert["transition_reason"]) == ("resolved", "config_change")


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(12)
@given(st.data())
def test_short_logs_are_judged_alike_by_any_scorecards(data: st.DataObject) -> None:
    case = data.draw(short_cases())
    check(data.draw(scored(case.config)), case.log)


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(3)
@given(st.data())
def test_months_are_judged_alike_by_any_scorecards(data: st.DataObject) -> None:
    case = data.draw(long_cases())
    check(data.draw(scored(case.config)), case.log)


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(8)
@given(st.data())
def test_a_change_of_scorecards_is_marked_and_alerts_nobody(data: st.DataObject) -> None:
    case = data.draw(short_cases())
    before, after = data.draw(scored(case.config)), data.draw(scored(case.config))
    check_change(replace(case, config=before), after, data.draw(st.sampled_from([0.0, 0.3, 0.6, 0.9])))


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(2)
@given(st.data())
def test_a_change_amid_months_is_marked_and_alerts_nobody(data: st.DataObject) -> None:
    case = data.draw(long_cases())
    before, after = data.draw(scored(case.config)), data.draw(scored(case.config))
    check_change(replace(case, config=before), after, data.draw(st.sampled_from([0.5, 0.8, 0.95])))
