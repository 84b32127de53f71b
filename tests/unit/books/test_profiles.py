"""Profiles and their tombstones take effect in the order of the log, however it is cut into batches."""

from __future__ import annotations

from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from tests.oracle.batches import to_batches
from tests.oracle.model import DAY_MS, PROFILES, TOPICS, Record

AT_MS = 20_000 * DAY_MS + DAY_MS // 2


def profile(offset: int, name: str) -> Record:
    return Record(offset, "event", AT_MS, AT_MS, {"account_id": "acme", "updated_at": AT_MS, "name": name})


def tombstone(offset: int) -> Record:
    return Record(offset, "tombstone", AT_MS, 0, {"account_id": "acme"})


def name_after(records: list[Record], size: int) -> str | None:
    """The name of the account's profile after the records, read so many at a time."""
    feed = Feed(EngineConfig(), 0)
    for topic in TOPICS:
        log = [Record(0, "tick", AT_MS, AT_MS), *(records if topic == PROFILES else [])]
        for batch in to_batches({topic: log}, topic, [1, size]):
            feed.push(batch)
    book = feed.state.accounts.book(feed.state.accounts.row_of("acme"))
    return book.profile.name if book.profile is not None else None


def test_a_profile_after_a_tombstone_stays() -> None:
    records = [profile(1, "old"), tombstone(2), profile(3, "new")]
    assert [name_after(records, size) for size in (1, 3)] == ["new", "new"]


def test_a_tombstone_read_alone_clears_the_profile() -> None:
    assert name_after([profile(1, "old"), tombstone(2)], size=1) is None


def test_a_tombstone_clears_the_profile_before_it_in_the_same_batch() -> None:
    assert name_after([profile(1, "old"), tombstone(2)], size=2) is None
