"""Usage events: who was active on which day, and what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.simulate.fleet import COUNTRIES, Fleet
from pipeline.simulate.incidents import (
    GROWTH_DAYS,
    GROWTH_FACTOR,
    HOLIDAY_DAYS,
    HOUR_MS,
    SLOW_DECLINE_FLOOR,
    Incident,
    decline_days,
    drop_factor,
    share_lost,
)
from pipeline.simulate.tables import USAGE, YEAR_DAYS, event_ids, pick, table_of
from pipeline.terms.arrays import F32, F64, I64, Bools
from pipeline.terms.calendar import public_holidays
from pipeline.terms.days import SATURDAY, weekdays
from schemas.topics import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.simulate.settings import SimulationSettings


FEATURES = (
    "dashboard", "reports", "search", "export", "comments", "tasks", "calendar", "automation",
    "integrations", "admin", "billing_page", "templates", "sharing", "audit_log",
)  # fmt: skip
ACTIONS = ("view", "create", "edit", "share", "export")
ROLES = ("admin", "editor", "viewer", "analyst")
SOURCES = ("web", "mobile", "api")
# Middle of the working day in UTC, by country.
_NOON_H = np.array([17.5, 11.0, 12.0, 11.0, 11.0])
_TEAM_ROLE = ROLES.index("analyst")
_MOST_ACTIVE = 0.96
_HOLIDAY_LEFT = 0.1
"""Of a day's activity on a public holiday."""


def usage_table(
    settings: SimulationSettings, fleet: Fleet, incidents: Sequence[Incident], rng: np.random.Generator
) -> pa.Table:
    """All usage events, in order of `occurred_at`."""
    rates = _rates(settings, fleet, incidents, rng)
    users, days = np.nonzero(rng.random(rates.shape, dtype=np.float32) < rates)
    accounts = fleet.users.account[users]
    counts = 1 + _negative_binomial(
        fleet.actions[accounts] * _intensity(settings, fleet, incidents)[accounts, days], rng
    )
    users, days, accounts = (np.repeat(column, counts) for column in (users, days, accounts))
    occurred_at = settings.start_ms + days * DAY_MS + _time_of_day_ms(fleet.country[accounts], rng)
    order = np.argsort(occurred_at, kind="stable")
    return _table(settings, fleet, incidents, users[order], occurred_at[order], rng)


def _rates(settings: SimulationSettings, fleet: Fleet, incidents: Sequence[Incident], rng: np.random.Generator) -> F32:
    """Probability of each user being active on each day."""
    at_work = weekdays(settings.calendar_days[0], settings.calendar_days[-1]) < SATURDAY
    by_account = np.where(at_work, 1.0, fleet.weekend[:, None])
    # What moves all users of an account on one day: makes daily counts more dispersed than Poisson.
    by_account = by_account * rng.gamma(40.0, 1 / 40.0, by_account.shape)
    by_account *= fleet.growth[:, None] ** (np.arange(settings.days) / YEAR_DAYS)
    for number, country in enumerate(COUNTRIES):
        free = public_holidays(country, settings.calendar_days)
        by_account[np.ix_(fleet.country == number, free)] *= _HOLIDAY_LEFT
    rates = (fleet.users.rate[:, None] * by_account[fleet.users.account]).astype(np.float32)
    roles = _roles(fleet, incidents)
    for incident in incidents:
        if incident.account is not None:
            members = fleet.users.of(incident.account)
            _apply(
                incident,
                rates[members, incident.day :],
                fleet.users.power[members],
                fleet.users.rate[members],
                roles[members],
            )
    rates[np.arange(settings.days) < fleet.users.first_day[:, None]] = 0
    return np.minimum(rates, np.float32(_MOST_ACTIVE))


def _apply(incident: Incident, rates: F32, power: Bools, base: F64, roles: I64) -> None:
    """Change, in place, the rates of an account's users from the day of the incident on."""
    match incident.kind:
        case "power_user_decline" | "role_decline":
            lost = share_lost(incident)
            fewer = power if incident.kind == "power_user_decline" else roles == ROLES.index("editor")
            # Others make up for what is lost, so that the total stays flat; power users cannot do much more.
            more = ~power & ~fewer
            rates[fewer] *= np.float32(1 - lost)
            rates[more] *= np.float32(1 + lost * base[fewer].sum() / base[more].sum())
        case "silence":
            rates *= 0
        case "usage_drop" | "renewal_at_risk":
            rates *= np.float32(drop_factor(incident))
        case "slow_decline":
            done = np.minimum(1.0, (np.arange(rates.shape[1]) + 1) / decline_days(incident))
            rates *= (1 - (1 - SLOW_DECLINE_FLOOR) * done).astype(np.float32)
        case "champion_loss":
            rates[0] = 0
        case "company_holiday":
            rates[:, :HOLIDAY_DAYS] = 0


