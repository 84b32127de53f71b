from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

from sinks.database import migrate, tables
from sinks.database.engine import database_url, open_engine
from sinks.database.rows import UnstorableError, alert_rows, canonical
from sinks.database.sink import DatabaseSink
from sinks.errors import SinkUnavailableError
from tests.unit.sinks.records import ALERTS, alert, batch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "foreshock.db"


@pytest.fixture
def url(path: Path) -> str:
    url = f"sqlite:///{path}"
    migrate.upgrade(url)
    return url


def test_the_migrations_build_the_tables_that_the_code_uses(url: str) -> None:
    engine = open_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        views = set(inspect(connection).get_view_names())
    engine.dispose()
    assert views == {
        "v_open_alerts",
        "v_accounts_at_risk",
        "v_health_history",
        "v_portfolio_daily",
        "v_scorecards",
        "v_red_accounts",
        "v_worst_accounts",
        "v_families",
        "v_owners",
        "v_portfolio_metrics",
        "v_account_answers",
        "v_outlook",
        "v_renewals",
        "v_dimensions",
        "v_teams",
        "v_company",
        "v_open_cases",
        "v_feedback",
    }


def test_check_tells_a_missing_an_empty_and_a_current_database_apart(path: Path) -> None:
    url = f"sqlite:///{path}"
    with pytest.raises(SinkUnavailableError, match="foreshock db upgrade"):
        migrate.check(url)
    assert not path.exists()
    sink = DatabaseSink(url)
    with pytest.raises(SinkUnavailableError):
        sink.positions(ALERTS)
    sink.close()
    assert migrate.check(url).current is None
    assert not migrate.check(url).up_to_date
    migrate.upgrade(url)
    assert migrate.check(url).up_to_date


def test_a_migration_that_fails_leaves_the_database_as_it_was(path: Path) -> None:
    url = f"sqlite:///{path}"
    engine = open_engine(url, writer=True)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sink_positions (in_the_way TEXT)"))
    with pytest.raises(SinkUnavailableError):
        migrate.upgrade(url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["sink_positions"]
    engine.dispose()


def test_only_the_owner_can_read_the_files_while_they_are_in_use(url: str, path: Path) -> None:
    sink = DatabaseSink(url)
    sink.write(batch(alert("a")))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"foreshock.db": 0o600, "foreshock.db-wal": 0o600, "foreshock.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    sink.close()


def test_a_writer_is_durable_and_lets_others_read(url: str) -> None:
    engine = open_engine(url, writer=True)
    with engine.connect() as connection:
        pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]
    with engine.begin() as writing, open_engine(url).connect() as reading:
        writing.execute(tables.sink_positions.insert(), {"cluster": "", "topic": "t", "partition": 0, "next_offset": 1})
        assert reading.execute(text("SELECT COUNT(*) FROM sink_positions")).scalar_one() == 0
    engine.dispose()


def test_a_reader_cannot_write(url: str) -> None:
    engine = open_engine(url)
    with engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("DELETE FROM alerts"))
    engine.dispose()


@pytest.mark.parametrize(
    ("given_url", "driver"),
    [
        ("sqlite:///some.db", "sqlite+pysqlite"),
        ("postgresql://user@host/name", "postgresql+psycopg"),
        ("postgres://user@host/name", "postgresql+psycopg"),
        ("postgresql+psycopg2://user@host/name", "postgresql+psycopg"),
    ],
)
def test_the_url_of_a_known_database_gets_our_driver(given_url: str, driver: str) -> None:
    assert database_url(given_url).drivername == driver


@pytest.mark.parametrize("bad", ["mysql://host/name", "sqlite://", "sqlite:///:memory:", "no url: hunter2"])
def test_any_other_url_is_refused_with_what_to_write_instead_and_without_its_secrets(bad: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///") as caught:
        database_url(bad)
    assert "hunter2" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_canonical_json_comes_back_equal_or_the_record_is_unstorable(record: dict[str, object]) -> None:
    try:
        written = canonical(record)
    except UnstorableError:
        return
    assert json.loads(written) == record
    assert "\x00" not in written
    assert canonical(dict(reversed(record.items()))) == written


def test_the_content_decides_the_digest_and_the_order_of_fields_does_not() -> None:
    value = alert("a")
    digests = [
        alert_rows(each)[1]["payload_sha256"]
        for each in (value, dict(reversed(value.items())), value | {"score": 0.94})
    ]
    assert digests[0] == digests[1] != digests[2]
