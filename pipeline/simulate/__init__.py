"""Seeded streams of made-up customers, with labelled incidents: for demos, benchmarks and tests."""

from __future__ import annotations

from pipeline.simulate.incidents import ACCOUNT_KINDS, FLEET_KINDS
from pipeline.simulate.settings import ALL_KINDS, SimulationSettings
from pipeline.simulate.stream import SimulatedStream, simulate

__all__ = ["ACCOUNT_KINDS", "ALL_KINDS", "FLEET_KINDS", "SimulatedStream", "SimulationSettings", "simulate"]
