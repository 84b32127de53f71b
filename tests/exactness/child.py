"""What a forked process runs: the command line, with everything imported before."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import agents.launch
import agents.logs
import agents.transport.transport  # noqa: F401 - what Faust loads by name
from agents.cli import main
from agents.process import failpoints


def run(arguments: list[str], log: Path, failpoint: str | None) -> None:
    """Be `foreshock ARGUMENTS…` with this log, armed as the variable would arm it."""
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["foreshock", *arguments]
    failpoints.arm(failpoint)
    main()
