"""Files bigger than the memory for them: sorted on disk, and replayed piece by piece."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from agents.eventfiles.files import read_events
from agents.eventfiles.runs import Hashes, Scratch, Sorter
from tests.support.patience import finished

_START_MS = 1_767_225_600_000
_HEADER = "event_id,account_id,user_id,feature,occurred_at,arrived_at\n"
_MEASURE = """
import re, sys, threading
from agents.eventfiles.files import read_events
from agents.replay.arrivals import every
from agents.replay.plan import plan

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read()).group(1)) * 1024

def replay(folder):
    rows = 0
    for step in plan(read_events(folder, memory_bytes=1 << 21), 2, every(86_400_000)):
        rows += step.events
    return rows

replay(sys.argv[1])
before, most, ended = anonymous(), 0, threading.Event()

def watch():
    global most
    while not ended.wait(0.002):
        most = max(most, anonymous())

thread = threading.Thread(target=watch)
thread.start()
rows = replay(sys.argv[2])
ended.set()
thread.join()
print(rows, most - before)
"""


def write(folder: Path, rows: int) -> Path:
    """Rows of a year in no order, all of them different."""
    folder.mkdir()
    with (folder / "usage.csv").open("w") as file:
        file.write(_HEADER)
        for row in range(rows):
            at_ms = _START_MS + (row * 7_919 % rows) * (31_536_000_000 // rows)
            file.write(f"{row:032x},account-{row % 97},user-{row % 9973},{'feature' * 9}-{row % 13},{at_ms},\n")
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="reads what the kernel says of memory")
def test_a_file_of_fifteen_times_the_limit_is_replayed_in_less_memory_than_it_has_itself(tmp_path: Path) -> None:
    small, large = write(tmp_path / "small", 60_000), write(tmp_path / "large", 240_000)
    ran = finished([sys.executable, "-c", _MEASURE, small, large], env={"ARROW_DEFAULT_MEMORY_POOL": "system"})
    rows, grown = map(int, ran.stdout.split())
    size = (large / "usage.csv").stat().st_size
    assert rows == 240_000
    assert size > 15 * (1 << 21)
    # All of it in memory takes four times its size.
    assert grown < size


def test_what_was_sorted_on_disk_is_what_memory_would_have_given(tmp_path: Path) -> None:
    folder = write(tmp_path / "files", 3_000)
    text = (folder / "usage.csv").read_text().splitlines()
    late = [f"late-{row},a,,f,{_START_MS + row},{_START_MS + 9_000_000_000 - row % 7}" for row in range(0, 900, 3)]
    again, other = text[500:600], [f"{line.split(',')[0]},b,,f,{_START_MS + 5}," for line in text[700:705]]
    (folder / "usage.csv").write_text("\n".join([*text, *again, *other, *late, ""]))
    (folder / "usage-2.csv").write_text("\n".join([text[0], *text[100:150], *other, "x,a,,f,never,", ""]))
    (folder / "usage-3.csv.gz").write_bytes(b"no gzip")
    whole, pieces = (read_events(folder, memory_bytes=size) for size in (1 << 29, 20_000))
    assert pieces.usage.equals(whole.usage)
    assert pieces.rejected == whole.rejected
    assert pieces.summaries == whole.summaries
    assert pieces.notes == whole.notes
    assert {one.field for one in whole.rejected} == {"event_id", "occurred_at", ""}
    assert sum(one.duplicates for one in whole.summaries) == 155


def test_rows_of_one_time_come_in_one_table_in_the_order_in_which_they_were_added() -> None:
    schema = pa.schema([("at", pa.int64()), ("row", pa.int64())])
    times = [row * 31 % 50 if row % 9 else None for row in range(60_000)]
    with Scratch(100_000) as scratch:
        sorter = Sorter(schema, "at", scratch)
        for first in range(0, len(times), 5_000):
            rows = range(first, first + 5_000)
            sorter.add(pa.table({"at": times[first : first + 5_000], "row": list(rows)}, schema=schema))
        tables = [table.to_pylist() for table in sorter.merged()]
    found = [(row["at"], row["row"]) for table in tables for row in table]
    assert found == sorted(zip(times, range(60_000), strict=True), key=lambda each: -1 if each[0] is None else each[0])
    edges = [{table[0]["at"], table[-1]["at"]} for table in tables]
    assert all(not (left & right) for left, right in pairwise(edges))


def test_hashes_that_come_again_are_found_in_as_many_passes_as_memory_needs() -> None:

    with Scratch(5_000) as scratch:
        hashes = Hashes(scratch)
        hashes.add(np.arange(10_000, dtype=np.uint64))
        hashes.add(np.array([17, 9_999, 2**64 - 1, 17], dtype=np.uint64))
        assert hashes.repeated().tolist() == [17, 9_999]
