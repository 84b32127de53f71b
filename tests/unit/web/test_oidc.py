"""Signing in at a provider: a real one, which checks what it is told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from tests.servers.ports import free_port
from tests.support.databases import rows
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.unit.web.shell import Shell


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.wrong, running.claims = {}, {"sub": "u-1", "preferred_username": "ann", "email": "ann@example.org"}
    return running


@pytest.fixture
def shell(tmp_path: Path, provider: Provider) -> Shell:
    return Shell(
        tmp_path,
        access__sign_in="oidc",
        access__issuer=provider.issuer,
        access__client_id=CLIENT_ID,
        access__client_secret=CLIENT_SECRET,
        access__viewers="everybody",
        access__operators="csm",
        access__admins="it",
        access__accounts="team",
    )


def sign_in(client: TestClient, **changed: str) -> Any:
    """The browser's way to the provider and back; `changed` in what it brings back."""
    to = client.get("/sign-in/oidc").headers["location"]
    back = urlsplit(httpx.get(to).headers["location"])
    brought = {name: values[0] for name, values in parse_qs(back.query).items()} | changed
    return client.get(back.path, params=brought)


@pytest.mark.parametrize(
    ("groups", "seen"),
    [
        (["everybody"], "ann viewer ['ann@example.org', 'bob@example.org']"),
        (["everybody", "csm"], "ann operator ['ann@example.org', 'bob@example.org']"),
        ("csm", "ann operator ['ann@example.org', 'bob@example.org']"),
        (["it", "csm"], "ann admin all"),
    ],
)
def test_claims_decide_the_role_and_the_accounts(shell: Shell, provider: Provider, groups: object, seen: str) -> None:
    provider.claims["groups"] = groups
    client = shell.client()
    assert sign_in(client).headers["location"] == "/"
    assert client.get("/").text == seen
    assert "ann@example.org" in client.get("/").headers["x-mine"].split()


@pytest.mark.parametrize("groups", [[], ["others"], None, 7, {"csm": 1}])
def test_whoever_has_no_role_here_does_not_get_in(shell: Shell, provider: Provider, groups: object) -> None:
    provider.claims["groups"] = groups
    client = shell.client()
    assert sign_in(client).status_code == 403
    assert client.get("/").status_code == 303
    assert rows(shell.url, "SELECT person, result FROM audit") == [{"person": "u-1", "result": "no role"}]


@pytest.mark.parametrize(
    "wrong", [{"key": True}, {"aud": "another"}, {"iss": "https://elsewhere.example"}, {"nonce": "old"}, {"exp": 1}]
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    shell: Shell, provider: Provider, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "agents")
    provider.claims["groups"], provider.wrong = ["it"], wrong
    client = shell.client()
    assert sign_in(client).status_code == 401
    assert client.get("/").status_code == 303
    assert CLIENT_SECRET not in caplog.text


@pytest.mark.parametrize("changed", [{"state": "another"}, {"code": "another"}, {"error": "access_denied"}])
def test_an_answer_that_was_not_asked_for_is_refused(shell: Shell, provider: Provider, changed: dict[str, str]) -> None:
    provider.claims["groups"] = ["it"]
    assert sign_in(shell.client(), **changed).status_code == 401


def test_an_answer_to_another_browser_signs_nobody_in(shell: Shell, provider: Provider) -> None:
    provider.claims["groups"] = ["it"]
    attacker, victim = shell.client(), shell.client()
    back = urlsplit(httpx.get(attacker.get("/sign-in/oidc").headers["location"]).headers["location"])
    assert victim.get(f"{back.path}?{back.query}").status_code == 401
    assert victim.get("/").status_code == 303


def test_a_provider_that_does_not_answer_is_said_to(tmp_path: Path) -> None:
    shell = Shell(
        tmp_path,
        access__sign_in="oidc",
        access__issuer=f"http://127.0.0.1:{free_port()}",
        access__client_id=CLIENT_ID,
        access__admins="it",
    )
    response = shell.client().get("/sign-in/oidc")
    assert response.status_code == 503
    assert "does not answer" in response.text
