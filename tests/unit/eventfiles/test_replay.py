from __future__ import annotations

from collections import defaultdict
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.eventfiles.files import TOPIC_OF, EventFiles
from agents.replay.arrivals import every
from agents.replay.plan import ReplayPlan, plan, to_batches
from pipeline.simulate import SimulationSettings, simulate
from pipeline.simulate.tables import arrow_schema
from schemas.codec.batch import RecordKind
from schemas.codec.projection import columns_of, readable
from schemas.definitions import current
from schemas.partitioning import partition_of
from schemas.topics import DAY_MS, INPUT_TOPICS, TOPICS
from schemas.validation import EVENT_ID, EVENT_TIME

SEEN_AT = 10**14
PLACEHOLDERS: dict[str, Any] = {
    "feature": "f",
    "type": "x",
    "currency": "EUR",
    "ticket_id": "t",
    "priority": "p3",
    "quantity": 1.0,
    "action": "comment",
    "author": "ann",
}

Row = tuple[str, int | None]
"""Account and time."""


def files_of(rows: dict[str, list[Row]]) -> EventFiles:
    """Files whose events have ids `topic/number`, so that each can be found again."""
    tables = {}
    for name, topic in TOPIC_OF.items():
        schema = arrow_schema(TOPICS[topic].schema)
        time = EVENT_TIME[TOPICS[topic].schema]
        tables[name] = pa.Table.from_pylist(
            [
                {
                    **{key: value for key, value in PLACEHOLDERS.items() if key in schema.names},
                    "account_id": account,
                    time: at_ms,
                    EVENT_ID.get(TOPICS[topic].schema, "name"): f"{topic}/{number}",
                }
                for number, (account, at_ms) in enumerate(rows.get(name, []))
            ],
            schema=schema,
        )
    return EventFiles(**tables)


def ids(topic: str, events: pa.RecordBatch) -> list[str]:
    names: list[str] = events.column(EVENT_ID.get(TOPICS[topic].schema, "name")).to_pylist()
    return names


def sent(steps: ReplayPlan) -> dict[tuple[str, int], list[str | int]]:
    """What each partition gets, in order: ids of events and times of ticks."""
    out: dict[tuple[str, int], list[str | int]] = defaultdict(list)
    for step in steps:
        for rows in step.rows:
            out[rows.topic, rows.partition] += [*ids(rows.topic, rows.events), step.tick_at_ms]
    return out


accounts = st.sampled_from(["a", "b", "c", "long-account-name"])
times = st.integers(min_value=0, max_value=12 * DAY_MS)
rows = st.lists(st.tuples(accounts, times), max_size=12)
profile_rows = st.lists(st.tuples(accounts, st.none() | times), max_size=8)
recordings = st.fixed_dictionaries(
    {"usage": rows, "billing": rows, "tickets": rows, "signals": rows, "profiles": profile_rows, "commands": rows}
)


