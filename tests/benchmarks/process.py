"""One measurement in a fresh process: its memory is its own, and nothing of it outlives it."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_MARK = "RESULT "
MIB = 2**20


class MeasurementError(RuntimeError):
    """A measurement failed or took too long; the message ends with what it said."""


def measure(function: str, timeout_s: float, **arguments: Any) -> dict[str, Any]:
    """Call `module:function` of this package in a process of its own; returns what the function returns.

    Raises:
        MeasurementError: it raised, died or did not end in time; the process is gone.
    """
    command = [sys.executable, "-m", "tests.benchmarks.process", function, json.dumps(arguments)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            said, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"{function} took longer than {timeout_s:g} s; {_tail(log)}") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        lines = [line for line in said.splitlines() if line.startswith(_MARK)]
        if process.returncode or not lines:
            raise MeasurementError(f"{function} ended with {process.returncode}; {_tail(log)}")
    result: dict[str, Any] = json.loads(lines[-1].removeprefix(_MARK))
    return result


def report(result: dict[str, Any]) -> None:
    """Hand a result to `measure`; for functions that end their process themselves."""
    print(_MARK + json.dumps(result), flush=True)


def resident_mib(*, peak: bool = False) -> float:
    """Resident memory of this process, now or at its highest."""
    name = "VmHWM" if peak else "VmRSS"
    status = Path("/proc/self/status").read_text()
    match = re.search(rf"{name}:\s*(\d+) kB", status)
    return int(match.group(1)) / 1024 if match else 0.0


class Clock:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        gc.collect()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> float:
        """Wall seconds."""
        return time.perf_counter() - self._wall

    def cpu_seconds(self) -> float:
        """CPU seconds of all threads of this process."""
        return time.process_time() - self._cpu


def _tail(log: Any) -> str:
    log.flush()
    log.seek(0)
    text = log.read().strip()
    return f"its log ends: {text[-2000:]}" if text else "it logged nothing"


def main() -> None:
    """Run the function that the command line names and print what it returns."""
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    module, _, function = name.partition(":")
    result = getattr(import_module(f"tests.benchmarks.{module}"), function)(**arguments)
    if result is not None:
        report(result)


if __name__ == "__main__":
    main()
