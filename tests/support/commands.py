"""Runs the command line, inside the test's process and in processes of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.cli import main
from tests.support.patience import finished
from tests.support.repository import ROOT

FORESHOCK = (sys.executable, "-m", "agents")
"""The command line as a process of its own."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it wrote."""

    exit_code: int
    out: str
    err: str


class Commands:
    """`foreshock` as a function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ran:
        """Run `foreshock ARGUMENTS…`."""
        self._monkeypatch.setattr(sys, "argv", ["foreshock", *(str(argument) for argument in arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = self._capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)


def foreshock(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `foreshock ARGUMENTS…` in a process of its own."""
    return finished([*FORESHOCK, *arguments], **options)


@contextmanager
def running(*command: object, log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes to a file; killed at the end of the block."""
    with log.open("wb") as file:
        process = subprocess.Popen([str(word) for word in command], cwd=ROOT, stderr=file, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
