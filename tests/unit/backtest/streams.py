"""Small simulated streams for tests of the backtest."""

from __future__ import annotations

from functools import cache

from agents.eventfiles.files import EventFiles
from pipeline.simulate import SimulatedStream, SimulationSettings, simulate

SEEN_AT_MS = 1_800_000_000_000


@cache
def stream(accounts: int = 24, days: int = 100, seed: int = 3) -> SimulatedStream:
    """Late data, duplicates and incidents among it."""
    return simulate(SimulationSettings(seed=seed, accounts=accounts, days=days, incidents_per_kind=1))


@cache
def files() -> EventFiles:
    return EventFiles.of(stream())
