"""The alert kinds about scorecards: what they say of an account, and whether they still foresee churn."""

from __future__ import annotations

from pipeline.terms.kind import FEATURES_DOWN, USERS_DOWN, Kind, Play

HEALTH_CHANGED = Kind(
    name="health_changed",
    dimension="scorecard",
    scope="other",
    family="risk",
    severity="info",
    level="advanced",
    unit="points",
    direction="down",
    method="scorecard",
    of_card=True,
    consequence=True,
    joins="health got worse",
    contributors=(USERS_DOWN, FEATURES_DOWN),
    play=Play("account-review", "Review the dimensions that moved the score", 5),
    summary="{name}: health {moved} from {expected:.0f} to {observed:.0f}{causes}",
    condition="the band of a scorecard got worse",
    resolution="the band is green again",
)
HEALTH_UNKNOWN = Kind(
    name="health_unknown",
    dimension="scorecard",
    scope="other",
    family="data_quality",
    severity="info",
    level="advanced",
    unit="points",
    direction="down",
    method="scorecard",
    of_card=True,
    play=Play("data-check", "Check why the account can no longer be judged", 14),
    summary="{name}: health can no longer be judged; too little is known",
    condition="too little is known to judge an account that was judged before",
    resolution="it can be judged again",
)
SCORECARD_STALE = Kind(
    name="scorecard_stale",
    dimension="churn_recall",
    scope="fleet",
    family="system",
    severity="error",
    level="advanced",
    unit="share",
    direction="down",
    method="backtest",
    play=Play("scorecard-review", "Rework the scorecard: it has missed churn for two quarters", 14),
    summary="{name}: {observed:.0%} of churned accounts had an alert 30 days before; the target is {expected:.0%}",
    condition="in a backtest, most churn came without a warning for two quarters running",
    resolution="never",
)

HEALTH_KINDS = (HEALTH_CHANGED, HEALTH_UNKNOWN, SCORECARD_STALE)
