"""Databases of either sort, as tests use them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from sinks.database.engine import open_engine


def tuples(url: str, query: str) -> list[Any]:
    """What a query finds, without the columns' names."""
    return [tuple(row.values()) for row in rows(url, query)]


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """What a query finds."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]
    finally:
        engine.dispose()
