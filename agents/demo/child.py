"""A worker, a deliverer or the console of the demo, in a process that ends with its parent however that ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

_GRACE_S = 5.0


def main(role: str, config: str) -> int:
    """Run the process of that role until SIGTERM, or until standard input ends."""
    from agents.launch import run_console, run_deliver, run_worker
    from agents.logs import configure_logs
    from agents.settings import load

    # Ctrl-C is for the parent, which stops its children in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    settings = load(Path(config), os.environ)
    configure_logs(settings.log)
    if role == "console":
        from agents.console.routes import ROUTES

        return run_console(settings, ROUTES)
    return run_worker(settings, embedded=True) if role == "worker" else run_deliver(settings)


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock this thread would still hold when the interpreter ends.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
