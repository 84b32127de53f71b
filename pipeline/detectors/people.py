"""People by name who stay away for longer than their own rhythm explains: champion, sponsor, the few power users.

Method: that of `silence`, with the days of one user. A fortnight's holiday with its weekends is nobody's silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.detectors.condition import changes_ids
from pipeline.evidence.gaps import renamed, silent_days
from pipeline.evidence.power import MIN_POWER_USERS, power_of
from pipeline.evidence.view import Finding, View
from pipeline.state.members import last_days
from pipeline.terms.arrays import F64, I32, I64, U64, Places
from pipeline.terms.kind import POWER_USERS_DOWN, Kind, Play

MIN_GAP_DAYS = 17
MIN_DAYS = 35
"""Of use in the baseline, for a rhythm to be known; a person must have been active on a seventh of them."""
BACK_DAYS = 7
"""Who was active so lately is back."""
BASELINE_DAYS, LAG_DAYS = 56, 28


@dataclass(slots=True)
class _People:
    """Those who were silent for longest, one entry an account of a view; days, nobody's are 0."""

    gap: I64
    usual_gap: F64
    evidence: F64


def _judge(view: View, places: Places, bits: U64, owners: I32, log_number: F64) -> _People:
    """Judge users given as day rings, of the accounts at some places; `log_number` of people judged in each."""
    people = _People(np.zeros(len(view), dtype=np.int64), np.zeros(len(view)), np.full(len(view), -np.inf))
    days = np.bitwise_count(last_days(bits, view.day - LAG_DAYS, BASELINE_DAYS)).astype(np.int64)
    length = np.clip(view.day - LAG_DAYS + 1 - view.first_usage_day[places[owners]], 0, BASELINE_DAYS)
    rate = 0.9 * (days + 1) / (length + 2)
    gap = silent_days(bits, view.day)
    np.maximum.at(people.gap, places[owners], gap)
    silent = np.flatnonzero((length >= MIN_DAYS) & (7 * days >= length) & (gap >= MIN_GAP_DAYS))
    if len(silent):
        others, whose = view.ids_of(places[owners[silent]])
        silent = silent[~renamed(others, whose, gap[silent], view.day)]
        # Where others got new ids about then, so may they have.
        concerned = places[owners[silent]]
        silent = silent[~changes_ids(view, concerned, view.moved_about(concerned, gap[silent]))]
    if len(silent):
        concerned = places[owners[silent]]
        evidence = -view.counted_gap(concerned, gap[silent]) * np.log(1.0 - rate[silent]) - log_number[owners[silent]]
        evidence[view.counted_gap(concerned, gap[silent], whole=True) < MIN_GAP_DAYS] = -np.inf
        # Written in rising order, so that the surest of an account stays.
        order = np.lexsort((gap[silent], evidence))
        for column, values in (
            (people.gap, gap[silent]),
            (people.usual_gap, 1.0 / rate[silent]),
            (people.evidence, evidence),
        ):
            column[concerned[order]] = values[order]
    return people


def _finding(view: View, people: _People) -> Finding:
    raised = people.evidence >= view.threshold
    return Finding(raised, people.gap.astype(np.float64), people.usual_gap, people.evidence)


@dataclass(slots=True)
class RoleSilence:
    """The user who is the contact with a role."""

    KIND: Kind
    column: str
    """Of accounts: hash of the contact's id, which is the user's, 0 for nobody."""

    def evaluate(self, view: View) -> Finding:
        """Raised when the user was active regularly and is silent for too long."""
        hashes = view.column(self.column)
        places = np.flatnonzero(hashes)
        bits, taken_over = view.ids_named(places, hashes[places])
        owners = np.arange(len(places), dtype=np.int32)
        people = _judge(view, places, bits, owners, np.zeros(len(places)))
        # Whether this is the same person under another id is not known.
        people.evidence[places[taken_over]] = -np.inf
        return _finding(view, people)

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        """Whether the user was active within a week, or nobody has the role."""
        return bool(finding.observed[place] < BACK_DAYS)


@dataclass(slots=True)
class PowerUserSilence:
    """Each power user of an account that has too few of them to speak of a share."""

    KIND: Kind

    def evaluate(self, view: View) -> Finding:
        """Raised when one of them is silent for too long."""
        power = view.power
        few = (power.count > 0) & (power.count < MIN_POWER_USERS) & (power.quiet > 0)
        places = np.flatnonzero(few)
        bits, owners = view.users_of(places)
        chosen = power_of(bits, owners, view.reference.part(places))
        log_number = np.log(power.count[places].astype(np.float64))
        return _finding(view, _judge(view, places, bits[chosen], owners[chosen], log_number))

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        """Whether there are power users and all of them were active within a week."""
        return bool(view.power.count[place] > 0 and view.power.quiet[place] == 0)


champion_silent = RoleSilence(
    Kind(
        name="champion_silent",
        dimension="champion_activity",
        scope="usage",
        yields_to=("champion_left", "usage_drop", "silence", "users_unnamed"),
        family="risk",
        severity="error",
        level="intermediate",
        unit="days",
        direction="up",
        method="geometric-gap",
        evidence="log",
        stream=True,
        person="champion",
        play=Play("champion-check", "Call the champion; if there is none any more, find the next one", 2),
        summary=(
            "{name}: the champion{contact} has not been active for {observed:.0f} days; "
            "usually every {expected:.1f} days"
        ),
        condition="the champion, who uses the product, is silent for longer than their rhythm and a holiday explain",
        resolution="the champion is active again, or somebody else is champion",
    ),
    column="champion",
)
sponsor_silent = RoleSilence(
    Kind(
        name="sponsor_silent",
        dimension="sponsor_activity",
        scope="usage",
        yields_to=("sponsor_left", "usage_drop", "silence", "users_unnamed"),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="days",
        direction="up",
        method="geometric-gap",
        evidence="log",
        stream=True,
        person="sponsor",
        play=Play("sponsor-check", "Call the sponsor", 5),
        summary=(
            "{name}: the sponsor{contact} has not been active for {observed:.0f} days; "
            "usually every {expected:.1f} days"
        ),
        condition="the sponsor, who uses the product, is silent for longer than their rhythm and a holiday explain",
        resolution="the sponsor is active again, or somebody else is sponsor",
    ),
    column="sponsor_user",
)
power_user_silent = PowerUserSilence(
    Kind(
        name="power_user_silent",
        dimension="power_user",
        scope="usage",
        yields_to=("champion_silent", "usage_drop", "silence", "users_unnamed"),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="days",
        direction="up",
        method="geometric-gap",
        evidence="log",
        stream=True,
        amended=True,
        contributors=(POWER_USERS_DOWN,),
        play=Play("champion-check", "Call the power user who went quiet", 2),
        summary=(
            "{name}: a power user{quiet} has not been active for {observed:.0f} days; usually every {expected:.1f} days"
        ),
        condition="one of at most two power users is silent for longer than their rhythm and a holiday explain",
        resolution="the power users are active again",
    )
)

DETECTORS = (champion_silent, sponsor_silent, power_user_silent)
