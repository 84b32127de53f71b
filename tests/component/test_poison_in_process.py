"""Hostile bytes between good events, from the decoder to the state: every bad record is one dead letter."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.worker.serde import Serde
from pipeline.changelog.write import checkpoint
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.terms.records import Outcome
from schemas.codec.decode import Decoder
from schemas.codec.encode import TickEncoder
from schemas.reasons import Reason
from schemas.registry.source import FileRegistry
from schemas.topics import DAY_MS, INPUT_TOPICS, TICK_KEY, TOPICS
from tests.support.examples import RANDOMS, tried
from tests.support.hostile import corpus, good_value
from tests.support.mixture import Mixture, Sent, accounts_of, actions_of, mix, opened
from tests.support.portrait import portrait
from tests.support.recovered import CLAIM, recovered
from tests.support.wild import wild

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
    # Records of another schema may have a field of the same name.
    assert given | {Reason.INCOMPATIBLE_SCHEMA} == set(Reason) - {Reason.TOO_LATE}
    assert actions_of([feed]) == mixture.actions
    assert accounts_of([feed]) == {account for account, _ in mixture.actions}
    assert {account for kind, account in opened(outcome.alerts) if kind == "payment_failed"} == mixture.payment_failed
    for topic, count in places.items():
        assert feed.positions[topic] == sum(feed.fates[topic].values()) == count


@pytest.mark.slow
@pytest.mark.timeout(600)
@tried(8)
@given(RANDOMS, st.sampled_from([1, 37, 1_000]))
def test_no_content_stops_a_worker_and_good_events_are_counted(random: Random, size: int) -> None:
    today = SEEN_AT_MS // DAY_MS
    records = [wild(random, SEEN_AT_MS) for _ in range(600)]
    for number in range(50):
        event = good_value(
            "usage.events", event_id=f"g{number}", account_id="good", quantity=2.5, occurred_at=SEEN_AT_MS - number
        )
        records.insert(random.randrange(len(records)), Sent("usage.events", b"good", event))
    end = TickEncoder(FileRegistry()).encode(SEEN_AT_MS + 600_000, "/foreshock/test")
    records += [Sent(topic, TICK_KEY, end) for topic in INPUT_TOPICS]
    feed, outcome = run(Mixture(records), size)

    accounts = feed.state.accounts
    pane, row = accounts.panes["actions"], accounts.row_of("good")
    counted = sum(int(pane[day % len(pane), row]) for day in (today - 1, today))
    assert counted == 50 * 2_500
    for topic in INPUT_TOPICS:
        offsets = sum(each.topic == topic for each in records)
        assert sum(feed.fates[topic].values()) + feed.queued(topic) == offsets
    serde = Serde(FileRegistry(), "/foreshock/test")
    letters = [*map(serde.dead_letter, outcome.dead_letters)]
    assert [*serde.outcome(outcome), *map(serde.fleet_day, outcome.fleet_days), serde.ledger(feed.ledger_entry())]
    assert len({(letter.topic, letter.offset) for letter in outcome.dead_letters}) == len(letters) > 100
    assert portrait(recovered(EngineConfig(), [CLAIM, *checkpoint(feed, 0)])) == portrait(feed)
