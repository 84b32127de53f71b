from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from sinks.backoff import Backoff, Progress
from sinks.database.failures import is_refusal, unavailable
from sinks.errors import CommitUnknownError


def wrapped(cause: BaseException) -> DBAPIError:
    return DBAPIError("statement", None, cause)


REFUSED = [
    errors.NotNullViolation(),
    errors.UntranslatableCharacter(),
    errors.NumericValueOutOfRange(),
    errors.ProgramLimitExceeded(),
    psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
]
PASSING = [
    (errors.SerializationFailure(), 0.1),
    (errors.DeadlockDetected(), 0.1),
    (errors.AdminShutdown(), 5),
    (errors.TooManyConnections(), 10),
    (errors.DiskFull(), 10),
    (errors.LockNotAvailable(), 5),
    (errors.QueryCanceled(), 5),
    (errors.ReadOnlySqlTransaction(), 60),
    (errors.UndefinedTable(), 60),
    (errors.InvalidPassword(), 60),
    (psycopg.OperationalError("server closed the connection unexpectedly"), 5),
]


@pytest.mark.parametrize("cause", REFUSED, ids=lambda cause: type(cause).__name__)
def test_what_the_data_caused_is_a_refusal(cause: psycopg.Error) -> None:
    assert is_refusal(wrapped(cause))


@pytest.mark.parametrize(("cause", "longest_s"), PASSING, ids=lambda value: type(value).__name__)
def test_what_may_pass_is_tried_again_soon_enough(cause: psycopg.Error, longest_s: float) -> None:
    assert not is_refusal(wrapped(cause))
    assert 0 < unavailable(wrapped(cause)).retry_after_s <= longest_s


def test_a_missing_table_says_what_to_run() -> None:
    assert "foreshock db upgrade" in str(unavailable(wrapped(errors.UndefinedTable())))


def test_messages_never_repeat_what_the_driver_said() -> None:
    cause = psycopg.OperationalError('connection to "db" failed: password=hunter2')
    assert "hunter2" not in str(unavailable(wrapped(cause)))


def test_a_failure_while_committing_leaves_the_outcome_unknown() -> None:
    assert isinstance(unavailable(wrapped(errors.AdminShutdown()), committing=True), CommitUnknownError)


def raised_by_sqlite(path: Path, *statements: str) -> sqlite3.Error:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        for statement in statements:
            connection.execute(statement)
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    pytest.fail("SQLite raised nothing")


def test_sqlite_errors_are_told_apart_by_code(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    sqlite3.connect(path, isolation_level=None).execute("CREATE TABLE t (a TEXT NOT NULL)").connection.close()
    assert is_refusal(wrapped(raised_by_sqlite(path, "INSERT INTO t VALUES (NULL)")))
    missing = wrapped(raised_by_sqlite(path, "INSERT INTO nowhere VALUES (1)"))
    assert not is_refusal(missing)
    assert "foreshock db upgrade" in str(unavailable(missing))
    with sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        busy = wrapped(raised_by_sqlite(path, "BEGIN IMMEDIATE"))
        assert not is_refusal(busy)
        assert unavailable(busy).retry_after_s < 1
        holder.execute("ROLLBACK")
    holder.close()
    full = raised_by_sqlite(
        path, "PRAGMA max_page_count = 3", "BEGIN", *["INSERT INTO t VALUES (hex(randomblob(9000)))"] * 3
    )
    assert not is_refusal(wrapped(full))
    (tmp_path / "junk.db").write_bytes(b"not a database" * 100)
    assert not is_refusal(wrapped(raised_by_sqlite(tmp_path / "junk.db", "SELECT * FROM t")))


def test_backoff_doubles_up_to_its_bound_and_starts_over() -> None:
    backoff = Backoff(10.0, jitter=lambda: 1.0)
    assert [backoff.next_delay(1.0) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    backoff.reset()
    assert backoff.next_delay(1.0) == 1.0


def test_jitter_takes_away_half_at_most() -> None:
    assert Backoff(10.0, jitter=lambda: 0.0).next_delay(1.0) == 0.5


def test_backoff_stays_finite_over_days_of_failures() -> None:
    backoff = Backoff(30.0, jitter=lambda: 1.0)
    assert {backoff.next_delay(1.0) for _ in range(10_000)} <= {1.0, 2.0, 4.0, 8.0, 16.0, 30.0}


def test_a_destination_that_asks_for_longer_than_the_bound_gets_it() -> None:
    backoff = Backoff(30.0, jitter=lambda: 1.0)
    assert [backoff.next_delay(600.0) for _ in range(3)] == [600.0] * 3


def test_a_loop_that_stands_still_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    progress = Progress()
    now_s[0] += 119
    assert progress.problem() is None
    now_s[0] += 6
    assert progress.problem() == "no progress for 125 s"
    progress.made()
    assert progress.problem() is None
