"""`python -m tests.unit.sinks.deliver_process BROKERS URL`: a delivery in its own process, to be killed."""

from __future__ import annotations

import sys
import threading

from agents.process.failpoints import hit
from tests.unit.sinks.delivering import delivering


def main(bootstrap: str, url: str) -> None:
    with delivering(bootstrap, url, failpoint=hit, batch_records=50):
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
