"""`foreshock notify`: a test message, what waits, and where a case would go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert

from sinks.database import tables
from sinks.database.engine import open_engine
from sinks.database.migrate import upgrade
from tests.support.cases import case
from tests.support.commands import Ran
from tests.support.receivers import SECRET, HttpStandIn, stand_in_of
from tests.unit.notify.test_deciding import NOON

Foreshock = Callable[..., Ran]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "foreshock.toml"
    file.write_text(
        f"""
        [database]
        url = "sqlite:///{tmp_path / "foreshock.db"}"
        [[receivers]]
        name = "hook"
        channel = "webhook"
        [[receivers]]
        name = "board"
        channel = "alertmanager"
        [[routes]]
        receiver = "hook"
        teams = ["north"]
        [[routes]]
        receiver = "board"
        segments = ["smb"]
        """
    )
    return file


def test_a_test_message_says_whether_it_arrived(
    foreshock: Foreshock, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = stand_in_of("webhook", tmp_path)
    assert isinstance(stand_in, HttpStandIn)
    monkeypatch.setenv("FORESHOCK_RECEIVERS__HOOK__URL", stand_in.receiver.url.get_secret_value())  # type: ignore[attr-defined]
    monkeypatch.setenv("FORESHOCK_RECEIVERS__HOOK__SECRET", SECRET)
    away = foreshock("notify", "test", "hook", "--config", config)
    assert (away.exit_code, away.out) == (1, "hook did not take the message: hook does not answer: ConnectError\n")
    stand_in.start()
    assert foreshock("notify", "test", "hook", "--config", config).out == "hook took the message\n"
    stand_in.stop()
    assert [post.content["type"] for post in stand_in.posts] == ["case.test"]
    unknown = foreshock("notify", "test", "chat", "--config", config)
    assert (unknown.exit_code, unknown.err) == (2, "there is no receiver 'chat'; there is hook, board\n")


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESHOCK_RECEIVERS__HOOK__URL", "https://hook.example/t0ken")
    monkeypatch.setenv("FORESHOCK_RECEIVERS__HOOK__SECRET", SECRET)


@pytest.mark.usefixtures("secrets")
def test_what_waits_and_what_failed_is_listed(foreshock: Foreshock, config: Path) -> None:
    url = f"sqlite:///{config.with_name('foreshock.db')}"
    upgrade(url)
    engine = open_engine(url, writer=True)
    row = {
        "created_ms": NOON, "receiver": "hook", "channel": "webhook", "topic_key": "c1", "event": "opened",
        "revision": 1, "body": "{}", "not_before_ms": NOON, "digest": None, "attempts": 1, "last_error": "status 400",
    }  # fmt: skip
    with engine.begin() as connection:
        rows = [row | {"message_id": state, "state": state} for state in ("waiting", "sent", "failed", "dropped")]
        connection.execute(insert(tables.outbox), rows)
    engine.dispose()
    found = json.loads(foreshock("notify", "list", "--json", "--config", config).out)
    assert [each["state"] for each in found] == ["failed", "waiting"]
    shown = foreshock("notify", "list", "--state", "failed", "--config", config).out
    assert "status 400" in shown
    assert "2026-03-10 11:00:00Z" in shown
    assert "waiting" not in shown


@pytest.mark.usefixtures("secrets")
def test_where_a_case_would_go_is_said_with_the_reason(foreshock: Foreshock, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    file.write_text(json.dumps(case()))
    said = foreshock("notify", "routes", file, "--team", "north", "--json", "--config", config)
    assert json.loads(said.out) == [
        {"receiver": "hook", "how": "digest", "mismatch": None},
        {"receiver": "board", "how": "never", "mismatch": "segment is not smb"},
    ]
    assert "team is not north" in foreshock("notify", "routes", file, "--config", config).out
    file.write_text('{"case_id": "c1"}')
    assert foreshock("notify", "routes", file, "--config", config).err.endswith(
        "case.json is no case record: it lacks account_id, subject, status, severity\n"
    )
