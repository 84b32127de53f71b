"""Worker process with the counting core.

Arguments: JSON of WorkerConfig fields, comma-separated topics, optionally a path without which usage events cannot be
decoded.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from agents.settings.worker import TickSettings, WorkerConfig
from agents.worker.process import Worker
from tests.support.standin import PlainSerde, UnsureSerde, count_instead


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    fields = json.loads(sys.argv[1])
    if "ticks" in fields:
        fields["ticks"] = TickSettings(**fields["ticks"])
    exists = sys.argv[3] if len(sys.argv) > 3 else ""
    count_instead()
    serde = UnsureSerde(Path(exists)) if exists else PlainSerde()
    worker = Worker(WorkerConfig(**fields), topics=sys.argv[2].split(","), serde=serde)
    return worker.run()


if __name__ == "__main__":
    sys.exit(main())
