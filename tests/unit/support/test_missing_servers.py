"""What the test run says when a server cannot be had, and when tests with servers are left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.patience import finished

TESTS = """
import pytest
from tests.servers.errors import ServerUnavailableError

@pytest.fixture
def server():
    raise ServerUnavailableError("Kafka")

@pytest.mark.servers
def test_with_a_server(server):
    pass

def test_without_one():
    pass
"""


def pytest_on(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the two tests with this repository's configuration."""
    file = folder / "test_two.py"
    file.write_text(TESTS)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORESHOCK_")}
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    return finished([*command, file], env={**inherited, **environment})


def test_a_test_fails_with_a_clear_word_when_its_server_cannot_be_had(tmp_path: Path) -> None:
    ran = pytest_on(tmp_path)
    assert ran.returncode == 1
    assert "1 passed, 1 error" in ran.stdout
    assert "Kafka is not installed: run `make" in ran.stdout
    assert "FORESHOCK_TEST_SERVERS=none leaves their tests out" in ran.stdout
    assert "Traceback" not in ran.stdout


def test_tests_with_servers_can_be_left_out_and_the_summary_says_which(tmp_path: Path) -> None:
    ran = pytest_on(tmp_path, FORESHOCK_TEST_SERVERS="none")
    assert ran.returncode == 0
    assert "1 passed, 1 deselected" in ran.stdout
    assert "test_two.py: 1" in ran.stdout
    assert "1 tests with real servers were left out" in ran.stdout
