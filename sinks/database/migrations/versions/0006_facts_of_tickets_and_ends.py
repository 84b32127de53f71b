"""What portfolio facts say besides: when a cancelled subscription ends, which ticket, which part of the product.

`v_account_answers` has the surveys of the last 90 days of each account.
"""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

_FIRST = import_module("sinks.database.migrations.versions.0001_first_release")
_ADDED = (("due_at_ms", sa.BigInteger), ("ticket_id", sa.Text), ("component", sa.Text))

# A scale below 10 begins at 1. Few answers make no share.
_ACCOUNT_ANSWERS = """
    WITH answers AS (
        SELECT account_id, csat IS NOT NULL OR type = 'csat' AS of_csat, type = 'nps' AS of_nps, type = 'ces' AS of_ces,
               CASE WHEN csat IS NOT NULL THEN (csat - 1) / 4.0
                    WHEN scale < 10 THEN (score - 1) / (scale - 1)
                    ELSE score / scale END AS value
        FROM (
            SELECT account_id, type, csat, score,
                   COALESCE(scale, CASE type WHEN 'nps' THEN 10.0 WHEN 'ces' THEN 7.0 ELSE 5.0 END) AS scale
            FROM portfolio_facts f CROSS JOIN (SELECT MAX(as_of_ms) AS last_close_ms FROM accounts) c
            WHERE occurred_at_ms >= last_close_ms - 7776000000 AND occurred_at_ms < last_close_ms
              AND (csat IS NOT NULL OR (score IS NOT NULL AND type IN ('nps', 'csat', 'ces')))
        ) asked
    ),
    counted AS (
        SELECT account_id,
               SUM(CASE WHEN of_nps THEN 1 ELSE 0 END) AS nps_answers,
               CAST(SUM(CASE WHEN of_nps AND value >= 0.9 THEN 100 WHEN of_nps AND value <= 0.6 THEN -100 ELSE 0 END)
                   AS DOUBLE PRECISION) AS nps,
               SUM(CASE WHEN of_csat THEN 1 ELSE 0 END) AS csat_answers,
               CAST(SUM(CASE WHEN of_csat AND value >= 0.75 THEN 1 ELSE 0 END) AS DOUBLE PRECISION) AS csat,
               AVG(CASE WHEN of_csat THEN 1 + 4 * value END) AS csat_mean,
               SUM(CASE WHEN of_ces THEN 1 ELSE 0 END) AS ces_answers,
               AVG(CASE WHEN of_ces THEN 1 + 6 * value END) AS ces
        FROM answers
        GROUP BY account_id
    )
    SELECT n.account_id, a.owner, a.segment, nps_answers, CASE WHEN nps_answers >= 3 THEN nps / nps_answers END AS nps,
           csat_answers, CASE WHEN csat_answers >= 3 THEN csat / csat_answers END AS csat, csat_mean, ces_answers, ces
    FROM counted n JOIN accounts a ON a.account_id = n.account_id
    WHERE a.life IS NULL OR a.life <> 'test'
"""


def upgrade() -> None:
    """Add the columns and the view."""
    for name, kind in _ADDED:
        op.add_column("portfolio_facts", sa.Column(name, kind))
    op.execute(f"CREATE VIEW v_account_answers AS {_FIRST.dated(_ACCOUNT_ANSWERS)}")


def downgrade() -> None:
    """Take them away again."""
    op.execute("DROP VIEW v_account_answers")
    for name, _ in reversed(_ADDED):
        op.drop_column("portfolio_facts", name)
