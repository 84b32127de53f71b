"""Which accounts were watched in which weeks: those with enough history that have not gone silent for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.scoring.protocol import WEEK_MS, Protocol
from pipeline.terms.arrays import I64, Bools
from pipeline.terms.days import weekday
from schemas.topics import DAY_MS


@dataclass(frozen=True, slots=True)
class Panel:
    """Weeks of all accounts on one axis; week 0 begins on the Monday of the first event."""

    base_ms: int
    end_ms: int
    """Of the last event."""
    row_of: Mapping[str, int]
    watched: Bools
    """Account × complete week."""
    _before: I64
    """Watched weeks before each week, one more than there are weeks."""
    _active_before: I64
    """The same of active weeks."""

    @property
    def weeks(self) -> int:
        """Complete weeks."""
        return int(self.watched.shape[1])

    def week_of(self, at_ms: int) -> int:
        """The week of an instant; also beyond the axis."""
        return int(at_ms - self.base_ms) // WEEK_MS

    def is_watched(self, account_id: str, at_ms: int) -> bool:
        """Whether the account was watched when the week before the instant had ended."""
        week, row = self.week_of(at_ms) - 1, self.row_of.get(account_id)
        return row is not None and 0 <= week < self.weeks and bool(self.watched[row, week])

    def is_used(self, account_id: str, at_ms: int, weeks: int) -> bool:
        """Whether the account was active in any of so many weeks that had ended by the instant."""
        row, end = self.row_of.get(account_id), min(max(self.week_of(at_ms), 0), self.weeks)
        return row is not None and bool(self._active_before[row, end] > self._active_before[row, max(0, end - weeks)])

    def watched_weeks(self, account_id: str, first: int, last: int) -> int:
        """Watched weeks of the account from `first` to `last`, excluding `last`."""
        row = self.row_of.get(account_id)
        if row is None:
            return 0
        low, high = (min(max(week, 0), self.weeks) for week in (first, last))
        return int(self._before[row, high] - self._before[row, low]) if high > low else 0

    @property
    def account_weeks(self) -> int:
        """Watched weeks of all accounts."""
        return int(self._before[:, -1].sum())


def panel_of(
    account_ids: Sequence[str],
    account: I64,
    occurred_at_ms: I64,
    protocol: Protocol,
    *,
    end_ms: int | None = None,
    ends_ms: Mapping[str, int] | None = None,
) -> Panel:
    """The panel of activity.

    Args:
        account_ids: of all accounts.
        account: of each event, its place in `account_ids`.
        occurred_at_ms: of each event.
        protocol: says what is established and what is silent.
        end_ms: of the input; by default the last event.
        ends_ms: when accounts were declared to have left; they are not watched from that week on.
    """
    if not len(occurred_at_ms):
        none = np.zeros((len(account_ids), 0), dtype=np.bool_)
        nothing = np.zeros((len(account_ids), 1), dtype=np.int64)
        return Panel(0, 0, _rows(account_ids), none, nothing, nothing)
    first_day = int(occurred_at_ms.min()) // DAY_MS
    base_ms = (first_day - weekday(first_day)) * DAY_MS
    last_ms = int(occurred_at_ms.max()) if end_ms is None else end_ms
    weeks = (last_ms - base_ms) // WEEK_MS
    week = (occurred_at_ms - base_ms) // WEEK_MS
    active = np.zeros((len(account_ids), weeks), dtype=np.bool_)
    active[account[week < weeks], week[week < weeks]] = True
    watched = _watched(active, protocol)
    row_of = _rows(account_ids)
    for account_id, at_ms in (ends_ms or {}).items():
        if account_id in row_of:
            watched[row_of[account_id], max(0, (at_ms - base_ms) // WEEK_MS) :] = False
    return Panel(base_ms, last_ms, row_of, watched, _running(watched), _running(active))


def _rows(account_ids: Sequence[str]) -> dict[str, int]:
    return {account_id: row for row, account_id in enumerate(account_ids)}


def _watched(active: Bools, protocol: Protocol) -> Bools:
    weeks = active.shape[1]
    week = np.arange(weeks)
    first = np.where(active.any(axis=1), active.argmax(axis=1), weeks)
    seen = _running(active)
    since = np.maximum(week - protocol.established_weeks, 0)
    established = seen[:, week] - seen[:, since] >= protocol.active_weeks
    established &= week - first[:, None] >= protocol.established_weeks
    was = _running(established)
    since = np.maximum(week - protocol.silent_weeks, 0)
    alive = seen[:, week] - seen[:, since] > 0
    return alive & (was[:, week + 1] - was[:, since] > 0)


def _running(flags: Bools) -> I64:
    """Number of flags before each column and after the last."""
    out = np.zeros((flags.shape[0], flags.shape[1] + 1), dtype=np.int64)
    np.cumsum(flags, axis=1, out=out[:, 1:])
    return out
