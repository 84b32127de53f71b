"""State that released layouts wrote is read as it was: a changelog of each, and what it held.

`FORESHOCK_TEST_GOLDEN=write pytest tests/golden` keeps one more when the present layout is not that of the last one;
those that are there are never written again. Do it before a release.
"""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from agents.backtest.stream import Stream
from agents.eventfiles.files import EventFiles
from pipeline.changelog.records import LAYOUT_PREFIX, Entry
from pipeline.changelog.write import checkpoint
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.simulate import SimulationSettings, simulate
from schemas.topics import DAY_MS, INPUT_TOPICS
from tests.support.portrait import portrait
from tests.support.recovered import CLAIM, recovered

FOLDER = Path(__file__).parent / "changelog"
SETTINGS = SimulationSettings(seed=5, accounts=22, days=104, incidents_per_kind=2)
CONFIG = EngineConfig(health_scorecards=("default", "adoption"), fleet_min_accounts=5)
SEEN_AT_MS = 1_800_000_000_000
BEFORE_WEEKS = {"1.msgpack.gz", "2.msgpack.gz", "3.msgpack.gz"}
"""Written before accounts remembered their weeks."""


class Kept(msgspec.Struct):
    """A changelog, and what `portrait` said of the feed that wrote it."""

    changelog: list[Entry]
    state: dict[str, Any]


def files() -> EventFiles:
    """Months of all topics; at their end no usage comes in.

    Of some accounts no roles are known, in others everybody is promoted at half-time.
    """
    made = EventFiles.of(simulate(SETTINGS))
    usage = made.usage.filter(pc.field("occurred_at") < SETTINGS.end_ms - 3 * DAY_MS)
    role = usage.schema.get_field_index("role")
    half_ms = (SETTINGS.start_ms + SETTINGS.end_ms) // 2
    untold = pc.less(usage["account_id"], "acc-00006")
    promoted = pc.and_(pc.greater(usage["account_id"], "acc-00018"), pc.greater(usage["occurred_at"], half_ms))
    roles = pc.if_else(promoted, pa.scalar("owner"), usage["role"])
    usage = usage.set_column(role, "role", pc.if_else(untold, pa.scalar(None, pa.string()), roles))
    return replace(made, usage=usage)


def lived() -> tuple[list[Entry], dict[str, Any]]:
    """The stream's changelog as compaction leaves it, and what its owner knew."""
    feed, log = Feed(CONFIG, 0), [CLAIM]
    for window in Stream(files(), CONFIG, 1, SEEN_AT_MS).windows():
        for _, batch in window.batches:
            feed.push(batch)
        log += checkpoint(feed, epoch=0)
    return list(dict(log).items()), portrait(feed)


def read(path: Path) -> Kept:
    return msgspec.msgpack.decode(gzip.decompress(path.read_bytes()), type=Kept)


def layouts(log: list[Entry]) -> set[bytes]:
    return {key for key, _ in log if key.startswith(LAYOUT_PREFIX)}


def kept() -> list[Path]:
    return sorted(FOLDER.iterdir(), key=lambda path: int(path.name.partition(".")[0]))


@pytest.mark.parametrize("path", kept(), ids=lambda path: path.name)
def test_state_that_a_released_layout_wrote_is_read_as_it_was(path: Path) -> None:
    old = read(path)
    found = portrait(recovered(CONFIG, old.changelog))
    # The definitions in force now join those that the state was judged by.
    found["definitions"] = {key: found["definitions"].get(key) for key in old.state["definitions"]}
    if path.name in BEFORE_WEEKS:
        # Taken from the days that are remembered: weeks with use are what they tell of.
        weeks = {name: account["scalars"].pop("weeks") for name, account in found["accounts"].items()}
        assert {name: week.bit_count() for name, week in weeks.items()} == {
            name: len({day // 7 for day in days_used(account)}) for name, account in old.state["accounts"].items()
        }
    assert found == old.state


def days_used(account: dict[str, Any]) -> set[int]:
    """The numbers of days in a portrait's ring, as days of the stream."""
    last = SETTINGS.end_ms // DAY_MS + 1
    ring = account["bits"][0] | account["bits"][1] << 64
    return {day for day in range(last - 127, last + 1) if ring >> day % 128 & 1}


def test_the_state_that_is_kept_has_some_of_everything() -> None:
    first = read(kept()[0])
    assert {value[0] for key, value in first.changelog if value and not key.startswith(b"\x00")} == {1, 2}
    for path in kept():
        state = read(path).state
        accounts = state["accounts"].values()
        assert all(account["panes"].keys() >= {"actions", "touches", "active_users"} for account in accounts)
        assert all(account["users"] and account["features"] and len(account["standings"]) == 2 for account in accounts)
        assert any("former_role" in user for account in accounts for user in account["users"].values())
        assert len({episode["kind"] for account in accounts for episode in account["book"].get("episodes", ())}) > 5
        assert state["fleet_books"]["None"]["episodes"][0]["kind"] == "usage_feed_stopped"
        assert state["seen"].keys() == set(INPUT_TOPICS) - {"account.profiles", "alert.commands"}
        assert state["topics"]["usage.events"]["fates"].keys() == {"applied", "duplicate", "late_applied"}
        assert state["roles"]


def test_what_is_written_now_is_read_as_it_was() -> None:
    log, state = lived()
    assert portrait(recovered(CONFIG, log)) == state
    newest = kept()[-1]
    if os.environ.get("FORESHOCK_TEST_GOLDEN") == "write" and layouts(read(newest).changelog) != layouts(log):
        data = gzip.compress(msgspec.msgpack.encode(Kept(log, state)), mtime=0)
        (FOLDER / f"{len(kept()) + 1}.msgpack.gz").write_bytes(data)
