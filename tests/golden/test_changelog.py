"""State that released layouts wrote is read as it was: a changelog of each, and what it held.

`FORESHOCK_TEST_GOLDEN=write pytest tests/golden` keeps one more when the present layout is not that of the last one;
those that are there are never written again.
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
from pipeline.changelog.records import Entry
from pipeline.changelog.write import checkpoint
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.simulate import SimulationSettings, simulate
from schemas.topics import DAY_MS
from tests.support.portrait import portrait
from tests.support.recovered import CLAIM, recovered

FOLDER = Path(__file__).parent / "changelog"
SETTINGS = SimulationSettings(seed=5, accounts=22, days=104, incidents_per_kind=2)
CONFIG = EngineConfig(health_scorecards=("default", "adoption"), fleet_min_accounts=5)
SEEN_AT_MS = 1_800_000_000_000


def files() -> EventFiles:
    """Months of all topics; at their end no usage comes in, and of some accounts no roles are known."""
    made = EventFiles.of(simulate(SETTINGS))
    usage = made.usage.filter(pc.field("occurred_at") < SETTINGS.end_ms - 3 * DAY_MS)
    role = usage.schema.get_field_index("role")
    untold = pc.less(usage["account_id"], "acc-00006")
    usage = usage.set_column(role, "role", pc.if_else(untold, pa.scalar(None, pa.string()), usage["role"]))
    return replace(made, usage=usage)


def lived() -> tuple[list[Entry], dict[str, Any]]:
    """The stream's changelog as compaction leaves it, of two owners, and what the last one knew."""
    feed, log = Feed(CONFIG, 0), [CLAIM]
    for window in Stream(files(), CONFIG, 1, SEEN_AT_MS).windows():
        for _, batch in window.batches:
            feed.push(batch)
        log += checkpoint(feed, epoch=0)
    return list(dict(log).items()), portrait(feed)
