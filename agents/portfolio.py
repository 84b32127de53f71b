"""Portfolio figures of event files, and as JSON and CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import msgspec

from agents.eventfiles.files import EventFiles
from pipeline.portfolio.facts import Events, accounts_for_tests, facts_of
from pipeline.portfolio.measure import GROSS_MARGIN, Figure, Portfolio, measure
from pipeline.terms.days import Days

_DIGITS = 6


def portfolio_of(
    files: EventFiles,
    timezone: str,
    *,
    bands: Mapping[str, str] | None = None,
    gross_margin: float = GROSS_MARGIN,
    tests: bool = False,
) -> Portfolio:
    """The figures of event files.

    Args:
        files: what happened.
        timezone: of the business.
        bands: of the accounts at the end, if they are known.
        gross_margin: share of revenue, for the lifetime value.
        tests: whether accounts for tests count like any other.
    """
    segments = files.profiles.select(["account_id", "segment"])
    usage = files.usage if files.usage.num_rows else None
    events = Events(files.billing, files.tickets, files.signals, segments, usage)
    if not tests:
        events = events.without(accounts_for_tests(files.profiles))
    facts = facts_of(events, Days(timezone))
    return Portfolio() if facts is None else measure(facts, Days(timezone), bands=bands, gross_margin=gross_margin)


def document_of(portfolio: Portfolio) -> dict[str, Any]:
    """The figures in JSON types."""
    document: dict[str, Any] = msgspec.to_builtins(portfolio)
    document["figures"] = [_rounded(asdict(each)) for each in portfolio.figures]
    return document


def write_portfolio(portfolio: Portfolio, folder: Path) -> None:
    """Write portfolio.json and portfolio.csv; the same figures make the same bytes."""
    encoded = msgspec.json.format(msgspec.json.encode(document_of(portfolio)), indent=2)
    (folder / "portfolio.json").write_bytes(encoded + b"\n")
    with (folder / "portfolio.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Figure)])
        writer.writeheader()
        writer.writerows(_rounded(asdict(each)) for each in portfolio.figures)


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in row.items()}
