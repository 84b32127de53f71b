"""What a worker makes of a changelog that it takes over."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.changelog.read import Loader
from pipeline.changelog.write import CLAIM_KEY, Entry, checkpoint
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed

CLAIM: Entry = (CLAIM_KEY, b"")


def recovered(config: EngineConfig, changelog: Iterable[Entry], number: int = 0, partitions: int | None = None) -> Feed:
    """The partition that its changelog tells of, from the first record on."""
    loader = Loader(config, number, partitions)
    for offset, (key, value) in enumerate(changelog):
        loader.add(key, value, offset)
    return loader.finish()


def restarted(feed: Feed, config: EngineConfig) -> Feed:
    """The same partition, taken over by a worker with these settings."""
    return recovered(config, [CLAIM, *checkpoint(feed, epoch=0)])
