"""A worker that freezes at each named place, and wakes when another has its partitions."""

from __future__ import annotations

from typing import Any

import pytest

from agents.process.failpoints import NAMES
from tests.support.patience import wait_until
from tests.support.workers import Source, WorkerProcess, check

pytestmark = [pytest.mark.servers, pytest.mark.faults, pytest.mark.soak, pytest.mark.timeout(180)]

PLACES = [name for name in NAMES if not name.startswith(("sink_", "notify_")) and "_fleet_" not in name]
SESSION_MS = 3_000
QUICK: dict[str, Any] = {"session_timeout_ms": SESSION_MS, "checkpoint_interval_s": 0.2}


@pytest.mark.parametrize("name", PLACES)
def test_frozen_past_its_session_at(bootstrap: str, group: str, name: str) -> None:
    source = Source(bootstrap)
    source.send(300)
    with (
        WorkerProcess(bootstrap, group, failpoint=f"{name}:2:stop", **QUICK) as zombie,
        WorkerProcess(bootstrap, group, **QUICK) as heir,
    ):

        def stopped() -> bool:
            source.send(40)
            return zombie.frozen()

        wait_until(stopped, f"{name} to be reached", meanwhile=zombie.alive)
        source.run(2 * SESSION_MS / 1000, 40)
        zombie.resume()
        assert zombie.wait() == 75
        source.send(300)
        check(bootstrap, group, source)
        assert heir.alive()
    with WorkerProcess(bootstrap, group, session_timeout_ms=SESSION_MS) as successor:
        successor.wait_until_running()
        source.send(50)
        check(bootstrap, group, source)
