"""What accounts did day by day, in the history of their health."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("health_history", sa.Column("activity", sa.Text))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("health_history", "activity")
