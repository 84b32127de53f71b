"""The statements of the writer, the same for SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ClauseElement, ColumnElement, Dialect, Table, Update, bindparam, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from sinks.database import tables
from sinks.database.cases import OF_ALERTS
from sinks.database.engine import SQLITE
from sinks.database.rows import COMMAND_COLUMNS, RESULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL of a dialect; parameters are mappings, named like the columns they fill.

    Compiled once and given to the driver as text: what SQLAlchemy does for each row of parameters would take
    longer than the database does.
    """

    accounts: str
    accounts_if_new: str
    account_health: str
    health_history: str
    alerts: str
    alert_revisions: str
    alert_evidence: str
    cases: str
    cases_commanded: str
    cases_if_new: str
    case_revisions: str
    alert_commands: str
    command_results: str
    portfolio_facts: str
    insert_position: str
    move_position: str


def statements(dialect: Dialect) -> Statements:
    """Build the statements for a dialect; done once per engine."""

    def ignore(table: Table) -> str:
        insert = _insert(dialect, table)
        return _sql(dialect, insert.on_conflict_do_nothing(index_elements=list(table.primary_key)))

    def upsert(table: Table, newer: Callable[[Any], ColumnElement[bool]], kept: Collection[str] = ()) -> str:
        return _sql(dialect, _upsert(dialect, table, newer, kept))

    def fill(table: Table, columns: Sequence[str]) -> str:
        return insert_or_replace(dialect, table, columns)

    of = tables
    day, known_day, as_of = of.accounts.c.day, of.account_health.c.day, of.health_history.c.as_of_ms
    return Statements(
        accounts=upsert(of.accounts, lambda new: or_(day.is_(None), new.day >= day)),
        accounts_if_new=ignore(of.accounts),
        account_health=upsert(of.account_health, lambda new: new.day >= known_day),
        # The same day again is the same content or a correction of it; the later in the log wins.
        health_history=upsert(of.health_history, lambda new: new.as_of_ms >= as_of),
        alerts=upsert(of.alerts, lambda new: new.revision > of.alerts.c.revision),
        alert_revisions=ignore(of.alert_revisions),
        alert_evidence=ignore(of.alert_evidence),
        cases=upsert(of.cases, lambda new: new.revision > of.cases.c.revision),
        cases_commanded=upsert(of.cases, lambda new: new.revision > of.cases.c.revision, OF_ALERTS),
        cases_if_new=ignore(of.cases),
        case_revisions=ignore(of.case_revisions),
        # Each says its own part of the row, whichever comes first.
        alert_commands=fill(of.alert_commands, COMMAND_COLUMNS),
        command_results=fill(of.alert_commands, RESULT_COLUMNS),
        portfolio_facts=ignore(of.portfolio_facts),
        insert_position=ignore(of.sink_positions),
        move_position=_sql(dialect, _move_position()),
    )


def insert_or_replace(dialect: Dialect, table: Table, columns: Sequence[str] = ()) -> str:
    """SQL that writes a row whether or not its key is there; of one that is, these columns or all."""
    keys = list(table.primary_key)
    chosen = [column.name for column in table.columns if column not in keys and (not columns or column.name in columns)]
    insert = _insert(dialect, table)
    if columns:
        insert = insert.values({name: bindparam(name) for name in (*(key.name for key in keys), *columns)})
    changed = {name: insert.excluded[name] for name in chosen}
    return _sql(dialect, insert.on_conflict_do_update(index_elements=keys, set_=changed))


def _sql(dialect: Dialect, statement: ClauseElement) -> str:
    return str(statement.compile(dialect=dialect))


def _move_position() -> Update:
    positions = tables.sink_positions
    return (
        update(positions)
        .where(positions.c.cluster == bindparam("of_cluster"))
        .where(positions.c.topic == bindparam("of_topic"))
        .where(positions.c.partition == bindparam("of_partition"))
        .where(positions.c.next_offset == bindparam("old"))
        .values(next_offset=bindparam("new"))
    )


def _insert(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect.name == SQLITE else postgresql.insert(table)


def _upsert(
    dialect: Dialect, table: Table, newer: Callable[[Any], ColumnElement[bool]], kept: Collection[str]
) -> sqlite.Insert | postgresql.Insert:
    insert = _insert(dialect, table)
    keys = list(table.primary_key)
    changed: dict[str, Any] = {
        column.name: insert.excluded[column.name]
        for column in table.columns
        if column not in keys and column.name not in kept
    }
    return insert.on_conflict_do_update(index_elements=keys, set_=changed, where=newer(insert.excluded))
