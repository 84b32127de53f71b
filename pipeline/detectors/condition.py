"""The method of plain conditions, and conditions that several detectors share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.evidence.view import Finding, View
from pipeline.scorecards.bands import RED
from pipeline.terms.arrays import F64, I64, Bools, Places, summed
from pipeline.terms.kind import Kind
from schemas.topics import DAY_MS

IDLE_AFTER_EXPANSION_MS = 28 * DAY_MS
"""No further expansion is looked for so soon after one."""
MOST_DAYS_SHUT = 21
"""Of the last sixteen weeks, from which on people return."""
MIN_PEOPLE = 3
RENAMED_SHARE = 0.2
"""Of the people of an account."""


def is_over(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the condition does not hold any more."""
    return not finding.raised[place]


@dataclass(slots=True)
class Condition:
    """A kind whose condition is the whole method."""

    KIND: Kind
    evaluate: Callable[[View], Finding]
    cleared: Callable[[View, Finding, int, float], bool] = is_over


def ripe(view: View) -> Bools:
    """Where more may be offered: health is not red, nothing was bought within four weeks, and none of it is a return.

    What that was on a day gone by is not known; there it is taken as met.
    """
    if view.gone_by:
        return np.ones(len(view), dtype=np.bool_)
    idle = view.column("expanded_ms") <= view.end_ms - IDLE_AFTER_EXPANSION_MS
    return np.asarray((view.band != RED) & idle & ~returns(view))


def returns(view: View) -> Bools:
    """Where people come back from a pause: more of them, or first one and then the others."""
    return np.asarray(view.days_shut >= MOST_DAYS_SHUT)


def changes_ids(view: View, places: Places, moved: I64) -> Bools:
    """Where so many people who have moved to other ids are a change of the account's, of those at some places."""
    return np.asarray((moved >= MIN_PEOPLE) & (moved >= RENAMED_SHARE * view.users.active_28[places]))


def usual_change(view: View, places: Places, days: int) -> F64:
    """What is to be expected of the last `days` against as many before, of the accounts at some places.

    1 in ordinary weeks, and where no level is known; the calendar and the fleet take from the one or the other.
    """
    level = view.level.at(places)
    now, before = (summed(view.means(level, last - days + 1, last, places)) for last in (view.day, view.day - days))
    return np.where(level.defined & (now != before), now / np.maximum(before, 1e-9), 1.0)


def holds(raised: Bools, observed: F64, expected: float) -> Finding:
    """A finding whose evidence is the share of what was expected."""
    observed = np.where(raised, observed, 0.0)
    return Finding(raised, observed, np.full(len(raised), expected), observed / expected)
