"""Which accounts have which incident, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.labels import ACCOUNT_INCIDENTS, DAY_MS, FLEET, FLEET_INCIDENTS, Label

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from pipeline.simulate.settings import SimulationSettings

ACCOUNT_KINDS = tuple(ACCOUNT_INCIDENTS)
FLEET_KINDS = tuple(FLEET_INCIDENTS)

HOUR_MS = 3_600_000

SLOW_DECLINE_DAYS = 28
SLOW_DECLINE_FLOOR = 0.25
GROWTH_DAYS = 14
GROWTH_FACTOR = 2.2
SEATS_FILL_DAYS = 18
SURGE_DAYS = 5

# Days that must be left in the stream after the beginning, so that there is something to see.
_DAYS_AFTER = {
    "power_user_decline": 28,
    "silence": 24,
    "usage_drop": 24,
    "slow_decline": 36,
    "payment_failed": 12,
    "ticket_surge": 12,
    "p1_open": 10,
    "seat_saturation": 34,
    "sustained_growth": 36,
    "renewal_at_risk": 32,
    "holiday": 6,
    "feed_outage": 6,
    "duplicates_replay": 6,
    "late_data": 8,
}

# Users an account needs for the incident to be visible above its noise.
MIN_USERS = {
    "power_user_decline": 40,
    "silence": 8,
    "usage_drop": 14,
    "slow_decline": 24,
    "seat_saturation": 12,
    "sustained_growth": 30,
    "renewal_at_risk": 20,
}


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident of one account or, with `account` None, of the fleet."""

    kind: str
    account: int | None
    day: int
    """Day of the stream on which it begins."""
    at_ms: int
    ends_at_ms: int | None
    strength: float
    """A uniform draw from [0, 1): each kind derives its depth or length from it."""
    country: str | None = None
    """Whose holiday."""

    def label(self, account_ids: Sequence[str]) -> Label:
        """The label that a stream carries for it."""
        account_id = FLEET if self.account is None else account_ids[self.account]
        return Label(account_id, self.kind, self.at_ms, self.ends_at_ms, _detail(self))


def power_cut(incident: Incident) -> float:
    """Share of their activity that power users lose: 0.7 to 1."""
    return 0.7 + 0.3 * incident.strength


def drop_factor(incident: Incident) -> float:
    """What is left of the activity: 0.25 to 0.45."""
    return 0.25 + 0.2 * incident.strength


def _detail(incident: Incident) -> str:
    """What was done to the account, for people who read the labels."""
    left = round(100 * drop_factor(incident))
    return {
        "power_user_decline": f"power users {-round(100 * power_cut(incident))} %, total unchanged",
        "usage_drop": f"usage {left - 100} %",
        "renewal_at_risk": f"usage {left - 100} % before the renewal",
        "slow_decline": f"usage down to {round(100 * SLOW_DECLINE_FLOOR)} % over {SLOW_DECLINE_DAYS} days",
        "seat_saturation": f"every seat taken within {SEATS_FILL_DAYS} days",
        "sustained_growth": f"usage up to {round(100 * GROWTH_FACTOR)} % over {GROWTH_DAYS} days",
        "holiday": f"country {incident.country}",
    }.get(incident.kind, "")


def plan_incidents(settings: SimulationSettings, countries: Sequence[str], rng: np.random.Generator) -> list[Incident]:
    """Incidents of accounts, none sharing an account, then those of the fleet, none sharing a day."""
    kinds = [kind for kind in ACCOUNT_KINDS if kind in settings.kinds]
    wanted = [kind for _ in range(settings.incidents_per_kind) for kind in kinds]
    candidates = rng.permutation(settings.accounts)[: settings.accounts // 2]
    incidents = [
        _account_incident(kind, int(account), settings, rng)
        for kind, account in zip(wanted, candidates, strict=False)
        if _last_day(kind, settings) >= settings.first_incident_day
    ]
    fleet = [kind for kind in FLEET_KINDS if kind in settings.kinds for _ in range(settings.fleet_incidents_per_kind)]
    taken: set[int] = set()
    for kind in fleet:
        days = _free_days(kind, settings, taken)
        if days:
            day = int(rng.choice(days))
            taken |= set(range(day - 2, day + 3))
            incidents.append(_fleet_incident(kind, day, countries, settings, rng))
    return incidents


def _last_day(kind: str, settings: SimulationSettings) -> int:
    return settings.days - _DAYS_AFTER[kind]


def _account_incident(kind: str, account: int, settings: SimulationSettings, rng: np.random.Generator) -> Incident:
    day = int(rng.integers(settings.first_incident_day, _last_day(kind, settings) + 1))
    strength = float(rng.random())
    midnight_ms = settings.start_ms + day * DAY_MS
    at_ms, ends_at_ms = midnight_ms, None
    match kind:
        case "payment_failed":
            at_ms = midnight_ms + 9 * HOUR_MS
        case "slow_decline":
            ends_at_ms = midnight_ms + SLOW_DECLINE_DAYS * DAY_MS
        case "ticket_surge":
            ends_at_ms = midnight_ms + SURGE_DAYS * DAY_MS
        case "p1_open":
            at_ms = midnight_ms + 10 * HOUR_MS
            ends_at_ms = at_ms + round((3 + 5 * strength) * DAY_MS)
    return Incident(kind, account, day, at_ms, ends_at_ms, strength)


def _free_days(kind: str, settings: SimulationSettings, taken: set[int]) -> list[int]:
    days = range(settings.first_incident_day, _last_day(kind, settings) + 1)
    first_weekday = settings.start_date.weekday()
    # What happens on a weekend nobody would see.
    return [day for day in days if day not in taken and (first_weekday + day) % 7 < 5]


def _fleet_incident(
    kind: str, day: int, countries: Sequence[str], settings: SimulationSettings, rng: np.random.Generator
) -> Incident:
    strength = float(rng.random())
    at_ms = settings.start_ms + day * DAY_MS
    country = None
    match kind:
        case "holiday":
            ends_at_ms = at_ms + DAY_MS
            # Drawn by account, so mostly a country that many accounts have.
            country = str(rng.choice(countries))
        case "feed_outage":
            at_ms += round(strength * 8) * HOUR_MS
            ends_at_ms = at_ms + round(5 + 19 * float(rng.random())) * HOUR_MS
        case "duplicates_replay":
            at_ms += DAY_MS + 10 * HOUR_MS
            ends_at_ms = at_ms + HOUR_MS
        case _:
            ends_at_ms = at_ms + 5 * DAY_MS
    return Incident(kind, None, day, at_ms, ends_at_ms, strength, country)
