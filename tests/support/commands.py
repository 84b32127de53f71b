"""Runs the command line inside the test's process."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from agents.cli import main


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
