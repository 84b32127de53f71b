"""How the database answers the console's questions: by indexes, whatever grows with time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from agents.console.routes import ROUTES
from agents.console.state import console_of
from agents.settings import load
from agents.web.app import build
from sinks.database.engine import open_engine
from tests.servers.postgres import PostgresServer
from tests.support.addresses import PAGES, addresses
from tests.support.crowded import BIG, Crowd, fill

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(300)]

CROWD = Crowd(accounts=10_000, alerts=150_000)
EACH = 9


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with PostgresServer() as server:
        url = server.create_database("console")
        fill(url, CROWD)
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[TestClient]:
    settings = load(None, {"FORESHOCK_DATABASE__URL": url, "FORESHOCK_KAFKA__BOOTSTRAP": "127.0.0.1:1"})
    app = build(settings, ROUTES, publish=lambda *_: None)
    with TestClient(app, "http://127.0.0.1:8420") as client:
        # What is made for all viewers, once a close or once a command, reads everything.
        console_of(app).make_overview()
        client.get("/rules")
        yield client


@contextmanager
def asked() -> Iterator[list[tuple[str, Any]]]:
    """Statements that are sent to any database meanwhile."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_reads_a_big_table_in_whole(client: TestClient, url: str, page: str) -> None:
    with asked() as statements:
        for address in addresses(page, CROWD, EACH):
            assert client.get(address).status_code == 200
    assert statements
    engine = open_engine(url)
    read = {}
    with engine.connect() as connection:
        for statement, parameters in statements:
            if not statement.lstrip().startswith(("SELECT", "WITH")):
                continue
            [[plan]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            [document] = json.loads(plan) if isinstance(plan, str) else plan
            for node in nodes(document["Plan"]):
                if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG:
                    read[node["Relation Name"]] = statement
    engine.dispose()
    assert read == {}
