"""What an account is (on trial, active, gone quiet, ended …), and when what an alert announces takes effect.

Views of accounts at risk, of scorecards and of the portfolio leave out those that have ended and those for tests.
"""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LAST = import_module("sinks.database.migrations.versions.0003_health_as_of_the_last_close")
_ADDED = (("accounts", "life", sa.Text), ("health_history", "life", sa.Text), ("alerts", "due_at_ms", sa.BigInteger))
_JUDGED = "({0}.life IS NULL OR {0}.life NOT IN ('ended', 'test'))"
_CHANGES = {
    "v_open_alerts": (("{at:play_due_at}", "{at:play_due_at}, {at:due_at}"),),
    "v_accounts_at_risk": (
        ("{at:as_of}", "{at:as_of}, a.life"),
        (
            "WHERE a.band IN ('red', 'yellow') OR o.open_alerts > 0",
            f"WHERE (a.band IN ('red', 'yellow') OR o.open_alerts > 0) AND {_JUDGED.format('a')}",
        ),
    ),
    "v_portfolio_daily": (
        (
            "-1\n        FROM health_history h JOIN known k ON k.account_id = h.account_id AND k.day = h.day\n"
            "        WHERE k.next_day IS NOT NULL",
            "-1\n        FROM health_history h JOIN known k ON k.account_id = h.account_id AND k.day = h.day\n"
            f"        WHERE k.next_day IS NOT NULL AND {_JUDGED.format('h')}",
        ),
        (
            "1 AS sign\n        FROM health_history h",
            f"1 AS sign\n        FROM health_history h WHERE {_JUDGED.format('h')}",
        ),
    ),
    "v_scorecards": (
        (
            "ON a.account_id = h.account_id AND a.as_of_ms = h.as_of_ms",
            f"ON a.account_id = h.account_id AND a.as_of_ms = h.as_of_ms AND {_JUDGED.format('a')}",
        ),
    ),
}


def upgrade() -> None:
    """Add the columns, and let the views look at them."""
    _LAST.drop_views()
    for table, name, kind in _ADDED:
        op.add_column(table, sa.Column(name, kind))
    _LAST.create_views(VIEWS)


def downgrade() -> None:
    """Take the columns away again."""
    _LAST.drop_views()
    for table, name, _ in reversed(_ADDED):
        op.drop_column(table, name)
    _LAST.create_views(_LAST.VIEWS)


VIEWS: dict[str, str] = dict(_LAST.VIEWS)
for view, changes in _CHANGES.items():
    for old, new in changes:
        VIEWS[view] = VIEWS[view].replace(old, new)
