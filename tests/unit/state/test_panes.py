"""Day values that count events."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.state.panes import COUNTED, PANES, RING, Counted, count, empty
from schemas.topics import INPUT_TOPICS
from tests.support.scene import Stage


def failed_logins(events: pa.RecordBatch) -> pa.Array:
    return pc.equal(events["action"], "login_failed")


def test_a_day_value_that_joins_needs_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COUNTED, "login_failures", Counted("u1", "usage.events", failed_logins))
    monkeypatch.setitem(PANES, "login_failures", "u1")
    stage = Stage()
    for action in ("login_failed", "login", "login_failed", None):
        stage.send("usage.events", {"action": action})
    stage.send("usage.events", {"action": "login_failed"}, back_hours=24)
    stage.restart(stage.config)
    stage.send("usage.events", {"action": "login_failed"})
    pane, today = stage.feed.state.accounts.panes["login_failures"], stage.feed.open_day
    assert [int(pane[day % RING, 1]) for day in (today - 1, today)] == [1, 3]
    assert int(pane.sum()) == 4


def test_a_count_stops_at_the_largest_value_of_its_type() -> None:
    pane, rows = empty("complaints", 4), np.array([2, 1, 2], dtype=np.int32)
    for _ in range(130):
        count(pane, np.array([5, 5, 5 + RING]), rows)
    assert pane[5].tolist() == [0, 130, 255, 0]
    count(pane, 6, rows)
    assert (pane[6].tolist(), int(pane.astype(np.int64).sum())) == ([0, 1, 2, 0], 130 + 255 + 3)


def test_what_counts_is_an_input_topic_and_a_value_that_is_kept() -> None:
    assert {counted.topic for counted in COUNTED.values()} <= set(INPUT_TOPICS)
    assert {name: counted.type for name, counted in COUNTED.items()}.items() <= PANES.items()
