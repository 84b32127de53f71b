"""Tables, indexes and views of the first release."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    _create_accounts()
    _create_account_health()
    _create_health_history()
    _create_alerts()
    _create_alert_revisions()
    _create_alert_evidence()
    _create_alert_commands()
    _create_portfolio()
    _create_sink_positions()
    for name, select in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {dated(select)}")


def downgrade() -> None:
    """Drop everything."""
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW {name}")
    for name in _TABLES:
        op.drop_table(name)


_TABLES = (
    "accounts",
    "account_health",
    "health_history",
    "alerts",
    "alert_revisions",
    "alert_evidence",
    "alert_commands",
    "portfolio_facts",
    "portfolio_metrics",
    "sink_positions",
)

# `{at:name}` stands for column `name_ms` as a timestamp, by the name `name`.
VIEWS = {
    "v_portfolio_metrics": """
        SELECT period, starts_on, ends_on, NULLIF(segment, '') AS segment, metric,
               NULLIF(dimension, '') AS dimension, value, n, low, high, currency, {at:as_of}
        FROM portfolio_metrics
    """,
    "v_open_alerts": """
        SELECT alert_id, revision, status, account_id, parent_account_id, owner, family, kind, dimension,
               level, severity, score, metric, unit, direction, observed, expected, change_pct, evidence,
               provisional, band, segment, lifecycle_stage, arr_minor, arr_at_risk_minor, currency, play_id,
               play_title, summary,
               {at:starts_at}, {at:detected_at}, {at:updated_at}, {at:renewal_at}, {at:stage_since}, {at:play_due_at}
        FROM alerts
        WHERE status IN ('firing', 'acknowledged', 'snoozed') AND NOT shadow
    """,
    "v_accounts_at_risk": """
        SELECT a.account_id, a.parent_account_id, a.owner, a.segment, a.lifecycle_stage, a.plan, a.arr_minor,
               a.currency, a.scorecard, a.score, a.band, a.previous_band, a.coverage,
               COALESCE(o.open_alerts, 0) AS open_alerts, COALESCE(o.urgent_alerts, 0) AS urgent_alerts,
               {at:band_since}, {at:renewal_at}, {at:stage_since}, {at:as_of}
        FROM accounts a
        LEFT JOIN (
            SELECT account_id, COUNT(*) AS open_alerts,
                   SUM(CASE WHEN severity IN ('critical', 'error') THEN 1 ELSE 0 END) AS urgent_alerts
            FROM alerts
            WHERE family = 'risk' AND status IN ('firing', 'acknowledged', 'snoozed') AND NOT shadow
            GROUP BY account_id
        ) o ON o.account_id = a.account_id
        WHERE a.band IN ('red', 'yellow') OR o.open_alerts > 0
    """,
    "v_health_history": """
        SELECT account_id, scorecard, version, day, {date:day}, score, band, coverage, dimension_values,
               segment, arr_minor, currency, shadow, from_version, score_before, {at:as_of}
        FROM health_history
    """,
    "v_portfolio_daily": """
        SELECT day, {date:day}, scorecard, segment, currency, COUNT(*) AS accounts,
               SUM(CASE WHEN band = 'green' THEN 1 ELSE 0 END) AS green,
               SUM(CASE WHEN band = 'yellow' THEN 1 ELSE 0 END) AS yellow,
               SUM(CASE WHEN band = 'red' THEN 1 ELSE 0 END) AS red,
               SUM(CASE WHEN band = 'grey' THEN 1 ELSE 0 END) AS grey,
               AVG(score) AS mean_score, SUM(arr_minor) AS arr_minor,
               SUM(CASE WHEN band = 'red' THEN arr_minor ELSE 0 END) AS red_arr_minor,
               SUM(CASE WHEN band = 'yellow' THEN arr_minor ELSE 0 END) AS yellow_arr_minor
        FROM health_history
        GROUP BY day, scorecard, segment, currency
    """,
    "v_scorecards": """
        SELECT s.*, value_tier || '/' || band AS nine_box, {at:band_since}, {at:stage_since}, {at:as_of}
        FROM (
            SELECT h.account_id, a.parent_account_id, a.owner, a.segment, a.lifecycle_stage, a.touch_model,
                   a.arr_minor, a.currency, h.scorecard, h.version, h.is_primary, h.shadow, h.score, h.band,
                   h.previous_band, h.coverage, h.provisional,
                   (h.as_of_ms - h.band_since_ms) / 86400000 AS days_in_band,
                   (h.as_of_ms - a.stage_since_ms) / 86400000 AS days_in_stage, a.stage_since_ms,
                   CASE WHEN a.arr_minor IS NULL THEN NULL
                        ELSE CASE NTILE(3) OVER (
                            PARTITION BY h.scorecard, a.currency, a.arr_minor IS NULL
                            ORDER BY a.arr_minor DESC, h.account_id
                        ) WHEN 1 THEN 'high' WHEN 2 THEN 'middle' ELSE 'low' END
                   END AS value_tier,
                   h.band_since_ms, h.as_of_ms
            FROM account_health h
            JOIN accounts a ON a.account_id = h.account_id AND a.as_of_ms = h.as_of_ms
        ) s
    """,
    "v_red_accounts": """
        SELECT account_id, parent_account_id, owner, segment, lifecycle_stage, scorecard, score, previous_band,
               arr_minor AS arr_at_risk_minor, currency, days_in_band, days_in_band < 7 AS is_new, band_since, as_of,
               ROW_NUMBER() OVER (
                   PARTITION BY scorecard
                   ORDER BY CASE WHEN days_in_band < 7 THEN 0 ELSE 1 END, COALESCE(arr_minor, 0) DESC, score,
                            account_id
               ) AS place
        FROM v_scorecards
        WHERE band = 'red' AND NOT shadow
    """,
    "v_worst_accounts": """
        SELECT account_id, parent_account_id, owner, segment, lifecycle_stage, scorecard, score, band, arr_minor,
               currency, nine_box, as_of,
               ROW_NUMBER() OVER (
                   PARTITION BY scorecard ORDER BY score, COALESCE(arr_minor, 0) DESC, account_id
               ) AS place
        FROM v_scorecards
        WHERE score IS NOT NULL AND band <> 'grey' AND NOT shadow
    """,
    "v_families": """
        WITH RECURSIVE family (parent_account_id, account_id) AS (
            SELECT parent_account_id, account_id FROM accounts WHERE parent_account_id IS NOT NULL
            UNION
            SELECT f.parent_account_id, a.account_id
            FROM family f JOIN accounts a ON a.parent_account_id = f.account_id
        )
        SELECT f.parent_account_id, s.scorecard, {rolled_up}
        FROM family f JOIN v_scorecards s ON s.account_id = f.account_id
        WHERE f.account_id <> f.parent_account_id AND NOT s.shadow
        GROUP BY f.parent_account_id, s.scorecard
    """,
    "v_owners": """
        SELECT s.owner, s.scorecard, {rolled_up}
        FROM v_scorecards s
        WHERE NOT s.shadow
        GROUP BY s.owner, s.scorecard
    """,
}

# Of accounts: how many stand where, and their scores. Money adds up only in one currency.
_ROLLED_UP = """
    COUNT(*) AS accounts,
    SUM(CASE WHEN s.band = 'green' THEN 1 ELSE 0 END) AS green,
    SUM(CASE WHEN s.band = 'yellow' THEN 1 ELSE 0 END) AS yellow,
    SUM(CASE WHEN s.band = 'red' THEN 1 ELSE 0 END) AS red,
    SUM(CASE WHEN s.band = 'grey' THEN 1 ELSE 0 END) AS grey,
    CAST(SUM(CASE WHEN s.band = 'red' THEN 1 ELSE 0 END) AS DOUBLE PRECISION)
        / NULLIF(SUM(CASE WHEN s.band <> 'grey' THEN 1 ELSE 0 END), 0) AS poor_share,
    AVG(CASE WHEN s.band <> 'grey' THEN s.score END) AS mean_score,
    MIN(CASE WHEN s.band <> 'grey' THEN s.score END) AS worst_score,
    CASE WHEN COUNT(DISTINCT s.currency) = 1 THEN
        SUM(CASE WHEN s.band <> 'grey' THEN s.score * s.arr_minor END)
            / NULLIF(SUM(CASE WHEN s.band <> 'grey' THEN s.arr_minor END), 0)
    END AS arr_weighted_score,
    CASE WHEN COUNT(DISTINCT s.currency) = 1 THEN SUM(s.arr_minor) END AS arr_minor,
    CASE WHEN COUNT(DISTINCT s.currency) = 1 THEN SUM(CASE WHEN s.band = 'red' THEN s.arr_minor ELSE 0 END) END
        AS red_arr_minor,
    CASE WHEN COUNT(DISTINCT s.currency) = 1 THEN MIN(s.currency) END AS currency
