"""Tickets as a whole: what they cost the customer in effort, and which part of the product they are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.portfolio.surveys import Estimate, mean_score, wilson
from pipeline.terms.arrays import F64, I64

_HOUR_MS = 3_600_000
_TOUCHES = ("opened", "commented", "reopened")
_BEGINS, _ENDS = ("opened", "reopened"), ("resolved", "closed")


@dataclass(frozen=True, slots=True)
class Tickets:
    """Tickets that were solved, in order of that time; one whose opening is not known is left out."""

    at_ms: I64
    account: I64
    components: list[str]
    component: I64
    """The part of the product that the ticket said last, as its place in `components`; −1 without."""
    touches: F64
    """Times that somebody had to write or to open it again."""
    reopened: I64
    hours: F64
    """From opening to solution."""

    @classmethod
    def of(cls, tickets: pa.Table, place_of: pl.DataFrame) -> Tickets:
        """The tickets in ticket events; an event that came twice counts once."""
        kind, at = pl.col("type"), pl.col("occurred_at")
        begun = at.filter(kind.is_in(_BEGINS)).max()
        frame = (
            pl.DataFrame(pl.from_arrow(tickets.select(_COLUMNS)))
            .unique(subset=["account_id", "event_id"], keep="first", maintain_order=True)
            .drop_nulls("ticket_id")
            .join(place_of, on="account_id", how="inner")
            .sort("occurred_at", maintain_order=True)
            .group_by("place", "ticket_id", maintain_order=True)
            .agg(
                at.filter(kind == "opened").min().alias("opened_ms"),
                at.filter(kind.is_in(_ENDS) & (at >= begun)).min().alias("solved_ms"),
                pl.col("component").filter(pl.col("component") != "").last(),
                kind.is_in(_TOUCHES).sum().alias("touches"),
                (kind == "reopened").sum().alias("reopened"),
            )
            .drop_nulls(["opened_ms", "solved_ms"])
            .sort("solved_ms", "place", "ticket_id")
        )
        opened_ms, solved_ms, place, reopened = (
            frame[name].to_numpy().astype(np.int64) for name in ("opened_ms", "solved_ms", "place", "reopened")
        )
        touches = frame["touches"].to_numpy().astype(np.float64)
        said = frame["component"].to_list()
        components = sorted({name for name in said if name is not None})
        numbers = {name: number for number, name in enumerate(components)}
        component = np.array([numbers.get(name, -1) for name in said], dtype=np.int64)
        return cls(solved_ms, place, components, component, touches, reopened, (solved_ms - opened_ms) / _HOUR_MS)

    def figures(
        self, first_ms: int, last_ms: int, group: I64, *, by_component: bool
    ) -> Iterator[tuple[str, str | None, Estimate]]:
        """Every figure of the tickets of a group that were solved in a time: its name, component and estimate.

        Args:
            first_ms: when the time begins.
            last_ms: when it ends, excluded.
            group: 0 for the accounts of the group.
            by_component: whether each part of the product has its own, too.
        """
        low, high = np.searchsorted(self.at_ms, [first_ms, last_ms]).tolist()
        rows = low + np.flatnonzero(group[self.account[low:high]] == 0)
        yield from self._figures(None, rows)
        for number, name in enumerate(self.components if by_component else ()):
            yield from self._figures(name, rows[self.component[rows] == number])

    def _figures(self, component: str | None, rows: I64) -> Iterator[tuple[str, str | None, Estimate]]:
        if component is not None and not len(rows):
            return
        yield "tickets_solved", component, Estimate(float(len(rows)), len(rows))
        yield "ticket_touches", component, mean_score(self.touches[rows].tolist())
        yield "tickets_reopened", component, wilson(int((self.reopened[rows] > 0).sum()), len(rows))
        yield "ticket_hours", component, Estimate(float(np.median(self.hours[rows])) if len(rows) else None, len(rows))


_COLUMNS = ("event_id", "account_id", "ticket_id", "type", "occurred_at", "component")
