"""What happens to everybody: a release that people dislike, and faults of the feed: records missing, late or twice.

Order of the file is order of arrival.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.simulate.incidents import HOUR_MS, RELEASE_DIP_LEFT, Incident
from pipeline.terms.arrays import I64, Bools
from schemas.topics import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

LATE_SHARE = 0.05
LATE_DAYS = 3
REPLAYED_SHARE = 0.3
MAX_DELAY_MS = 2 * DAY_MS


def as_arrived(usage: pa.Table, incidents: Sequence[Incident], start_ms: int, rng: np.random.Generator) -> pa.Table:
    """The usage events as they reach the topic, given in order of `occurred_at`."""
    occurred_at = usage.column("occurred_at").to_numpy()
    kept = np.ones(len(occurred_at), dtype=bool)
    arrival = occurred_at.copy()
    copies: list[tuple[I64, I64]] = []
    for incident in incidents:
        day_ms = start_ms + incident.day * DAY_MS
        match incident.kind:
            case "feed_outage":
                kept &= ~_between(occurred_at, incident.at_ms, incident.ends_at_ms or incident.at_ms)
            case "release_dip":
                # Drawn here, so that everything else in the stream is as it would be without the release.
                dipped = _between(occurred_at, incident.at_ms, incident.ends_at_ms or incident.at_ms)
                kept &= ~dipped | (rng.random(len(occurred_at)) < RELEASE_DIP_LEFT)
            case "late_data":
                chosen = _between(occurred_at, day_ms, day_ms + LATE_DAYS * DAY_MS)
                chosen &= rng.random(len(arrival)) < LATE_SHARE
                arrival[chosen] += rng.integers(2 * HOUR_MS, MAX_DELAY_MS, int(chosen.sum()))
            case "duplicates_replay":
                chosen = _between(occurred_at, day_ms, day_ms + DAY_MS) & (rng.random(len(arrival)) < REPLAYED_SHARE)
                rows = np.flatnonzero(chosen)
                # The feed sends a part of the day before once more, in its old order, within an hour.
                sent = incident.at_ms + np.linspace(0, HOUR_MS - 1, len(rows)).astype(np.int64)
                copies.append((rows, sent))
    rows = np.concatenate([np.flatnonzero(kept), *(again[kept[again]] for again, _ in copies)])
    times = np.concatenate([arrival[kept], *(sent[kept[again]] for again, sent in copies)])
    order = rows[np.argsort(times, kind="stable")]
    if np.array_equal(order, np.arange(len(occurred_at))):
        return usage
    return usage.take(pa.array(order))


def _between(times: I64, first_ms: int, end_ms: int) -> Bools:
    return (times >= first_ms) & (times < end_ms)
