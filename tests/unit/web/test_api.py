"""The JSON API: what it answers, to whom, and that its description is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from agents.web.api import OPERATIONS
from agents.web.openapi import document
from sinks.database import tables
from tests.unit.web.shell import Shell, case, token

ANN = "ann@example.org"
SEEN_BY_ANN = ["case-acme"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def reader(shell: Shell, role: str = "viewer", owner: str | None = None) -> TestClient:
    _, header = shell.add_key(role, "own" if owner else "all", owner)
    client = shell.client()
    client.headers.update(header)
    return client


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["case_id"] for each in answer.json()["cases"]]


def test_cases_come_by_priority_in_pages_that_neither_repeat_nor_miss(shell: Shell) -> None:
    more = [case(f"c{number:02}", "acme", priority=50 + number % 3) for number in range(20)]
    shell.run(insert(tables.cases).values(more))
    client = reader(shell)
    expected = ids(client.get("/api/v1/cases?limit=200"))
    found: list[str] = []
    asked: dict[str, str | int] = {"limit": 7}
    for _ in range(4):
        answer = client.get("/api/v1/cases", params=asked)
        found += ids(answer)
        asked["cursor"] = answer.json()["next"] or "the last"
    assert asked["cursor"] == "the last"
    assert found == expected
    assert len(set(found)) == 24


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"text": "brix"}, ["case-brix"]),
        ({"status": "closed"}, []),
        ({"subject": "risk", "segment": "smb"}, []),
        ({"kind": "usage_drop", "limit": "1"}, ["case-acme"]),
    ],
)
def test_cases_are_filtered(shell: Shell, asked: dict[str, str], found: list[str]) -> None:
    assert ids(reader(shell).get("/api/v1/cases", params=asked)) == found


def test_what_is_not_seen_is_not_there(shell: Shell) -> None:
    values = {"account_id": "brix", "action": "acknowledge", "author": "bob", "issued_at_ms": 1}
    shell.run(insert(tables.alert_commands).values(command_id="b-1", case_id="case-brix", **values))
    client = reader(shell, "operator", ANN)
    assert ids(client.get("/api/v1/cases")) == SEEN_BY_ANN
    accounts = client.get("/api/v1/accounts?sort=account_id").json()["accounts"]
    assert [each["account_id"] for each in accounts] == ["acme"]
    hidden = ["/cases/case-brix", "/cases/case-brix/history", "/accounts/brix", "/commands/b-1"]
    for path in (*hidden, "/cases/nowhere", "/accounts/nowhere", "/accounts/bri", "/commands/nowhere"):
        answer = client.get(f"/api/v1{path}")
        assert answer.status_code == 404
        assert "brix" not in answer.text
    sent = client.post("/api/v1/commands", json={"action": "acknowledge", "case_id": "case-brix"})
    assert sent.status_code == 404
    assert client.get("/api/v1/cases/case-acme").json()["row"]["summary"] == "usage of acme fell"
    assert reader(shell).get("/api/v1/commands/b-1").json()["author"] == "bob"
    assert shell.sent == []


def test_a_key_to_read_gives_no_command(shell: Shell) -> None:
    answer = reader(shell).post("/api/v1/commands", json={"action": "acknowledge", "case_id": "case-acme"})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().items() >= {"status": 403, "title": "Forbidden", "type": "about:blank"}.items()
    assert shell.sent == []


def test_a_key_of_a_request_names_its_command(shell: Shell) -> None:
    client, other = reader(shell, "operator"), shell.client()
    given = {"action": "acknowledge", "case_id": "case-acme"}
    keys = ("k-1", "k-1", "k-2")
    sent = [client.post("/api/v1/commands", json=given, headers={"Idempotency-Key": key}) for key in keys]
    assert [answer.status_code for answer in sent] == [202, 202, 202]
    first, again, second = (answer.json()["id"] for answer in sent)
    assert first == again != second
    own = str(uuid4())
    assert client.post("/api/v1/commands", json={**given, "command_id": own}).json()["id"] == own
    both = client.post("/api/v1/commands", json={**given, "command_id": own}, headers={"Idempotency-Key": "k-1"})
    assert both.status_code == 422
    shell.add_user("ann", "operator")
    assert other.post("/api/v1/commands", json=given).status_code == 401


def test_a_session_needs_the_token_of_its_pages_here_too(shell: Shell) -> None:
    shell.add_user("ann", "operator")
    client = shell.signed_in("ann")
    given = {"action": "acknowledge", "case_id": "case-acme"}
    assert client.get("/api/v1/cases").status_code == 200
    assert client.post("/api/v1/commands", json=given).status_code == 403
    sent = client.post("/api/v1/commands", json=given, headers={"x-csrf-token": token(client)})
    assert sent.status_code == 202


def test_what_is_wrong_is_said_one_by_one(shell: Shell) -> None:
    client = reader(shell, "operator")
    answer = client.post("/api/v1/commands", json={"action": "expected", "case_id": "case-acme"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == ["since: is needed for expected", "until: is needed for expected"]
    for path in ("/cases?limit=0", "/cases?limit=x", "/cases?colour=red", "/cases?cursor=x", "/accounts?sort=owner"):
        assert client.get(f"/api/v1{path}").status_code == 422, path
    for body in (b"", b"[]", b'{"action":1}', b'{"action":"wake","x":1}', b"\xff", b"[" * 100_000):
        assert client.post("/api/v1/commands", content=body).status_code == 422


def test_rules_and_the_portfolio_are_told_and_figures_of_all_only_to_those_who_see_all(shell: Shell) -> None:
    figure = {"period": "month", "starts_on": "2026-10-01", "ends_on": "2026-11-01", "segment": "", "dimension": ""}
    shell.run(insert(tables.portfolio_metrics).values(metric="nps", value=40.0, n=9, as_of_ms=1, **figure))
    assert [each["metric"] for each in reader(shell).get("/api/v1/portfolio").json()["figures"]] == ["nps"]
    assert reader(shell, "viewer", ANN).get("/api/v1/portfolio").json()["figures"] == []
    rules = {each["kind"]: each for each in reader(shell).get("/api/v1/rules").json()}
    assert rules["silence"]["enabled"] is True


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("admin", 200)])
def test_the_audit_log_is_for_admins(shell: Shell, role: str, status: int) -> None:
    client = reader(shell, role)
    client.post("/api/v1/commands", json={"action": "acknowledge", "case_id": "case-acme"})
    answer = client.get("/api/v1/audit?limit=1")
    assert answer.status_code == status
    if status == 200:
        [line] = answer.json()
        assert line.items() >= {"person": "key:robot", "action": "acknowledge", "result": "sent"}.items()


def test_the_description_is_of_this_version_and_shown_to_those_who_are_known(shell: Shell) -> None:
    assert shell.client().get("/api/v1/openapi.json").status_code == 401
    shown = reader(shell).get("/api/v1/openapi.json").json()
    assert shown == json.loads(json.dumps(document(OPERATIONS)))
    assert shown["openapi"] == "3.1.0"
    assert {path.removeprefix("/api/v1") for path in shown["paths"]} == {each.path for each in OPERATIONS}
