"""The scorecards of a closed day: totals, bands, and what a change of definition or of profile does to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
import numpy.typing as npt

from pipeline.evidence.view import Finding, View
from pipeline.health.change import Held, Remembered, held, points_since, remembered
from pipeline.health.reach import Reach
from pipeline.health.reading import Expected, Sight
from pipeline.health.score import Reader, Score
from pipeline.scorecards import bands
from pipeline.scorecards.card import Scorecard
from pipeline.state.life import GONE_QUIET, pinned, unjudged
from pipeline.state.standings import MISSING
from pipeline.state.state import State
from pipeline.terms.arrays import F64, U8, U64, Bools


@dataclass(frozen=True, slots=True)
class Switch:
    """What another definition of the scorecard has done to an account, all else being equal."""

    from_version: int
    """0 when the former definition is not known any more."""
    score_before: float
    """Of this day, by the former definition; that of the day before when the former one is not known any more."""


@dataclass(frozen=True, slots=True)
class Cap:
    """The open alert that bounds an account's bands."""

    band: int
    kind: str
    dimension: str
    severity: str
    alert_id: UUID

    @property
    def mark(self) -> int:
        """What the standing remembers it by; never 0."""
        return (self.alert_id.int & 2**64 - 1) or 1


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
    """Its band, what caps it, its definition or whether it applies is not as on the day before."""
    moved: Bools
    """The band by the score moved because of what happened, not of how it is judged."""
    previous_band: U8
    previous_scored: U8
    previous_score: F64
    held: Mapping[int, Held]
    """What it was when the score last called for its band by itself, by place, of bands that moved."""
    switches: Mapping[int, Switch]
    """By place."""

    def bands_at(self, state: State, row: int, place: int) -> tuple[int, int]:
        """An account's band of this close and of the one before."""
        return int(state.accounts.standings.band[self.slot, row]), int(self.previous_band[place])

    def scored_at(self, state: State, row: int, place: int) -> tuple[int, int]:
        """The same by the score alone, whatever alerts are open."""
        return int(state.accounts.standings.scored[self.slot, row]), int(self.previous_scored[place])

    def scores_at(self, state: State, row: int, place: int) -> tuple[float, float, float]:
        """An account's score, the one at which its band was last held, and the difference; 0 for what is missing."""
        score = float(np.nan_to_num(state.accounts.standings.score[self.slot, row]))
        held_score = float(np.nan_to_num(self.held[place].score))
        return score, held_score, score - held_score

    def points_at(self, place: int) -> list[tuple[str, float]]:
        """What the difference of an account's scores consists of."""
        return points_since(self.score, place, self.held[place])


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
    """Score the accounts and move their bands by score; `live` ones only, others have closed this day already."""
    plan, accounts = state.plan, state.accounts
    profile = accounts.profile[rows]
    scores = Reader(Sight(view, Expected.of(plan.expects).at(profile), reach, state.fleet.levels)).scores(plan.order)
    former = _Former(state, view, reach)
    verdicts = tuple(_verdict(state, rows, live, slot, scores[card.id], former) for slot, card in enumerate(plan.cards))
    return Judgement(verdicts, plan.primary[profile])


def settle(state: State, judgement: Judgement, rows: slice, live: Bools, day: int, caps: Mapping[int, Cap]) -> None:
    """Take the bands by score, or what the caps of the accounts (by place) leave of them."""
    accounts, standings = state.accounts, state.accounts.standings
    cap, by = np.full(len(live), bands.GREEN, dtype=np.uint8), np.zeros(len(live), dtype=np.uint64)
    for place, each in caps.items():
        cap[place], by[place] = each.band, each.mark
    for verdict in judgement.verdicts:
        slot, scored = verdict.slot, standings.scored[verdict.slot, rows]
        band = np.where(verdict.applies & verdict.card.bands.cap, bands.under(scored, cap), scored)
        turned, by_cap = band != verdict.previous_band, np.where(band != scored, by, np.uint64(0))
        verdict.fresh |= live & (turned | (by_cap != standings.cap[slot, rows]))
        since_day = np.where(turned, day, standings.since_day[slot, rows])
        since_day = np.where(verdict.applies, since_day, -1)
        _store(state, rows, slot, live, {"band": band, "cap": by_cap, "since_day": since_day})
    every = np.arange(rows.start, rows.stop)
    for name, column in (("primary", "content"), ("band", "band"), ("score", "score")):
        values, known = getattr(standings, column)[judgement.primary, every], getattr(accounts, name)
        known[rows] = np.where(live, values, known[rows])


