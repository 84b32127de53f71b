"""How long a test waits: the seconds of a machine that is idle, stretched as far as this one is busy."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.support.repository import ROOT

MOST = 8.0
"""A machine that is busier than this is not waited for."""
_LOAD = Path("/proc/loadavg")
_LOOK_S = 0.05
Found = TypeVar("Found")


def stretch() -> float:
    """How many processes share a processor, 1 to `MOST`: the mean of the last minute, or those of this moment."""
    busy = os.getloadavg()[0]
    if _LOAD.exists():
        busy = max(busy, float(_LOAD.read_text().split()[3].partition("/")[0]))
    return min(max(busy / (os.cpu_count() or 1), 1.0), MOST)


def patience(seconds: float) -> float:
    """The limit for what an idle machine does within these seconds, as busy as this one is now."""
    return seconds * stretch()


class Patience:
    """A limit that goes on stretching while it is waited for: time passes slower on a busier machine."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self._looked_at = time.monotonic()

    def lost(self) -> bool:
        """Whether the time is over."""
        now = time.monotonic()
        self.left -= (now - self._looked_at) / stretch()
        self._looked_at = now
        return self.left <= 0


def wait_until(
    holds: Callable[[], Found],
    what: str | Callable[[], str] = "this",
    seconds: float = 60.0,
    *,
    meanwhile: Callable[[], object] = lambda: True,
) -> Found:
    """Wait until something is true, and return it; `meanwhile` must be true all the time.

    Raises:
        AssertionError: says `what` was waited for in vain.
    """
    limit = Patience(seconds)
    while not (found := holds()):
        if limit.lost() or not meanwhile():
            raise AssertionError(f"waited in vain for {what if isinstance(what, str) else what()}")
        time.sleep(_LOOK_S)
    return found


class Process(Protocol):
    """As much of a process as waiting for its end takes."""

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""


def ended(process: Process, seconds: float = 60.0) -> int:
    """Wait for the end of a process; its exit code, negative for a signal."""
    wait_until(lambda: process.poll() is not None, "the end of a process", seconds)
    code = process.poll()
    assert code is not None
    return code


def finished(
    command: Sequence[object], seconds: float = 120.0, *, check: bool = False, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, at the top of the repository; it is killed if that takes too long.

    Raises:
        subprocess.TimeoutExpired: it took too long.
        AssertionError: `check` was asked for, and it ended with an error.
    """
    words, limit = [str(word) for word in command], Patience(seconds)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen(words, **{**pipes, **options}) as process:
        while True:
            try:
                out, err = process.communicate(timeout=1.0)
                break
            except subprocess.TimeoutExpired:
                if limit.lost():
                    process.kill()
                    raise
    assert process.returncode == 0 or not check, f"{' '.join(words)}\n{out}{err}"
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def python(script: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a script in an interpreter of its own."""
    return finished([sys.executable, "-c", script, *arguments], **options)
