"""Fleet updates as they stand in their topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.terms.fleet_day import BUCKETS, FleetDay, Tally


def to_record(day: FleetDay, source: str) -> dict[str, Any]:
    """The record as in schemas/fleet_day.avsc."""
    return {
        "partition": day.partition,
        "since": day.since,
        "day": day.day,
        "source": source,
        "scopes": [
            {
                "segment": segment,
                "counts": _trimmed(tally.counts),
                "actions": tally.actions,
                "expected": tally.expected,
                "weeks": _trimmed(tally.weeks),
            }
            for segment, tally in day.tallies.items()
        ],
        "alarmed": np.array(day.alarmed, dtype="<u8").tobytes(),
    }


def from_record(record: Mapping[str, Any]) -> FleetDay:
    """What `to_record` made a record of."""
    tallies = {
        scope["segment"]: Tally(_filled(scope["counts"]), scope["actions"], scope["expected"], _filled(scope["weeks"]))
        for scope in record["scopes"]
    }
    alarmed = np.frombuffer(record["alarmed"], dtype="<u8").tolist()
    return FleetDay(record["partition"], record["since"], record["day"], tallies, tuple(alarmed))


def _filled(counts: Sequence[int]) -> tuple[int, ...]:
    return (*counts, *[0] * (BUCKETS - len(counts)))


def _trimmed(counts: tuple[int, ...]) -> list[int]:
    used = len(counts)
    while used and not counts[used - 1]:
        used -= 1
    return list(counts[:used])
