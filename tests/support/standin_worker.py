"""Worker process with the counting core.

Arguments: JSON of WorkerConfig fields, comma-separated topics, optionally `idle` or a path
without which usage events cannot be decoded.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from agents.settings.worker import DeadLetterLimits, TickSettings, WorkerConfig
from agents.worker.process import Worker
from tests.support.standin import BlindWire, CountingCore, IdleCore, PlainWire, UnsureWire


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    fields = json.loads(sys.argv[1])
    if "ticks" in fields:
        fields["ticks"] = TickSettings(**fields["ticks"])
    if "dead_letter_limits" in fields:
        fields["dead_letter_limits"] = DeadLetterLimits(**fields["dead_letter_limits"])
    mode = sys.argv[3] if len(sys.argv) > 3 else ""
    idle = mode == "idle"
    wire: PlainWire = BlindWire() if idle else PlainWire()
    if mode.startswith("/"):
        wire = UnsureWire(Path(mode))
    worker = Worker(
        WorkerConfig(**fields),
        topics=sys.argv[2].split(","),
        core=IdleCore() if idle else CountingCore(),
        wire=wire,
    )
    return worker.run()


if __name__ == "__main__":
    sys.exit(main())
