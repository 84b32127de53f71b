"""The daily detectors, one function pair each: does it raise, is it clear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.oracle import relationship
from tests.oracle.alerts import Finding
from tests.oracle.model import DAY_MS, HOUR_MS, Episode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.oracle.view import Level, View


@dataclass(frozen=True)
class Detector:
    """One daily kind."""

    kind: str
    dimension: str
    family: str
    raises: Callable[[View], Finding | None]
    is_clear: Callable[[View, Episode], bool]


def _while_it_holds(kind: str, dimension: str, family: str, raises: Callable[[View], Finding | None]) -> Detector:
    return Detector(kind, dimension, family, raises, lambda view, episode: raises(view) is None)


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def usage_drop(view: View) -> Finding | None:
    level = view.level
    if level is None:
        return None
    last_week = range(view.day - 6, view.day + 1)
    observed = view.actions(view.day - 6, view.day)
    if observed == 0:
        return None
    expected = sum(level.expected(x) for x in last_week)
    before, now = _drop_evidence(view, level)
    if before < view.log_arl or now < view.log_arl or observed >= 0.85 * expected:
        return None
    return Finding("error", observed, expected, now)


def _drop_evidence(view: View, level: Level) -> tuple[float, float]:
    """Return `L` of the day before and of the day."""
    phi = level.dispersion
    evidence = []
    sums = dict.fromkeys((0.75, 0.5, 0.25, 0.05), 0.0)
    for x in range(view.day - 27, view.day + 1):
        for rho, s in sums.items():
            theta = -math.log(rho) / phi
            log_mean = level.safe(x) / (phi - 1) * math.log(phi - (phi - 1) * math.exp(-theta))
            sums[rho] = (1 + s) * math.exp(min(4.0, -theta * view.actions(x, x) + log_mean))
        evidence.append(_log(sum(sums.values()) / 4))
    return evidence[-2], evidence[-1]


def usage_drop_is_clear(view: View, episode: Episode) -> bool:
    return view.actions(view.day - 6, view.day) >= 0.85 * episode.expected


def power_user_decline(view: View) -> Finding | None:
    first = view.reference_start
    if not view.used_since(first) or len(view.power_users) < 3:
        return None
    reference = view.share(first, first + 55)
    p0 = reference.power / reference.all
    q = min(0.98, 0.97 * (p0 - 1.2816 * math.sqrt(1.5 * p0 * (1 - p0) / reference.all)))
    if q <= 0.05:
        return None
    d = view.day
    blocks = [view.share(d - 7 * b - 6, d - 7 * b) for b in (3, 2, 1, 0)]
    sums = dict.fromkeys((0.75, 0.5, 0.25), 0.0)
    for block in blocks:
        for rho, s in sums.items():
            others = block.all - block.power
            log_e = (block.power * math.log(rho) + others * math.log((1 - rho * q) / (1 - q))) / 1.5
            sums[rho] = (1 + s) * math.exp(min(50.0, log_e))
    evidence = _log(sum(sums.values()) / 3)
    last = blocks[-1]
    if evidence < view.log_arl or last.all < 0.85 * reference.all / 8 or last.power > 0.8 * p0 * last.all:
        return None
    if last.power > 0.85 * reference.power / 8:
        return None
    return Finding("error", last.power / last.all, p0, evidence)


def power_user_decline_is_clear(view: View, episode: Episode) -> bool:
    last = view.share(view.day - 6, view.day)
    return last.all > 0 and last.power >= 0.9 * episode.expected * last.all


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
    return Finding("error", float(gap), 1 / p, evidence)


def silence_is_clear(view: View, episode: Episode) -> bool:
    return any(x in view.account.active_days for x in range(view.day - 2, view.day + 1))


def _tickets_in(view: View, first: int, last: int) -> int:
    return sum(view.account.tickets_opened.get(x, 0) for x in range(first, last + 1))


def ticket_surge(view: View) -> Finding | None:
    since = view.account.first_day
    if since is None:
        return None
    first, last = max(since, view.day - 62), view.day - 7
    n = last - first + 1
    if n < 14:
        return None
    expected = 7 * (_tickets_in(view, first, last) + 1) / (n + 7)
    opened = _tickets_in(view, view.day - 6, view.day)
    if opened < 4 or opened < expected + 4 * math.sqrt(expected) + 1:
        return None
    return Finding("warning", float(opened), expected, (opened - expected) / math.sqrt(expected))


def ticket_surge_is_clear(view: View, episode: Episode) -> bool:
    opened = _tickets_in(view, view.day - 6, view.day)
    return opened <= episode.expected + math.sqrt(episode.expected) + 1


def p1_open(view: View) -> Finding | None:
    limit = view.end_ms - DAY_MS
    p1 = [t.opened_at_ms for t in view.account.tickets.values() if t.priority == "p1"]
    old = [opened_at for opened_at in p1 if opened_at <= limit]
    if not old:
        return None
    hours = (view.end_ms - min(old)) / HOUR_MS
    return Finding("error", hours, 24.0, hours / 24)


def p1_open_is_clear(view: View, episode: Episode) -> bool:
    return p1_open(view) is None


def renewal_at_risk(view: View) -> Finding | None:
    renewal_at = (view.account.profile or {}).get("renewal_at")
    band = view.account.band
    if renewal_at is None or band == "green":
        return None
    left = view.days.of(renewal_at) - view.day
    if not 0 <= left <= 90:
        return None
    severity = {"red": "critical", "yellow": "error", "grey": "warning"}[band]
    score = view.account.score
    evidence = 50.0 if band == "grey" or score is None else 100 - score
    return Finding(severity, float(left), 90.0, evidence)


def renewal_at_risk_is_clear(view: View, episode: Episode) -> bool:
    return renewal_at_risk(view) is None


def seat_saturation(view: View) -> Finding | None:
    if view.seats <= 0 or not relationship.ripe(view) or not view.used_since(view.day - 27):
        return None
    users = view.users_active(view.day - 27, view.day)
    if users < 0.9 * view.seats:
        return None
    return Finding("info", float(users), float(view.seats), users / view.seats)


def seat_saturation_is_clear(view: View, episode: Episode) -> bool:
    return view.users_active(view.day - 27, view.day) < 0.8 * view.seats


def sustained_growth(view: View) -> Finding | None:
    """Evaluate without what has no past."""
    d = view.day
    now, before = view.actions(d - 27, d), view.actions(d - 55, d - 28)
    if not view.used_since(d - 83) or before <= 0 or now < 1.3 * before or view.level is None:
        return None
    weeks = [view.actions(d - 7 * b - 6, d - 7 * b) for b in range(4)]
    if min(weeks) < before / 4:
        return None
    evidence = (now - before) / math.sqrt(view.level.dispersion * (now + before))
    if evidence < 4:
        return None
    return Finding("info", now, before, evidence)


def sustained_growth_if_ripe(view: View) -> Finding | None:
    return sustained_growth(view) if relationship.ripe(view) else None


def sustained_growth_is_clear(view: View, episode: Episode) -> bool:
    d = view.day
    return view.actions(d - 27, d) < 1.1 * view.actions(d - 55, d - 28)


BEFORE_SCORE = (
    Detector("usage_drop", "total_usage", "risk", usage_drop, usage_drop_is_clear),
    Detector(
        "power_user_decline",
        "power_user_share",
        "risk",
        power_user_decline,
        power_user_decline_is_clear,
    ),
    Detector("silence", "activity", "risk", silence, silence_is_clear),
    Detector("ticket_surge", "tickets", "risk", ticket_surge, ticket_surge_is_clear),
    Detector("p1_open", "tickets", "risk", p1_open, p1_open_is_clear),
    _while_it_holds("onboarding_stalled", "onboarding", "risk", relationship.onboarding_stalled),
    _while_it_holds("sponsor_missing", "sponsor", "data_quality", relationship.sponsor_missing),
    _while_it_holds("key_contact_missing", "key_contacts", "data_quality", relationship.key_contact_missing),
    _while_it_holds("review_overdue", "business_review", "risk", relationship.review_overdue),
    Detector("sentiment_gap", "sentiment", "risk", relationship.sentiment_gap, relationship.sentiment_gap_is_clear),
)
AFTER_SCORE = (
    Detector("renewal_at_risk", "renewal", "risk", renewal_at_risk, renewal_at_risk_is_clear),
    Detector("seat_saturation", "seats", "expansion", seat_saturation, seat_saturation_is_clear),
    Detector(
        "sustained_growth",
        "total_usage",
        "expansion",
        sustained_growth_if_ripe,
        sustained_growth_is_clear,
    ),
    Detector("quota_burn", "quota", "expansion", relationship.quota_burn, relationship.quota_burn_is_clear),
    _while_it_holds("advocate_ready", "advocacy", "advocacy", relationship.advocate_ready),
    Detector(
        "advocacy_moment",
        "delight",
        "advocacy",
        relationship.advocacy_moment_when_calm,
        lambda view, episode: relationship.advocacy_moment(view) is None,
    ),
)
REEVALUATED: dict[str, Callable[[View], Finding | None]] = {
    "usage_drop": usage_drop,
    "power_user_decline": power_user_decline,
    "silence": silence,
    "ticket_surge": ticket_surge,
    "sustained_growth": sustained_growth,
}
