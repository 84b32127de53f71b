"""Days of early 1970, from which windows look back to before the first day."""

from __future__ import annotations

import pytest

from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from tests.oracle.batches import to_batches
from tests.oracle.model import DAY_MS, TOPICS, USAGE, Record


@pytest.mark.parametrize("first", [0, 1, 50])
@pytest.mark.parametrize("timezone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_an_event_of_early_1970_stops_nothing(first: int, timezone: str) -> None:
    feed = Feed(EngineConfig(timezone=timezone), 0)
    event = {"account_id": "acme", "event_id": "e1", "user_id": "u", "feature": "f", "quantity": 1.0}
    at_ms = first * DAY_MS
    log = {topic: [Record(0, "tick", at_ms, at_ms)] for topic in TOPICS}
    log[USAGE].append(Record(1, "event", at_ms, at_ms, {**event, "occurred_at": at_ms}))
    for topic in TOPICS:
        late_ms = (first + 100) * DAY_MS
        log[topic].append(Record(2, "tick", late_ms, late_ms))
    for topic in TOPICS:
        for batch in to_batches(log, topic, [10]):
            feed.push(batch)
    assert feed.open_day >= first + 98
    assert feed.fates[USAGE]["applied"] + feed.fates[USAGE]["late_applied"] == 3