@settings(max_examples=150, deadline=None)
@given(recordings, st.integers(1, 4), st.sampled_from([DAY_MS, DAY_MS // 4, 3 * DAY_MS]))
def test_every_row_is_sent_once_to_its_partition_in_the_order_of_its_file(
    recorded: dict[str, list[Row]], partitions: int, chunk_ms: int
) -> None:
    out = sent(plan(files_of(recorded), partitions, every(chunk_ms)))
    for name, topic in TOPIC_OF.items():
        numbered = list(enumerate(recorded[name]))
        # Profiles without a time come first; otherwise the file's order is kept.
        numbered.sort(key=lambda pair: pair[1][1] is not None)
        for partition in range(partitions):
            expected = [
                f"{topic}/{number}"
                for number, (account, _at) in numbered
                if partition_of(account.encode(), partitions) == partition
            ]
            assert [record for record in out[topic, partition] if isinstance(record, str)] == expected


@settings(max_examples=150, deadline=None)
@given(recordings, st.integers(1, 3), st.sampled_from([DAY_MS, DAY_MS // 4]))
def test_every_partition_gets_the_same_rising_ticks_and_none_before_a_row_it_covers(
    recorded: dict[str, list[Row]], partitions: int, chunk_ms: int
) -> None:
    steps = plan(files_of(recorded), partitions, every(chunk_ms))
    out = sent(steps)
    assert set(out) == {(topic, partition) for topic in INPUT_TOPICS for partition in range(partitions)}
    ticks = [step.tick_at_ms for step in steps]
    assert ticks == sorted(ticks)
    assert all(at_ms % chunk_ms == 0 for at_ms in ticks[:-1])
    # Ticks are left out only where nothing happened from one to the next.
    topics = [[at_ms for _account, at_ms in rows if at_ms is not None] for rows in recorded.values()]
    running = [list(accumulate(times, max)) for times in topics if times]
    first = min((highs[0] // chunk_ms for highs in running), default=0)
    for high in {high // chunk_ms for highs in running for high in highs} - {first}:
        assert high * chunk_ms in ticks
        assert ticks[-1] // chunk_ms == high or (high + 1) * chunk_ms in ticks
    assert len(set(ticks[:-1])) <= 2 * sum(map(len, running))
    for (topic, _partition), records in out.items():
        assert [record for record in records if isinstance(record, int)] == ticks
        # In the order of arrival the running maximum of a topic, not the row's own time, decides the chunk.
        name = next(name for name, its in TOPIC_OF.items() if its == topic)
        ordered = sorted(recorded[name], key=lambda row: row[1] is not None)
        high, highs = 0, {}
        numbers = sorted(range(len(ordered)), key=lambda n: recorded[name][n][1] is not None)
        for number, (_account, at_ms) in zip(numbers, ordered, strict=True):
            high = max(high, at_ms or 0)
            highs[f"{topic}/{number}"] = high
        tick_before = -1
        for record in records:
            if isinstance(record, int):
                tick_before = record
            elif highs[record] > 0:
                assert highs[record] >= tick_before


def test_an_event_of_long_ago_brings_one_tick_for_the_years_between() -> None:
    recent = 20_000 * DAY_MS
    files = files_of({"usage": [("a", 14_300 * DAY_MS), ("a", recent), ("a", recent + DAY_MS)]})
    ticks = (14_301 * DAY_MS, recent, recent + DAY_MS, recent + DAY_MS)
    assert plan(files, 2, every(DAY_MS)).tick_times_ms == ticks


@settings(max_examples=100, deadline=None)
@given(recordings, st.integers(1, 3))
def test_the_last_tick_is_the_greatest_time_of_all(recorded: dict[str, list[Row]], partitions: int) -> None:
    steps = list(plan(files_of(recorded), partitions, every(DAY_MS)))
    times_ms = [at_ms for name in recorded for _account, at_ms in recorded[name] if at_ms is not None]
    assert steps[-1].tick_at_ms == max(times_ms, default=0)


@settings(max_examples=100, deadline=None)
@given(recordings, st.integers(1, 3))
def test_batches_of_a_partition_have_gapless_offsets_and_end_with_the_tick(
    recorded: dict[str, list[Row]], partitions: int
) -> None:
    files = files_of(recorded)
    following: dict[tuple[str, int], int] = defaultdict(int)
    events = 0
    for step in plan(files, partitions, every(DAY_MS)):
        batches = to_batches(step, SEEN_AT)
        assert [batch.topic for batch in batches] == [rows.topic for rows in step.rows]
        for batch, rows in zip(batches, step.rows, strict=True):
            place = (rows.topic, rows.partition)
            assert batch.begin == following[place]
            assert batch.offsets.tolist() == list(range(batch.begin, batch.end))
            following[place] = batch.end
            assert batch.kind.tolist() == [RecordKind.EVENT] * len(rows) + [RecordKind.TICK]
            assert batch.occurred_at_ms[-1] == step.tick_at_ms
            assert batch.seen_at_ms.tolist() == [SEEN_AT] * len(batch)
            assert batch.events.num_rows == len(rows)
            time = EVENT_TIME[TOPICS[rows.topic].schema]
            assert [at or 0 for at in batch.events.column(time).to_pylist()] == batch.occurred_at_ms[:-1].tolist()
            events += len(rows)
    assert events == files.rows


def test_batches_have_the_columns_that_the_decoder_makes() -> None:
    files = EventFiles.of(simulate(SimulationSettings(accounts=5, days=3)))
    for batch in to_batches(next(iter(plan(files, 2, every(DAY_MS)))), SEEN_AT):
        assert batch.events.schema.equals(columns_of(readable(current(TOPICS[batch.topic].schema))))


def test_days_without_events_are_one_step() -> None:
    files = files_of({"usage": [("a", 0), ("a", 10 * DAY_MS + 5)]})
    steps = list(plan(files, 1, every(DAY_MS)))
    assert [step.tick_at_ms for step in steps] == [DAY_MS, 10 * DAY_MS, 10 * DAY_MS + 5]
    assert [step.events for step in steps] == [1, 0, 1]


def test_a_late_row_stays_in_the_chunk_in_which_it_arrived() -> None:
    files = files_of({"usage": [("a", 3 * DAY_MS), ("a", DAY_MS)], "billing": [("a", DAY_MS)]})
    out = sent(plan(files, 1, every(DAY_MS)))
    assert out["usage.events", 0] == [2 * DAY_MS, 3 * DAY_MS, "usage.events/0", "usage.events/1", 3 * DAY_MS]
    assert out["billing.events", 0] == ["billing.events/0", 2 * DAY_MS, 3 * DAY_MS, 3 * DAY_MS]


def test_a_day_that_is_known_to_be_complete_may_end_with_a_later_tick() -> None:
    files = files_of({"usage": [("a", 5)]})
    assert plan(files, 1, every(DAY_MS), final_tick_ms=DAY_MS).tick_times_ms == (DAY_MS,)
    assert plan(files, 1, every(DAY_MS), final_tick_ms=1).tick_times_ms == (5,)


def test_profiles_alone_and_without_time_make_one_step() -> None:
    steps = list(plan(files_of({"profiles": [("a", None)]}), 1, every(DAY_MS)))
    assert [(step.tick_at_ms, step.events) for step in steps] == [(0, 1)]


def test_a_plan_can_be_followed_twice_and_knows_its_length() -> None:
    steps = plan(files_of({"usage": [("a", 5), ("b", 3 * DAY_MS)]}), 2, every(DAY_MS))
    assert len(steps) == 3
    assert steps.events == 2
    assert sent(steps) == sent(steps)


@pytest.mark.parametrize("partitions", [1, 3])
def test_rows_keep_their_maps_for_producers(partitions: int) -> None:
    files = files_of({"usage": [("a", 5)]})
    usage = files.usage.set_column(
        files.usage.schema.get_field_index("properties"),
        files.usage.schema.field("properties"),
        pa.array([[("k", "v")]], files.usage.schema.field("properties").type),
    )
    (step,) = plan(
        EventFiles(**{**{n: getattr(files, n) for n in TOPIC_OF}, "usage": usage}), partitions, every(DAY_MS)
    )
    (row,) = [row for rows in step.rows for row in rows.table.to_pylist()]
    assert row["properties"] == [("k", "v")]
