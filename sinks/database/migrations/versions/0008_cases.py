"""Cases and their revisions, to which case an alert belongs, and what became of commands."""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_FIRST = import_module("sinks.database.migrations.versions.0001_first_release")
_TIMES = ("opened_at", "updated_at", "closed_at", "step_due_at", "renewal_at", "acknowledged_at", "snoozed_until")
_NEEDED = {"case_id", "revision", "account_id", "subject", "status", "opened_at_ms", "updated_at_ms", "severity"} | {
    "summary",
    "alert_count",
    "priority",
    "overdue",
    "config_hash",
    "shadow",
}
_CASE = (
    ("case_id", sa.Text), ("revision", sa.Integer), ("account_id", sa.Text), ("account_name", sa.Text),
    ("subject", sa.Text), ("status", sa.Text), ("opened_at_ms", sa.BigInteger), ("updated_at_ms", sa.BigInteger),
    ("closed_at_ms", sa.BigInteger), ("lead_alert_id", sa.Text), ("lead_kind", sa.Text), ("severity", sa.Text),
    ("summary", sa.Text), ("alert_count", sa.Integer), ("priority", sa.Integer), ("arr_minor", sa.BigInteger),
    ("currency", sa.Text), ("arr_at_risk_minor", sa.BigInteger), ("renewal_at_ms", sa.BigInteger),
    ("segment", sa.Text), ("owner", sa.Text), ("assignee", sa.Text), ("step_id", sa.Text), ("step_title", sa.Text),
    ("step_due_at_ms", sa.BigInteger), ("overdue", sa.Boolean), ("acknowledged_by", sa.Text),
    ("acknowledged_at_ms", sa.BigInteger), ("snoozed_until_ms", sa.BigInteger), ("snooze_reason", sa.Text),
    ("outcome", sa.Text), ("closed_by", sa.Text), ("config_hash", sa.Text), ("shadow", sa.Boolean),
    ("payload", sa.Text),
)  # fmt: skip
_CASE_INDEXES = {
    "ix_cases_status_priority": ["status", "priority"],
    "ix_cases_owner_status": ["owner", "status"],
    "ix_cases_assignee_status": ["assignee", "status"],
    "ix_cases_account": ["account_id"],
    "ix_cases_segment": ["segment"],
}
_OF_COMMANDS = (
    ("case_id", sa.Text), ("since_ms", sa.BigInteger), ("assignee", sa.Text), ("outcome", sa.Text),
    ("kind", sa.Text), ("play_id", sa.Text), ("result", sa.Text), ("result_reason", sa.Text),
    ("case_revision", sa.Integer), ("applied_at_ms", sa.BigInteger),
)  # fmt: skip
_VIEWS = {
    "v_open_cases": """
        SELECT case_id, revision, account_id, account_name, subject, status, lead_alert_id, lead_kind, severity,
               summary, alert_count, priority, arr_minor, currency, arr_at_risk_minor, segment, owner, assignee,
               COALESCE(assignee, owner) AS responsible, step_id, step_title, overdue, acknowledged_by, snooze_reason,
               {times}
        FROM cases
        WHERE status <> 'closed' AND NOT shadow
    """,
    "v_feedback": """
        WITH said AS (
            SELECT COALESCE(c.kind, a.kind) AS kind, COALESCE(a.segment, o.segment) AS segment,
                   CASE WHEN c.action = 'expected' THEN 'known' ELSE c.verdict END AS verdict
            FROM alert_commands c
            LEFT JOIN alerts a ON a.alert_id = c.alert_id
            LEFT JOIN accounts o ON o.account_id = c.account_id
            WHERE c.action IN ('feedback', 'expected') AND c.result = 'applied'
            UNION ALL
            SELECT k.lead_kind, k.segment, c.outcome
            FROM alert_commands c JOIN cases k ON k.case_id = c.case_id
            WHERE c.action = 'resolve' AND c.outcome = 'false_alarm' AND c.result = 'applied'
        ),
        counted AS (
            SELECT kind, segment, COUNT(*) AS n, {counts}
            FROM said
            WHERE kind IS NOT NULL AND verdict IS NOT NULL
            GROUP BY kind, segment
        )
        SELECT kind, segment, useful, false_alarm, known, late, n, {rates}
        FROM counted
    """,
}
_VERDICTS = ("useful", "false_alarm", "known", "late")


def upgrade() -> None:
    """Add tables, columns and views."""
    op.create_table(
        "cases",
        *(sa.Column(name, kind, nullable=name not in _NEEDED, primary_key=name == "case_id") for name, kind in _CASE),
    )
    for name, columns in _CASE_INDEXES.items():
        op.create_index(name, "cases", columns)
    op.create_table(
        "case_revisions",
        sa.Column("case_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text),
        sa.Column("action", sa.Text),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("payload_sha256", sa.Text, nullable=False),
    )
    op.create_index("ix_case_revisions_account_updated", "case_revisions", ["account_id", "updated_at_ms"])
    op.add_column("alerts", sa.Column("case_id", sa.Text))
    op.create_index("ix_alerts_case", "alerts", ["case_id"])
    with op.batch_alter_table("alert_commands") as table:
        table.alter_column("alert_id", existing_type=sa.Text, nullable=True)
        for name, kind in _OF_COMMANDS:
            table.add_column(sa.Column(name, kind))
    op.create_index("ix_alert_commands_case_issued", "alert_commands", ["case_id", "issued_at_ms"])
    for name, select in _VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {_FIRST.dated(_filled(select))}")


def downgrade() -> None:
    """Take them away again; commands that name no alert had no place before."""
    for name in reversed(_VIEWS):
        op.execute(f"DROP VIEW {name}")
    op.drop_index("ix_alert_commands_case_issued", "alert_commands")
    op.execute("DELETE FROM alert_commands WHERE alert_id IS NULL")
    with op.batch_alter_table("alert_commands") as table:
        for name, _ in reversed(_OF_COMMANDS):
            table.drop_column(name)
        table.alter_column("alert_id", existing_type=sa.Text, nullable=False)
    op.drop_index("ix_alerts_case", "alerts")
    op.drop_column("alerts", "case_id")
    op.drop_table("case_revisions")
    op.drop_table("cases")


def _filled(select: str) -> str:
    counts = (f"SUM(CASE WHEN verdict = '{each}' THEN 1 ELSE 0 END) AS {each}" for each in _VERDICTS)
    rates = (f"CAST({each} AS DOUBLE PRECISION) / n AS {each}_rate" for each in _VERDICTS)
    times = (f"{{at:{each}}}" for each in _TIMES)
    return (
        select.replace("{counts}", ", ".join(counts))
        .replace("{rates}", ", ".join(rates))
        .replace("{times}", ", ".join(times))
    )
