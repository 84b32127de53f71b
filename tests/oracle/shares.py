"""Shares of activity that fall: power users among users, a feature among features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding
from tests.oracle.relationship import returns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.oracle.model import Episode
    from tests.oracle.view import View


def log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def fallen(days: Iterable[tuple[int, int]], share: float, dispersion: float) -> float:
    """Sum up what the days (part, whole) say against a share, for falls to .6 and .3 of it."""
    sums = dict.fromkeys((0.6, 0.3), 0.0)
    for part, whole in days:
        for rho, s in sums.items():
            ratio = (1 - rho * share) / (1 - share)
            log_e = (part * math.log(rho) + (whole - part) * math.log(ratio)) / dispersion
            sums[rho] = min(1e260, (1 + s) * math.exp(min(50.0, log_e)))
    return sum(sums.values()) / 2


def safe_share(reference: list[tuple[int, int]], kept: float = 1.0) -> tuple[float, float]:
    """Return a lower bound of the share in the days (part, whole) of the reference, and its dispersion.

    `kept` is what is left of the part that was chosen for its days in the reference.
    """
    n = len(reference) // 7
    days, everyone = (sum(column) for column in zip(*reference, strict=True))
    p = days / everyone
    weeks = [[sum(column) for column in zip(*reference[7 * k : 7 * k + 7], strict=True)] for k in range(n)]
    squares = sum((part - whole * p) ** 2 / (whole * p * (1 - p)) for part, whole in weeks if whole and p < 1)
    daily = sum((part - whole * p) ** 2 for part, whole in reference) / (everyone * p * (1 - p)) if p < 1 else 0.0
    phi = max(1.25, daily * (1 + math.sqrt(2 / (7 * n - 1))), (squares + 15 * 1.35) / (n + 14))
    p *= kept
    return min(0.98, p - 0.5 * math.sqrt(12 / n) * math.sqrt(phi * p * (1 - p) / everyone)), phi


@dataclass(frozen=True)
class _Shift:
    """How the power users' share has moved, where they do materially less."""

    observed: float
    expected: float
    evidence: float
    log_ratio: float
    flat: bool


def total_change(view: View) -> tuple[float, bool]:
    """Return the log ratio of the judged user-days to the reference's, and whether that is flat."""
    then, now = max(view.user_days(view.reference), 1), max(view.user_days(view.judged_days), 1)
    periods = max(view.weeks, 1) / (len(view.judged_days) // 7)
    change, error = math.log(periods * now / then), math.sqrt(1 / now + 1 / then)
    flat = abs(change) + 1.2816 * error < math.log(1.5) and abs(change) <= max(0.2, 1.6449 * error)
    return change, flat and view.user_days(range(view.day - 6, view.day + 1)) >= 0.7 * then / max(view.weeks, 1)


def _kept(view: View) -> float:
    """Return what is left in a week of the pace of those who are power users by the reference's other weeks."""
    n, left, usual = view.weeks, 0, 0.0
    reference = set(view.reference)
    for first in view.reference[::7]:
        week = set(range(first, first + 7))
        for active in view.people.values():
            others = (active & reference) - week
            if view.are_often(others, n - 1):
                left += len(active & week)
                usual += len(others) / (n - 1)
    return min(1.0, left / usual)


def _shift(view: View) -> _Shift | None:
    d, n = view.day, view.weeks
    if len(view.power_users) < 3:
        return None
    then, week = view.share(view.reference[0], view.reference[-1]), view.share(d - 6, d)
    fortnight = view.share(d - 13, d).power
    if week.power > 0.75 * then.power / n or fortnight > 0.8 * then.power / (n / 2):
        return None
    if week.known == 0 or week.power * then.all > 0.75 * then.power * week.known:
        return None
    p = then.power / then.all
    every = [view.share(x, x) for x in view.reference]
    q, phi = safe_share([(x.power, x.all) for x in every], _kept(view))
    if q <= 0.05:
        return None
    days = [view.share(x, x) for x in view.judged_days]
    evidence = log(fallen([(x.power, x.known) for x in days], q, phi))
    change, flat = total_change(view)
    return _Shift(week.power / week.known, p, evidence, change, flat)


def power_user_decline(view: View) -> Finding | None:
    shift = _shift(view)
    if shift is None or not shift.flat or shift.evidence < view.log_arl:
        return None
    return Finding("error", shift.observed, shift.expected, shift.evidence)


def user_mix_shift(view: View) -> Finding | None:
    shift = _shift(view)
    if shift is None or shift.flat or shift.log_ratio <= 0 or shift.evidence < view.log_arl:
        return None
    return Finding("warning", shift.observed, shift.expected, shift.evidence)


def power_share_is_back(view: View, episode: Episode) -> bool:
    last = view.share(view.day - 6, view.day)
    return last.known > 0 and last.power >= 0.9 * episode.expected * last.known


@dataclass(frozen=True)
class _Abandonment:
    judged: int
    abandoned: int
    evidence: float


def _abandonment(view: View) -> _Abandonment:
    d, table = view.day, view.account.features
    then = {name: len(active & set(view.reference)) for name, active in table.items()}
    lately = {name: len(active & set(range(d - 13, d + 1))) for name, active in table.items()}
    known = [name for name in table if then[name] >= 12]
    week = sum(len(active & set(range(d - 6, d + 1))) for active in table.values())
    if len(known) < 2 or week < 0.7 * sum(then.values()) / max(view.weeks, 1):
        return _Abandonment(len(known), 0, -math.inf)
    low = [name for name in known if lately[name] * sum(then.values()) <= 0.5 * then[name] * sum(lately.values())]
    total = 0.0
    used = {x for active in table.values() for x in active}
    for name in low:
        days = [(int(x in table[name]), int(x in used)) for x in view.judged_days]
        total += fallen(days, min(0.98, then[name] / len(used & set(view.reference))), 2.0)
    return _Abandonment(len(known), len(low), log(total / len(known)) if low else -math.inf)


def feature_abandonment(view: View) -> Finding | None:
    found = abandonment_evidence(view)
    return None if found is None or found.evidence < view.log_arl else found


def abandonment_evidence(view: View) -> Finding | None:
    """What is known of abandoned features, if anything can be."""
    if not view.weeks:
        return None
    found = _abandonment(view)
    return Finding("warning", float(found.abandoned), float(found.judged), found.evidence)


def features_are_back(view: View, episode: Episode) -> bool:
    return _abandonment(view).abandoned == 0


def _of_top_user(view: View, first: int, last: int) -> tuple[int, int]:
    """Days of the most active user, and all user-days."""
    days = set(range(first, last + 1))
    most = max((len(active & days) for active in view.people.values()), default=0)
    return most, view.user_days(days)


def single_user_dependence(view: View) -> Finding | None:
    most, total = _of_top_user(view, view.day - 27, view.day)
    before, total_before = _of_top_user(view, view.day - 83, view.day - 28)
    if total < 16 or total_before < 16 or view.seats < 3 or returns(view):
        return None
    if most / total < 0.6 or before >= 0.5 * total_before:
        return None
    return Finding("info", most / total, 0.5, most / total)


def dependence_is_over(view: View, episode: Episode) -> bool:
    most, total = _of_top_user(view, view.day - 27, view.day)
    return most / max(total, 1) < 0.5


def power_evidence(view: View) -> float:
    """Return the evidence that the power users' share has fallen, whatever the total does."""
    shift = _shift(view)
    return -math.inf if shift is None else shift.evidence
