"""The scorecards of a closed day: totals, bands, and what a change of definition or of profile does to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.evidence.view import Finding, View
from pipeline.health.reach import Reach
from pipeline.health.reading import Expected, Sight
from pipeline.health.score import Reader, Score
from pipeline.scorecards import bands
from pipeline.scorecards.card import Scorecard
from pipeline.state.life import GONE_QUIET, pinned, unjudged
from pipeline.state.state import State
from pipeline.terms.arrays import F64, U8, U64, Bools


@dataclass(frozen=True, slots=True)
class Switch:
    """What another definition of the scorecard has done to an account, all else being equal."""

    from_version: int
    """0 when the former definition is not known any more."""
    score_before: float
    """Of this day, by the former definition; that of the day before when the former one is not known any more."""


@dataclass(slots=True)
class Verdict:
    """One scorecard's day, for each account of a view."""

    slot: int
    card: Scorecard
    score: Score
    applies: Bools
    ended: Bools
    """It applied on the day before and does not any more."""
    fresh: Bools
    """Its band, its definition or whether it applies is not as on the day before."""
    moved: Bools
    """The band moved because of what happened, not of how it is judged."""
    previous_band: U8
    previous_score: F64
    switches: Mapping[int, Switch]
    """By place."""

    def bands_at(self, state: State, row: int, place: int) -> tuple[int, int]:
        """An account's band of this close and of the one before."""
        return int(state.accounts.standings.band[self.slot, row]), int(self.previous_band[place])

    def scores_at(self, state: State, row: int, place: int) -> tuple[float, float, float]:
        """An account's score of this close, of the one before, and the difference; 0 for what is missing."""
        score = float(np.nan_to_num(state.accounts.standings.score[self.slot, row]))
        previous = float(np.nan_to_num(self.previous_score[place]))
        return score, previous, score - previous


@dataclass(slots=True)
class Judgement:
    """All verdicts on the accounts of a view."""

    verdicts: tuple[Verdict, ...]
    primary: U8
    """Slot of each account's primary scorecard."""

    def primary_of(self, place: int) -> Verdict:
        """The verdict whose band and score stand for the account."""
        return self.verdicts[int(self.primary[place])]


def judge(state: State, view: View, rows: slice, live: Bools, reach: Reach) -> Judgement:
    """Score the accounts, move their bands; `live` ones only, others have closed this day already."""
    plan, accounts = state.plan, state.accounts
    profile = accounts.profile[rows]
    scores = Reader(Sight(view, Expected.of(plan.expects).at(profile), reach)).scores(plan.order)
    former = _Former(state, view, reach)
    verdicts = tuple(_verdict(state, rows, live, slot, scores[card.id], former) for slot, card in enumerate(plan.cards))
    primary = plan.primary[profile]
    standings, every = accounts.standings, np.arange(rows.start, rows.stop)
    for name, column in (("primary", "content"), ("band", "band"), ("score", "score")):
        values, known = getattr(standings, column)[primary, every], getattr(accounts, name)
        known[rows] = np.where(live, values, known[rows])
    return Judgement(verdicts, primary)


def _verdict(state: State, rows: slice, live: Bools, slot: int, score: Score, former: _Former) -> Verdict:
    plan, standings = state.plan, state.accounts.standings
    profile = state.accounts.profile[rows]
    applies, content = plan.applies[profile, slot], plan.contents[profile, slot]
    last = standings.content[slot, rows].copy()
    switched = live & applies & (last != 0) & (last != content)
    previous_band, previous_score = standings.band[slot, rows].copy(), standings.score[slot, rows].copy()
    held = np.where(former.view.former_life == GONE_QUIET, bands.YELLOW, previous_band)
    before = bands.BandState(
        np.where(switched, bands.GREY, held).astype(np.uint8),
        standings.candidate[slot, rows],
        standings.candidate_days[slot, rows],
    )
    life = former.view.life
    after = bands.move(before, score.score, score.coverage, score.card.bands, pinned(life, before.band))
    band = np.where(applies, after.band, bands.GREY).astype(np.uint8)
    turned = band != previous_band
    since_day = np.where(turned, former.view.day, standings.since_day[slot, rows])
    values = {
        "content": np.where(applies, content, 0),
        "band": band,
        "candidate": np.where(applies, after.candidate, bands.GREY),
        "candidate_days": np.where(applies, after.candidate_days, 0),
        "since_day": np.where(applies, since_day, -1),
        "score": np.where(applies & ~unjudged(life), score.score, np.nan),
    }
    _store(state, rows, slot, live, values)
    return Verdict(
        slot,
        score.card,
        score,
        applies,
        ended=live & ~applies & (last != 0),
        fresh=live & (turned | (last != np.where(applies, content, 0))),
        moved=live & applies & ~switched & turned & ~unjudged(life),
        previous_band=previous_band,
        previous_score=previous_score,
        switches={
            place: former.switch(int(last[place]), score.card.id, place, float(previous_score[place]))
            for place in np.flatnonzero(switched).tolist()
        },
    )


def _store(state: State, rows: slice, slot: int, live: Bools, values: Mapping[str, npt.NDArray[np.generic]]) -> None:
    standings, changed = state.accounts.standings, np.zeros(len(live), dtype=np.bool_)
    for name, value in values.items():
        column = getattr(standings, name)[slot]
        same = column[rows] == value
        if column.dtype.kind == "f":
            same |= np.isnan(column[rows]) & np.isnan(value.astype(np.float64))
        changed |= ~same
        column[rows] = np.where(live, value, column[rows])
    state.accounts.dirty[rows] |= changed & live


@dataclass(slots=True)
class _Former:
    """The accounts of a view by definitions that are not in force any more."""

    state: State
    view: View
    reach: Reach
    _scores: dict[int, F64] = field(default_factory=dict)

    def switch(self, content: int, card_id: str, place: int, last_score: float) -> Switch:
        """How one account would be judged by the definition that it was judged by on the day before."""
        definition = self.state.definitions.get(content)
        if definition is None:
            return Switch(0, last_score)
        if content not in self._scores:
            sight = Sight(self.view, Expected.of((definition.expects,)), self.reach)
            self._scores[content] = Reader(sight).scores(definition.cards)[card_id].score
        return Switch(definition.card.version, float(self._scores[content][place]))


@dataclass(slots=True)
class JudgedView:
    """A view with what detectors and scorecards say of its accounts."""

    view: View
    findings: Mapping[str, Finding]
    judgement: Judgement
    previous_primary: U64
