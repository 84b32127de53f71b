"""What holds for every test: no settings from outside, and a clear word about servers that are not there."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import pytest_timeout  # type: ignore[import-untyped]  # it has no annotations

from tests.servers.errors import ServerUnavailableError
from tests.support.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from tests.servers.kafka import KafkaServer
    from tests.servers.postgres import PostgresServer

LEAVE_OUT = os.environ.get("FORESHOCK_TEST_SERVERS") == "none"

# The same commit meets the same examples: a failure is that of the change. `make test-soak` draws others.
hypothesis.settings.register_profile(
    "repository", deadline=None, print_blob=True, derandomize="FORESHOCK_TEST_EXAMPLES" not in os.environ
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repository"))

_left_out = pytest.StashKey[Counter[str]]()
_unavailable = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Forget settings of the machine that the tests run on."""
    for name in [name for name in os.environ if name.startswith("FORESHOCK_")]:
        if not name.startswith("FORESHOCK_TEST_"):
            del os.environ[name]
    config.stash[_left_out] = Counter()
    config.stash[_unavailable] = set()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no process ends long after the others.

    Leave the tests with real servers out if that was asked for, and remember which.
    """
    long = {item.path for item in items if any(item.get_closest_marker(name) for name in ("servers", "slow"))}
    items.sort(key=lambda item: item.path not in long)
    if not LEAVE_OUT:
        return
    without = [item for item in items if item.get_closest_marker("servers") is None]
    dropped = [item for item in items if item.get_closest_marker("servers") is not None]
    config.stash[_left_out].update(os.path.relpath(item.path, config.rootpath) for item in dropped)
    config.hook.pytest_deselected(items=dropped)
    items[:] = without


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool:
    """A test that hangs is ended when the patience with it is lost, which on a busy machine is later."""
    limit = Patience(settings.timeout)

    def ring(*_: object) -> None:
        if limit.lost():
            pytest_timeout.timeout_sigalrm(item, settings)
        signal.setitimer(signal.ITIMER_REAL, max(limit.left, 0.0))

    item.cancel_timeout = lambda: signal.setitimer(signal.ITIMER_REAL, 0)  # type: ignore[attr-defined]  # the plugin's
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit.left)
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """A server that is not installed is one line, not a traceback."""
    outcome = yield
    error = None if call.excinfo is None else call.excinfo.value
    if isinstance(error, ServerUnavailableError):
        outcome.get_result().longrepr = str(error)
        item.config.stash[_unavailable].add(str(error))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was not tested."""
    left_out, unavailable = config.stash[_left_out], config.stash[_unavailable]
    if left_out:
        terminalreporter.section("left out: FORESHOCK_TEST_SERVERS=none")
        for path, count in sorted(left_out.items()):
            terminalreporter.line(f"{path}: {count}")
        terminalreporter.line(f"{left_out.total()} tests with real servers were left out")
    if unavailable:
        terminalreporter.section("servers that could not be had")
        for problem in sorted(unavailable):
            terminalreporter.line(problem)
        terminalreporter.line("`make servers` fetches them; FORESHOCK_TEST_SERVERS=none leaves their tests out")


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """A broker for all tests of a process; it creates no topic by itself, and each test deletes what it finds."""
    from tests.servers.kafka import KafkaServer

    with KafkaServer(extra_config={"auto.create.topics.enable": "false"}) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all tests of a process; each makes a database of its own."""
    from tests.servers.postgres import PostgresServer

    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either sort, with its tables."""
    from sinks.database.migrate import upgrade

    made = f"sqlite:///{tmp_path / 'foreshock.db'}"
    if request.param == "postgresql":
        made = request.getfixturevalue("postgres").create_database(f"t{abs(hash(tmp_path)):x}")
    upgrade(made)
    return made
