"""Worker process with the counting core.

Arguments: JSON of WorkerConfig fields, comma-separated topics, optionally `idle`.
"""

from __future__ import annotations

import json
import logging
import sys

from agents.config import DeadLetterLimits, TickSettings, WorkerConfig
from agents.worker import Worker
from tests.support.standin import BlindWire, CountingCore, IdleCore, PlainWire


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    fields = json.loads(sys.argv[1])
    if "ticks" in fields:
        fields["ticks"] = TickSettings(**fields["ticks"])
    if "dead_letter_limits" in fields:
        fields["dead_letter_limits"] = DeadLetterLimits(**fields["dead_letter_limits"])
    idle = "idle" in sys.argv[3:]
    worker = Worker(
        WorkerConfig(**fields),
        topics=sys.argv[2].split(","),
        core=IdleCore() if idle else CountingCore(),
        wire=BlindWire() if idle else PlainWire(),
    )
    return worker.run()


if __name__ == "__main__":
    sys.exit(main())
