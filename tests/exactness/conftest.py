"""One broker and one stream for all tests of exactness."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from agents.eventfiles.files import EventFiles
from tests.exactness.story import write_story

_groups = itertools.count()


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> EventFiles:
    """The event files."""
    return write_story(tmp_path_factory.mktemp("story"))


@pytest.fixture
def group() -> str:
    """A name of its own for each test."""
    return f"exact-{next(_groups)}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a deployment keeps its files."""
    return tmp_path
