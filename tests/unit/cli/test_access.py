"""Users and keys from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.support.commands import Commands
from tests.support.databases import rows
from tests.unit.web.shell import PASSWORD, Shell, sign_in


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell = Shell(tmp_path)
    monkeypatch.setenv("FORESHOCK_DATABASE__URL", shell.url)
    monkeypatch.setenv("FORESHOCK_ACCESS__USER", "root")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    return shell


def test_a_user_is_added_listed_and_removed(foreshock: Commands, shell: Shell) -> None:
    owner = "ann@example.org"
    assert foreshock("access", "add-user", "ann", "--role", "operator", "--owner", owner).exit_code == 0
    client = shell.signed_in("ann")
    assert client.get("/").text == f"ann operator ['{owner}']"
    listed = foreshock("access", "list", "--json")
    assert json.loads(listed.out)["users"][0].items() >= {"name": "ann", "role": "operator", "scope": "own"}.items()
    assert "argon2" not in listed.out
    assert foreshock("access", "remove", "ann").exit_code == 0
    assert client.get("/").status_code == 303
    assert foreshock("access", "remove", "ann").exit_code == 2
    done = rows(shell.url, "SELECT action, person FROM audit WHERE address = 'terminal'")
    assert [tuple(row.values()) for row in done] == [("add-user", "root"), ("remove-user", "root")]


def test_a_name_is_not_given_twice_and_a_password_is_not_short(
    foreshock: Commands, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.add_user("ann")
    assert foreshock("access", "add-user", "ann", "--accounts", "all").exit_code == 2
    assert foreshock("access", "add-user", "bob", "--accounts", "own").exit_code == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert foreshock("access", "add-user", "bob", "--accounts", "all").exit_code == 2


def test_a_password_is_changed_and_the_old_one_is_of_no_use(
    foreshock: Commands, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.add_user("ann")
    client = shell.signed_in("ann")
    monkeypatch.setattr("sys.stdin", io.StringIO("another one altogether\n"))
    assert foreshock("access", "passwd", "ann").exit_code == 0
    assert client.get("/").status_code == 303
    assert sign_in(shell.client(), "ann").status_code == 401
    assert sign_in(shell.client(), "ann", "another one altogether").status_code == 303


def test_a_key_is_shown_once_and_replaced_while_the_console_runs(foreshock: Commands, shell: Shell) -> None:
    first, second = (foreshock("access", "add-key", "crm", "--scope", "command").out.strip() for _ in range(2))
    client = shell.client()
    for key in (first, second):
        assert client.get("/", headers={"Authorization": f"Bearer {key}"}).text == "key:crm operator all"
    listed = foreshock("access", "list", "--json").out
    assert first not in listed
    assert foreshock("access", "remove-key", json.loads(listed)["keys"][0]["key_id"]).exit_code == 0
    answers = [client.get("/", headers={"Authorization": f"Bearer {key}"}).status_code for key in (first, second)]
    assert answers == [401, 200]
    assert [line["action"] for line in json.loads(foreshock("access", "audit", "--json").out)["audit"]] == [
        "remove-key",
        "add-key",
        "add-key",
    ]
