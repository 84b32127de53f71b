"""What each dimension says of each account, all renewals, and roll-ups by team and of the whole company.

The table `teams` is filled by who knows the owners; nothing here writes it.
"""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_THIRD = import_module("sinks.database.migrations.versions.0003_health_as_of_the_last_close")
_LAST = import_module("sinks.database.migrations.versions.0004_life")

_ADDED = {
    "v_renewals": """
        SELECT a.account_id, a.parent_account_id, a.owner, a.segment, a.plan, a.arr_minor, a.currency, a.scorecard,
               a.score, a.band, COALESCE(o.open_alerts, 0) AS open_alerts,
               (a.renewal_at_ms - c.last_close_ms) / 86400000 AS days_to_renewal, {at:renewal_at}
        FROM accounts a
        CROSS JOIN (SELECT MAX(as_of_ms) AS last_close_ms FROM accounts) c
        LEFT JOIN (
            SELECT account_id, COUNT(*) AS open_alerts FROM v_open_alerts WHERE family = 'risk' GROUP BY account_id
        ) o ON o.account_id = a.account_id
        WHERE a.renewal_at_ms >= c.last_close_ms AND (a.life IS NULL OR a.life NOT IN ('ended', 'test'))
    """,
    "v_dimensions": """
        SELECT s.account_id, s.parent_account_id, s.owner, s.segment, s.lifecycle_stage, s.arr_minor, s.currency,
               s.scorecard, s.shadow, d.dimension, d.dimension_group, d.weight, d.value, d.observed, d.expected, s.as_of
        FROM v_scorecards s
        JOIN ({items}) d ON d.account_id = s.account_id AND d.scorecard = s.scorecard
    """,
    "v_teams": """
        SELECT t.team, s.scorecard, {rolled_up}
        FROM v_scorecards s LEFT JOIN teams t ON t.owner = s.owner
        WHERE NOT s.shadow
        GROUP BY t.team, s.scorecard
    """,
    "v_company": """
        SELECT s.scorecard, {rolled_up}
        FROM v_scorecards s
        WHERE NOT s.shadow
        GROUP BY s.scorecard
    """,
}
_OF_RECORDS = "SELECT h.account_id, h.scorecard, {0} FROM account_health h CROSS JOIN {1}"
_TEAM = "(SELECT t.team FROM teams t WHERE t.owner = alerts.owner) AS team"
_ITEMS = {"dimension": ("name", "TEXT"), "dimension_group": ("group", "TEXT"), "weight": ("weight", "INTEGER")} | {
    name: (name, "DOUBLE PRECISION") for name in ("value", "observed", "expected")
}


def upgrade() -> None:
    """Add the table and the views, and the team to open alerts."""
    _THIRD.drop_views()
    op.create_table("teams", sa.Column("owner", sa.Text, primary_key=True), sa.Column("team", sa.Text, nullable=False))
    views = _LAST.VIEWS | {name: select.replace("{items}", _items()) for name, select in _ADDED.items()}
    views["v_open_alerts"] = views["v_open_alerts"].replace("{at:due_at}", f"{{at:due_at}}, {_TEAM}")
    _THIRD.create_views(views)


def downgrade() -> None:
    """Take them away again."""
    for name in reversed(_ADDED):
        op.execute(f"DROP VIEW {name}")
    _THIRD.drop_views()
    op.drop_table("teams")
    _THIRD.create_views(_LAST.VIEWS)


def _items() -> str:
    """The dimensions of the records of health, one a row, in the database's dialect."""
    if op.get_bind().dialect.name == "sqlite":
        source, field = "json_each(h.payload, '$.dimensions') item", "json_extract(item.value, '$.{0}')"
    else:
        source, field = "jsonb_array_elements(CAST(h.payload AS jsonb) -> 'dimensions') item", "item ->> '{0}'"
    columns = [f"CAST({field.format(name)} AS {kind}) AS {shown}" for shown, (name, kind) in _ITEMS.items()]
    return _OF_RECORDS.format(", ".join(columns), source)
