"""The web shell over a database with two owners' accounts, and commands that stay in a list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import insert
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from agents.settings import load
from agents.web.app import build
from agents.web.people import new_key, person, require
from agents.web.sessions import csrf_token
from agents.web.sign_in import hashed
from sinks.database import people, tables
from sinks.database.engine import open_engine
from sinks.database.migrate import upgrade

PASSWORD = "correct horse battery staple"
OWNER = {"acme": "ann@example.org", "brix": "bob@example.org", "cyan": "col@example.org", "lost": None}
"""Owner of each account; Ann and Bob are a team."""


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        upgrade(f"sqlite:///{folder}/foreshock.db")
        return Path(folder, "foreshock.db").read_bytes()


@cache
def _hash() -> str:
    return hashed(PASSWORD)


def case(case_id: str, account_id: str, **columns: object) -> dict[str, object]:
    """A row of a case."""
    named = {
        "case_id": case_id, "revision": 1, "account_id": account_id, "subject": "risk", "status": "open",
        "opened_at_ms": 1_790_000_000_000, "updated_at_ms": 1_790_000_000_000, "severity": "error",
        "summary": f"usage of {account_id} fell", "alert_count": 1, "priority": 50, "overdue": False,
        "config_hash": "x", "shadow": False, "owner": OWNER[account_id], "lead_alert_id": f"alert-{account_id}",
        "lead_kind": "usage_drop", "step_id": "call_sponsor",
    }  # fmt: skip
    return named | columns


class Shell:
    """An application and what it did."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.url = f"sqlite:///{folder / 'foreshock.db'}"
        (folder / "foreshock.db").write_bytes(_empty_database())
        self.sent: list[tuple[str, bytes, bytes]] = []
        given = {"database__url": self.url, "access__sign_in": "local", **settings}
        self.settings = load(None, {f"FORESHOCK_{name}".upper(): str(value) for name, value in given.items()})
        self.app = self.process()
        self.run(*[insert(tables.accounts).values(account_id=name, owner=owner) for name, owner in OWNER.items()])
        for number, name in enumerate(OWNER):
            self.run(insert(tables.cases).values(**case(f"case-{name}", name, priority=90 - number)))
        for owner in ("ann@example.org", "bob@example.org"):
            self.run(insert(tables.teams).values(owner=owner, team="north"))

    def process(self) -> Starlette:
        """The application of one more process over the same database."""
        return build(self.settings, [Route("/", _front), Route("/act", _act, methods=["POST"])], publish=self._keep)

    def _keep(self, topic: str, key: bytes, value: bytes) -> None:
        self.sent.append((topic, key, value))

    def run(self, *statements: Any) -> None:
        engine = open_engine(self.url, writer=True)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)
        engine.dispose()

    def add_user(self, name: str, role: str = "viewer", scope: str = "all", owner: str | None = None) -> None:
        engine = open_engine(self.url, writer=True)
        with engine.begin() as connection:
            assert people.put_user(connection, people.User(name, name, role, scope, owner, 0), _hash())
        engine.dispose()

    def add_key(self, role: str = "viewer", scope: str = "all", owner: str | None = None) -> tuple[str, dict[str, str]]:
        """Its id, and the header that carries it."""
        key_id, text, digest = new_key()
        engine = open_engine(self.url, writer=True)
        with engine.begin() as connection:
            people.put_key(connection, people.ApiKey(key_id, "robot", role, scope, owner, 0), digest)
        engine.dispose()
        return key_id, {"Authorization": f"Bearer {text}"}

    def client(self, base_url: str = "http://127.0.0.1:8420", app: Starlette | None = None) -> TestClient:
        return TestClient(app or self.app, base_url, follow_redirects=False, client=("127.0.0.9", 1))

    def signed_in(self, name: str) -> TestClient:
        client = self.client()
        assert sign_in(client, name).status_code == 303
        return client


def sign_in(client: TestClient, name: str, password: str = PASSWORD, **fields: str) -> Any:
    form = {"csrf": token(client), "name": name, "password": password, "to": "/", **fields}
    return client.post("/sign-in", data=form)


def token(client: TestClient) -> str:
    """The token in the form of the page that the client sees."""
    signed_in = client.get("/")
    if signed_in.status_code == 200:
        return str(signed_in.headers["x-token"])
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)
    assert found is not None
    return found[1]


def _front(request: Request) -> Response:
    asked = person(request)
    said = f"{asked.name} {asked.role} {sorted(asked.owners) if asked.owners is not None else 'all'}"
    return PlainTextResponse(said, headers={"x-token": csrf_token(request), "x-mine": " ".join(asked.mine)})


def _act(request: Request) -> Response:
    require(request, "operator")
    return PlainTextResponse("done")


def headers_of(response: Any) -> Mapping[str, str]:
    return dict(response.headers)
