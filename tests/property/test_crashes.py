"""Whatever is cut, repeated or written by a frozen former owner, the result is that of an uninterrupted run.

The log of a changelog is a list here; a crash keeps a prefix of what the checkpoint under way would have written.
Outputs are published before the checkpoint that remembers them, as the worker does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import snapshot
from pipeline.config import EngineConfig
from pipeline.feed import Feed
from pipeline.recovery import Loader
from pipeline.snapshot import CLAIM_KEY
from tests.oracle.batches import to_batches
from tests.oracle.model import TOPICS
from tests.oracle.oracle import Oracle
from tests.oracle.streams import Case, long_cases, short_cases
from tests.property.agreement import (
    assert_same_alerts,
    assert_same_ledger,
    assert_same_windows,
    engine_config,
    run_oracle,
)
from tests.support.examples import examples

SLOW = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)


@dataclass
class Cluster:
    """One partition's logs, its changelog and what was published; owners come and go."""

    config: EngineConfig
    batches: dict[str, list[Any]]
    changelog: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def take_over(self) -> Owner:
        """Append a claim, read the changelog up to it, go on from the state's own positions."""
        epoch = len(self.changelog)
        self.changelog.append((CLAIM_KEY, b""))
        loader = Loader(self.config, 0)
        for offset, (key, value) in enumerate(self.changelog):
            loader.add(key, value, offset)
        return Owner(self, loader.finish(), epoch)

    def compact(self) -> None:
        """Keep the last record of each key, as the broker does; offsets stay."""
        last = {key: offset for offset, (key, _) in enumerate(self.changelog)}
        for offset, (key, _) in enumerate(self.changelog):
            if last[key] != offset:
                self.changelog[offset] = (b"\x00gone%d" % offset, None)


@dataclass
class Owner:
    """A worker's hold of the partition."""

    cluster: Cluster
    feed: Feed
    epoch: int

    def step(self, random: Random) -> bool:
        """Deliver the next batch of a random topic; tells whether anything is left."""
        left = [topic for topic in TOPICS if self._next(topic) is not None]
        if not left:
            return False
        batch = self._next(random.choice(left))
        self.cluster.alerts += self.feed.push(batch).alerts
        return True

    def _next(self, topic: str) -> Any:
        end = self.feed.next_offset(topic)
        return next((batch for batch in self.cluster.batches[topic] if batch.end > end), None)

    def checkpoint(self, keep: Callable[[int], int] = lambda count: count) -> None:
        """Write a checkpoint, or as much of it as `keep` says of its number of entries."""
        entries = snapshot.checkpoint(self.feed, self.epoch)
        self.cluster.changelog += entries[: keep(len(entries))]


def cluster_of(case: Case, size: int) -> Cluster:
    batches = {topic: to_batches(case.log, topic, [size]) if case.log.get(topic) else [] for topic in TOPICS}
    return Cluster(engine_config(case.config), batches)


def disturb(cluster: Cluster, random: Random) -> Owner:
    """Run to the end with crashes, cut checkpoints, compaction and frozen owners."""
    owner, frozen = cluster.take_over(), None
    while True:
        deed = random.random()
        if deed < 0.08:
            owner.checkpoint()
        elif deed < 0.12:
            owner.checkpoint(random.randrange)
            owner = cluster.take_over()
        elif deed < 0.15:
            owner = cluster.take_over()
        elif deed < 0.18:
            frozen, owner = owner, cluster.take_over()
        elif deed < 0.21 and frozen is not None:
            frozen.step(random)
            frozen.checkpoint(lambda count: random.randrange(count + 1))
        elif deed < 0.23:
            cluster.compact() if frozen is None else None
        elif not owner.step(random):
            owner.checkpoint()
            return cluster.take_over()


def check(case: Case, random: Random, size: int) -> tuple[Oracle, Owner]:
    oracle = run_oracle(case.config, case.log)
    cluster = cluster_of(case, size)
    owner = disturb(cluster, random)
    assert_same_ledger(oracle, owner.feed)
    assert_same_windows(oracle, owner.feed)
    assert_same_alerts(oracle, cluster.alerts)
    return oracle, owner


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=SLOW)
@given(short_cases(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_crashes_and_frozen_owners_change_nothing_in_short_logs(case: Case, random: Random, size: int) -> None:
    check(case, random, size)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=examples(4), deadline=None, suppress_health_check=SLOW)
@given(long_cases(), st.randoms(use_true_random=False), st.integers(20, 200))
def test_crashes_and_frozen_owners_change_nothing_over_months(case: Case, random: Random, size: int) -> None:
    check(case, random, size)
