"""Signing in, sessions, and what the unknown and those of a lesser role do not reach."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import insert
from starlette.requests import Request

from agents.settings import ConfigError
from agents.settings.web import Access
from agents.web.attempts import ALLOWED, WINDOW_S, Attempts
from agents.web.sessions import Sessions
from agents.web.store import Store
from sinks.database import people, tables
from sinks.database.engine import open_engine
from tests.support.databases import rows
from tests.unit.web.shell import PASSWORD, Shell, sign_in, token


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize("path", ["/", "/act", "/api/v1/cases", "/nowhere", "/sign-in/x", "/sign-out"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_nobody_unknown_gets_further_than_the_sign_in(shell: Shell, path: str, method: str) -> None:
    response = shell.client().request(method, path)
    if path.startswith("/api/"):
        assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    else:
        assert response.status_code == 303
        assert response.headers["location"].startswith("/sign-in")
    assert response.text == "" or path.startswith("/api/")


@pytest.mark.parametrize("path", ["/sign-in", "/", "/static/x", "/nowhere"])
def test_every_response_forbids_what_is_inline_and_what_is_from_elsewhere(shell: Shell, path: str) -> None:
    headers = shell.client().get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers.get("cache-control") == (None if path.startswith("/static") else "no-store")


def test_a_user_signs_in_and_out_and_the_copied_cookie_of_the_session_ends_with_it(shell: Shell) -> None:
    shell.add_user("ann", "operator", "team", "ann@example.org")
    client = shell.signed_in("ann")
    assert client.get("/").text == "ann operator ['ann@example.org', 'bob@example.org']"
    copied = shell.client()
    copied.cookies.set("foreshock", client.cookies["foreshock"])
    assert copied.get("/").status_code == 200
    assert client.post("/sign-out", data={"csrf": token(client)}).headers["location"] == "/sign-in"
    assert client.get("/").status_code == 303
    assert copied.get("/").status_code == 303


def test_a_session_that_ended_in_one_console_has_ended_in_all(tmp_path: Path) -> None:
    shell = Shell(tmp_path, access__session_secret="s" * 32)
    shell.add_user("ann")
    client, elsewhere, again = shell.signed_in("ann"), shell.client(app=shell.process()), shell.signed_in("ann")
    elsewhere.cookies.set("foreshock", client.cookies["foreshock"])
    assert elsewhere.get("/").status_code == 200
    client.post("/sign-out", data={"csrf": token(client)})
    assert (elsewhere.get("/").status_code, again.get("/").status_code) == (303, 200)


def test_a_session_does_not_begin_with_what_somebody_else_put_there(shell: Shell) -> None:
    shell.add_user("ann")
    attacker = shell.client()
    theirs = token(attacker)
    victim = shell.client()
    victim.cookies.set("foreshock", attacker.cookies["foreshock"])
    assert victim.post("/sign-in", data={"csrf": theirs, "name": "ann", "password": PASSWORD}).status_code == 303
    assert attacker.get("/").status_code == 303
    assert len(token(victim)) > 30
    assert token(victim) != theirs


def test_nothing_of_an_older_session_is_in_a_new_one() -> None:
    old = {"sid": "s", "csrf": "c", "name": "bob", "claims": {"role": "admin"}, "since": 1.0, "seen": 1.0, "more": 1}
    request = Request({"type": "http", "session": dict(old)})
    Sessions(Access(sign_in="local")).begin(request, "ann")
    assert request.session.keys() == {"sid", "csrf", "name", "since", "seen"}
    assert not request.session.items() & {item for item in old.items() if item[0] != "claims"}


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_hosts(tmp_path: Path) -> None:
    shell = Shell(tmp_path, console__public_url="https://foreshock.example.org")
    response = shell.client("https://foreshock.example.org").get("/sign-in")
    cookie = response.headers["set-cookie"].lower()
    assert cookie.startswith("__host-foreshock=")
    assert {"httponly", "secure", "samesite=lax", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert response.headers["strict-transport-security"] == "max-age=31536000"


def test_a_session_ends_by_time(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.add_user("ann")
    client = shell.signed_in("ann")
    now_s = [time.time()]
    monkeypatch.setattr("time.time", lambda: now_s[0])
    answers = []
    for _ in range(15):
        now_s[0] += 50 * 60
        answers.append(client.get("/").status_code)
    # Used all the time, and ended after twelve hours all the same.
    assert answers == [200] * 14 + [303]


def test_a_session_ends_when_it_is_not_used(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.add_user("ann")
    client = shell.signed_in("ann")
    later_s = time.time() + 61 * 60
    monkeypatch.setattr("time.time", lambda: later_s)
    assert client.get("/").status_code == 303


@pytest.mark.parametrize("what", ["removed", "password changed"])
def test_sessions_end_with_the_user_and_with_the_password(shell: Shell, what: str) -> None:
    shell.add_user("ann")
    client = shell.signed_in("ann")
    of = tables.users
    changed = of.update().values(changed_at_ms=4_000_000_000_000)
    shell.run(of.delete() if what == "removed" else changed)
    assert client.get("/").status_code == 303


@pytest.mark.parametrize("cookie", ["", "x", "bnVsbA==.aaaaaa.bbbbbb"])
def test_a_cookie_that_is_not_signed_here_is_of_nobody(shell: Shell, cookie: str) -> None:
    client = shell.client()
    client.cookies.set("foreshock", cookie)
    assert client.get("/").status_code == 303


def test_a_form_without_the_token_of_the_session_changes_nothing(shell: Shell) -> None:
    shell.add_user("ann", "operator")
    client, other = shell.signed_in("ann"), shell.signed_in("ann")
    right = token(client)
    assert client.post("/act").status_code == 403
    assert client.post("/act", data={"csrf": ""}).status_code == 403
    assert client.post("/act", data={"csrf": token(other)}).status_code == 403
    assert client.post("/act", headers={"x-csrf-token": right, "sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/act", json={"csrf": right}).status_code == 403
    assert client.post("/act", data={"csrf": right}).text == "done"
    assert client.post("/act", headers={"x-csrf-token": right, "sec-fetch-site": "same-origin"}).text == "done"


def test_a_form_of_too_many_bytes_is_refused(shell: Shell) -> None:
    shell.add_user("ann", "operator")
    client = shell.signed_in("ann")
    assert client.post("/act", content=b"x" * 1_048_577).status_code == 413


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200), ("admin", 200)])
def test_what_a_role_may(shell: Shell, role: str, status: int) -> None:
    shell.add_user("ann", role)
    client = shell.signed_in("ann")
    assert client.post("/act", data={"csrf": token(client)}).status_code == status


def test_a_page_that_asks_for_a_part_of_itself_is_led_to_the_sign_in_as_a_whole(shell: Shell) -> None:
    response = shell.client().get("/", headers={"hx-request": "true"})
    assert (response.status_code, response.headers["hx-redirect"]) == (401, "/sign-in")


def test_wrong_passwords_are_refused_slowed_down_and_written_down(
    shell: Shell, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shell.add_user("ann")
    client = shell.client()
    answers = [sign_in(client, name, "guess-7731").status_code for name in ["ann", "nobody", *["ann"] * 5]]
    assert answers == [401, 401, 401, 401, 401, 401, 429]
    last = sign_in(client, "ann")
    assert last.status_code == 429
    assert 0 < int(last.headers["retry-after"]) <= WINDOW_S
    written = rows(shell.url, "SELECT person, action, result, address FROM audit ORDER BY at_ms")
    assert [row["person"] for row in written] == ["ann", "nobody", "ann", "ann", "ann", "ann"]
    assert {tuple(row.values())[1:] for row in written} == {("sign-in", "refused", "127.0.0.9")}
    assert "guess-7731" not in caplog.text + str(written)


@pytest.mark.parametrize(
    ("failed", "waits"),
    [
        ([("ann", "a")] * ALLOWED["name and address"], {("ann", "a")}),
        ([("ann", f"{n}") for n in range(ALLOWED["name"])], {("ann", "a"), ("ann", "b")}),
        ([(f"{n}", "a") for n in range(ALLOWED["address"])], {("ann", "a"), ("bob", "a")}),
    ],
)
def test_attempts_are_counted_by_name_and_address(
    shell: Shell, failed: list[tuple[str, str]], waits: set[tuple[str, str]]
) -> None:
    store, now_ms = Store(shell.url), time.time_ns() // 1_000_000
    attempts, everybody = Attempts(store), [("ann", "a"), ("ann", "b"), ("bob", "a"), ("bob", "b")]

    def waiting() -> set[tuple[str, str]]:
        found = set()
        for each in everybody:
            with attempts.one(*each):
                found |= {each} if attempts.wait_s(*each) else set()
        return found

    with store.writing() as connection:
        for number, (name, address) in enumerate(failed):
            assert number or waiting() == set()
            line = {"audit_id": f"{number}", "at_ms": now_ms, "person": name, "address": address}
            connection.execute(insert(tables.audit).values(**line, action="sign-in", object="", result="refused"))
    assert waiting() == waits
    store.close()


def test_attempts_count_in_all_consoles_until_they_are_forgotten(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.add_user("ann")
    here, there = shell.client(), shell.client(app=shell.process())
    answers = [sign_in(client, "ann", "guess").status_code for client in [here, there] * 3]
    assert answers == [401] * 5 + [429]
    assert sign_in(here, "ann").status_code == 429
    later_ns = time.time_ns() + WINDOW_S * 10**9
    monkeypatch.setattr("time.time_ns", lambda: later_ns)
    assert sign_in(there, "ann").status_code == 303


def test_attempts_at_once_are_not_more_than_in_turn(shell: Shell) -> None:
    attempts = Attempts(Store(shell.url))
    with ExitStack() as stack:
        for _ in range(ALLOWED["name and address"]):
            stack.enter_context(attempts.one("ann", "a"))
            assert attempts.wait_s("ann", "a") == 0
        stack.enter_context(attempts.one("ann", "a"))
        assert attempts.wait_s("ann", "a") == WINDOW_S


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "/\nx", "javascript:x"])
def test_the_way_on_from_the_sign_in_stays_here(shell: Shell, to: str) -> None:
    shell.add_user("ann")
    assert sign_in(shell.client(), "ann", to=to).headers["location"] == "/"


def test_passwords_and_keys_are_not_kept(shell: Shell) -> None:
    shell.add_user("ann")
    _, header = shell.add_key()
    kept = str(rows(shell.url, "SELECT * FROM users") + rows(shell.url, "SELECT * FROM api_keys"))
    assert "$argon2id$" in kept
    assert PASSWORD not in kept
    assert header["Authorization"].rpartition("_")[2] not in kept


def test_a_key_is_of_a_program_and_ends_when_it_is_removed(shell: Shell) -> None:
    key_id, header = shell.add_key("operator", "own", "ann@example.org")
    client = shell.client()
    assert client.get("/", headers=header).text == "key:robot operator ['ann@example.org']"
    # No browser sends it by itself, so it needs no token.
    assert client.post("/act", headers=header).text == "done"
    changed = {"Authorization": header["Authorization"][:-1] + "!"}
    assert client.get("/", headers=changed).status_code == 401
    engine_rows = rows(shell.url, "SELECT key_id FROM api_keys")
    assert engine_rows == [{"key_id": key_id}]
    shell.run(tables.api_keys.delete())
    assert client.get("/", headers=header).status_code == 401


def test_a_wrong_key_is_not_helped_by_a_session(shell: Shell) -> None:
    shell.add_user("ann", "admin")
    client = shell.signed_in("ann")
    assert client.get("/", headers={"Authorization": "Bearer fsk_x_y"}).status_code == 401


def test_without_a_sign_in_everybody_on_this_machine_is_the_operator_and_nobody_elsewhere(tmp_path: Path) -> None:
    shell = Shell(tmp_path, access__sign_in="none")
    client = shell.client()
    assert client.get("/").text == "local operator all"
    assert client.post("/act").status_code == 403
    assert client.post("/act", data={"csrf": token(client)}).status_code == 200
    # A page elsewhere whose name leads to this machine.
    assert client.get("/", headers={"host": "rebound.example.org"}).status_code == 400
    with pytest.raises(ConfigError, match="everybody who reaches it"):
        Shell(
            tmp_path,
            access__sign_in="none",
            console__host="0.0.0.0",
            console__public_url="https://foreshock.example.org",
        )


def test_the_scope_of_a_person_is_that_of_owners_and_teams(shell: Shell) -> None:
    engine = open_engine(shell.url)
    with engine.connect() as connection:
        seen = [
            people.owners_seen(connection, scope, owner)
            for scope, owner in [("all", None), ("own", "ann@example.org"), ("team", "ann@example.org"), ("team", None)]
        ]
        assert people.owners_seen(connection, "team", "col@example.org") == frozenset({"col@example.org"})
    engine.dispose()
    ann, bob = "ann@example.org", "bob@example.org"
    assert seen == [None, {ann}, {ann, bob}, frozenset()]


def test_no_secret_is_in_the_log_or_in_an_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "a-secret-of-sessions-that-nobody-sees"
    shell = Shell(tmp_path, access__session_secret=secret)
    shell.add_user("ann", "operator")
    _, header = shell.add_key()
    client = shell.client()
    answers = [sign_in(client, "ann"), client.get("/"), client.get("/", headers=header), client.get("/nowhere")]
    answers.append(client.get("/", headers={"Authorization": header["Authorization"] + "x"}))
    seen = caplog.text + "".join(capsys.readouterr()) + "".join(each.text + str(each.headers) for each in answers)
    for hidden in (secret, PASSWORD, header["Authorization"].removeprefix("Bearer "), "argon2id"):
        assert hidden not in seen
