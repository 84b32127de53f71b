"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("faust-streaming", "aiokafka", "confluent-kafka", "numpy", "pyarrow", "pyruhvro", "fastavro")


def description() -> dict[str, str]:
    """Cores, memory and versions."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _first("/proc/cpuinfo", r"model name\s*:\s*(.+)") or platform.processor() or "unknown",
        "memory": f"{_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def load_average() -> float:
    """Processes that wanted to run during the last minute: with more than a few the figures mean little."""
    return os.getloadavg()[0]


def sentence(machine: dict[str, str], kafka: str | None) -> str:
    """The description as one line for people."""
    parts = [
        f"{machine['cores']} cores ({machine['processor']})",
        machine["memory"],
        machine["system"],
        f"Python {machine['python']}",
        *(f"{package} {machine[package]}" for package in _PACKAGES),
    ]
    if kafka:
        parts.append(f"Apache Kafka {kafka}, one broker")
    return ", ".join(parts)


def _memory_gib() -> float:
    found = _first("/proc/meminfo", r"MemTotal:\s*(\d+) kB")
    return int(found) / 2**20 if found else 0.0


def _first(path: str, pattern: str) -> str | None:
    try:
        match = re.search(pattern, Path(path).read_text())
    except OSError:
        return None
    return match.group(1).strip() if match else None
