"""The tables as SQLAlchemy Core sees them. Migrations build them; a test holds the two together.

Times are epoch milliseconds, money is in minor units, payloads are canonical JSON. `sink_positions.cluster`
names the broker whose offsets are meant: a broker that starts empty has a name of its own. `teams` is filled by hand.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text

metadata = MetaData()


def _context() -> list[Column[object]]:
    return [
        Column("segment", Text),
        Column("lifecycle_stage", Text),
        Column("touch_model", Text),
        Column("plan", Text),
        Column("arr_minor", BigInteger),
        Column("currency", Text),
        Column("renewal_at_ms", BigInteger),
        Column("stage_since_ms", BigInteger),
    ]


accounts = Table(
    "accounts",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("parent_account_id", Text),
    Column("owner", Text),
    *_context(),
    Column("life", Text),
    Column("scorecard", Text),
    Column("score", Double),
    Column("band", Text),
    Column("previous_band", Text),
    Column("band_since_ms", BigInteger),
    Column("coverage", Double),
    Column("provisional", Boolean),
    Column("as_of_ms", BigInteger),
    Column("day", Integer),
    *(Column(name, Double) for name in ("churn", "churn_low", "churn_high", "churn_doubt", "contraction", "expansion")),
    Column("outlook_layer", Text),
    Column("renews_at_ms", BigInteger),
    Index("ix_accounts_band_score", "band", "score"),
    Index("ix_accounts_owner", "owner"),
    Index("ix_accounts_parent", "parent_account_id"),
    Index("ix_accounts_segment", "segment"),
    Index("ix_accounts_renewal", "renewal_at_ms"),
)

account_health = Table(
    "account_health",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("scorecard", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("as_of_ms", BigInteger, nullable=False),
    Column("day", Integer, nullable=False),
    Column("score", Double),
    Column("band", Text, nullable=False),
    Column("previous_band", Text),
    Column("band_since_ms", BigInteger),
    Column("coverage", Double, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("min_drop_7d", Double),
    Column("min_drop_14d", Double),
    Column("min_drop_28d", Double),
    Column("is_primary", Boolean, nullable=False),
    Column("shadow", Boolean, nullable=False),
    Column("payload", Text, nullable=False),
    Column("band_by_score", Text),
    Column("capped_by", Text),
    Index("ix_account_health_band_score", "band", "score"),
)

health_history = Table(
    "health_history",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("scorecard", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("as_of_ms", BigInteger, nullable=False),
    Column("score", Double),
    Column("band", Text, nullable=False),
    Column("coverage", Double, nullable=False),
    Column("dimension_values", Text, nullable=False),
    Column("segment", Text),
    Column("arr_minor", BigInteger),
    Column("currency", Text),
    Column("shadow", Boolean, nullable=False),
    Column("life", Text),
    Column("from_version", Text),
    Column("score_before", Double),
    Index("ix_health_history_day_band", "day", "band"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("transition_reason", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("parent_account_id", Text),
    Column("owner", Text),
    Column("family", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("dimension", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("score", Double, nullable=False),
    Column("starts_at_ms", BigInteger, nullable=False),
    Column("ends_at_ms", BigInteger),
    Column("detected_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("metric", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("observed", Double),
    Column("expected", Double),
    Column("change_pct", Double),
    Column("method", Text, nullable=False),
    Column("evidence", Double, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("band", Text),
    *_context(),
    Column("arr_at_risk_minor", BigInteger),
    Column("play_id", Text),
    Column("play_title", Text),
    Column("play_due_at_ms", BigInteger),
    Column("due_at_ms", BigInteger),
    Column("summary", Text, nullable=False),
    Column("config_hash", Text, nullable=False),
    Column("shadow", Boolean, nullable=False),
    Index("ix_alerts_account_status", "account_id", "status"),
    Index("ix_alerts_status_severity_detected", "status", "severity", "detected_at_ms"),
    Index("ix_alerts_owner_status", "owner", "status"),
    Index("ix_alerts_kind_detected", "kind", "detected_at_ms"),
    Index("ix_alerts_detected", "detected_at_ms"),
)

alert_revisions = Table(
    "alert_revisions",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("transition_reason", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("payload_sha256", Text, nullable=False),
    Index("ix_alert_revisions_account_updated", "account_id", "updated_at_ms"),
)

alert_evidence = Table(
    "alert_evidence",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("observed", Double),
    Column("expected", Double),
    Column("change_pct", Double),
    Column("evidence", Double),
    Column("weight", Integer),
    Column("contribution_pct", Double),
    Column("state", Text, nullable=False),
)

alert_commands = Table(
    "alert_commands",
    metadata,
    Column("command_id", Text, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("issued_at_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),
    Column("verdict", Text),
    Column("note", Text),
    Index("ix_alert_commands_alert_issued", "alert_id", "issued_at_ms"),
    Index("ix_alert_commands_account_issued", "account_id", "issued_at_ms"),
)

portfolio_facts = Table(
    "portfolio_facts",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("occurred_at_ms", BigInteger, nullable=False),
    # Orders events of one time: all of an account are in one partition.
    Column("arrival", BigInteger, nullable=False),
    Column("subscription_id", Text),
    Column("mrr_minor_after", BigInteger),
    Column("seats_after", BigInteger),
    Column("currency", Text),
    Column("score", Double),
    Column("scale", Double),
    Column("phase", Text),
    Column("csat", Integer),
    Column("due_at_ms", BigInteger),
    Column("ticket_id", Text),
    Column("component", Text),
    Index("ix_portfolio_facts_topic_occurred", "topic", "occurred_at_ms"),
)

portfolio_metrics = Table(
    "portfolio_metrics",
    metadata,
    Column("period", Text, primary_key=True),
    Column("starts_on", Text, primary_key=True),
    # Empty: of all accounts, and of all phases.
    Column("segment", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("dimension", Text, primary_key=True),
    Column("ends_on", Text, nullable=False),
    Column("value", Double),
    Column("n", BigInteger, nullable=False),
    Column("low", Double),
    Column("high", Double),
    Column("currency", Text),
    Column("as_of_ms", BigInteger, nullable=False),
    Index("ix_portfolio_metrics_metric", "metric", "period", "starts_on"),
)

teams = Table(
    "teams",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("team", Text, nullable=False),
)

sink_positions = Table(
    "sink_positions",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
)
