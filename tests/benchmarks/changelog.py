"""A compacted changelog in a real Kafka: writing it once, reading it as a worker that starts does."""

from __future__ import annotations

from typing import Any

from agents.kafka import clients
from agents.worker import changelog
from pipeline.changelog.read import Loader
from pipeline.changelog.write import CLAIM_KEY, checkpoint
from tests.benchmarks import broker
from tests.benchmarks.core import trim
from tests.benchmarks.population import populated
from tests.benchmarks.process import MIB, Clock, resident_mib


def save(bootstrap: str, group: str, accounts: int) -> dict[str, Any]:
    """Fill the group's changelog with one value for each account."""
    config = broker.settings(broker.environment(bootstrap, group)).worker()
    producer = clients.producer(clients.of_worker(config), "outputs")
    size = entries = 0
    for feed in populated(accounts, partitions=broker.PARTITIONS):
        feed.state.accounts.dirty[1 : feed.state.accounts.size] = True
        for key, value in [(CLAIM_KEY, b""), *checkpoint(feed, 0)]:
            while True:
                try:
                    producer.produce(config.changelog_topic, value, key, feed.number)
                    break
                except BufferError:
                    producer.poll(0.1)
            size += len(key) + len(value or b"")
            entries += 1
    if left := producer.flush(60):
        message = f"{left} changelog records were not acknowledged"
        raise RuntimeError(message)
    return {"entries": entries, "mib": size / MIB}


def restore(bootstrap: str, group: str) -> dict[str, Any]:
    """Read it as a starting worker does; time, and what the process then holds."""
    settings = broker.settings(broker.environment(bootstrap, group))
    config = settings.worker()
    before = resident_mib()
    clock = Clock()
    loaders = {number: Loader(config.engine, number) for number in range(broker.PARTITIONS)}
    changelog.read(config, loaders, lambda: False)
    read_s = clock.seconds()
    feeds = [loader.finish() for loader in loaders.values()]
    seconds = clock.seconds()
    peak = resident_mib(peak=True)
    del loaders
    trim()
    return {
        "seconds": seconds,
        "read_s": read_s,
        "resident_mib": resident_mib(),
        "peak_mib": peak,
        "before_mib": before,
        "feeds": len(feeds),
    }
