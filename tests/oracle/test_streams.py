"""The generated logs, and what must hold for each of them."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle import TOPICS, Oracle
from tests.oracle.streams import Case, interleavings, short_cases, to_batches


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_in_which_topics_are_read_changes_nothing(data: st.DataObject) -> None:
    case = data.draw(short_cases(most=12))
    at_once, bit_by_bit = Oracle(case.config), Oracle(case.config)
    at_once.feed(case.log)
    left = {topic: iter(records) for topic, records in case.log.items()}
    for topic in data.draw(interleavings(case.log)):
        bit_by_bit.offer(topic, next(left[topic]))
    assert at_once.alerts == bit_by_bit.alerts
    assert at_once.health == bit_by_bit.health
    assert at_once.fates == bit_by_bit.fates
    assert at_once.positions == bit_by_bit.positions
    assert at_once.accounts == bit_by_bit.accounts


@given(case=short_cases(most=12), sizes=st.lists(st.integers(1, 7), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_batches_hold_the_records_of_the_log(case: Case, sizes: list[int]) -> None:
    for topic in TOPICS:
        batches = to_batches(case.log, topic, sizes)
        offsets = [int(offset) for batch in batches for offset in batch.offsets]
        assert offsets == [record.offset for record in case.log[topic]]
        assert all(one.end == other.begin for one, other in itertools.pairwise(batches))
        events = [event for batch in batches for event in batch.events.to_pylist()]
        told = [record.event for record in case.log[topic] if record.kind == "event"]
        assert [{**event, **(old or {})} for event, old in zip(events, told, strict=True)] == events
