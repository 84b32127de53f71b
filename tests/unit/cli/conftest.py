from __future__ import annotations

import pytest

from tests.support.commands import Commands


@pytest.fixture
def foreshock(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The command line."""
    return Commands(monkeypatch, capsys)
