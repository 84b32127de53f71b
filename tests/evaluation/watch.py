"""Counting alerts as the product does: one episode from the day a condition holds until five recovered days."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.config import EngineConfig
from pipeline.detectors import DETECTORS, RANKED, Detector
from pipeline.evidence.view import Finding, View
from pipeline.fleet.bars import QUARTER, Bars
from pipeline.terms.arrays import I32, I64
from pipeline.terms.fleet_day import Ranked
from tests.evaluation.crowd import Crowd

NEVER = -1


def detector(kind: str) -> Detector:
    """The product's detector of a kind."""
    return next(one for one in DETECTORS if kind == one.KIND.name)


@dataclass(slots=True)
class _Open:
    opened_day: int
    expected: float
    clear_days: int = 0


@dataclass(slots=True)
class Watch:
    """The episodes of one kind at one average run length; rows are the crowd's."""

    kind: str
    arl_days: float
    bar: float | None = None
    """Of a ranked kind, where it is known what it has become in a fleet; else it follows the crowd."""
    openings: list[tuple[int, int]] = field(default_factory=list)
    """Day and row of each opening, in order."""
    open: dict[int, _Open] = field(default_factory=dict)
    bars: Bars = field(init=False)

    def __post_init__(self) -> None:
        self.bars = Bars(EngineConfig(arl_days=self.arl_days).ranked_rate)
        if self.bar is not None:
            self.bars.values[self.kind] = self.bar

    def follow(self, day: int, at_stake: int) -> None:
        """Let the bar follow what became of the kind on a day, given the accounts that count."""
        opened = sum(one.opened_day == day for one in self.open.values())
        lasted = sum(one.opened_day == day - QUARTER for one in self.open.values())
        if self.bar is None:
            self.bars.advance({self.kind: Ranked(at_stake, opened, lasted)})

    @property
    def is_ranked(self) -> bool:
        """Whether its bar follows the fleet."""
        return detector(self.kind).KIND.ranked

    def look(self, view: View, finding: Finding, rows: I32) -> None:
        """Open and resolve episodes as of the view's day; `rows` are the view's."""
        places = {int(rows[place]): place for place in np.flatnonzero(finding.raised).tolist()}
        first, last = int(rows[0]), int(rows[-1])
        for row in [row for row in self.open if first <= row <= last]:
            self._go_on(row, view, finding, int(np.searchsorted(rows, row)))
            places.pop(row, None)
        for row, place in places.items():
            self.openings.append((view.day, row))
            self.open[row] = _Open(view.day, float(finding.expected[place]))

    def _go_on(self, row: int, view: View, finding: Finding, place: int) -> None:
        episode = self.open[row]
        kind = detector(self.kind).KIND
        clear = detector(self.kind).cleared(view, finding, place, episode.expected)
        clear |= not (finding.raised[place] or kind.lasting) and view.day - episode.opened_day >= kind.fade_days
        episode.clear_days = episode.clear_days + 1 if clear else 0
        if episode.clear_days >= kind.clear_days:
            del self.open[row]

    def between(self, first_day: int, last_day: int) -> int:
        """Openings from `first_day` to `last_day`, both included."""
        return sum(first_day <= day <= last_day for day, _row in self.openings)

    def first_since(self, days: I64) -> I64:
        """Day of each account's first opening on or after its entry of `days`; `NEVER` if there is none."""
        found = np.full(len(days), NEVER, dtype=np.int64)
        for day, row in self.openings:
            if found[row - 1] == NEVER and day >= days[row - 1]:
                found[row - 1] = day
        return found


def close(crowd: Crowd, watches: list[Watch]) -> None:
    """Evaluate the watched kinds on the crowd's current day.

    Evidence does not depend on the threshold, so each kind is evaluated once for everybody, at its lowest
    threshold; for the others only where that one holds or an episode is open. A ranked kind has a bar of its own at
    each.
    """
    ranked, proved = ([watch for watch in watches if watch.is_ranked is wanted] for wanted in (True, False))
    for watch in ranked:
        _close_ranked(crowd, watch)
    if not proved:
        return
    by_kind: dict[str, list[Watch]] = {}
    for watch in sorted(proved, key=lambda watch: watch.arl_days):
        by_kind.setdefault(watch.kind, []).append(watch)
    lowest = min(watch.arl_days for watch in proved)
    for view in crowd.views(lowest):
        rows = np.arange(view.rows.start, view.rows.stop, dtype=np.int32)  # type: ignore[union-attr]
        for kind, own in by_kind.items():
            finding = detector(kind).evaluate(view)
            if own[0].arl_days == lowest:
                own[0].look(view, finding, rows)
            raised = rows[finding.raised]
            for watch in own[1:] if own[0].arl_days == lowest else own:
                _look_at_some(crowd, watch, raised, rows)


def _close_ranked(crowd: Crowd, watch: Watch) -> None:
    at_stake = 0
    one = next(one for one in RANKED if one.KIND.name == watch.kind)
    for view in crowd.views(watch.arl_days, watch.bars.values):
        rows = np.arange(view.rows.start, view.rows.stop, dtype=np.int32)  # type: ignore[union-attr]
        watch.look(view, one.evaluate(view), rows)
        at_stake += int(one.at_stake(view).sum())
    watch.follow(crowd.day, at_stake)


def _look_at_some(crowd: Crowd, watch: Watch, raised: I32, rows: I32) -> None:
    still_open = [row for row in watch.open if rows[0] <= row <= rows[-1]]
    chosen = np.union1d(raised, np.array(still_open, dtype=np.int32)).astype(np.int32)
    if len(chosen):
        view = crowd.view_of(chosen, watch.arl_days)
        watch.look(view, detector(watch.kind).evaluate(view), chosen)
