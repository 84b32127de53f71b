"""More of the customer uses the product, or more of the product: new teams, features not bought, new power users."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition, ripe
from pipeline.evidence.view import Finding, View

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


DETECTORS = (
    Condition("new_team", "teams", _new_team),
    Condition("premium_probing", "features", _probing),
    Condition("new_power_users", "power_users", _power_users),
)
