from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.backtest.run import Replayed, replay
from agents.eventfiles.files import TOPIC_OF, EventFiles, read_events, write_events
from pipeline.config import EngineConfig
from pipeline.simulate import SimulationSettings, simulate
from pipeline.simulate.tables import PROFILES, USAGE
from tests.unit.backtest.streams import SEEN_AT_MS

HEADER = "event_id,account_id,feature,occurred_at,arrived_at\n"
_START_MS = 1_767_225_600_000


def usage_of(folder: Path, *lines: str) -> EventFiles:
    (folder / "usage.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return read_events(folder)


def ids(files: EventFiles) -> list[str]:
    out: list[str] = files.usage["event_id"].to_pylist()
    return out


CONFIG = EngineConfig(enabled_kinds=("advocacy_moment",))


@pytest.fixture(scope="module")
def sample() -> EventFiles:
    """Rows of all topics in order of event time."""
    return EventFiles.of(simulate(SimulationSettings(seed=4, accounts=6, days=40, kinds=())))


@pytest.fixture(scope="module")
def in_order(sample: EventFiles) -> Replayed:
    replayed = replay(sample, CONFIG, seen_at_ms=SEEN_AT_MS)
    assert replayed.alerts
    return replayed


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), partitions=st.integers(1, 3))
def test_a_file_in_any_order_gives_the_alerts_of_the_sorted_file(
    sample: EventFiles, in_order: Replayed, tmp_path_factory: pytest.TempPathFactory, seed: int, partitions: int
) -> None:
    draw = np.random.default_rng(seed)
    shuffled = {
        name: (table := getattr(sample, name)).take(pa.array(draw.permutation(table.num_rows))) for name in TOPIC_OF
    }
    folder = tmp_path_factory.mktemp("shuffled")
    for name, table in shuffled.items():
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
    replayed = replay(read_events(folder), CONFIG, partitions=partitions, seen_at_ms=SEEN_AT_MS)
    assert replayed.alerts == in_order.alerts
    assert all(fates["late_applied"] == fates["too_late"] == 0 for fates in replayed.fates.values())


def test_rows_of_one_time_keep_their_order_and_profiles_without_a_time_come_first(tmp_path: Path) -> None:
    (tmp_path / "profiles.csv").write_text("account_id,updated_at\na,2026-01-02\nb,2026-01-01\nc,\nd,2026-01-01\ne,\n")
    assert read_events(tmp_path).profiles["account_id"].to_pylist() == ["c", "e", "b", "d", "a"]


def test_rows_arrive_when_the_file_says_and_else_when_they_happened(tmp_path: Path) -> None:
    times = {"late": (1, 9), "third": (8, None), "first": (2, None), "second": (6, 3), "last": (10, None)}
    rows = (
        f"{name},a,f,{_START_MS + at},{_START_MS + arrived if arrived else ''}" for name, (at, arrived) in times.items()
    )
    files = usage_of(tmp_path, *rows)
    assert ids(files) == ["first", "second", "third", "late", "last"]
    assert files.usage.schema.equals(USAGE)


def test_a_time_of_arrival_that_is_none_is_rejected(tmp_path: Path) -> None:
    files = usage_of(tmp_path, "e1,a,f,2026-01-01,soon", "e2,a,f,2026-01-01,2026-01-02")
    assert [(one.row, one.field, one.value) for one in files.rejected] == [(2, "arrived_at", "soon")]
    assert ids(files) == ["e2"]


def test_lateness_can_be_replayed_on_purpose(tmp_path: Path) -> None:
    days = [f"e{day},a,f,2026-01-{day:02},2026-01-{day:02}" for day in range(1, 31)]
    fates = [
        replay(usage_of(tmp_path, f"x,a,f,2026-01-05,{arrived}", *days), CONFIG, seen_at_ms=SEEN_AT_MS).fates
        for arrived in ("", "2026-01-08", "2026-01-28")
    ]
    late = [(one["usage.events"]["late_applied"], one["usage.events"]["too_late"]) for one in fates]
    assert late == [(0, 0), (1, 0), (0, 1)]


def test_a_table_in_order_of_event_time_is_written_without_times_of_arrival(tmp_path: Path) -> None:
    usage = [
        {"event_id": str(at), "account_id": "a", "feature": "f", "occurred_at": at, "quantity": 1.0} for at in (1, 2)
    ]
    empty = {name: getattr(simulate(SimulationSettings(accounts=1, days=1)), name).slice(0, 0) for name in TOPIC_OF}
    profiles = pa.Table.from_pylist([{"account_id": "a", "updated_at": None}], schema=PROFILES)
    files = EventFiles(**{**empty, "usage": pa.Table.from_pylist(usage, schema=USAGE), "profiles": profiles})
    write_events(files, tmp_path, "csv")
    assert all("arrived_at" not in path.read_text() for path in tmp_path.iterdir())
