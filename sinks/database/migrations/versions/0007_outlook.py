"""What is to come of each account: probabilities within a quarter, and when it renews."""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FIRST = import_module("sinks.database.migrations.versions.0001_first_release")
_ADDED = (
    *((name, sa.Double) for name in ("churn", "churn_low", "churn_high", "churn_doubt", "contraction", "expansion")),
    ("outlook_layer", sa.Text),
    ("renews_at_ms", sa.BigInteger),
)
_OUTLOOK = """
    SELECT a.account_id, a.parent_account_id, a.owner, a.segment, a.plan, a.arr_minor, a.currency, a.band,
           CASE WHEN a.renews_at_ms >= c.last_close_ms THEN (a.renews_at_ms - c.last_close_ms) / 86400000 END
               AS days_to_renewal, {at:renews_at},
           a.churn, a.churn_low, a.churn_high, a.churn_doubt, a.contraction, a.expansion, a.outlook_layer AS layer,
           a.churn * a.arr_minor AS arr_at_risk_minor
    FROM accounts a
    CROSS JOIN (SELECT MAX(as_of_ms) AS last_close_ms FROM accounts) c
    WHERE a.churn IS NOT NULL AND (a.life IS NULL OR a.life NOT IN ('ended', 'test'))
"""


def upgrade() -> None:
    """Add the columns and the view."""
    for name, kind in _ADDED:
        op.add_column("accounts", sa.Column(name, kind))
    op.execute(f"CREATE VIEW v_outlook AS {_FIRST.dated(_OUTLOOK)}")


def downgrade() -> None:
    """Take them away again."""
    op.execute("DROP VIEW v_outlook")
    for name, _ in reversed(_ADDED):
        op.drop_column("accounts", name)
