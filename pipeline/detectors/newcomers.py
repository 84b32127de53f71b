"""More of the customer uses the product, or more of the product: new teams, features not bought, new power users."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition, ripe
from pipeline.evidence.view import Finding, View
from pipeline.terms.kind import FEATURES_UP, TEAM_UP, USERS_UP, Kind, Play

MORE_POWER_USERS, POWER_GROWTH = 3, 1.5
HISTORY_DAYS = 112


def _new_team(view: View) -> Finding:
    """Several new users share an e-mail domain of which nobody was there before."""
    teams, users = (view.column(name).astype(np.float64) for name in ("new_teams", "new_team_users"))
    return Finding((teams > 0) & ripe(view), teams, np.zeros(len(view)), users)


def _probing(view: View) -> Finding:
    """Features that the plan does not include are being tried."""
    features = view.column("probed_features").astype(np.float64)
    return Finding((features > 0) & ripe(view), features, np.zeros(len(view)), features)


def _power_users(view: View) -> Finding:
    """Three and half as many power users more than in the reference period."""
    now, before = view.column("power_now").astype(np.float64), view.power.count.astype(np.float64)
    more = (now >= before + MORE_POWER_USERS) & (now >= POWER_GROWTH * before)
    raised = more & (view.first_usage_day <= view.day - HISTORY_DAYS + 1) & ripe(view)
    return Finding(raised, now, before, now - before)


new_team = Condition(
    Kind(
        name="new_team",
        dimension="teams",
        scope="other",
        yields_to=("identity_changed",),
        by_id=True,
        family="expansion",
        severity="info",
        level="intermediate",
        unit="teams",
        direction="up",
        method="condition",
        contributors=(TEAM_UP,),
        play=Play("team-welcome", "Find out what the new team needs", 7),
        summary="{name}: new teams use the product: {observed:.0f}{team}",
        condition="3 new users of an e-mail domain never seen before, health is not red, nothing was bought lately",
        resolution="they are not new any more, or an expansion is realised",
    ),
    _new_team,
)
premium_probing = Condition(
    Kind(
        name="premium_probing",
        dimension="features",
        scope="other",
        family="expansion",
        severity="info",
        level="intermediate",
        unit="features",
        direction="up",
        method="condition",
        contributors=(FEATURES_UP,),
        play=Play("feature-offer", "Show what the feature does in the larger plan", 7),
        summary="{name}: {observed:.0f} features that the plan does not include are being tried",
        condition="a feature outside the plan is new, used on 3 days, health is not red, nothing was bought lately",
        resolution="nothing of the kind is new any more, or an expansion is realised",
    ),
    _probing,
)
new_power_users = Condition(
    Kind(
        name="new_power_users",
        dimension="power_users",
        scope="other",
        yields_to=("identity_changed",),
        by_id=True,
        family="expansion",
        severity="info",
        level="intermediate",
        unit="users",
        direction="up",
        method="condition",
        contributors=(USERS_UP,),
        play=Play("growth-talk", "Ask the new power users what they want next", 14),
        summary="{name}: {observed:.0f} power users, {expected:.0f} some weeks ago",
        condition="3 and half as many power users more than in the reference period, health is not red",
        resolution="there are fewer again, the reference has caught up, or an expansion is realised",
    ),
    _power_users,
)

DETECTORS = (new_team, premium_probing, new_power_users)
