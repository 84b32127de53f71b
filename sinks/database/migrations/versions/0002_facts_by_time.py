"""An index of portfolio facts by time: they are counted, read and removed by weeks."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEX = "ix_portfolio_facts_topic_occurred"


def upgrade() -> None:
    """Create it."""
    op.create_index(_INDEX, "portfolio_facts", ["topic", "occurred_at_ms"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index(_INDEX, "portfolio_facts")
