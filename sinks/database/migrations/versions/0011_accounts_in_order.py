"""Indexes of accounts in the orders in which people look at them, and of the last close."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_accounts_as_of": ["as_of_ms"],
    "ix_accounts_score": ["score", "account_id"],
    "ix_accounts_arr": ["arr_minor", "account_id"],
    "ix_accounts_band_since": ["band_since_ms", "account_id"],
}


def upgrade() -> None:
    """Create them."""
    for name, columns in _INDEXES.items():
        op.create_index(name, "accounts", columns)


def downgrade() -> None:
    """Drop them."""
    for name in _INDEXES:
        op.drop_index(name, "accounts")
