"""The statements of the writer, the same for SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Executable, Table, bindparam, func, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from sinks.database import tables
from sinks.database.engine import SQLITE

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Statements:
    """Executables whose parameters are named like the columns they fill."""

    accounts: Executable
    accounts_if_new: Executable
    account_health: Executable
    health_history: Executable
    alerts: Executable
    alert_revisions: Executable
    alert_evidence: Executable
    alert_commands: Executable
    insert_position: Executable
    move_position: Executable


def statements(dialect: str) -> Statements:
    """Build the statements for a dialect; done once per engine."""
    day = tables.accounts.c.day
    return Statements(
        accounts=_upsert(dialect, tables.accounts, lambda new: or_(day.is_(None), new.day >= day)),
        accounts_if_new=_insert_or_ignore(dialect, tables.accounts),
        account_health=_upsert(
            dialect, tables.account_health, lambda new: new.day >= tables.account_health.c.day
        ),
        # The same day again is the same content or a correction of it; the later in the log wins.
        health_history=_upsert(
            dialect, tables.health_history, lambda new: new.as_of_ms >= tables.health_history.c.as_of_ms
        ),
        alerts=_upsert(dialect, tables.alerts, lambda new: new.revision > tables.alerts.c.revision),
        alert_revisions=_insert_or_ignore(dialect, tables.alert_revisions),
        alert_evidence=_insert_or_ignore(dialect, tables.alert_evidence),
        alert_commands=_insert_or_ignore(dialect, tables.alert_commands),
        insert_position=_insert_or_ignore(dialect, tables.sink_positions),
        move_position=_move_position(),
    )


def _move_position() -> Executable:
    positions = tables.sink_positions
    return (
        update(positions)
        .where(positions.c.cluster == bindparam("of_cluster"))
        .where(positions.c.topic == bindparam("of_topic"))
        .where(positions.c.partition == bindparam("of_partition"))
        .where(positions.c.next_offset == bindparam("old"))
        .values(next_offset=bindparam("new"))
    )


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == SQLITE else postgresql.insert(table)


def _insert_or_ignore(dialect: str, table: Table) -> Executable:
    return _insert(dialect, table).on_conflict_do_nothing(index_elements=list(table.primary_key))


def _upsert(dialect: str, table: Table, newer: Callable[[Any], ColumnElement[bool]]) -> Executable:
    insert = _insert(dialect, table)
    keys = list(table.primary_key)
    changed: dict[str, Any] = {
        column.name: insert.excluded[column.name] for column in table.columns if column not in keys
    }
    if "parent_account_id" in changed and table is tables.accounts:
        # Only alerts name the parent; health records do not take it away.
        changed["parent_account_id"] = func.coalesce(
            insert.excluded.parent_account_id, table.c.parent_account_id
        )
    return insert.on_conflict_do_update(index_elements=keys, set_=changed, where=newer(insert.excluded))
