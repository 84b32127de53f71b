"""What an account is (on trial, active, gone quiet, ended …), and when what an alert announces takes effect.

Views of accounts at risk, of scorecards and of the portfolio leave out those that have ended and those for tests.
"""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_first = import_module("sinks.database.migrations.versions.0001_first_release")
_ADDED = (("accounts", "life", sa.Text), ("health_history", "life", sa.Text), ("alerts", "due_at_ms", sa.BigInteger))
_JUDGED = "({0}.life IS NULL OR {0}.life NOT IN ('ended', 'test'))"
_COLUMNS = {
    "v_open_alerts": ("{at:play_due_at}", "{at:play_due_at}, {at:due_at}"),
    "v_accounts_at_risk": ("{at:as_of}", "{at:as_of}, a.life"),
}
_CONDITIONS = {
    "v_accounts_at_risk": (
        "WHERE a.band IN ('red', 'yellow') OR o.open_alerts > 0",
        f"WHERE (a.band IN ('red', 'yellow') OR o.open_alerts > 0) AND {_JUDGED.format('a')}",
    ),
    "v_portfolio_daily": ("GROUP BY", f"WHERE {_JUDGED.format('health_history')}\n        GROUP BY"),
    "v_scorecards": (
        "AND a.as_of_ms = h.as_of_ms",
        f"AND a.as_of_ms = h.as_of_ms\n            WHERE {_JUDGED.format('a')}",
    ),
}


def upgrade() -> None:
    """Add the columns, and let the views look at them."""
    for table, name, kind in _ADDED:
        op.add_column(table, sa.Column(name, kind))
    for name in _COLUMNS | _CONDITIONS:
        select = _first.VIEWS[name]
        for changes in (_COLUMNS, _CONDITIONS):
            select = select.replace(*changes.get(name, ("", "")))
        _replace(name, select)


def downgrade() -> None:
    """Take the columns away again."""
    for name in reversed(_first.VIEWS):
        op.execute(f"DROP VIEW {name}")
    for table, name, _ in reversed(_ADDED):
        op.drop_column(table, name)
    for name, select in _first.VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {_first.dated(select)}")


def _replace(name: str, select: str) -> None:
    """Views that read from this one stay: columns only join at the end."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {_first.dated(select)}")
    else:
        op.execute(f"CREATE OR REPLACE VIEW {name} AS {_first.dated(select)}")
