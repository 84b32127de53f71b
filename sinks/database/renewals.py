"""Reads which accounts are to renew, with what is to come of each. Changes nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from sinks.database.engine import open_engine
from sinks.database.failures import failures_translated

_RENEWALS = text("SELECT * FROM v_outlook WHERE days_to_renewal <= :days ORDER BY days_to_renewal, account_id")


def read_renewals(url: str, days: int) -> list[dict[str, Any]]:
    """Return the accounts that renew within so many days, the nearest first.

    Raises:
        SinkUnavailableError: the database cannot be read.
    """
    engine = open_engine(url)
    try:
        with failures_translated(engine), engine.connect() as connection:
            return [dict(row) for row in connection.execute(_RENEWALS, {"days": days}).mappings()]
    finally:
        engine.dispose()
