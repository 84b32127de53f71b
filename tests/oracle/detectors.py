"""The daily detectors, one function pair each: does it raise, is it clear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.oracle import relationship
from tests.oracle.alerts import Finding
from tests.oracle.alive import dormant, is_used_again, silent_severity
from tests.oracle.combined import WEIGHTS, combined_evidence, fewer_speak
from tests.oracle.identity import identity_changed, identity_is_settled
from tests.oracle.levels import (
    FALLING,
    GROWING,
    RISING,
    Plan,
    falls,
    has_fallen_back,
    has_risen_back,
    rises,
    rises_if_ripe,
)
from tests.oracle.life import NOBODYS
from tests.oracle.model import HOUR_MS, Episode
from tests.oracle.people import (
    champion_is_back,
    champion_silent,
    power_user_silent,
    power_users_are_active,
    sponsor_is_back,
    sponsor_silent,
)
from tests.oracle.ratios import (
    power_user_attendance,
    power_users_are_back,
    seat_utilisation_drop,
    seats_are_back,
    stickiness_drop,
    users_are_back,
)
from tests.oracle.roles import role_decline, roles_are_back
from tests.oracle.shares import (
    dependence_is_over,
    feature_abandonment,
    features_are_back,
    power_share_is_back,
    power_user_decline,
    single_user_dependence,
    user_mix_shift,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.oracle.view import View


@dataclass(frozen=True)
class Detector:
    """One daily kind."""

    kind: str
    dimension: str
    family: str
    raises: Callable[[View], Finding | None]
    is_clear: Callable[[View, Episode], bool]
    yields_to: tuple[str, ...] = ()


def _while_it_holds(
    kind: str,
    dimension: str,
    family: str,
    raises: Callable[[View], Finding | None],
    yields_to: tuple[str, ...] = (),
) -> Detector:
    return Detector(kind, dimension, family, raises, lambda view, episode: raises(view) is None, yields_to)


def silence(view: View) -> Finding | None:
    n = len(view.window)
    k = sum(1 for x in view.window if x in view.account.active_days)
    if n < 28 or k < 4:
        return None
    p = 0.9 * (k + 1) / (n + 2)
    gap = view.day - max(x for x in view.account.active_days if x <= view.day)
    if gap < 7 or -gap * math.log(1 - p) < view.log_arl:
        return None
    counted = max(0, gap - 84) + sum(view.factor(view.day - back) for back in range(min(gap, 84)))
    evidence = -counted * math.log(1 - p)
    if counted < 7 - 1e-9 or evidence < view.log_arl:
        return None
    return Finding(silent_severity(view, "error"), float(gap), 1 / p, evidence, onset=(view.day - gap + 1,) * 3)


def silence_is_clear(view: View, episode: Episode) -> bool:
    return any(x in view.account.active_days for x in range(view.day - 2, view.day + 1))


def weekly_drop(view: View) -> Finding | None:
    least, percent = view.config.basic_min_actions, view.config.basic_drop_pct
    now, before = view.actions(view.day - 6, view.day), view.actions(view.day - 13, view.day - 7)
    if percent == 0 or before == 0 or before < least:
        return None
    left = before * min(1.0, view.usual_change(7))
    if left == 0 or left < least or sum(view.factor(x) for x in range(view.day - 6, view.day + 1)) < 3.5:
        return None
    fall = 100 * (1 - now / left)
    return Finding("warning", now, before, fall) if fall >= percent else None


def weekly_drop_is_clear(view: View, episode: Episode) -> bool:
    return view.actions(view.day - 6, view.day) > (1 - view.config.basic_drop_pct / 100) * episode.expected


def p1_open(view: View) -> Finding | None:
    limit = view.end_ms - view.config.p1_sla_hours * HOUR_MS
    p1 = [t.opened_at_ms for t in view.account.tickets.values() if t.priority == "p1"]
    old = [opened_at for opened_at in p1 if opened_at <= limit]
    if not old:
        return None
    hours = (view.end_ms - min(old)) / HOUR_MS
    return Finding("error", hours, float(view.config.p1_sla_hours), hours / view.config.p1_sla_hours)


def p1_open_is_clear(view: View, episode: Episode) -> bool:
    return p1_open(view) is None


def renewal_at_risk(view: View) -> Finding | None:
    left, band = view.days_to_renewal, view.account.band
    if left is None or left > 90 or band == "green":
        return None
    severity = {"red": "critical", "yellow": "error", "grey": "warning"}[band]
    if left <= 30 and severity == "warning":
        severity = "error"
    score = view.account.score
    evidence = 50.0 if band == "grey" or score is None else 100 - score
    return Finding(severity, float(left), 90.0, evidence)


def renewal_at_risk_is_clear(view: View, episode: Episode) -> bool:
    return renewal_at_risk(view) is None


def seat_saturation(view: View) -> Finding | None:
    if view.seats <= 0 or not relationship.ripe(view) or not view.used_since(view.day - 27):
        return None
    users = _seats_taken(view)
    if users < 0.9 * view.seats:
        return None
    return Finding("info", float(users), float(view.seats), users / view.seats)


def seat_saturation_is_clear(view: View, episode: Episode) -> bool:
    users = _seats_taken(view)
    return users < 0.8 * view.seats and users <= view.seats - 2


def _seats_taken(view: View) -> int:
    """Count who was active in four weeks and is not new within the last one."""
    d = view.day
    month, before = set(range(d - 27, d + 1)), set(range(d - 83, d - 6))
    return sum(1 for active in view.people.values() if active & month and active & before)


def won_back(view: View) -> Finding | None:
    back = view.account.former_life == "ended" and view.account.life not in NOBODYS
    return Finding("info", 1.0, 0.0, 1.0) if back else None


def _falling(plan: Plan) -> Detector:
    raises, clear = partial(falls, plan=plan), partial(_is_clear, has_risen_back, plan)
    return Detector(plan.kind, plan.dimension, plan.family, raises, clear, plan.yields_to)


def _rising(plan: Plan) -> Detector:
    raises, clear = partial(rises, plan=plan), partial(_is_clear, has_fallen_back, plan)
    return Detector(plan.kind, plan.dimension, plan.family, raises, clear, plan.yields_to)


def _growing(plan: Plan) -> Detector:
    raises, clear = partial(rises_if_ripe, plan=plan), partial(_is_clear, has_fallen_back, plan)
    return Detector(plan.kind, plan.dimension, plan.family, raises, clear, plan.yields_to)


def _is_clear(recovered: Callable[[View, Plan, Episode], bool], plan: Plan, view: View, episode: Episode) -> bool:
    return recovered(view, plan, episode)


BEFORE_SCORE = (
    *(_falling(plan) for plan in FALLING),
    *(_rising(plan) for plan in RISING),
    Detector("power_user_decline", "power_user_share", "risk", power_user_decline, power_share_is_back),
    Detector("user_mix_shift", "user_mix", "risk", user_mix_shift, power_share_is_back, ("power_user_decline",)),
    Detector(
        "role_decline",
        "role_share",
        "risk",
        role_decline,
        roles_are_back,
        ("usage_drop", "silence", "power_user_decline", "user_mix_shift"),
    ),
    Detector(
        "feature_abandonment",
        "feature_share",
        "risk",
        feature_abandonment,
        features_are_back,
        ("usage_drop", "breadth_drop"),
    ),
    Detector("combined_evidence", "account", "risk", combined_evidence, fewer_speak, tuple(WEIGHTS)),
    Detector("identity_changed", "user_ids", "data_quality", identity_changed, identity_is_settled),
    Detector(
        "single_user_dependence",
        "top_user_share",
        "risk",
        single_user_dependence,
        dependence_is_over,
        ("identity_changed",),
    ),
    Detector("silence", "activity", "risk", silence, silence_is_clear),
    Detector("dormant", "weekly_activity", "risk", dormant, is_used_again, ("silence", "usage_drop")),
    Detector(
        "seat_utilisation_drop",
        "seats_in_use",
        "risk",
        seat_utilisation_drop,
        seats_are_back,
        ("usage_drop", "users_drop", "silence"),
    ),
    Detector(
        "stickiness_drop",
        "stickiness",
        "risk",
        stickiness_drop,
        users_are_back,
        ("usage_drop", "users_drop", "silence", "seat_utilisation_drop", "identity_changed"),
    ),
    Detector(
        "power_user_attendance",
        "power_users_active",
        "risk",
        power_user_attendance,
        power_users_are_back,
        ("usage_drop", "users_drop", "power_user_decline", "user_mix_shift", "silence"),
    ),
    Detector(
        "champion_silent",
        "champion_activity",
        "risk",
        champion_silent,
        champion_is_back,
        ("champion_left", "usage_drop", "silence"),
    ),
    Detector(
        "sponsor_silent",
        "sponsor_activity",
        "risk",
        sponsor_silent,
        sponsor_is_back,
        ("sponsor_left", "usage_drop", "silence"),
    ),
    Detector(
        "power_user_silent",
        "power_user",
        "risk",
        power_user_silent,
        power_users_are_active,
        ("champion_silent", "usage_drop", "silence"),
    ),
    Detector("weekly_drop", "total_usage", "risk", weekly_drop, weekly_drop_is_clear),
    Detector("p1_open", "tickets", "risk", p1_open, p1_open_is_clear),
    _while_it_holds("onboarding_stalled", "onboarding", "risk", relationship.onboarding_stalled),
    _while_it_holds("trial_stalled", "trial", "risk", relationship.trial_stalled, ("onboarding_stalled",)),
    _while_it_holds("stage_stalled", "lifecycle", "risk", relationship.stage_stalled),
    _while_it_holds("sponsor_missing", "sponsor", "data_quality", relationship.sponsor_missing),
    _while_it_holds("key_contact_missing", "key_contacts", "data_quality", relationship.key_contact_missing),
    _while_it_holds("review_overdue", "business_review", "risk", relationship.review_overdue),
    Detector("sentiment_gap", "sentiment", "risk", relationship.sentiment_gap, relationship.sentiment_gap_is_clear),
)
AFTER_SCORE = (
    Detector(
        "renewal_at_risk", "renewal", "risk", renewal_at_risk, renewal_at_risk_is_clear, ("subscription_cancelled",)
    ),
    Detector("seat_saturation", "seats", "expansion", seat_saturation, seat_saturation_is_clear, ("identity_changed",)),
    *(_growing(plan) for plan in GROWING),
    Detector("quota_burn", "quota", "expansion", relationship.quota_burn, relationship.quota_burn_is_clear),
    _while_it_holds("new_team", "teams", "expansion", relationship.new_team, ("identity_changed",)),
    _while_it_holds("premium_probing", "features", "expansion", relationship.premium_probing),
    _while_it_holds("new_power_users", "power_users", "expansion", relationship.new_power_users, ("identity_changed",)),
    _while_it_holds("advocate_ready", "advocacy", "advocacy", relationship.advocate_ready),
    Detector(
        "advocacy_moment",
        "delight",
        "advocacy",
        relationship.advocacy_moment_when_calm,
        lambda view, episode: relationship.advocacy_moment(view) is None,
    ),
    _while_it_holds("won_back", "return", "expansion", won_back),
)
REEVALUATED: dict[str, Callable[[View], Finding | None]] = {
    **{plan.kind: partial(falls, plan=plan) for plan in FALLING},
    **{plan.kind: partial(rises, plan=plan) for plan in (*RISING, *GROWING)},
    "power_user_decline": power_user_decline,
    "user_mix_shift": user_mix_shift,
    "feature_abandonment": feature_abandonment,
    "combined_evidence": combined_evidence,
    "silence": silence,
    "dormant": dormant,
    "stickiness_drop": stickiness_drop,
    "power_user_attendance": power_user_attendance,
    "power_user_silent": power_user_silent,
    "weekly_drop": weekly_drop,
    "identity_changed": identity_changed,
}
