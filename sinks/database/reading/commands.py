"""What became of a command."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from sinks.database import tables
from sinks.database.reading.scope import Owners, seen


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it was delivered."""

    command_id: str
    account_id: str
    case_id: str | None
    alert_id: str | None
    author: str
    action: str
    issued_at_ms: int
    result: str | None
    """applied, refused or unchanged; None while it is not known."""
    result_reason: str | None
    case_revision: int | None


def command(connection: Connection, command_id: str, owners: Owners) -> Command | None:
    """One command; None if it was not delivered yet, or is not to be seen."""
    of = tables.alert_commands.c
    query = select(*(of[name] for name in Command.__slots__)).where(of.command_id == command_id)
    if owners is not None:
        accounts, cases = tables.accounts.c, tables.cases.c
        query = query.where(
            of.account_id.in_(select(accounts.account_id).where(seen(owners, accounts.owner)))
            | of.case_id.in_(select(cases.case_id).where(seen(owners, cases.owner, cases.assignee)))
        )
    row = connection.execute(query).one_or_none()
    return None if row is None else Command(*row)
