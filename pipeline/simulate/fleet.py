"""The made-up accounts and their users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulate.incidents import SEATS_FILL_DAYS, TEAM_JOINS_DAYS, TEAM_SHARE, Incident, users_needed
from pipeline.terms.arrays import F64, I64, Bools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.simulate.settings import SimulationSettings


COUNTRIES = ("US", "DE", "GB", "FR", "NL")
_COUNTRY_SHARE = (0.38, 0.2, 0.18, 0.14, 0.1)
CURRENCIES = ("USD", "EUR", "GBP", "EUR", "EUR")
TIMEZONES = ("America/New_York", "Europe/Berlin", "Europe/London", "Europe/Paris", "Europe/Amsterdam")
SEGMENTS = ("smb", "mid_market", "enterprise")
SEAT_PRICE_MINOR = (2900, 4900, 7900)
"""Price of a seat a month, by segment, in hundredths of the currency."""
_CHAMPION_RATE = 0.9
POWER_SHARE = 0.25
"""Share of an account's users that are power users."""

_FIRST_WORDS = (
    "Harbor", "Alder", "Northwind", "Cobalt", "Granite", "Juniper", "Lumen", "Meridian", "Orchard", "Pioneer",
    "Quarry", "Redwood", "Silverline", "Tidewater", "Umbra", "Vantage", "Westgate", "Yarrow", "Zephyr",
    "Beacon",
)  # fmt: skip
_SECOND_WORDS = (
    "Logistics", "Health", "Foods", "Robotics", "Media", "Energy", "Labs", "Finance", "Retail", "Travel",
    "Insurance", "Motors", "Textiles", "Software", "Studios", "Farms", "Security", "Education", "Mining",
    "Optics",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Users:
    """Users of all accounts as parallel arrays, those of one account together."""

    ids: tuple[str, ...]
    account: I64
    rate: F64
    """Probability of being active on a working day."""
    power: Bools
    first_day: I64

    @property
    def count(self) -> int:
        """Of all accounts."""
        return len(self.ids)

    def champion(self, account: int) -> int:
        """Where the one stands who does most of an account's work and speaks for it: its first power user."""
        return int(np.searchsorted(self.account, account))

    def of(self, account: int) -> slice:
        """Where the users of an account stand in the arrays."""
        first, end = np.searchsorted(self.account, [account, account + 1])
        return slice(int(first), int(end))


@dataclass(frozen=True, slots=True)
class Fleet:
    """Accounts as parallel arrays, and their users."""

    account_ids: tuple[str, ...]
    names: tuple[str, ...]
    country: I64
    """Index into `COUNTRIES`."""
    segment: I64
    """Index into `SEGMENTS`."""
    seats: I64
    mrr_minor: I64
    start_day: I64
    """Day of the stream on which the account begins; most were there before and have 0."""
    billing_day: I64
    """Day of its 30-day cycle on which it is invoiced."""
    renewal_day: I64
    """Day of the stream, possibly after its end, on which the contract is renewed first."""
    weekend: F64
    """Activity on a Saturday or Sunday relative to a working day."""
    actions: F64
    """Mean number of events beyond the first of an active user on a day."""
    growth: F64
    """Activity after a year relative to today's."""
    users: Users


def draw_fleet(
    settings: SimulationSettings, country: I64, incidents: Sequence[Incident], rng: np.random.Generator
) -> Fleet:
    """Draw accounts of heavy-tailed size; one with an incident is fitted to it (users, billing, renewal)."""
    n = settings.accounts
    incident_of = {incident.account: incident for incident in incidents if incident.account is not None}
    users = np.clip(np.exp(rng.normal(np.log(8.0), 0.85, n)), 3, 160).astype(np.int64)
    start_day = np.where(rng.random(n) < 0.1, rng.integers(1, max(2, min(60, settings.days)), n), 0)
    billing_day = rng.integers(0, 30, n)
    # Long enough after the first day for every account to be judged before its renewal comes into sight.
    renewal_day = rng.integers(150, 500, n)
    for account, incident in incident_of.items():
        users[account] = max(users[account], users_needed(incident) + users[account] % 7)
        start_day[account] = 0
        if incident.kind == "payment_failed":
            billing_day[account] = incident.day % 30
        if incident.kind == "renewal_at_risk":
            renewal_day[account] = incident.day + 30 + int(40 * incident.strength)
    segment = np.digitize(users, [10, 40])
    seats = np.ceil(users / rng.uniform(0.5, 0.74, n)).astype(np.int64)
    numbers = rng.permutation(len(_FIRST_WORDS) * len(_SECOND_WORDS))
    return Fleet(
        account_ids=tuple(f"acc-{i + 1:05d}" for i in range(n)),
        names=tuple(_name(i, numbers) for i in range(n)),
        country=country,
        segment=segment,
        seats=seats,
        mrr_minor=seats * np.array(SEAT_PRICE_MINOR)[segment],
        start_day=start_day,
        billing_day=billing_day,
        renewal_day=renewal_day,
        weekend=rng.uniform(0.04, 0.25, n),
        actions=rng.uniform(1.8, 4.2, n),
        users=_draw_users(users, seats, start_day, incident_of, rng),
        growth=np.exp(rng.normal(0.03, 0.12, n)),
    )


def _draw_users(
    counts: I64, seats: I64, start_day: I64, incident_of: dict[int, Incident], rng: np.random.Generator
) -> Users:
    members, first_day = _members(counts, seats, start_day, incident_of, rng)
    account = np.repeat(np.arange(len(counts)), members)
    total = len(account)
    # The first users of an account are its power users, the last those who join later.
    place = np.arange(total) - np.repeat(np.cumsum(members) - members, members)
    power = place < np.maximum(1, np.round(POWER_SHARE * counts)).astype(np.int64)[account]
    joins_later = place >= counts[account]
    rate = np.where(power, rng.uniform(0.62, 0.85, total), np.clip(rng.beta(2.2, 8.0, total), 0.1, 0.26))
    rate[place == 0] = _CHAMPION_RATE
    return Users(
        ids=tuple(f"u{a + 1:05d}-{p + 1:03d}" for a, p in zip(account, place, strict=True)),
        account=account,
        rate=np.where(joins_later, rng.uniform(0.25, 0.45, total), rate),
        power=power,
        first_day=first_day,
    )


def draw_countries(accounts: int, rng: np.random.Generator) -> I64:
    """A country for each account, as index into `COUNTRIES`."""
    return rng.choice(len(COUNTRIES), accounts, p=_COUNTRY_SHARE).astype(np.int64)


def _members(
    users: I64, seats: I64, start_day: I64, incident_of: dict[int, Incident], rng: np.random.Generator
) -> tuple[I64, I64]:
    """Users per account including those who join later, and the first day of each user."""
    members, within_days = users.copy(), {}
    for account, incident in incident_of.items():
        if incident.kind == "seat_saturation":
            members[account], within_days[account] = seats[account], SEATS_FILL_DAYS
        elif incident.kind == "new_team":
            members[account] += round(TEAM_SHARE * users[account])
            within_days[account] = TEAM_JOINS_DAYS
    first_day = np.repeat(start_day, members)
    ends = np.cumsum(members)
    for account, days in within_days.items():
        joiners = int(members[account] - users[account])
        first_day[ends[account] - joiners : ends[account]] = incident_of[account].day + rng.integers(0, days, joiners)
    return members, first_day


def _name(i: int, numbers: I64) -> str:
    round_, number = divmod(i, len(numbers))
    first, second = divmod(int(numbers[number]), len(_SECOND_WORDS))
    suffix = f" {round_ + 1}" if round_ else ""
    return f"{_FIRST_WORDS[first]} {_SECOND_WORDS[second]}{suffix}"
