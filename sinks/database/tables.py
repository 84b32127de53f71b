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
    Column("case_id", Text),
    Index("ix_alerts_case", "case_id"),
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

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    # 0: no revision has come yet, an alert has said that there is a case.
    Column("revision", Integer, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("account_name", Text),
    Column("subject", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("opened_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("closed_at_ms", BigInteger),
    Column("lead_alert_id", Text),
    Column("lead_kind", Text),
    Column("severity", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("alert_count", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("arr_minor", BigInteger),
    Column("currency", Text),
    Column("arr_at_risk_minor", BigInteger),
    Column("renewal_at_ms", BigInteger),
    Column("segment", Text),
    Column("owner", Text),
    Column("assignee", Text),
    Column("step_id", Text),
    Column("step_title", Text),
    Column("step_due_at_ms", BigInteger),
    Column("overdue", Boolean, nullable=False),
    Column("acknowledged_by", Text),
    Column("acknowledged_at_ms", BigInteger),
    Column("snoozed_until_ms", BigInteger),
    Column("snooze_reason", Text),
    Column("outcome", Text),
    Column("closed_by", Text),
    Column("config_hash", Text, nullable=False),
    Column("shadow", Boolean, nullable=False),
    Column("payload", Text),
    Index("ix_cases_status_priority", "status", "priority"),
    Index("ix_cases_owner_status", "owner", "status"),
    Index("ix_cases_assignee_status", "assignee", "status"),
    Index("ix_cases_account", "account_id"),
    Index("ix_cases_segment", "segment"),
)

case_revisions = Table(
    "case_revisions",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    # Of the command that made it; none if a close did.
    Column("author", Text),
    Column("action", Text),
    Column("payload", Text, nullable=False),
    Column("payload_sha256", Text, nullable=False),
    Index("ix_case_revisions_account_updated", "account_id", "updated_at_ms"),
)

alert_commands = Table(
    "alert_commands",
    metadata,
    Column("command_id", Text, primary_key=True),
    Column("alert_id", Text),
    Column("account_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("issued_at_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),
    Column("verdict", Text),
    Column("note", Text),
    Column("case_id", Text),
    Column("since_ms", BigInteger),
    Column("assignee", Text),
    Column("outcome", Text),
    Column("kind", Text),
    Column("play_id", Text),
    # What became of it, once that is known.
    Column("result", Text),
    Column("result_reason", Text),
    Column("case_revision", Integer),
    Column("applied_at_ms", BigInteger),
    Index("ix_alert_commands_case_issued", "case_id", "issued_at_ms"),
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

outbox = Table(
    "outbox",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("channel", Text, nullable=False),
    # The case, or whose digest it is.
    Column("topic_key", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("not_before_ms", BigInteger, nullable=False),
    # Whose digest is to tell it; null: a message of its own.
    Column("digest", Text),
    Column("attempts", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("sent_ms", BigInteger),
    Column("last_error", Text),
    # Of what a digest has told: the digest.
    Column("external_ref", Text),
    Index("ix_outbox_state_receiver_due", "state", "receiver", "not_before_ms"),
    Index("ix_outbox_topic_revision", "topic_key", "revision"),
)

teams = Table(
    "teams",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("team", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),
    Column("display", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("owner", Text),
    # Sessions that began before end.
    Column("changed_at_ms", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("key_sha256", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("owner", Text),
    Column("created_at_ms", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Text, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("person", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("address", Text, nullable=False),
    Index("ix_audit_at", "at_ms"),
    Index("ix_audit_person_at", "person", "at_ms"),
)

sink_positions = Table(
    "sink_positions",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
)
