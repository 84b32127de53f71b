"""The rows of a whole batch, table by table, ordered by key so that two writers never wait crosswise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, select

from schemas.accounts import of_fleet
from sinks.database.facts import fact_row
from sinks.database.rows import (
    Row,
    UnstorableError,
    alert_rows,
    case_rows,
    command_row,
    health_rows,
    result_row,
    stub_row,
)
from sinks.delivery import DeliveryRecord, Projection
from sinks.errors import Rejection, SinkRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOOK_UP = 500
"""How many keys a statement names at most."""
Key = tuple[Any, ...]
Identity = tuple[str, int]


@dataclass(slots=True)
class BatchRows:
    """Rows by their key; of several with one key, the one that the database would keep."""

    accounts_if_new: dict[Key, Row] = field(default_factory=dict)
    accounts: dict[Key, Row] = field(default_factory=dict)
    account_health: dict[Key, Row] = field(default_factory=dict)
    health_history: dict[Key, Row] = field(default_factory=dict)
    alerts: dict[Key, Row] = field(default_factory=dict)
    alert_revisions: dict[Key, Row] = field(default_factory=dict)
    alert_evidence: dict[Key, Row] = field(default_factory=dict)
    cases_closed: dict[Key, Row] = field(default_factory=dict)
    """Of the last close of each case."""
    cases_commanded: dict[Key, Row] = field(default_factory=dict)
    """Of the last command about each."""
    cases_if_new: dict[Key, Row] = field(default_factory=dict)
    case_revisions: dict[Key, Row] = field(default_factory=dict)
    alert_commands: dict[Key, Row] = field(default_factory=dict)
    command_results: dict[Key, Row] = field(default_factory=dict)
    portfolio_facts: dict[Key, Row] = field(default_factory=dict)
    conflicts: set[Identity] = field(default_factory=set)

    @property
    def cases(self) -> dict[Key, Row]:
        """The last revision of each case."""
        both = {**self.cases_closed, **self.cases_commanded}
        of_close = self.cases_closed.items()
        return both | {key: row for key, row in of_close if row["revision"] >= both[key]["revision"]}

    def add_alert(self, record: DeliveryRecord) -> None:
        """Add the rows of an alert; raises UnstorableError and then adds nothing."""
        alert, revision, evidence, account = alert_rows(record.value)
        identity = (alert["alert_id"], alert["revision"])
        written = self.alert_revisions.setdefault(identity, revision)
        if written is not revision:
            if written["payload_sha256"] != revision["payload_sha256"]:
                self.conflicts.add(identity)
            return
        for row in evidence:
            self.alert_evidence.setdefault((*identity, row["name"]), row)
        known = self.alerts.get((alert["alert_id"],))
        if known is None or alert["revision"] > known["revision"]:
            self.alerts[(alert["alert_id"],)] = alert
        if alert["case_id"] is not None and alert["status"] == "firing":
            self.cases_if_new.setdefault((alert["case_id"],), stub_row(alert))
        if not of_fleet(account["account_id"]):
            self.accounts_if_new.setdefault((account["account_id"],), account)

    def add_health(self, record: DeliveryRecord) -> None:
        """Add the rows of an account's health; raises UnstorableError and then adds nothing."""
        cards, account = health_rows(record.value)
        for health, history in cards:
            key = (health["account_id"], health["scorecard"])
            _keep_newer(self.account_health, key, health, "day")
            _keep_newer(self.health_history, (*key, health["day"]), history, "as_of_ms")
        _keep_newer(self.accounts, (account["account_id"],), account, "day")

    def add_command(self, record: DeliveryRecord) -> None:
        """Add the row of what a person did; raises UnstorableError."""
        command = command_row(record.value)
        self.alert_commands.setdefault((command["command_id"],), command)

    def add_result(self, record: DeliveryRecord) -> None:
        """Add what became of a command; raises UnstorableError."""
        result = result_row(record.value)
        self.command_results.setdefault((result["command_id"],), result)

    def add_case(self, record: DeliveryRecord) -> None:
        """Add the rows of a case; raises UnstorableError and then adds nothing."""
        case, revision = case_rows(record.value)
        identity = (case["case_id"], case["revision"])
        written = self.case_revisions.setdefault(identity, revision)
        if written is revision:
            of_cause = self.cases_commanded if record.value["cause"] == "command" else self.cases_closed
            _keep_newer(of_cause, (case["case_id"],), case, "revision")
        elif written["payload_sha256"] != revision["payload_sha256"]:
            self.conflicts.add(identity)

    def add_fact(self, record: DeliveryRecord) -> None:
        """Add the row of an event that portfolio figures are made of, if it is one; raises UnstorableError."""
        fact = fact_row(record.topic, record.offset, record.value)
        if fact is not None:
            # Of an event that came twice, the first counts.
            self.portfolio_facts.setdefault((fact["topic"], fact["account_id"], fact["event_id"]), fact)


def batch_rows(records: Sequence[DeliveryRecord]) -> BatchRows:
    """Return the rows of all records.

    Raises:
        SinkRejectedError: some records cannot be stored by any database.
    """
    rows = BatchRows()
    add = {
        Projection.ALERT: rows.add_alert,
        Projection.HEALTH: rows.add_health,
        Projection.CASE: rows.add_case,
        Projection.COMMAND: rows.add_command,
        Projection.RESULT: rows.add_result,
        Projection.FACT: rows.add_fact,
    }
    rejections = []
    for index, record in enumerate(records):
        try:
            add[record.projection](record)
        except UnstorableError as error:
            rejections.append(Rejection(index, error.reason, error.detail))
    if rejections:
        raise SinkRejectedError(rejections)
    return rows


def in_parts(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at a time as a statement may name."""
    for start in range(0, len(items), LOOK_UP):
        yield items[start : start + LOOK_UP]


def looked_up(
    connection: Connection, key: ColumnElement[Any], wanted: Sequence[str], *columns: ColumnElement[Any]
) -> Iterator[Any]:
    """Yield columns of the rows whose key is one of those."""
    for some in in_parts(wanted):
        yield from connection.execute(select(*columns).where(key.in_(some)))


def in_order(rows: dict[Key, Row]) -> list[Row]:
    """Return the rows in the order of their keys."""
    return [rows[key] for key in sorted(rows)]


def _keep_newer(rows: dict[Key, Row], key: Key, row: Row, by: str) -> None:
    known = rows.get(key)
    if known is None or row[by] >= known[by]:
        rows[key] = row
