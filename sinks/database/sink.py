"""The writer: a batch and the positions it ends at, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import DBAPIError

from pipeline.notify.routing import Routing
from sinks.clock import wall_clock_ms
from sinks.database import tables
from sinks.database.cases import close_stubs, show_alerts
from sinks.database.engine import open_engine
from sinks.database.failures import failures_translated, is_refusal, unavailable
from sinks.database.grouping import BatchRows, Identity, Key, batch_rows, in_order, looked_up
from sinks.database.messages import Messages
from sinks.database.rows import stub_row
from sinks.database.statements import statements
from sinks.delivery import Advance, DeliveryBatch, Projection, Written
from sinks.errors import PositionConflictError, Refusal, Rejection, SinkRejectedError, SinkUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sinks.database.rows import Row


class DatabaseSink:
    """Writes output records to SQLite or PostgreSQL; one writer, not for use by several threads at once.

    Args:
        url: SQLAlchemy URL of the database; its schema must be there (`migrate.upgrade`).
        cluster: whose offsets the positions are. A broker that forgets its topics needs a new name each run.
        timeout_s: longest wait for a lock or a connection.
        routing: who is told of cases; what is due is written with them.
        clock: milliseconds since 1970.
        before_commit: called in each transaction when all is written, for tests of crashes.
    """

    def __init__(
        self,
        url: str,
        *,
        cluster: str = "",
        timeout_s: float = 5.0,
        routing: Routing | None = None,
        clock: Callable[[], int] = wall_clock_ms,
        before_commit: Callable[[], None] = lambda: None,
    ) -> None:
        engine = open_engine(url, writer=True, timeout_s=timeout_s)
        # How many rows an INSERT added decides who owns a position; by default only UPDATE and DELETE tell.
        self._engine = engine.execution_options(preserve_rowcount=True)
        self._statements = statements(engine.dialect)
        self._cluster = cluster
        self._messages = Messages(routing or Routing(), clock)
        self._before_commit = before_commit

    def positions(self, topic: str) -> dict[int, int]:
        """Return the next offset to write of each partition ever written; raises SinkUnavailableError."""
        positions = tables.sink_positions
        query = (
            select(positions.c.partition, positions.c.next_offset)
            .where(positions.c.cluster == self._cluster)
            .where(positions.c.topic == topic)
        )
        with failures_translated(self._engine), self._engine.connect() as connection:
            return {row.partition: row.next_offset for row in connection.execute(query)}

    def write(self, batch: DeliveryBatch) -> Written:
        """Write all of the batch and its positions, or nothing.

        Raises:
            CommitUnknownError: the connection broke during COMMIT; read the positions, then try again.
            SinkUnavailableError: nothing was written; try again.
            SinkRejectedError: nothing was written; the named records never can be.
            PositionConflictError: nothing was written; a position is not where the batch says.
        """
        rows = batch_rows(batch.records)
        try:
            return self._write(batch, rows)
        except (DBAPIError, OverflowError):
            # Only refusals come through (SQLite's driver has an error of Python's for integers that are too
            # large). Which record is it?
            self._engine.dispose()
        rejections = self._refused(batch)
        if not rejections:
            message = "the database refused the batch but none of its records alone"
            raise SinkUnavailableError(message, retry_after_s=5.0)
        raise SinkRejectedError(rejections)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _write(self, batch: DeliveryBatch, rows: BatchRows) -> Written:
        with (
            failures_translated(self._engine),
            self._engine.connect() as connection,
            connection.begin() as transaction,
        ):
            # First, since it locks out a second writer of these partitions.
            for advance in sorted(batch.advances, key=lambda each: (each.topic, each.partition)):
                self._advance(connection, advance)
            conflicts = self._write_rows(connection, rows)
            self._before_commit()
            try:
                transaction.commit()
            except DBAPIError as error:
                self._engine.dispose()
                raise unavailable(error, committing=True) from error
        written = {
            Projection.ALERT: len(rows.alert_revisions),
            Projection.HEALTH: len(rows.health_history),
            Projection.CASE: len(rows.case_revisions),
            Projection.COMMAND: len(rows.alert_commands),
            Projection.RESULT: len(rows.command_results),
            Projection.FACT: len(rows.portfolio_facts),
        }
        return Written(written, tuple(sorted(conflicts)))

    def _advance(self, connection: Connection, advance: Advance) -> None:
        of = {"topic": advance.topic, "partition": advance.partition}
        if advance.old is None:
            done = connection.exec_driver_sql(
                self._statements.insert_position,
                {"cluster": self._cluster, **of, "next_offset": advance.next},
            )
        else:
            done = connection.exec_driver_sql(
                self._statements.move_position,
                {
                    "of_cluster": self._cluster,
                    "of_topic": advance.topic,
                    "of_partition": advance.partition,
                    "old": advance.old,
                    "new": advance.next,
                },
            )
        if done.rowcount != 1:
            message = (
                f"{advance.topic}/{advance.partition}: the database's position is not {advance.old}; "
                "another writer was here"
            )
            raise PositionConflictError(message)

    def _write_rows(self, connection: Connection, rows: BatchRows) -> set[Identity]:
        of = self._statements
        known = self._messages.known(connection, rows)
        conflicts = set(rows.conflicts)
        for table, statement, revisions in (
            (tables.alert_revisions, of.alert_revisions, rows.alert_revisions),
            (tables.case_revisions, of.case_revisions, rows.case_revisions),
        ):
            if self._execute(connection, statement, revisions) < len(revisions):
                conflicts |= _differing(connection, table, revisions)
        self._execute(connection, of.alert_evidence, rows.alert_evidence)
        self._execute(connection, of.alerts, rows.alerts)
        self._execute(connection, of.cases_if_new, rows.cases_if_new)
        self._execute(connection, of.cases, rows.cases_closed)
        self._execute(connection, of.cases_commanded, rows.cases_commanded)
        firing = [row for row in rows.alerts.values() if row["case_id"] and row["status"] == "firing"]
        show_alerts(connection, map(stub_row, firing))
        self._execute(connection, of.alert_commands, rows.alert_commands)
        self._execute(connection, of.command_results, rows.command_results)
        self._execute(connection, of.portfolio_facts, rows.portfolio_facts)
        self._execute(connection, of.accounts_if_new, rows.accounts_if_new)
        self._execute(connection, of.accounts, rows.accounts)
        self._execute(connection, of.account_health, rows.account_health)
        self._execute(connection, of.health_history, rows.health_history)
        self._messages.put(connection, rows, known, close_stubs(connection, rows.alerts.values()))
        return conflicts

    def _execute(self, connection: Connection, statement: str, rows: dict[Key, Row]) -> int:
        return connection.exec_driver_sql(statement, in_order(rows)).rowcount if rows else 0

    def _refused(self, batch: DeliveryBatch) -> list[Rejection]:
        """Try each record in a savepoint of its own, keep nothing, return those that the database refuses."""
        rejections = []
        with (
            failures_translated(self._engine),
            self._engine.connect() as connection,
            connection.begin() as transaction,
        ):
            for index, record in enumerate(batch.records):
                savepoint = connection.begin_nested()
                try:
                    self._write_rows(connection, batch_rows([record]))
                except (DBAPIError, OverflowError) as error:
                    if isinstance(error, DBAPIError) and not is_refusal(error):
                        raise
                    cause = error.orig if isinstance(error, DBAPIError) else error
                    rejections.append(Rejection(index, Refusal.REFUSED_BY_DATABASE, type(cause).__name__))
                savepoint.rollback()
            transaction.rollback()
        return rejections


def _differing(connection: Connection, revisions: Table, rows: dict[Key, Row]) -> set[Identity]:
    """Return the identities that the database holds with other content."""
    known_as = next(iter(revisions.primary_key))
    columns = (known_as, revisions.c.revision, revisions.c.payload_sha256)
    found: set[Identity] = set()
    for identity, revision, digest in looked_up(connection, known_as, sorted({key[0] for key in rows}), *columns):
        row = rows.get((identity, revision))
        if row is not None and row["payload_sha256"] != digest:
            found.add((identity, revision))
    return found