def _intensity(settings: SimulationSettings, fleet: Fleet, incidents: Sequence[Incident]) -> F64:
    """What multiplies the actions of a user-day, by account and day."""
    intensity = np.ones((settings.accounts, settings.days))
    for incident in incidents:
        if incident.kind == "sustained_growth" and incident.account is not None:
            done = np.minimum(1.0, (np.arange(settings.days - incident.day) + 1) / GROWTH_DAYS)
            # The first action of a user-day does not grow, so the others grow by more.
            actions = fleet.actions[incident.account]
            intensity[incident.account, incident.day :] += done * (GROWTH_FACTOR - 1) * (1 + actions) / actions
    return intensity


def _negative_binomial(mean: F64, rng: np.random.Generator) -> I64:
    """Counts with variance `mean + mean² / 2.5`."""
    return rng.poisson(mean * rng.gamma(2.5, 1 / 2.5, len(mean)))


def _time_of_day_ms(country: I64, rng: np.random.Generator) -> I64:
    hours = rng.normal(_NOON_H[country], 2.4)
    return np.clip(hours * HOUR_MS, 0, DAY_MS - 1).astype(np.int64)


def _features(settings: SimulationSettings, accounts: I64, rng: np.random.Generator) -> I64:
    """A feature for each event, from its account's own taste."""
    popularity = 1 / np.arange(1, len(FEATURES) + 1) ** 0.8
    taste = popularity * rng.gamma(1.5, 1.0, (settings.accounts, len(FEATURES)))
    cumulative = np.cumsum(taste, axis=1)
    cumulative /= cumulative[:, -1:]
    # One ascending line for all accounts: account a has the stretch (a, a + 1].
    line = (cumulative + np.arange(settings.accounts)[:, None]).ravel()
    found = np.searchsorted(line, accounts + rng.random(len(accounts)))
    features: I64 = np.minimum(found - accounts * len(FEATURES), len(FEATURES) - 1)
    return features


def _abandon(features: I64, accounts: I64, occurred_at: I64, incidents: Sequence[Incident]) -> None:
    """In place: from an incident on, an account's favourite feature gives way to what it does otherwise."""
    for incident in incidents:
        if incident.kind == "feature_abandonment":
            own = np.flatnonzero(accounts == incident.account)
            after = own[occurred_at[own] >= incident.at_ms]
            favourite = np.bincount(features[own], minlength=len(FEATURES)).argmax()
            others = features[own][features[own] != favourite]
            lost = after[features[after] == favourite]
            features[lost] = np.resize(others, len(lost))


def _renamed(fleet: Fleet, users: I64, occurred_at: I64, incidents: Sequence[Incident]) -> I64:
    """Places of users in the list of their ids followed by that of their new ids after a reorganisation."""
    moved = np.full(len(fleet.account_ids), np.iinfo(np.int64).max)
    for incident in incidents:
        if incident.kind == "reorganisation" and incident.account is not None:
            moved[incident.account] = incident.at_ms
    return users + np.where(occurred_at >= moved[fleet.users.account[users]], fleet.users.count, 0)


def _roles(fleet: Fleet, incidents: Sequence[Incident]) -> I64:
    """Role of each user: power users administrate, a new team brings its own."""
    users = fleet.users
    roles = np.where(users.power, 0, 1 + np.arange(users.count) % 2)
    for incident in incidents:
        if incident.kind == "new_team" and incident.account is not None:
            members = users.of(incident.account)
            roles[members] = np.where(users.first_day[members] >= incident.day, _TEAM_ROLE, roles[members])
    return roles


def _table(
    settings: SimulationSettings,
    fleet: Fleet,
    incidents: Sequence[Incident],
    users: I64,
    occurred_at: I64,
    rng: np.random.Generator,
) -> pa.Table:
    n = len(users)
    accounts = fleet.users.account[users]
    features = _features(settings, accounts, rng)
    _abandon(features, accounts, occurred_at, incidents)
    source = rng.choice(len(SOURCES), n, p=(0.82, 0.11, 0.07))
    machine = source == SOURCES.index("api")
    ids = (*fleet.users.ids, *(f"m{user[1:]}" for user in fleet.users.ids))
    quantity = np.where(rng.random(n) < 0.92, 1, 1 + rng.geometric(0.45, n)).astype(np.float64)
    duration_ms = np.minimum(rng.lognormal(np.log(60_000), 0.9, n), HOUR_MS).astype(np.int64)
    columns: dict[str, Any] = {
        "event_id": event_ids(settings.seed, "u", n),
        "account_id": pick(fleet.account_ids, accounts),
        "user_id": pick(ids, _renamed(fleet, users, occurred_at, incidents), null=machine),
        "feature": pick(FEATURES, features),
        "action": pick(ACTIONS, rng.choice(len(ACTIONS), n, p=(0.55, 0.18, 0.17, 0.06, 0.04))),
        "occurred_at": pa.array(occurred_at),
        "quantity": pa.array(quantity),
        "duration_ms": pc.if_else(pa.array(machine), pa.scalar(None, pa.int64()), pa.array(duration_ms)),
        "source": pick(SOURCES, source),
        "role": pick(ROLES, _roles(fleet, incidents)[users], null=machine),
    }
    return table_of(columns, USAGE, n)
