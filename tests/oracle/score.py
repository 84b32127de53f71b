"""The scorecard and the band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.oracle.model import BILLING, DAY_MS, SIGNALS, TICKETS, Account, Opinion

if TYPE_CHECKING:
    from tests.oracle.view import View

WEIGHTS = {
    "usage_trend": 5,
    "active_users": 4,
    "seat_utilisation": 3,
    "feature_breadth": 3,
    "support": 4,
    "billing": 5,
    "sentiment": 3,
    "engagement": 2,
}


@dataclass(frozen=True)
class Scorecard:
    """Dimension values and what follows from them."""

    dimensions: dict[str, float]
    coverage: float
    score: float | None


def clip(x: float) -> float:
    """Limit a value to 0…1."""
    return min(1.0, max(0.0, x))


def scorecard(view: View) -> Scorecard:
    """Compute all dimensions of an account as of a day."""
    values = {
        "usage_trend": _usage_trend(view),
        "active_users": _active_users(view),
        "seat_utilisation": _seat_utilisation(view),
        "feature_breadth": _feature_breadth(view),
        "support": _support(view.account),
        "billing": _billing(view),
        "sentiment": _sentiment(view),
        "engagement": _engagement(view),
    }
    present = {name: value for name, value in values.items() if value is not None}
    weight = sum(WEIGHTS[name] for name in present)
    score = None
    if weight:
        exact = 100 * sum(WEIGHTS[name] * value for name, value in present.items()) / weight
        score = round(10 * exact) / 10
    return Scorecard(present, weight / 29, score)


def _judged(view: View) -> bool:
    return view.level is not None and 28 * view.level.mean >= 20 * view.level.dispersion


def _usage_trend(view: View) -> float | None:
    if not _judged(view):
        return None
    assert view.level is not None
    ratio = view.actions(view.day - 27, view.day) / (28 * view.level.mean)
    return clip((ratio - 0.4) / 0.6)


def _active_users(view: View) -> float | None:
    base = view.user_days(view.base_days)
    if view.level is None or base == 0 or not _judged(view):
        return None
    mean = base / view.level.n
    ratio = view.user_days(range(view.day - 27, view.day + 1)) / (28 * mean)
    return clip((ratio - 0.4) / 0.6)


def _seat_utilisation(view: View) -> float | None:
    if view.seats <= 0:
        return None
    return clip(view.users_active(view.day - 27, view.day) / (0.8 * view.seats))


def _feature_breadth(view: View) -> float | None:
    before = view.features_used(view.day - 55, view.day - 28)
    if before == 0 or not _judged(view):
        return None
    return clip(view.features_used(view.day - 27, view.day) / before)


def _support(account: Account) -> float | None:
    if TICKETS not in account.topics_seen:
        return None
    p1 = sum(1 for ticket in account.tickets.values() if ticket.priority == "p1")
    return max(0.0, 1 - 0.25 * p1 - 0.1 * max(0, len(account.tickets) - 2))


def _billing(view: View) -> float | None:
    account = view.account
    if BILLING not in account.topics_seen:
        return None
    if account.subscriptions and not any(s.active for s in account.subscriptions.values()):
        return 0.0
    failed = overdue = False
    for invoice in account.invoices.values():
        due_at = invoice.due_at_ms
        failed = failed or invoice.failed >= 1
        overdue = overdue or invoice.overdue
        overdue = overdue or (due_at is not None and due_at + 3 * DAY_MS <= view.end_ms)
    return 1 - 0.5 * failed - 0.5 * overdue


def _sentiment(view: View) -> float | None:
    values = []
    for opinions in (view.account.pulses, view.account.surveys):
        last = _last_before(opinions, view.end_ms)
        if last and (last.expires_at_ms is None or last.expires_at_ms > view.end_ms):
            values.append(last.value)
    return sum(values) / len(values) if values else None


def _last_before(opinions: list[Opinion], end_ms: int) -> Opinion | None:
    last: Opinion | None = None
    for opinion in opinions:
        if opinion.occurred_at_ms < end_ms and (last is None or opinion.occurred_at_ms >= last.occurred_at_ms):
            last = opinion
    return last


def _engagement(view: View) -> float | None:
    if SIGNALS not in view.account.topics_seen:
        return None
    touches = sum(view.account.touches.get(x, 0) for x in range(view.day - 83, view.day + 1))
    return clip(touches / 3)


def candidate_band(band: str, card: Scorecard) -> str:
    """Return the band that the score calls for, given the present one."""
    if card.score is None or card.coverage < 0.4:
        return "grey"
    if band == "red" and card.score < 50:
        return "red"
    if band == "green" and card.score >= 65:
        return "green"
    if card.score < 40:
        return "red"
    return "green" if card.score >= 75 else "yellow"


def move_band(account: Account, candidate: str) -> bool:
    """Take the candidate at once or on its third day; tell whether the band moved."""
    if candidate == account.band:
        account.candidate_days = 0
        return False
    if candidate == account.candidate and account.candidate_days > 0:
        account.candidate_days += 1
    else:
        account.candidate, account.candidate_days = candidate, 1
    if "grey" in {account.band, candidate} or account.candidate_days >= 3:
        account.band, account.candidate_days = candidate, 0
        return True
    return False
