"""Hostile bytes between good events, from the decoder to the state: every bad record is one dead letter."""

from __future__ import annotations

from collections import defaultdict

import pytest

from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.terms.records import Outcome
from schemas.codec.decode import Decoder
from schemas.reasons import Reason
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TOPICS
from tests.support.hostile import corpus
from tests.support.mixture import Mixture, Sent, accounts_of, actions_of, mix, opened

SEEN_AT_MS = 1_800_000_000_000


def run(mixture: Mixture, size: int) -> tuple[Feed, Outcome]:
    """Decode and apply all topics in turns, so many records at a time."""
    feed, outcome = Feed(EngineConfig(), 0), Outcome()
    decoders = {topic: Decoder(TOPICS[topic], FileRegistry()) for topic in INPUT_TOPICS}
    by_topic: dict[str, list[Sent]] = defaultdict(list)
    for each in mixture.records:
        by_topic[each.topic].append(each)
    begin = 0
    while any(len(records) > begin for records in by_topic.values()):
        for topic, part in ((topic, records[begin : begin + size]) for topic, records in by_topic.items()):
            if not part:
                continue
            offsets = list(range(begin, begin + len(part)))
            keys, values = [each.key for each in part], [each.value for each in part]
            end = begin + len(part)
            batch = decoders[topic].decode(0, begin, end, offsets, [SEEN_AT_MS] * len(part), keys, values)
            outcome.extend(feed.push(batch))
        begin += size
    return feed, outcome


@pytest.fixture(scope="module")
def mixture() -> Mixture:
    return mix(corpus(5_500, SEEN_AT_MS))


@pytest.mark.parametrize("size", [5_000, 37])
def test_every_hostile_record_is_one_dead_letter_and_every_good_event_is_applied(mixture: Mixture, size: int) -> None:
    feed, outcome = run(mixture, size)
    places: dict[str, int] = defaultdict(int)
    expected = {}
    for each in mixture.records:
        if each.hostile:
            expected[each.topic, places[each.topic]] = (each.key, each.value)
        places[each.topic] += 1
    found = {(letter.topic, letter.offset): (letter.key, letter.value) for letter in outcome.dead_letters}
    assert len(found) == len(outcome.dead_letters)
    assert found == expected
    given = {letter.reason for letter in outcome.dead_letters}
    assert given == set(Reason) - {Reason.INCOMPATIBLE_SCHEMA, Reason.TOO_LATE}
    assert actions_of([feed]) == mixture.actions
    assert accounts_of([feed]) == {account for account, _ in mixture.actions}
    assert {account for kind, account in opened(outcome.alerts) if kind == "payment_failed"} == mixture.payment_failed
    for topic, count in places.items():
        assert feed.positions[topic] == sum(feed.fates[topic].values()) == count
