"""Power users' share of activity falling while the total does not.

Method: likelihood ratio of the share given the total, as Shiryaev–Roberts over weekly blocks; a holiday, growth or
an outage moves both parts alike and cancels.
"""

from __future__ import annotations

import numpy as np

from pipeline.detectors.view import F64, Finding, View

KIND = "power_user_decline"
DIMENSION = "power_user_share"
EFFECTS = (0.75, 0.5, 0.25)
MIN_POWER_USERS = 3
DISPERSION = 1.5
BLOCK_CAP = 50.0
FLAT_SHARE = 0.85
MATERIAL_SHARE = 0.8
RECOVERED_SHARE = 0.9


def evaluate(view: View) -> Finding:
    """Raised when the share's evidence exceeds the threshold, materially, with the total at least flat."""
    power = view.power
    share = power.days / np.maximum(power.all_days, 1)
    spread = np.sqrt(DISPERSION * share * (1.0 - share) / np.maximum(power.all_days, 1))
    safe = np.minimum(0.98, 0.97 * (share - 1.2816 * spread))
    eligible = (power.count >= MIN_POWER_USERS) & (view.first_usage_day <= power.reference_start - 56) & (safe > 0.05)
    evidence = _evidence(view, np.where(eligible, safe, 0.5))
    part, whole = power.weeks[-1], power.all_weeks[-1]
    raised = eligible & (evidence >= view.threshold)
    raised &= (whole >= FLAT_SHARE * power.all_days / 8.0) & (part <= MATERIAL_SHARE * share * whole)
    # A share also falls when others join; it is a decline only if the power users themselves do less.
    raised &= part <= FLAT_SHARE * power.days / 8.0
    return Finding(raised, np.where(whole > 0, part / np.maximum(whole, 1), 0.0), share, evidence)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether last week's share is back near what was expected when the episode opened."""
    part, whole = view.power.weeks[-1][place], view.power.all_weeks[-1][place]
    return bool(whole > 0 and part >= RECOVERED_SHARE * expected_at_opening * whole)


def _evidence(view: View, safe: F64) -> F64:
    sums = [np.zeros(len(view)) for _ in EFFECTS]
    for part, whole in zip(view.power.weeks, view.power.all_weeks, strict=True):
        for place, effect in enumerate(EFFECTS):
            others = np.log((1.0 - effect * safe) / (1.0 - safe))
            log_e = np.minimum(BLOCK_CAP, (part * np.log(effect) + (whole - part) * others) / DISPERSION)
            sums[place] = (1.0 + sums[place]) * np.exp(log_e)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(sum(sums) / len(EFFECTS)))
