"""The evaluation in pieces, so that every core has something to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is drawn, and from which seed."""

    seed: int
    account_years: float
    """A cell of false alerts, at least."""
    accounts: int
    """A scenario of recall."""
    compared: int
    """Accounts of each on which the other methods are measured."""
    streams: int
    """Simulated streams with incidents."""
    stream_accounts: int
    """Accounts of a simulated stream."""
    data: Path | None = None
    """Sets of event files with outcomes, measured besides."""
    budgets: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    """False alarms an owner accepts a week, on whole streams and sets."""


FULL = Size(seed=401, account_years=2000.0, accounts=2000, compared=250, streams=3, stream_accounts=400)
QUICK = Size(
    seed=501, account_years=100.0, accounts=400, compared=60, streams=1, stream_accounts=120, budgets=(0.25, 1.0, 4.0)
)
"""For trying a change: on other draws than those of the gates."""


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of a part."""

    says: str
    measure: Callable[[], Iterable[object]]
    """Gives rows of the result, each of a class of its own kind."""


def of(rows: Iterable[object], kind: type[T]) -> list[T]:
    """Rows of one kind."""
    return [row for row in rows if isinstance(row, kind)]
