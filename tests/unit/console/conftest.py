"""One console for the tests that only read, since it takes a while to fill."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.unit.console.world import World


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(tmp_path_factory.mktemp("console"))
    made.ready()
    return made


@pytest.fixture
def client(world: World) -> TestClient:
    world.sent.clear()
    return world.client()


@pytest.fixture
def guarded(tmp_path: Path) -> World:
    """A console with a sign-in: Ann and Bob see their own accounts, Vera reads everything."""
    made = World(tmp_path, access__sign_in="local")
    made.add_user("ann", "operator", "own")
    made.add_user("vera", "viewer", "all")
    return made
