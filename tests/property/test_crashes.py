"""Whatever is cut, repeated or written by a frozen former owner, the result is that of an uninterrupted run.

The logs of changelogs and of the fleet are lists here; a crash keeps a prefix of what the checkpoint under way would
have written. Outputs are published before the checkpoint that remembers them, as the worker does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.changelog.write import checkpoint
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.terms.fleet_day import FleetDay
from pipeline.terms.records import Outcome
from tests.oracle.batches import to_batches
from tests.oracle.model import TOPICS, OracleConfig
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
from tests.support.recovered import CLAIM, recovered


@dataclass
class Cluster:
    """What is durable of all partitions: input, changelogs, the log of fleet updates, alerts."""

    config: EngineConfig
    batches: list[dict[str, list[Any]]]
    changelogs: list[list[tuple[bytes, bytes | None]]]
    told: list[FleetDay] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    health: list[dict[str, Any]] = field(default_factory=list)

    def take_over(self, number: int) -> Owner:
        """Append a claim, read the changelog up to it; the fleet's log is heard from its beginning."""
        changelog = self.changelogs[number]
        epoch = len(changelog)
        changelog.append(CLAIM)
        return Owner(self, number, recovered(self.config, changelog, number, len(self.batches)), epoch)

    def compact(self, number: int) -> None:
        """Keep the last record of each key, as the broker does; offsets stay."""
        changelog = self.changelogs[number]
        last = {key: offset for offset, (key, _) in enumerate(changelog)}
        for offset, (key, _) in enumerate(changelog):
            if last[key] != offset:
                changelog[offset] = (b"\x00gone%d" % offset, None)


@dataclass
class Owner:
    """A worker's hold of one partition."""

    cluster: Cluster
    number: int
    feed: Feed
    epoch: int
    heard: int = 0

    def step(self, random: Random) -> bool:
        """Push the next batch of a random topic, or hear some of the others; tells whether anything was left."""
        left = [batch for topic in TOPICS if (batch := self._next(topic)) is not None]
        unheard = len(self.cluster.told) - self.heard
        if unheard and (not left or random.random() < 0.5):
            until = self.heard + random.randint(1, unheard)
            self._publish(self.feed.learn(self.cluster.told[self.heard : until]))
            self.heard = until
            return True
        if left:
            self._publish(self.feed.push(random.choice(left)))
        return bool(left)

    def _publish(self, outcome: Outcome) -> None:
        self.cluster.alerts += outcome.alerts
        self.cluster.cases += outcome.cases
        self.cluster.results += outcome.results
        self.cluster.health += outcome.health
        self.cluster.told += outcome.fleet_days

    def _next(self, topic: str) -> Any:
        end = self.feed.next_offset(topic)
        return next((batch for batch in self.cluster.batches[self.number][topic] if batch.end > end), None)

    def checkpoint(self, share: float = 1.0) -> None:
        """Write a checkpoint, or only a share of its entries."""
        entries = checkpoint(self.feed, self.epoch)
        self.cluster.changelogs[self.number] += entries[: len(entries) if share >= 1 else int(share * len(entries))]


def cluster_of(case: Case, logs: list[Log], size: int) -> Cluster:
    batches = [{topic: to_batches(log, topic, [size]) for topic in TOPICS} for log in logs]
    return Cluster(engine_config(case.config), batches, [[] for _ in logs])


def disturb(cluster: Cluster, random: Random) -> list[Owner]:
    """Run to the end with crashes, cut checkpoints and frozen owners of any partition."""
    owners = [cluster.take_over(number) for number in range(len(cluster.batches))]
    frozen: list[Owner] = []
    idle = 0
    while idle < 3 * len(owners):
        number = random.randrange(len(owners))
        deed = random.random()
        if deed < 0.03:
            owners[number].checkpoint()
        elif deed < 0.05:
            owners[number].checkpoint(random.random())
            owners[number] = cluster.take_over(number)
        elif deed < 0.06:
            owners[number] = cluster.take_over(number)
        elif deed < 0.07:
            frozen.append(owners[number])
            owners[number] = cluster.take_over(number)
        elif deed < 0.10 and frozen:
            woken = random.choice(frozen)
            woken.step(random)
            woken.checkpoint(random.random())
        elif deed < 0.11 and not frozen:
            cluster.compact(number)
        if any([owner.step(random) for owner in owners]):  # noqa: C419 - each goes on
            idle = 0
        else:
            idle += 1
    for owner in owners:
        owner.checkpoint()
    return [cluster.take_over(number) for number in range(len(owners))]


def check(case: Case, count: int, random: Random, size: int) -> None:
    logs = split(case.log, count)
    oracles = run_oracles(case.config, logs)
    cluster = cluster_of(case, logs, size)
    owners = disturb(cluster, random)
    for oracle, owner in zip(oracles, owners, strict=True):
        assert owner.feed.open_day == oracle.open_day
        assert_same_ledger(oracle, owner.feed)
        assert_same_windows(oracle, owner.feed)
    assert_same_alerts(oracles, cluster.alerts)
    assert_same_cases(oracles, cluster.cases)
    assert_same_answers(oracles, cluster.results)
    assert_same_outlooks(oracles, cluster.health)


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(40)
@given(short_cases(), st.integers(1, 3), RANDOMS, st.integers(1, 5))
def test_crashes_and_frozen_owners_change_nothing_in_short_logs(
    case: Case, count: int, random: Random, size: int
) -> None:
    check(commanded(case, random), count, random, size)


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(4)
@given(long_cases(accounts=4), st.integers(1, 3), RANDOMS, st.integers(20, 200))
def test_crashes_and_frozen_owners_change_nothing_over_months(
    case: Case, count: int, random: Random, size: int
) -> None:
    check(commanded(case, random), count, random, size)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_crashes_change_nothing_of_what_is_learned_of_outcomes() -> None:
    check(Case(OracleConfig(fleet_min_accounts=4), outcomes_log(6, seed=4)), 2, Random(4), 40)
