"""Driver errors sorted by class and SQLSTATE, never by message: worth another try, or refused for good."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from sinks.errors import CommitUnknownError, SinkUnavailableError

_SETUP_RETRY_S = 30.0
_FULL_RETRY_S = 5.0
_DOWN_RETRY_S = 1.0
_RACE_RETRY_S = 0.05

# SQLSTATE classes: data exception, integrity constraint violation, program limit exceeded.
_REFUSED_CLASSES = frozenset({"22", "23", "54"})
_RETRY_BY_CLASS = {
    "40": _RACE_RETRY_S,  # serialization failure, deadlock
    "53": _FULL_RETRY_S,  # disk full, out of memory, too many connections
    "28": _SETUP_RETRY_S,  # wrong password
    "3D": _SETUP_RETRY_S,  # no such database
    "3F": _SETUP_RETRY_S,  # no such schema
    "42": _SETUP_RETRY_S,  # no such table, no permission
}
_REFUSED_BY_SQLITE = frozenset({sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH})
_RETRY_BY_SQLITE = {
    sqlite3.SQLITE_BUSY: _RACE_RETRY_S,
    sqlite3.SQLITE_LOCKED: _RACE_RETRY_S,
    sqlite3.SQLITE_FULL: _FULL_RETRY_S,
    sqlite3.SQLITE_IOERR: _FULL_RETRY_S,
}


def is_refusal(error: DBAPIError) -> bool:
    """Say whether the database refused the data itself, so that no retry can help."""
    cause = error.orig
    if isinstance(cause, psycopg.Error):
        if cause.sqlstate is None:
            return isinstance(cause, psycopg.DataError)
        return cause.sqlstate[:2] in _REFUSED_CLASSES
    if isinstance(cause, sqlite3.Error):
        code = _sqlite_code(cause)
        return code in _REFUSED_BY_SQLITE if code is not None else isinstance(cause, sqlite3.DataError)
    return False


def unavailable(error: DBAPIError, *, committing: bool = False) -> SinkUnavailableError:
    """Return the error to raise for a failure that may pass."""
    message, retry_after_s = _reason(error.orig)
    if committing:
        return CommitUnknownError(f"connection lost during COMMIT: {message}", retry_after_s)
    return SinkUnavailableError(message, retry_after_s)


@contextmanager
def failures_translated(engine: Engine) -> Iterator[None]:
    """Raise SinkUnavailableError for what may pass and drop the connections; refusals go through."""
    try:
        yield
    except DBAPIError as error:
        if is_refusal(error):
            raise
        engine.dispose()
        raise unavailable(error) from error
    except PoolTimeoutError as error:
        message = "no free database connection"
        raise SinkUnavailableError(message) from error


def _reason(cause: BaseException | None) -> tuple[str, float]:
    if isinstance(cause, psycopg.Error):
        state = cause.sqlstate or ""
        retry_after_s = _RETRY_BY_CLASS.get(state[:2], _DOWN_RETRY_S)
        hint = "; run `foreshock db upgrade` and check the grants" if state[:2] in {"42", "3F"} else ""
        return f"PostgreSQL {state or 'connection'}: {type(cause).__name__}{hint}", retry_after_s
    if isinstance(cause, sqlite3.Error):
        code = _sqlite_code(cause)
        name = getattr(cause, "sqlite_errorname", type(cause).__name__)
        hint = "; run `foreshock db upgrade`" if code == sqlite3.SQLITE_ERROR else ""
        retry_after_s = _SETUP_RETRY_S if code is None else _RETRY_BY_SQLITE.get(code, _SETUP_RETRY_S)
        return f"SQLite {name}{hint}", retry_after_s
    return f"database: {type(cause).__name__}", _DOWN_RETRY_S


def _sqlite_code(cause: sqlite3.Error) -> int | None:
    code = getattr(cause, "sqlite_errorcode", None)
    # The low byte is the primary code; the rest tells kinds of it apart.
    return code & 0xFF if isinstance(code, int) else None
