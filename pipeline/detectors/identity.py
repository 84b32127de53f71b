"""People who go on under other user ids: single sign-on, a re-organisation, others who do the same."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition, changes_ids
from pipeline.evidence.view import Finding, View
from pipeline.terms.arrays import I64, Bools
from pipeline.terms.kind import Kind, Play


def renamed(view: View, moved: I64) -> Bools:
    """Where so many people who have moved to other ids are a change of the account's."""
    return changes_ids(view, np.arange(len(view)), moved)


def _identity(view: View) -> Finding:
    """Three people and a fifth of all have moved to other ids within four weeks."""
    moved, people = view.moves.any.astype(np.float64), view.users.active_28.astype(np.float64)
    return Finding(renamed(view, view.moves.sure), moved, people, moved / np.maximum(people, 1.0))


def _settled(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether nobody has moved for four weeks."""
    return bool(view.moves.any[place] == 0)


identity_changed = Condition(
    Kind(
        name="identity_changed",
        dimension="user_ids",
        scope="other",
        by_id=True,
        family="data_quality",
        severity="info",
        level="intermediate",
        unit="users",
        direction="up",
        method="succession",
        amended=True,
        play=Play("id-check", "Make sure that these are the same people; tell who is new", 14),
        summary="{name}: {observed:.0f} of {expected:.0f} people go on under other user ids",
        condition="3 people, and a fifth of all, stop within four weeks as others begin who do the same",
        resolution="nobody has changed for four weeks",
    ),
    _identity,
    _settled,
)
