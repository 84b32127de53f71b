"""Several partitions that tell each other of their days, in any order and with any delay, give the oracle's alerts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.feed import Feed
from pipeline.terms.fleet_day import FleetDay
from pipeline.terms.records import Outcome
from tests.oracle.batches import to_batches
from tests.oracle.model import DAY_MS, HOUR_MS, TICKETS, TOPICS, USAGE, OracleConfig, Record
from tests.oracle.outcomes import outcomes_log
from tests.oracle.partitions import split
from tests.oracle.streams import Case, Log, long_cases, short_cases
from tests.property.agreement import (
    assert_same_alerts,
    assert_same_answers,
    assert_same_cases,
    assert_same_ledger,
    assert_same_outlooks,
    assert_same_windows,
    engine_config,
    run_oracles,
)
from tests.property.commanded import commanded
from tests.support.examples import RANDOMS, tried


class Partitions:
    """Feeds, what is left to push to each, and the log of what they have told each other."""

    def __init__(self, case: Case, logs: list[Log], size: int) -> None:
        count = len(logs)
        self.feeds = [Feed(engine_config(case.config), number, count) for number in range(count)]
        self.outcome = Outcome()
        self.told: list[FleetDay] = []
        self.heard = [0] * count
        self.left: list[tuple[int, list[Any]]] = [
            (number, to_batches(log, topic, [size])) for number, log in enumerate(logs) for topic in TOPICS
        ]

    def take(self, outcome: Outcome) -> None:
        self.outcome.extend(outcome)
        self.told += outcome.fleet_days

    def push(self, random: Random) -> bool:
        """Push the next batch of a random topic of a random partition; tells whether any was left."""
        self.left = [(number, batches) for number, batches in self.left if batches]
        if not self.left:
            return False
        number, batches = random.choice(self.left)
        self.take(self.feeds[number].push(batches.pop(0)))
        return True

    def hear(self, number: int, most: int) -> None:
        """Let a partition know some more of the log."""
        begin = self.heard[number]
        self.heard[number] = min(len(self.told), begin + most)
        self.take(self.feeds[number].learn(self.told[begin : self.heard[number]]))

    def run(self, random: Random) -> None:
        """Everything, in random order."""
        while self.push(random):
            if random.random() < 0.3:
                self.hear(random.randrange(len(self.feeds)), random.randrange(5))
        while any(heard < len(self.told) for heard in self.heard):
            self.hear(random.randrange(len(self.feeds)), 1 + random.randrange(5))


def check(case: Case, count: int, random: Random, size: int) -> Partitions:
    logs = split(case.log, count)
    oracles = run_oracles(case.config, logs)
    partitions = Partitions(case, logs, size)
    partitions.run(random)
    for oracle, feed in zip(oracles, partitions.feeds, strict=True):
        assert feed.open_day == oracle.open_day
        assert feed.state.fleet.drift == oracle.fleet.drift
        assert_same_ledger(oracle, feed)
        assert_same_windows(oracle, feed)
    assert_same_alerts(oracles, partitions.outcome.alerts)
    assert_same_cases(oracles, partitions.outcome.cases)
    assert_same_answers(oracles, partitions.outcome.results)
    assert_same_outlooks(oracles, partitions.outcome.health)
    assert partitions.outcome.suppressed == sum((oracle.suppressed for oracle in oracles), Counter())
    return partitions


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(10)
@given(short_cases(), st.integers(2, 3), RANDOMS, st.integers(1, 5))
def test_partitions_with_short_logs_give_the_oracles_result(case: Case, count: int, random: Random, size: int) -> None:
    check(case, count, random, size)


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(4)
@given(long_cases(accounts=5), st.integers(1, 4), RANDOMS, st.integers(20, 200))
def test_partitions_over_months_give_the_oracles_alerts(case: Case, count: int, random: Random, size: int) -> None:
    check(commanded(case, random), count, random, size)


def tickets(days: int, crowd_on: int) -> Log:
    """Twelve accounts that open tickets about anything; most about `api` on one day, one about `billing` every day."""
    random, first = Random(5), 19_800
    opened: list[Record] = []
    for day in range(days):
        about = [(f"a{n}", random.choice(("login", "reports", "", None))) for n in range(12) if random.random() < 0.25]
        about += [(f"a{n}", "api") for n in range(9) if day == crowd_on or random.random() < 0.01]
        about += [("a11", "billing")] if day >= 40 else []
        for number, (name, component) in enumerate(about):
            at_ms = (first + day) * DAY_MS + HOUR_MS * (1 + number % 20)
            event = {"account_id": name, "event_id": f"{day}-{number}", "occurred_at": at_ms, "type": "opened"}
            event |= {"ticket_id": f"{day}-{number}", "priority": "p3", "component": component}
            opened.append(Record(0, "event", at_ms, at_ms, event))
    return log_of(TICKETS, opened, days)


def used(days: int, actions: Callable[[int, int], float]) -> Log:
    """Six accounts that do so much on each day, told by one event."""
    events = []
    for day in range(days):
        for account in range(6):
            quantity, at_ms = actions(account, day), (19_800 + day) * DAY_MS + HOUR_MS * (1 + account)
            event = {"account_id": f"a{account}", "event_id": f"{day}", "occurred_at": at_ms, "quantity": quantity}
            events += (
                [Record(0, "event", at_ms, at_ms, event | {"feature": "home", "action": "view"})] if quantity else []
            )
    return log_of(USAGE, events, days)


def log_of(of: str, events: list[Record], days: int) -> Log:
    """Records of one topic, and a tick of all each day."""
    log: Log = {topic: events if topic == of else [] for topic in TOPICS}
    ticks = [(19_800 + day) * DAY_MS for day in range(days + 1)]
    return {
        topic: [
            replace(each, offset=offset)
            for offset, each in enumerate(
                sorted([*records, *(Record(0, "tick", at_ms, at_ms) for at_ms in ticks)], key=attrgetter("seen_at_ms"))
            )
        ]
        for topic, records in log.items()
    }


@pytest.mark.parametrize("count", [1, 3])
def test_tickets_of_many_accounts_about_one_component_are_found_wherever_the_accounts_are(count: int) -> None:
    alerts = check(Case(OracleConfig(), tickets(63, crowd_on=48)), count, Random(count), 40).outcome.alerts
    found = [alert for alert in alerts if alert["kind"] == "ticket_pattern"]
    assert [(alert["dimension"], alert["status"]) for alert in found] == [("api", "firing"), ("api", "resolved")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_became_of_accounts_is_learned_alike_wherever_they_are() -> None:
    partitions = check(Case(OracleConfig(fleet_min_accounts=4), outcomes_log(8, seed=3)), 3, Random(3), 200)
    heads = [feed.state.fleet.outlook.heads for feed in partitions.feeds]
    assert heads[0] == heads[1] == heads[2]
    assert {name: head.happened > 0 for name, head in heads[0].items()} == {
        f"{basis}/{outcome}": True for basis in ("billing", "use") for outcome in ("churn", "contraction", "expansion")
    }


@pytest.mark.parametrize("count", [1, 3])
def test_who_misses_deliveries_of_a_feed_that_comes_once_a_month_is_found_and_nobody_else(count: int) -> None:
    log = used(290, lambda account, day: 0.0 if day % 30 or (account == 0 and day > 180) else 20.0 + account)
    alerts = check(Case(OracleConfig(fleet_min_accounts=3), log), count, Random(count), 40).outcome.alerts
    silent = [
        (alert["account_id"], alert["detected_at"] // DAY_MS - 19_800) for alert in alerts if alert["kind"] == "silence"
    ]
    assert [account for account, _ in silent] == ["a0"]
    assert 240 < silent[0][1] < 280


def test_levels_that_wander_are_the_fleets_and_widen_what_is_usual() -> None:
    random, levels = Random(3), [30.0] * 6

    def actions(account: int, day: int) -> float:
        levels[account] *= math.exp(random.gauss(0.0, 0.1))
        return float(round(levels[account]))

    check(Case(OracleConfig(fleet_min_accounts=3), used(130, actions)), 2, Random(2), 40)
