from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from agents.eventfiles.files import TOPIC_OF, EventFileError, EventFiles, read_events, read_labels, write_events
from pipeline.scoring.labels import Label, labels_from_table
from pipeline.simulate import SimulatedStream, SimulationSettings, simulate
from pipeline.simulate.tables import USAGE

if TYPE_CHECKING:
    from pathlib import Path

    from agents.eventfiles.files import Format

FORMATS: tuple[Format, ...] = ("parquet", "csv", "jsonl")


@pytest.fixture(scope="module")
def stream() -> SimulatedStream:
    return simulate(SimulationSettings(seed=2, accounts=12, days=90, incidents_per_kind=1))


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_written_is_read_back_unchanged(stream: SimulatedStream, tmp_path: Path, kind: Format) -> None:
    written = write_events(stream, tmp_path / "out", kind)
    filled = [name for name in TOPIC_OF if getattr(stream, name).num_rows]
    assert sorted(file.name for file in written) == sorted([*(f"{name}.{kind}" for name in filled), "labels.csv"])
    assert len(filled) == len(TOPIC_OF) - 1
    files = read_events(tmp_path / "out")
    assert files.rejected == ()
    assert files.notes == ()
    for name in TOPIC_OF:
        assert getattr(files, name).equals(getattr(stream, name)), name


def test_labels_are_read_back_unchanged(stream: SimulatedStream, tmp_path: Path) -> None:
    write_events(stream, tmp_path)
    assert stream.labels.num_rows >= 5
    assert read_labels(tmp_path / "labels.csv") == labels_from_table(stream.labels)


@pytest.mark.parametrize("kind", FORMATS)
def test_maps_and_awkward_texts_survive(tmp_path: Path, kind: Format) -> None:
    row = {
        "event_id": "e1",
        "account_id": 'a,"b"\nc',
        "feature": "=cmd|x; ä 😀",
        "occurred_at": 1_767_225_600_001,
        "quantity": 0.1,
        "properties": [("k", 'v"'), ("empty", "")],
    }
    empty = {name: getattr(EventFiles.of(simulate(SimulationSettings(accounts=1, days=1))), name) for name in TOPIC_OF}
    files = EventFiles(**{**empty, "usage": pa.Table.from_pylist([row], schema=USAGE)})
    write_events(files, tmp_path, kind)
    assert read_events(tmp_path).usage.equals(files.usage)


def test_files_of_another_format_are_not_mixed_with_new_ones(stream: SimulatedStream, tmp_path: Path) -> None:
    write_events(stream, tmp_path, "csv")
    with pytest.raises(EventFileError, match=r"already has billing\.csv, .*usage\.csv"):
        write_events(stream, tmp_path, "parquet")
    assert not (tmp_path / "usage.parquet").exists()
    write_events(stream, tmp_path, "csv")


def test_labels_need_no_end_and_no_detail_and_take_days_as_times(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "account_id,kind,at,ends_at,detail\na,churned,1970-01-02,NULL,n/a\n*,holiday,86400000,,\n"
    )
    assert read_labels(tmp_path / "labels.csv") == [
        Label("a", "churned", 86_400_000),
        Label("*", "holiday", 86_400_000),
    ]


def test_every_wrong_label_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("account_id,kind,at\na,churned,soon\nNULL,churned,1\na,left,1\na,churned\n")
    with pytest.raises(EventFileError) as caught:
        read_labels(tmp_path / "labels.csv")
    assert [problem.split(": ", 1)[0] for problem in caught.value.problems] == [
        "labels.csv line 5",
        "labels.csv line 2",
        "labels.csv line 3",
        "labels.csv line 4",
    ]
    assert "known are" in caught.value.problems[-1]


def test_a_label_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("account_id,label\na,churned\n")
    with pytest.raises(EventFileError, match="required columns are missing: kind, at"):
        read_labels(tmp_path / "labels.csv")
