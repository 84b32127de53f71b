"""The scorecard and the band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.oracle.alerts import profile_of
from tests.oracle.fleet import level_of_use
from tests.oracle.model import BILLING, DAY_MS, TICKETS, Account, Opinion, OracleConfig, Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.oracle.view import View

DEFAULT = {
    "id": "default",
    "version": 3,
    "criteria": {
        "usage_trend": 5,
        "active_weeks": 4,
        "usage_level": 3,
        "active_users": 4,
        "seat_utilisation": 3,
        "feature_breadth": 3,
        "power_users": 4,
        "support": 4,
        "billing": 5,
        "contract": 3,
        "sentiment": 3,
        "engagement": 2,
        "attendance": 1,
        "commitments": 2,
        "sponsor": 2,
        "champion": 1,
    },
    "bands": {"min_coverage": 0.1},
}
ON_USAGE = {
    "usage_trend", "active_weeks", "usage_level", "active_users", "seat_utilisation", "feature_breadth",
    "power_users", "first_use", "adoption_ladder", "seats_activated", "feature_adoption", "feature:home",
    "personas",
}  # fmt: skip
BANDS = {
    "red_below": 40,
    "red_until": 50,
    "green_from": 75,
    "green_until": 65,
    "hold_days": 3,
    "min_coverage": 0.4,
    "cap": True,
}
EXPECTS = {"seat_share": 0.8, "touches": 3, "daily_actions": 0}
NESTED = "scorecard:"
Expects = dict[str, float]


@dataclass(frozen=True)
class Total:
    """Dimension values and what follows from them."""

    dimensions: dict[str, float]
    coverage: float
    score: float | None
    knows_usage: bool = True
    """Whether a criterion on usage is present, if there is any."""


def clip(x: float) -> float:
    """Limit a value to 0…1."""
    return min(1.0, max(0.0, x))


def definition(name: str, config: OracleConfig, expects: dict[str, float]) -> dict[str, Any]:
    """Write down all that decides a score by one scorecard."""
    card = {each["id"]: each for each in (DEFAULT, *config.cards)}[name]
    nested = [each.removeprefix(NESTED) for each in card["criteria"] if each.startswith(NESTED)]
    return {
        "version": card["version"],
        "criteria": card["criteria"],
        "bands": BANDS | card.get("bands", {}),
        "nested": {each: definition(each, config, expects) for each in nested},
        "expects": EXPECTS | expects,
    }


def judged_by(account: Account, config: OracleConfig) -> tuple[list[str], dict[str, float]]:
    """Return the scorecards that judge an account, the primary one first, and what is expected of it."""
    shadows = {card["id"] for card in config.cards if card.get("shadow")}
    profile = profile_of(account, config)
    names, expects = list(profile.get("scorecards", config.health_cards)), profile.get("expects", {})
    primary = next(name for name in names if name not in shadows)
    names.remove(primary)
    return [primary, *names], expects


def total(view: View, by: dict[str, Any]) -> Total:
    """Score an account as of a day."""
    values, knows_usage = {}, False
    for name in by["criteria"]:
        inner = by["nested"].get(name.removeprefix(NESTED))
        value = _total_of(view, inner) if inner else DIMENSIONS[name](view, by["expects"])
        if value is not None:
            values[name] = value
            asks = asks_for_usage(inner) and total(view, inner).knows_usage if inner else name in ON_USAGE
            knows_usage = knows_usage or asks
    weight = sum(by["criteria"][name] for name in values)
    score = None
    if weight:
        exact = 100 * sum(by["criteria"][name] * value for name, value in values.items()) / weight
        score = round(10 * exact) / 10
    return Total(values, weight / sum(by["criteria"].values()), score, knows_usage or not asks_for_usage(by))


def asks_for_usage(by: dict[str, Any]) -> bool:
    """Tell whether a criterion is about usage, in a nested scorecard too."""
    return any(name in ON_USAGE for name in by["criteria"]) or any(map(asks_for_usage, by["nested"].values()))


def _total_of(view: View, by: dict[str, Any]) -> float | None:
    inner = total(view, by)
    if inner.score is None or inner.coverage < by["bands"]["min_coverage"]:
        return None
    return inner.score / 100


def _judged(view: View) -> bool:
    return view.level is not None and view.level.lag >= 28 and 28 * view.level.mean >= 20 * view.level.noise


def _counted_days(view: View) -> float:
    return sum(view.factor(x) for x in range(view.day - 27, view.day + 1))


def _usage_trend(view: View, expects: Expects) -> float | None:
    used = view.actions(view.day - 27, view.day)
    first = view.account.first_usage_day
    if view.level is None and expects["daily_actions"] > 0 and first is not None and first <= view.day - 6:
        return clip((used / (min(28, view.day - first + 1) * expects["daily_actions"]) - 0.4) / 0.6)
    if not _judged(view) or _counted_days(view) < 7:
        return None
    assert view.level is not None
    return clip((view.counted_actions(28) / (_counted_days(view) * view.level.mean) - 0.4) / 0.6)


def _active_weeks(view: View, expects: Expects) -> float | None:
    first, days = view.account.first_usage_day, view.account.active_days
    known = 0 if first is None else min(13, (view.day - first + 1) // 7)
    came = [any(view.day - 7 * back - x in days for x in range(7)) for back in range(13)]
    telling = sum(active or not view.quiet(view.day - 7 * back) for back, active in enumerate(came[:known]))
    return clip(sum(came) / telling) if known >= 4 and telling else None


def _usage_level(view: View, expects: Expects) -> float | None:
    mine, levels = level_of_use(view), view.levels()
    if mine is None or not levels:
        return None
    return clip(2 * (sum(each < mine for each in levels) + levels.count(mine) / 2) / len(levels))


def _active_users(view: View, expects: Expects) -> float | None:
    base = view.user_days(view.window)
    if view.level is None or base == 0 or not _judged(view) or _counted_days(view) < 7 or view.account.unseen:
        return None
    mean = base / view.level.n
    ratio = view.user_days(range(view.day - 27, view.day + 1)) / (_counted_days(view) * mean)
    return clip((ratio - 0.4) / 0.6)


def _seat_utilisation(view: View, expects: Expects) -> float | None:
    if view.seats <= 0 or view.users_active(view.day - 83, view.day) == 0 or not view.used_since(view.day - 6):
        return None
    if view.account.unseen:
        return None
    return clip(view.users_active(view.day - 27, view.day) / (expects["seat_share"] * view.seats))


def _feature_breadth(view: View, expects: Expects) -> float | None:
    before = view.features_used(view.day - 55, view.day - 28)
    if before == 0 or not _judged(view):
        return None
    return clip(view.features_used(view.day - 27, view.day) / before)


def _support(view: View, expects: Expects) -> float | None:
    account = view.account
    if TICKETS not in account.topics_seen:
        return None
    p1 = sum(1 for ticket in account.tickets.values() if ticket.priority == "p1")
    return max(0.0, 1 - 0.25 * p1 - 0.1 * max(0, len(account.tickets) - 2))


def _billing(view: View, expects: Expects) -> float | None:
    account = view.account
    if BILLING not in account.topics_seen:
        return None
    if account.subscriptions and not any(s.active for s in account.subscriptions.values()):
        return 0.0
    failed = overdue = False
    for invoice in account.invoices.values():
        if invoice.costs_nothing():
            continue
        due_at = invoice.due_at_ms
        failed = failed or invoice.failed >= 1
        overdue = overdue or invoice.overdue
        overdue = overdue or (due_at is not None and due_at + 3 * DAY_MS <= view.end_ms)
    return 1 - 0.5 * failed - 0.5 * overdue


def _sentiment(view: View, expects: Expects) -> float | None:
    values = [value for value in (_pulse(view, expects), _survey(view, expects)) if value is not None]
    return sum(values) / len(values) if values else None


def _pulse(view: View, expects: Expects) -> float | None:
    return _last_valid(view.account.pulses, view.end_ms)


def _survey(view: View, expects: Expects) -> float | None:
    return _last_valid(view.account.surveys, view.end_ms)


def _support_quality(view: View, expects: Expects) -> float | None:
    return _last_valid(view.account.qualities, view.end_ms)


def _last_valid(opinions: list[Opinion], end_ms: int) -> float | None:
    last = _last_before(opinions, end_ms)
    return last.value if last and (last.expires_at_ms is None or last.expires_at_ms > end_ms) else None


def _last_before(opinions: list[Opinion], end_ms: int) -> Opinion | None:
    last: Opinion | None = None
    for opinion in opinions:
        if opinion.occurred_at_ms < end_ms and (last is None or opinion.occurred_at_ms >= last.occurred_at_ms):
            last = opinion
    return last


def _engagement(view: View, expects: Expects) -> float | None:
    if not view.account.meetings:
        return None
    touches = sum(view.account.touches.get(x, 0) for x in range(view.day - 83, view.day + 1))
    return clip(touches / expects["touches"])


def _adoption_ladder(view: View, expects: Expects) -> float | None:
    if not view.used_since(view.day):
        return None
    weeks = [range(view.day - 7 * k - 6, view.day - 7 * k + 1) for k in range(4)]
    if not all(any(x in view.account.active_days for x in week) for week in weeks):
        return 1 / 3
    return 2 / 3 if len(view.power_users) < 3 else 1.0


def _first_use(view: View, expects: Expects) -> float | None:
    return float(view.used_since(view.day))


def _seats_activated(view: View, expects: Expects) -> float | None:
    users = view.users_active(view.day - 83, view.day)
    return clip(users / view.seats) if view.seats > 0 and users else None


def _feature_adoption(view: View, expects: Expects) -> float | None:
    four_weeks = set(range(view.day - 27, view.day + 1))
    adopted = sum(1 for days in view.account.features.values() if len(days & four_weeks) >= 4)
    entitled = len((view.account.profile or {}).get("entitled_features") or ())
    used = view.features_used(view.day - 83, view.day)
    return clip(adopted / (entitled or used)) if used else None


def _feature_home(view: View, expects: Expects) -> float | None:
    used = view.account.features.get("home", set()) & set(range(view.day - 27, view.day + 1))
    return clip(len(used) / 4) if view.used_since(view.day) else None


def _goals(kind: str) -> Callable[[View, Expects], float | None]:
    def reached(view: View, expects: Expects) -> float | None:
        return _share([goal.reached for (of, _), goal in view.account.goals.items() if of == kind])

    return reached


def _share(done: list[bool]) -> float | None:
    return done.count(True) / len(done) if done else None


def _person(role: str) -> Callable[[View, Expects], float | None]:
    def there(view: View, expects: Expects) -> float | None:
        if any(each.there and each.role == role for each in view.account.contacts.values()):
            return 1.0
        return 0.0 if role in view.account.roles_had else None

    return there


def _commitments(view: View, expects: Expects) -> float | None:
    goals = view.account.goals.values()
    due = [each for each in goals if each.reached or (each.due_at_ms is not None and each.due_at_ms <= view.end_ms)]
    return _share([each.reached for each in due])


def _contract(view: View, expects: Expects) -> float | None:
    priced = [each for each in view.account.subscriptions.values() if each.active and each.mrr_minor is not None]
    if not priced:
        return None
    falls = [each.fall[1] for each in priced if each.fall]
    if not falls or max(falls) + 84 * DAY_MS <= view.end_ms:
        return 1.0
    kept = []
    for currency in {each.currency for each in priced}:
        own = [each for each in priced if each.currency == currency]
        now = sum(each.mrr_minor or 0 for each in own)
        before = sum(max(each.mrr_minor or 0, each.fall[0] if each.fall else 0) for each in own)
        kept.append(now / before if before else 1.0)
    return clip((min(kept) - 0.4) / 0.6)


def _power_users(view: View, expects: Expects) -> float | None:
    days = sum(view.factor(x) for x in range(view.day - 13, view.day + 1))
    if not view.weeks or len(view.power_users) < 3 or days < 10 or view.account.unseen:
        return None
    usual = days * view.share(view.reference[0], view.reference[-1]).power / len(view.reference)
    return clip((view.share(view.day - 13, view.day).power / usual - 0.4) / 0.6)


def _attendance(view: View, expects: Expects) -> float | None:
    return _share([held for _, _, held in sorted(view.account.meetings)[-12:]])


def _integrations(view: View, expects: Expects) -> float | None:
    return _share(list(view.account.connected.values()))


def _reference(view: View, expects: Expects) -> float | None:
    if not view.account.references:
        return None
    return float(any(at_ms + 365 * DAY_MS > view.end_ms for at_ms in view.account.references))


def _survey_response(view: View, expects: Expects) -> float | None:
    if _last_before(view.account.surveys, view.end_ms) is None:
        return None
    return 0.0 if _survey(view, expects) is None else 1.0


def _training(view: View, expects: Expects) -> float | None:
    here = {each.role for each in view.account.contacts.values() if each.there and each.role}
    return _share([role in view.account.roles_trained for role in here]) if view.account.roles_trained else None


def _personas(view: View, expects: Expects) -> float | None:
    def seen(days: int) -> set[str]:
        found = set()
        for user, active in view.account.users.items():
            told = view.account.roles.get(user)
            if told and any(view.day - days < x <= view.day for x in active):
                found.add(max(told, key=lambda role: (told[role], view.config.id_hash(role))))
        return found

    return len(seen(28)) / len(seen(84)) if seen(84) else None


DIMENSIONS: dict[str, Callable[[View, Expects], float | None]] = {
    "usage_trend": _usage_trend,
    "active_weeks": _active_weeks,
    "usage_level": _usage_level,
    "active_users": _active_users,
    "seat_utilisation": _seat_utilisation,
    "feature_breadth": _feature_breadth,
    "support": _support,
    "billing": _billing,
    "sentiment": _sentiment,
    "engagement": _engagement,
    "first_use": _first_use,
    "adoption_ladder": _adoption_ladder,
    "seats_activated": _seats_activated,
    "feature_adoption": _feature_adoption,
    "feature:home": _feature_home,
    "pulse": _pulse,
    "survey": _survey,
    "support_quality": _support_quality,
    "milestones": _goals("milestone"),
    "outcomes": _goals("outcome"),
    "sponsor": _person("sponsor"),
    "champion": _person("champion"),
    "commitments": _commitments,
    "contract": _contract,
    "power_users": _power_users,
    "attendance": _attendance,
    "integrations": _integrations,
    "reference": _reference,
    "survey_response": _survey_response,
    "training": _training,
    "personas": _personas,
}


def candidate_band(band: str, found: Total, rule: dict[str, float]) -> str:
    """Return the band that the score calls for, given the present one."""
    if found.score is None or found.coverage < rule["min_coverage"] or not found.knows_usage:
        return "grey"
    if band == "red" and found.score < rule["red_until"]:
        return "red"
    if band == "green" and found.score >= rule["green_until"]:
        return "green"
    if found.score < rule["red_below"]:
        return "red"
    return "green" if found.score >= rule["green_from"] else "yellow"


def move_band(standing: Standing, candidate: str) -> bool:
    """Take the candidate at once or when it has held; tell whether the band moved."""
    if candidate == standing.band:
        standing.candidate_days = 0
        return False
    if candidate == standing.candidate and standing.candidate_days > 0:
        standing.candidate_days += 1
    else:
        standing.candidate, standing.candidate_days = candidate, 1
    days = 84 if candidate == "grey" else standing.by["bands"]["hold_days"]
    if standing.band == "grey" or standing.candidate_days >= days:
        standing.band, standing.candidate_days = candidate, 0
        return True
    return False


def parts_of_change(before: Total, after: Total, weights: dict[str, int]) -> tuple[tuple[str, float], ...]:
    """Take the score from the one to the other in three steps, and note what each criterion does in its step."""
    if before.score is None or after.score is None:
        return ()

    def mean(values: dict[str, float], default: float) -> float:
        whole = sum(weights[name] for name in values)
        return 100 * sum(weights[name] * value for name, value in values.items()) / whole if whole else default

    was, now = before.dimensions, after.dimensions
    old = {name: value for name, value in was.items() if name in now}
    new = {name: value for name, value in now.items() if name in was}
    parts = {}
    for name in was.keys() - now.keys():
        parts[name] = weights[name] * (mean(old, before.score) - 100 * was[name]) / sum(weights[each] for each in was)
    for name, value in old.items():
        parts[name] = 100 * weights[name] * (new[name] - value) / sum(weights[each] for each in old)
    for name in now.keys() - was.keys():
        parts[name] = weights[name] * (100 * now[name] - mean(new, before.score)) / sum(weights[each] for each in now)
    return tuple(parts.items())
