"""What caps a band; views that are as of the last closed day for every account, whenever its record was published."""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FIRST = import_module("sinks.database.migrations.versions.0001_first_release")
_CAP = ("band_by_score", "capped_by")


def upgrade() -> None:
    """Add the columns and change the views; others build on them."""
    drop_views()
    for name in _CAP:
        op.add_column("account_health", sa.Column(name, sa.Text))
    create_views(VIEWS)


def downgrade() -> None:
    """Go back to the views of the first release."""
    drop_views()
    for name in _CAP:
        op.drop_column("account_health", name)
    create_views(_FIRST.VIEWS)


def drop_views() -> None:
    """Drop all views."""
    for name in reversed(_FIRST.VIEWS):
        op.execute(f"DROP VIEW {name}")


def create_views(views: dict[str, str]) -> None:
    """Create views, in an order in which each knows those that it reads."""
    for name, select in views.items():
        op.execute(f"CREATE VIEW {name} AS {_FIRST.dated(select)}")


# Every record of an account says where it stands until its next one; a scorecard that is not in that has ended.
_PORTFOLIO_DAILY = """
    WITH known AS (
        SELECT account_id, day, LEAD(day) OVER (PARTITION BY account_id ORDER BY day) AS next_day
        FROM (SELECT DISTINCT account_id, day FROM health_history) published
    ),
    moves AS (
        SELECT h.day, h.scorecard, h.segment, h.currency, h.band, h.score, h.arr_minor, 1 AS sign
        FROM health_history h
        UNION ALL
        SELECT k.next_day, h.scorecard, h.segment, h.currency, h.band, h.score, h.arr_minor, -1
        FROM health_history h JOIN known k ON k.account_id = h.account_id AND k.day = h.day
        WHERE k.next_day IS NOT NULL
    ),
    changes AS (
        SELECT day, scorecard, segment, currency, sign AS accounts,
               CASE WHEN band = 'green' THEN sign ELSE 0 END AS green,
               CASE WHEN band = 'yellow' THEN sign ELSE 0 END AS yellow,
               CASE WHEN band = 'red' THEN sign ELSE 0 END AS red,
               CASE WHEN band = 'grey' THEN sign ELSE 0 END AS grey,
               CASE WHEN score IS NULL THEN 0 ELSE sign END AS scored,
               COALESCE(sign * score, 0) AS score,
               CASE WHEN arr_minor IS NULL THEN 0 ELSE sign END AS priced,
               COALESCE(sign * arr_minor, 0) AS arr_minor,
               CASE WHEN band = 'red' THEN COALESCE(sign * arr_minor, 0) ELSE 0 END AS red_arr_minor,
               CASE WHEN band = 'yellow' THEN COALESCE(sign * arr_minor, 0) ELSE 0 END AS yellow_arr_minor
        FROM moves
        UNION ALL
        SELECT d.day, g.scorecard, g.segment, g.currency, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        FROM (SELECT DISTINCT day FROM health_history) d
        JOIN (SELECT scorecard, segment, currency, MIN(day) AS day FROM health_history
              GROUP BY scorecard, segment, currency) g ON g.day <= d.day
    ),
    daily AS (
        SELECT day, scorecard, segment, currency, {summed}
        FROM changes GROUP BY day, scorecard, segment, currency
    ),
    stand AS (
        SELECT day, scorecard, segment, currency, {so_far}
        FROM daily
        WINDOW so_far AS (PARTITION BY scorecard, segment, currency ORDER BY day)
    )
    SELECT day, {date:day}, scorecard, segment, currency, accounts, green, yellow, red, grey,
           CASE WHEN scored > 0 THEN score / scored END AS mean_score,
           CASE WHEN priced > 0 THEN arr_minor END AS arr_minor, red_arr_minor, yellow_arr_minor
    FROM stand
    WHERE accounts > 0
"""
_SUMS = (
    "accounts", "green", "yellow", "red", "grey", "scored", "score", "priced", "arr_minor", "red_arr_minor",
    "yellow_arr_minor",
)  # fmt: skip


def _so_far(name: str) -> str:
    total = f"SUM({name}) OVER so_far"
    # PostgreSQL sums whole numbers as numeric.
    return f"{total} AS {name}" if name == "score" else f"CAST({total} AS BIGINT) AS {name}"


VIEWS: dict[str, str] = _FIRST.VIEWS | {
    "v_portfolio_daily": _PORTFOLIO_DAILY.replace(
        "{summed}", ", ".join(f"SUM({name}) AS {name}" for name in _SUMS)
    ).replace("{so_far}", ", ".join(map(_so_far, _SUMS))),
    "v_scorecards": """
        SELECT s.*, value_tier || '/' || band AS nine_box, {at:band_since}, {at:stage_since}, {at:as_of},
               {at:last_close}
        FROM (
            SELECT h.account_id, a.parent_account_id, a.owner, a.segment, a.lifecycle_stage, a.touch_model,
                   a.arr_minor, a.currency, h.scorecard, h.version, h.is_primary, h.shadow, h.score, h.band,
                   h.previous_band, h.band_by_score, h.capped_by, h.coverage, h.provisional,
                   (c.last_close_ms - h.band_since_ms) / 86400000 AS days_in_band,
                   (c.last_close_ms - a.stage_since_ms) / 86400000 AS days_in_stage, a.stage_since_ms,
                   CASE WHEN a.arr_minor IS NULL THEN NULL
                        ELSE CASE NTILE(3) OVER (
                            PARTITION BY h.scorecard, a.currency, a.arr_minor IS NULL
                            ORDER BY a.arr_minor DESC, h.account_id
                        ) WHEN 1 THEN 'high' WHEN 2 THEN 'middle' ELSE 'low' END
                   END AS value_tier,
                   h.band_since_ms, h.as_of_ms, c.last_close_ms
            FROM account_health h
            JOIN accounts a ON a.account_id = h.account_id AND a.as_of_ms = h.as_of_ms
            CROSS JOIN (SELECT MAX(as_of_ms) AS last_close_ms FROM accounts) c
        ) s
    """,
}
