"""What the functional core does in one process, without Kafka: applying, closing days, saving and restoring."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import numpy as np

from agents.backtest.run import replay
from agents.process import memory
from agents.replay.arrivals import every
from agents.replay.plan import plan, to_batches
from pipeline.changelog.read import Loader
from pipeline.changelog.write import Entry, checkpoint
from pipeline.close.day import close_day
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.terms.records import Outcome
from schemas.codec.batch import Batch
from schemas.topics import DAY_MS
from tests.benchmarks.batches import cut
from tests.benchmarks.population import draw_open_day, moved, populated
from tests.benchmarks.process import MIB, Clock, resident_mib
from tests.benchmarks.workload import FIRST_DAY_MS, HOUR_MS, Workload

_SEEN_MS = FIRST_DAY_MS + 400 * DAY_MS
_EPOCH = 0


def backtest(accounts: int, usage_events: int, days: int) -> dict[str, Any]:
    """A whole history through the backtest's own replay, file reading excluded."""
    files = Workload(accounts=accounts, usage_events=usage_events, days=days).make()
    memory.calm_collector()
    clock = Clock()
    replayed = replay(files, EngineConfig())
    return {
        "usage_per_s": usage_events / clock.seconds(),
        "usage_per_cpu_s": usage_events / clock.cpu_seconds(),
        "days_closed": replayed.days_closed,
        "alerts": len(replayed.alerts),
    }


def closing(accounts: int, repeats: int, partitions: int = 1) -> dict[str, Any]:
    """Close ordinary days of accounts with 84 days of history; the first close publishes every account's health."""
    feeds = populated(accounts, partitions=partitions, settled=False)
    rng = np.random.default_rng(11)
    seconds, cpu_s, alerts, health = ([0.0] * (repeats + 1) for _ in range(4))
    memory.calm_collector()
    for number in range(repeats + 1):
        for feed in feeds:
            draw_open_day(feed, rng)
            outcome = Outcome()
            clock = Clock()
            close_day(feed.state, outcome)
            seconds[number] += clock.seconds()
            cpu_s[number] += clock.cpu_seconds()
            alerts[number] += len(outcome.alerts)
            health[number] += len(outcome.health)
            # As a checkpoint leaves them.
            feed.state.accounts.books.rest()
    return {
        "first_s": seconds[0],
        "seconds": seconds[1:],
        "cpu_s": float(np.median(cpu_s[1:])),
        "alerts": float(np.median(alerts[1:])),
        "health": float(np.median(health[1:])),
        "state_mib": sum(feed.state.nbytes for feed in feeds) / MIB,
        "peak_mib": resident_mib(peak=True),
    }


def applying(accounts: int, usage_events: int) -> dict[str, Any]:
    """Usage events of one day into accounts that are all known, then one close of that day."""
    feed = populated(accounts)[0]
    batches = _next_day(feed, accounts, usage_events)
    warm_up = len(batches) // 5
    for batch in batches[:warm_up]:
        feed.push(batch)
    memory.calm_collector()
    clock = Clock()
    for batch in batches[warm_up:]:
        feed.push(batch)
    apply_s, apply_cpu_s = clock.seconds(), clock.cpu_seconds()
    count = sum(map(len, batches[warm_up:]))
    outcome = Outcome()
    clock = Clock()
    close_day(feed.state, outcome)
    close_s = clock.seconds()
    return {
        "per_s": count / apply_s,
        "per_cpu_s": count / apply_cpu_s,
        "close_s": close_s,
        "with_close_per_s": count / (apply_s + close_s),
    }


def _next_day(feed: Feed, accounts: int, usage_events: int) -> list[Batch]:
    """A day of usage events for the feed's open day, all before its barrier."""
    workload = Workload(accounts=accounts, usage_events=usage_events, days=1, seed=9)
    usage = workload.make().usage
    place = usage.schema.get_field_index("occurred_at")
    times = usage.column("occurred_at").to_numpy() + (feed.open_day * DAY_MS - FIRST_DAY_MS)
    usage = usage.set_column(place, usage.schema.field(place), [times])
    empty = replace(workload, usage_events=1).make()
    files = type(empty)(usage, *(empty.by_topic()[name].slice(0, 0) for name in list(empty.by_topic())[1:]))
    begin = feed.next_offset("usage.events")
    batches = []
    for step in plan(files, 1, every(HOUR_MS)):
        for batch in to_batches(step, _SEEN_MS):
            if batch.topic == "usage.events":
                batches += [moved(part, begin) for part in cut(batch)]
    return batches


def restoring(accounts: int, partitions: int) -> dict[str, Any]:
    """Checkpoint everything, then rebuild it from the entries in memory."""
    feeds = populated(accounts, partitions=partitions)
    memory.calm_collector()
    clock = Clock()
    logs: list[list[Entry]] = [checkpoint(feed, _EPOCH) for feed in feeds]
    checkpoint_s = clock.seconds()
    grown = sum(feed.state.nbytes for feed in feeds)
    del feeds
    memory.calm_collector()
    clock = Clock()
    restored = [_load(number, log) for number, log in enumerate(logs)]
    restore_s = clock.seconds()
    return {
        "checkpoint_s": checkpoint_s,
        "restore_s": restore_s,
        "changelog_mib": sum(_size(log) for log in logs) / MIB,
        "accounts": sum(len(feed.state.accounts) for feed in restored),
        "grown_bytes": grown / accounts,
        "state_bytes": sum(feed.state.nbytes for feed in restored) / accounts,
    }


def resident(accounts: int, partitions: int) -> dict[str, Any]:
    """Memory of a process that holds the Feeds and nothing else."""
    before = resident_mib()
    feeds = populated(accounts, partitions=partitions)
    columns = sum(feed.state.nbytes for feed in feeds)
    trim()
    return {"resident_mib": resident_mib(), "before_mib": before, "columns_mib": columns / MIB}


def _load(number: int, log: list[Entry]) -> Feed:
    loader = Loader(EngineConfig(), number)
    for offset, (key, value) in enumerate(log):
        loader.add(key, value, offset)
    return loader.finish()


def _size(log: list[Entry]) -> int:
    return sum(len(key) + len(value or b"") for key, value in log)


def trim() -> None:
    """Give freed memory back, so that what remains is what is used."""
    gc.collect()
    memory.release()
