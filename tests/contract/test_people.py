"""Users, keys, the audit log and what became of commands: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import insert

from agents.web.people import Person
from agents.web.store import Store
from sinks.database import people, tables
from sinks.database.reading.cases import CaseFilters, cases_after, standing
from sinks.database.reading.commands import command
from sinks.database.reading.rules import feedback, feedback_by_segment
from tests.unit.web.shell import case

ANN = people.User("ann", "Ann", "operator", "team", "ann@example.org", 5)
KEY = people.ApiKey("k1", "crm", "viewer", "all", None, 7)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with closing(Store(database_url)) as store:
        yield store


def test_users_come_and_go(store: Store) -> None:
    with store.writing() as connection:
        assert people.put_user(connection, ANN, "hash")
        assert not people.put_user(connection, ANN, "other")
        assert people.user(connection, "ann") == (ANN, "hash")
        assert people.set_password(connection, "ann", "new", 9)
        assert not people.set_password(connection, "bob", "new", 9)
    with store.reading() as connection:
        [changed] = people.users(connection)
        assert (changed.changed_at_ms, people.user(connection, "ann")) == (9, (changed, "new"))
    with store.writing() as connection:
        assert people.remove_user(connection, "ann")
        assert not people.remove_user(connection, "ann")
        assert people.user(connection, "ann") is None


def test_keys_come_and_go(store: Store) -> None:
    with store.writing() as connection:
        people.put_key(connection, KEY, "digest")
        assert people.key(connection, "k1") == (KEY, "digest")
        assert people.keys(connection) == [KEY]
        assert people.remove_key(connection, "k1")
        assert people.key(connection, "k1") is None


def test_the_audit_log_is_newest_first(store: Store) -> None:
    who = Person("ann", "Ann", "operator", "all", None, "10.0.0.1")
    for action in ("wake", "assign"):
        store.audit(who, action, "acme", "sent")
    with store.reading() as connection:
        lines = people.read_audit(connection, 5)
    assert {(line.person, line.address) for line in lines} == {("ann", "10.0.0.1")}
    assert [line.at_ms for line in lines] == sorted((line.at_ms for line in lines), reverse=True)
    with store.reading() as connection:
        assert len(people.read_audit(connection, 1)) == 1


def test_commands_cases_and_feedback_are_read(store: Store) -> None:
    said = {"account_id": "acme", "author": "ann", "issued_at_ms": 1, "action": "feedback", "verdict": "useful"}
    with store.writing() as connection:
        connection.execute(insert(tables.accounts).values(account_id="acme", owner="ann@example.org", segment="smb"))
        connection.execute(insert(tables.cases).values(case("c1", "acme")))
        connection.execute(
            insert(tables.alert_commands).values(command_id="1", kind="silence", result="applied", **said)
        )
    with store.reading() as connection:
        assert command(connection, "1", None) == command(connection, "1", frozenset({"ann@example.org"}))
        assert command(connection, "1", frozenset({"bob@example.org"})) is None
        useful = {"useful": 1, "false_alarm": 0, "known": 0, "late": 0}
        assert feedback(connection) == {"silence": useful}
        assert feedback_by_segment(connection) == {("silence", None): useful, ("silence", "smb"): useful}
        assert standing(connection) == {("error", "open"): 1}
        [found] = cases_after(connection, CaseFilters(), None, 5, after=(50.5, ""), since_ms=1)
        assert found.case_id == "c1"
        assert cases_after(connection, CaseFilters(), None, 5, after=(50, "c1")) == []


def test_nobody_writes_over_the_connection_that_reads(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)read_?only"), store.reading() as connection:
        people.remove_user(connection, "ann")