def _verdict(state: State, rows: slice, live: Bools, slot: int, score: Score, former: _Former) -> Verdict:
    plan, standings = state.plan, state.accounts.standings
    profile = state.accounts.profile[rows]
    applies, content = plan.applies[profile, slot], plan.contents[profile, slot]
    last = standings.content[slot, rows].copy()
    switched = live & applies & (last != 0) & (last != content)
    previous_band, previous_score = standings.band[slot, rows].copy(), standings.score[slot, rows].copy()
    previous_scored, life = standings.scored[slot, rows].copy(), former.view.life
    known_as = np.where(former.view.former_life == GONE_QUIET, bands.YELLOW, previous_scored)
    before = bands.BandState(
        np.where(switched, bands.GREY, known_as).astype(np.uint8),
        standings.candidate[slot, rows],
        standings.candidate_days[slot, rows],
    )
    after = bands.move(before, score.for_band, score.coverage, score.card.bands, pinned(life, before.band))
    scored = np.where(applies, after.band, bands.GREY).astype(np.uint8)
    moved = live & applies & ~switched & (scored != previous_scored) & ~unjudged(life)
    held_score, known = standings.held_score[slot, rows], standings.held[slot, rows]
    past = {place: held(float(held_score[place]), known[place], score) for place in np.flatnonzero(moved).tolist()}
    # Values of another definition's criteria are nothing to compare with.
    keeps = (after.band == bands.plain(score.for_band, score.coverage, score.card.bands)) | switched
    values = {
        "content": np.where(applies, content, 0),
        "scored": scored,
        "candidate": np.where(applies, after.candidate, bands.GREY),
        "candidate_days": np.where(applies, after.candidate_days, 0),
        "score": np.where(applies & ~unjudged(life), score.score, np.nan),
        "held_score": np.where(applies, np.where(keeps, score.score, held_score), np.nan),
    }
    _store(state, rows, slot, live, values)
    _hold(state, rows, slot, live & (keeps | ~applies), np.where(applies[:, None], remembered(score), MISSING))
    return Verdict(
        slot,
        score.card,
        score,
        applies,
        ended=live & ~applies & (last != 0),
        fresh=live & (last != np.where(applies, content, 0)),
        moved=moved,
        previous_band=previous_band,
        previous_scored=previous_scored,
        previous_score=previous_score,
        held=past,
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


def _hold(state: State, rows: slice, slot: int, chosen: Bools, values: Remembered) -> None:
    """Remember the values of criteria, of the chosen accounts."""
    known = state.accounts.standings.held[slot, rows, : values.shape[1]]
    changed = chosen & (known != values).any(axis=1)
    known[changed] = values[changed]
    state.accounts.dirty[rows] |= changed


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
            sight = Sight(self.view, Expected.of((definition.expects,)), self.reach, self.state.fleet.levels)
            self._scores[content] = Reader(sight).scores(definition.cards)[card_id].score
        return Switch(definition.card.version, float(self._scores[content][place]))


@dataclass(slots=True)
class JudgedView:
    """A view with what detectors and scorecards say of its accounts."""

    view: View
    findings: Mapping[str, Finding]
    judgement: Judgement
    previous_primary: U64
    caps: dict[int, Cap] = field(default_factory=dict)
    """By place; of the accounts that have one."""
