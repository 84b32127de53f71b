"""Daily kinds on people, plans and readiness for more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding
from tests.oracle.model import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.oracle.model import Account, Episode
    from tests.oracle.view import View


def ripe(view: View) -> bool:
    """Tell whether more may be offered."""
    bought = view.account.expanded_ms
    if view.account.band == "red" or (bought is not None and bought + 28 * DAY_MS > view.end_ms):
        return False
    return not returns(view)


def returns(view: View) -> bool:
    """Tell whether people come back from a pause."""
    return sum(view.is_shut(x) for x in range(view.day - 111, view.day + 1)) >= 21


def _known_since(view: View, day: int) -> bool:
    first = view.account.first_day
    return first is not None and first <= day


def onboarding_stalled(view: View) -> Finding | None:
    account = view.account
    if (account.profile or {}).get("lifecycle_stage") != "onboarding":
        return None
    steps = []
    if account.first_day is not None:
        steps.append(account.first_day)
    used = view.used_since(view.day)
    if used and account.first_usage_day is not None:
        steps.append(account.first_usage_day)
    milestones = [goal for (kind, _), goal in account.goals.items() if kind == "milestone"]
    steps += [view.days.of(goal.judged_ms) for goal in milestones if goal.reached]
    if account.first_day is None:
        return None
    waiting = view.day - max(steps)
    if waiting >= 21 and not all(goal.reached for goal in milestones):
        return Finding("warning", float(waiting), 21.0, waiting / 21)
    if waiting >= 14 and not used:
        return Finding("warning", float(waiting), 14.0, waiting / 14)
    return None


def trial_stalled(view: View) -> Finding | None:
    account = view.account
    if account.life != "trial" or account.first_day is None:
        return None
    last = max([account.first_day, *(x for x in account.active_days if x <= view.day)])
    idle = view.day - last
    return Finding("warning", float(min(idle, 90)), 7.0, min(idle, 90) / 7) if idle >= 7 else None


def stage_stalled(view: View) -> Finding | None:
    context = view.account.context
    longest = dict(view.config.stage_days).get(context.get("lifecycle_stage") or "")
    since_ms = context.get("stage_since")
    if not longest or since_ms is None:
        return None
    days = view.day - view.days.of(since_ms)
    return Finding("warning", float(days), float(longest), days / longest) if days > longest else None


def _roles(account: Account, *, present: bool) -> set[str]:
    return {each.role for each in account.contacts.values() if each.role and (each.there or not present)}


def sponsor_missing(view: View) -> Finding | None:
    roles = _roles(view.account, present=False)
    if not roles or "sponsor" in roles or not _known_since(view, view.day - 29):
        return None
    return Finding("info", 0.0, 1.0, 1.0)


def key_contact_missing(view: View) -> Finding | None:
    here = _roles(view.account, present=True)
    if not _roles(view.account, present=False) or here & {"champion", "decision_maker", "admin"}:
        return None
    return Finding("info", 0.0, 1.0, 1.0) if _known_since(view, view.day - 29) else None


def review_overdue(view: View) -> Finding | None:
    if not view.account.reviews_ms:
        return None
    ago = view.day - view.days.of(max(view.account.reviews_ms))
    return Finding("warning", float(ago), 91.0, ago / 91) if ago >= 100 else None


def _sentiment(view: View) -> float | None:
    newest = []
    for opinions in (view.account.pulses, view.account.surveys):
        past = [each for each in opinions if each.occurred_at_ms < view.end_ms]
        if past:
            last = max(reversed(past), key=lambda each: each.occurred_at_ms)
            if last.expires_at_ms is None or last.expires_at_ms > view.end_ms:
                newest.append(last.value)
    return sum(newest) / len(newest) if newest else None


def _content(view: View) -> bool:
    sentiment = _sentiment(view)
    return sentiment is not None and sentiment >= 0.75


def _last(view: View, number: int) -> tuple[float, float]:
    """Return actions and expected actions of so many days; 0 expected if that cannot be said."""
    level = view.level
    if level is None or level.lag < 28 or 28 * level.mean < 20 * level.noise:
        return 0.0, 0.0
    days = range(view.day - number + 1, view.day + 1)
    return view.counted_actions(number), sum(level.usual(x) * view.factor(x) for x in days)


def sentiment_gap(view: View) -> Finding | None:
    observed, expected = _last(view, 28)
    week, usual = _last(view, 7)
    if expected <= 0 or view.level is None or not _content(view) or observed >= 0.7 * expected or week >= 0.85 * usual:
        return None
    if sum(view.factor(x) for x in range(view.day - 27, view.day + 1)) < 21:
        return None
    deviations = (expected - observed) / math.sqrt(view.level.dispersion * expected)
    return Finding("warning", observed, expected, deviations) if deviations >= 4 else None


def sentiment_gap_is_clear(view: View, episode: Episode) -> bool:
    used, expected = _last(view, 28)
    return not _content(view) or used >= 0.85 * expected


def _quota(view: View) -> float:
    return (view.account.profile or {}).get("quota_actions") or 0.0


def quota_burn(view: View) -> Finding | None:
    used, quota = view.actions(view.day - 29, view.day), _quota(view)
    if quota <= 0 or used < 0.9 * quota or not ripe(view):
        return None
    return Finding("info", used, quota, used / quota)


def quota_burn_is_clear(view: View, episode: Episode) -> bool:
    return _quota(view) <= 0 or view.actions(view.day - 29, view.day) < 0.8 * _quota(view)


def _new(active: set[int], day: int) -> bool:
    return any(day - 27 <= x <= day for x in active) and not any(day - 111 <= x <= day - 28 for x in active)


def _domain(user: str) -> bytes | None:
    cut = user.encode()[:40]
    return cut.split(b"@")[-1] if b"@" in cut else None


def new_team(view: View) -> Finding | None:
    if not view.used_since(view.day - 83) or not ripe(view):
        return None
    crowd: dict[bytes, int] = {}
    old: set[bytes] = set()
    for user, active in view.account.users.items():
        domain = _domain(user)
        if domain is not None and any(view.day - 111 <= x <= view.day - 28 for x in active):
            old.add(domain)
    for user, active in view.people.items():
        domain = _domain(user)
        if domain is not None and _new(active, view.day):
            crowd[domain] = crowd.get(domain, 0) + 1
    teams = [users for domain, users in crowd.items() if users >= 3 and domain not in old]
    return Finding("info", float(len(teams)), 0.0, float(sum(teams))) if old and teams else None


def premium_probing(view: View) -> Finding | None:
    bought = (view.account.profile or {}).get("entitled_features")
    if not bought or not view.used_since(view.day - 83) or not ripe(view):
        return None
    month = set(range(view.day - 27, view.day + 1))
    tried = [
        feature
        for feature, active in view.account.features.items()
        if _new(active, view.day) and len(active & month) >= 3 and feature not in bought
    ]
    return Finding("info", float(len(tried)), 0.0, float(len(tried))) if tried else None


def new_power_users(view: View) -> Finding | None:
    if not view.used_since(view.day - 111) or not ripe(view):
        return None
    now = 0
    for active in view.people.values():
        days = [x for x in range(view.day - 55, view.day + 1) if x in active]
        now += len(days) >= 16 and len({(view.day - x) // 7 for x in days}) >= 6
    before = len(view.power_users)
    if now < before + 3 or now < 1.5 * before:
        return None
    return Finding("info", float(now), float(before), float(now - before))


def advocate_ready(view: View) -> Finding | None:
    contacts = view.account.nps_answers.items()
    valid = [answers[-1][1] for _, answers in contacts if answers[-1][0] + 180 * DAY_MS > view.end_ms]
    if not any(value >= 0.9 for value in valid) or any(value <= 0.6 for value in valid):
        return None
    now, before = view.actions(view.day - 27, view.day), view.actions(view.day - 55, view.day - 28)
    if any(ticket.priority == "p1" for ticket in view.account.tickets.values()) or view.account.band == "red":
        return None
    if not view.used_since(view.day - 55) or before <= 0 or view.level is None:
        return None
    more = max(1.0, view.usual_change(28))
    before *= more
    if now < 1.1 * before:
        return None
    deviations = (now - before) / math.sqrt(view.level.dispersion * (now + more * before))
    _, promoter = max((answers[-1][0], name) for name, answers in contacts if answers[-1][1] >= 0.9)
    return Finding("info", now, before, deviations, who=promoter) if deviations >= 2 else None


def reference_ready(view: View) -> Finding | None:
    """Evaluate without looking at open risks."""
    standing = view.account.standings.get("referenceability")
    if standing is None or standing.told != "green" or view.account.band == "red":
        return None
    score = standing.score or 0.0
    return Finding("info", score, 100.0, score / 100.0)


def advocacy_moment(view: View) -> Finding | None:
    """Evaluate without looking at open risks."""
    recent = [each for each in view.account.delights if each[0] > view.end_ms - 7 * DAY_MS]
    return Finding("info", 1.0, 1.0, 1.0, who=max(recent)[2]) if recent and view.account.band != "red" else None


def when_calm(raises: Callable[[View], Finding | None], view: View) -> Finding | None:
    """Evaluate, unless a risk is open."""
    if any(episode.family == "risk" for episode in view.account.episodes.values()):
        return None
    return raises(view)
