"""When a worker checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from agents.settings.worker import WorkerConfig
from agents.worker.checkpointer import Checkpointer
from agents.worker.ingest import Ingest

CONFIG = WorkerConfig("127.0.0.1:1", "unit", checkpoint_interval_s=1.0, checkpoint_max_interval_s=30.0)


@dataclass
class Work:
    """What a checkpointer reads of the worker, times in seconds since the last checkpoint."""

    outputs_pending: bool = False
    accepted_at: float = 0.0
    checkpointed_at: float = 0.0


@pytest.mark.parametrize(
    ("since_s", "took_s", "idle_s", "outputs", "due"),
    [
        (0.9, 0.0, None, False, False),
        (1.1, 0.0, None, False, True),
        # A dear checkpoint is followed by nineteen times its work, but not for longer than the setting says.
        (18.9, 1.0, None, False, False),
        (19.1, 1.0, None, False, True),
        (29.9, 9.0, None, False, False),
        (30.1, 9.0, None, False, True),
        # With nothing else to do there is nothing to be kept from, but a short pause is not that.
        (1.1, 1.0, 0.3, False, True),
        (1.1, 1.0, 0.1, False, False),
        (0.9, 1.0, 0.3, False, False),
        # Outputs are not kept from being durable by the interval.
        (0.2, 0.01, 0.0, True, True),
        (0.2, 0.01, None, True, False),
        (0.2, 0.1, 0.0, True, False),
    ],
)
def test_a_checkpoint_is_due(since_s: float, took_s: float, idle_s: float | None, outputs: bool, due: bool) -> None:
    work = Work(outputs_pending=outputs, accepted_at=since_s - (idle_s or 0.0))
    checkpointer = Checkpointer(CONFIG, cast("Ingest", work), lambda: idle_s is not None)
    checkpointer._last_s = took_s
    assert checkpointer._is_due(since_s) is due
