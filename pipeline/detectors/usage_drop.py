"""Total usage below its expected level.

Method: negative-binomial Shiryaev–Roberts e-detector, mean of four effect sizes, restarted over the last 28 days
(Shin, Ramdas, Rinaldo: E-detectors). Each day's evidence is capped, so no single day can raise the alarm; a capped
e-value is still one, so the average run length stays above the threshold.
"""

from __future__ import annotations

import numpy as np

from pipeline.detectors.view import F64, Finding, View

KIND = "usage_drop"
DIMENSION = "total_usage"
EFFECTS = (0.75, 0.5, 0.25, 0.05)
DAY_CAP = 4.0
RECOVERED_SHARE = 0.85


def evaluate(view: View) -> Finding:
    """Raised when the evidence of yesterday and today both exceed the threshold."""
    before, now = _evidence(view)
    silent = view.week_actions == 0
    raised = view.level.defined & (before >= view.threshold) & (now >= view.threshold) & ~silent
    # Evidence outlives a recovery by up to four weeks; a week that is back near its level does not alert again.
    raised &= view.week_actions < RECOVERED_SHARE * view.week_expected
    return Finding(raised, view.week_actions, view.week_expected, now)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the last seven days are back near what was expected when the episode opened."""
    return bool(finding.observed[place] >= RECOVERED_SHARE * expected_at_opening)


def _evidence(view: View) -> tuple[F64, F64]:
    level = view.level
    first = view.day - 27
    actions = view.pane("actions", first, view.day) / 1000.0
    safe_means = level.safe * view.means(level, first, view.day)
    excess = level.dispersion - 1.0
    thetas = np.stack([-np.log(effect) / level.dispersion for effect in EFFECTS])
    # ln M(θ) of the negative binomial with this dispersion, per unit of mean.
    scales = np.log(level.dispersion - excess * np.exp(-thetas)) / excess
    sums = np.zeros_like(thetas)
    evidence = []
    for day_actions, day_mean in zip(actions, safe_means, strict=True):
        sums = (1.0 + sums) * np.exp(np.minimum(DAY_CAP, day_mean * scales - thetas * day_actions))
        evidence.append(sums.sum(axis=0) / len(EFFECTS))
    with np.errstate(divide="ignore"):
        return np.log(evidence[-2]), np.log(evidence[-1])
