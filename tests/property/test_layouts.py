"""Day values, scalars and input topics that join or leave: state of before is that of a replay, the rest is default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.changelog.write import checkpoint
from pipeline.intake.feed import Feed
from pipeline.state import state
from pipeline.state.accounts import SCALARS
from pipeline.state.panes import PANES
from pipeline.terms.records import Batch, Outcome
from tests.oracle.batches import to_batches
from tests.oracle.model import TOPICS, USAGE, Record
from tests.oracle.streams import Case, short_cases
from tests.property.agreement import alerts_by_identity, engine_config
from tests.support.examples import RANDOMS, tried
from tests.support.portrait import portrait
from tests.support.recovered import CLAIM, recovered

PANE, SCALAR, TOPIC = "clicks", "mood", "chat.events"
EXTRAS = {PANE, SCALAR, TOPIC}
RELEASES = pytest.mark.parametrize(
    ("before", "after"),
    [(set(), EXTRAS), (EXTRAS, set()), ({PANE}, {SCALAR, TOPIC}), ({SCALAR, TOPIC}, {PANE, SCALAR})],
)
CLICKS, MOOD, NO_MOOD = 70_000, 0.25, 0.5


@contextmanager
def release(extras: set[str]) -> Iterator[None]:
    """A release that has these columns and topics too, before its others."""
    panes, scalars = dict(PANES), dict(SCALARS)
    topics = (TOPIC, *TOPICS) if TOPIC in extras else TOPICS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.intake.feed.INPUT_TOPICS", topics)
        patch.setattr(state, "DEDUPLICATED", tuple(topic for topic in topics if topic != "account.profiles"))
        if PANE in extras:
            refill(PANES, {PANE: "u4"} | panes)
        if SCALAR in extras:
            refill(SCALARS, {SCALAR: ("f4", NO_MOOD)} | scalars)
        try:
            yield
        finally:
            refill(PANES, panes)
            refill(SCALARS, scalars)


def refill(table: dict[str, Any], content: dict[str, Any]) -> None:
    table.clear()
    table.update(content)


def begun(feed: Feed) -> Feed:
    """A topic that has joined says that it is as far as any will come."""
    if TOPIC in feed.topics:
        now_ms = 2**52
        tick = to_batches({USAGE: [Record(0, "tick", now_ms, now_ms)]}, USAGE, [1])[0]
        feed.push(replace(tick, topic=TOPIC))
    return feed


def push_rest(feed: Feed, batches: dict[str, list[Batch]]) -> Outcome:
    outcome = Outcome()
    for topic in TOPICS:
        for batch in batches[topic]:
            if batch.end > feed.next_offset(topic):
                outcome.extend(feed.push(batch))
    return outcome


def fill(feed: Feed) -> None:
    """Give the columns that have joined a value in every account."""
    accounts = feed.state.accounts
    if PANE in PANES:
        accounts.panes[PANE][::7, 1 : accounts.size] = CLICKS
    if SCALAR in SCALARS:
        accounts.mood[1 : accounts.size] = MOOD  # type: ignore[attr-defined]


def known_to_all(feed: Feed) -> dict[str, Any]:
    """What any release knows."""
    found = portrait(feed)
    found["topics"].pop(TOPIC, None)
    # How often something was dropped is not said of accounts whose checkpoint was cut.
    del found["dropped"]
    for account in found["accounts"].values():
        account["panes"].pop(PANE, None)
        account["scalars"].pop(SCALAR, None)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@RELEASES
@tried(6)
@given(case=short_cases(), random=RANDOMS, size=st.integers(1, 5))
def test_state_of_another_release_goes_on_as_if_it_had_always_been_this_one(
    before: set[str], after: set[str], case: Case, random: Any, size: int
) -> None:
    config = engine_config(case.config)
    batches = {topic: to_batches(case.log, topic, [size]) for topic in TOPICS}
    with release(before):
        feed = begun(Feed(config, 0))
        alerts = push_rest(feed, some_of(batches, random)).alerts
        fill(feed)
        written = checkpoint(feed, epoch=0)
        left = known_to_all(feed)
    with release(after):
        restored = recovered(config, [CLAIM, *written])
        assert known_to_all(restored) == left
        assert restored.state.ahead is None
        accounts = restored.state.accounts
        used = slice(1, accounts.size)
        if PANE in after:
            clicks = accounts.panes[PANE][:, used]
            assert np.unique(clicks[::7]).tolist() in ([], [CLICKS if PANE in before else 0])
            assert clicks.sum() == clicks[::7].sum()
        if SCALAR in after:
            mood = getattr(accounts, SCALAR)[used]
            assert (mood == (MOOD if SCALAR in before else NO_MOOD)).all()
        if TOPIC in after - before:
            ledger = restored.topics[TOPIC].ledger
            assert (ledger.start, ledger.position) == (None, 0)
        assert_goes_on(restored, batches, alerts)


def assert_goes_on(restored: Feed, batches: dict[str, list[Batch]], alerts: list[dict[str, Any]]) -> None:
    """With the rest it comes to what one feed comes to that takes everything."""
    alerts += push_rest(begun(restored), batches).alerts
    fresh = begun(Feed(restored.config, 0))
    expected = push_rest(fresh, batches).alerts
    assert known_to_all(restored) == known_to_all(fresh)
    assert alerts_by_identity(alerts) == alerts_by_identity(expected)


@pytest.mark.slow
@pytest.mark.timeout(600)
@RELEASES
@tried(6)
@given(case=short_cases(), random=RANDOMS, size=st.integers(1, 5))
def test_a_checkpoint_of_another_release_that_was_cut_is_completed(
    before: set[str], after: set[str], case: Case, random: Any, size: int
) -> None:
    config = engine_config(case.config)
    batches = {topic: to_batches(case.log, topic, [size]) for topic in TOPICS}
    log = [CLAIM]
    with release(before):
        feed = begun(Feed(config, 0))
        alerts = push_rest(feed, some_of(batches, random)).alerts
        log += checkpoint(feed, epoch=0)
        alerts += push_rest(feed, some_of(batches, random)).alerts
        second = checkpoint(feed, epoch=0)
        log += second[: random.randint(0, len(second))]
    with release(after):
        assert_goes_on(recovered(config, log), batches, alerts)


def some_of(batches: dict[str, list[Batch]], random: Any) -> dict[str, list[Batch]]:
    return {topic: some[: random.randint(0, len(some))] for topic, some in batches.items()}