"""


def dated(select: str) -> str:
    """The select of a view in the database's dialect, its placeholders filled in."""
    if op.get_bind().dialect.name == "sqlite":
        stamp, date = (
            "strftime('%Y-%m-%dT%H:%M:%fZ', {0}_ms / 1000.0, 'unixepoch') AS {0}",
            "date({0} * 86400, 'unixepoch')",
        )
    else:
        stamp, date = "to_timestamp({0}_ms / 1000.0) AS {0}", "DATE '1970-01-01' + {0}"
    select = select.replace("{rolled_up}", _ROLLED_UP)
    dated = re.sub(r"\{at:(\w+)\}", lambda found: stamp.format(found[1]), select)
    return re.sub(r"\{date:(\w+)\}", lambda found: date.format(found[1]) + " AS date", dated)


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("parent_account_id", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("segment", sa.Text),
        sa.Column("lifecycle_stage", sa.Text),
        sa.Column("touch_model", sa.Text),
        sa.Column("plan", sa.Text),
        sa.Column("arr_minor", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("renewal_at_ms", sa.BigInteger),
        sa.Column("stage_since_ms", sa.BigInteger),
        sa.Column("scorecard", sa.Text),
        sa.Column("score", sa.Double),
        sa.Column("band", sa.Text),
        sa.Column("previous_band", sa.Text),
        sa.Column("band_since_ms", sa.BigInteger),
        sa.Column("coverage", sa.Double),
        sa.Column("provisional", sa.Boolean),
        sa.Column("as_of_ms", sa.BigInteger),
        sa.Column("day", sa.Integer),
    )
    op.create_index("ix_accounts_band_score", "accounts", ["band", "score"])
    op.create_index("ix_accounts_owner", "accounts", ["owner"])
    op.create_index("ix_accounts_parent", "accounts", ["parent_account_id"])
    op.create_index("ix_accounts_segment", "accounts", ["segment"])
    op.create_index("ix_accounts_renewal", "accounts", ["renewal_at_ms"])


def _create_account_health() -> None:
    op.create_table(
        "account_health",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("scorecard", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("as_of_ms", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("previous_band", sa.Text),
        sa.Column("band_since_ms", sa.BigInteger),
        sa.Column("coverage", sa.Double, nullable=False),
        sa.Column("provisional", sa.Boolean, nullable=False),
        sa.Column("min_drop_7d", sa.Double),
        sa.Column("min_drop_14d", sa.Double),
        sa.Column("min_drop_28d", sa.Double),
        sa.Column("is_primary", sa.Boolean, nullable=False),
        sa.Column("shadow", sa.Boolean, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_index("ix_account_health_band_score", "account_health", ["band", "score"])


def _create_health_history() -> None:
    op.create_table(
        "health_history",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("scorecard", sa.Text, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("as_of_ms", sa.BigInteger, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("coverage", sa.Double, nullable=False),
        sa.Column("dimension_values", sa.Text, nullable=False),
        sa.Column("segment", sa.Text),
        sa.Column("arr_minor", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("shadow", sa.Boolean, nullable=False),
        sa.Column("from_version", sa.Text),
        sa.Column("score_before", sa.Double),
    )
    op.create_index("ix_health_history_day_band", "health_history", ["day", "band"])


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("transition_reason", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("parent_account_id", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("family", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("dimension", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ends_at_ms", sa.BigInteger),
        sa.Column("detected_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("observed", sa.Double),
        sa.Column("expected", sa.Double),
        sa.Column("change_pct", sa.Double),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("evidence", sa.Double, nullable=False),
        sa.Column("provisional", sa.Boolean, nullable=False),
        sa.Column("band", sa.Text),
        sa.Column("segment", sa.Text),
        sa.Column("lifecycle_stage", sa.Text),
        sa.Column("touch_model", sa.Text),
        sa.Column("plan", sa.Text),
        sa.Column("arr_minor", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("renewal_at_ms", sa.BigInteger),
        sa.Column("stage_since_ms", sa.BigInteger),
        sa.Column("arr_at_risk_minor", sa.BigInteger),
        sa.Column("play_id", sa.Text),
        sa.Column("play_title", sa.Text),
        sa.Column("play_due_at_ms", sa.BigInteger),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("config_hash", sa.Text, nullable=False),
        sa.Column("shadow", sa.Boolean, nullable=False),
    )
    op.create_index("ix_alerts_account_status", "alerts", ["account_id", "status"])
    op.create_index("ix_alerts_status_severity_detected", "alerts", ["status", "severity", "detected_at_ms"])
    op.create_index("ix_alerts_owner_status", "alerts", ["owner", "status"])
    op.create_index("ix_alerts_kind_detected", "alerts", ["kind", "detected_at_ms"])
    op.create_index("ix_alerts_detected", "alerts", ["detected_at_ms"])


def _create_alert_revisions() -> None:
    op.create_table(
        "alert_revisions",
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("transition_reason", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("payload_sha256", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_revisions_account_updated", "alert_revisions", ["account_id", "updated_at_ms"])


def _create_alert_evidence() -> None:
    op.create_table(
        "alert_evidence",
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("observed", sa.Double),
        sa.Column("expected", sa.Double),
        sa.Column("change_pct", sa.Double),
        sa.Column("evidence", sa.Double),
        sa.Column("weight", sa.Integer),
        sa.Column("contribution_pct", sa.Double),
        sa.Column("state", sa.Text, nullable=False),
    )


def _create_alert_commands() -> None:
    op.create_table(
        "alert_commands",
        sa.Column("command_id", sa.Text, primary_key=True),
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("issued_at_ms", sa.BigInteger, nullable=False),
        sa.Column("until_ms", sa.BigInteger),
        sa.Column("verdict", sa.Text),
        sa.Column("note", sa.Text),
    )
    op.create_index("ix_alert_commands_alert_issued", "alert_commands", ["alert_id", "issued_at_ms"])
    op.create_index("ix_alert_commands_account_issued", "alert_commands", ["account_id", "issued_at_ms"])


def _create_portfolio() -> None:
    op.create_table(
        "portfolio_facts",
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("occurred_at_ms", sa.BigInteger, nullable=False),
        sa.Column("arrival", sa.BigInteger, nullable=False),
        sa.Column("subscription_id", sa.Text),
        sa.Column("mrr_minor_after", sa.BigInteger),
        sa.Column("seats_after", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("score", sa.Double),
        sa.Column("scale", sa.Double),
        sa.Column("phase", sa.Text),
        sa.Column("csat", sa.Integer),
    )
    op.create_table(
        "portfolio_metrics",
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("starts_on", sa.Text, primary_key=True),
        sa.Column("segment", sa.Text, primary_key=True),
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("dimension", sa.Text, primary_key=True),
        sa.Column("ends_on", sa.Text, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.Column("low", sa.Double),
        sa.Column("high", sa.Double),
        sa.Column("currency", sa.Text),
        sa.Column("as_of_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_portfolio_metrics_metric", "portfolio_metrics", ["metric", "period", "starts_on"])


def _create_sink_positions() -> None:
    op.create_table(
        "sink_positions",
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
