"""Which accounts have which incident, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.scoring.labels import ACCOUNT_INCIDENTS, FLEET, FLEET_INCIDENTS, QUIET_INCIDENTS, Label
from pipeline.terms.calendar import public_holidays
from pipeline.terms.days import SATURDAY, weekday, weekdays
from schemas.topics import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.simulate.settings import SimulationSettings

ACCOUNT_KINDS = (*ACCOUNT_INCIDENTS, *QUIET_INCIDENTS)
FLEET_KINDS = tuple(FLEET_INCIDENTS)

HOUR_MS = 3_600_000

DROPS_LEFT = (0.2, 0.4, 0.6)
"""What a step drop may leave of the activity."""
DECLINE_DAYS = (28, 112, 224)
"""How long a slow decline may take: the longer two are about 8 % and 4 % a week."""
SLOW_DECLINE_FLOOR = 0.25
GROWTH_DAYS = 14
GROWTH_FACTOR = 2.2
SEATS_FILL_DAYS = 18
SURGE_DAYS = 5
TEAM_JOINS_DAYS = 10
TEAM_SHARE = 0.6
"""Users of a new team, relative to those who are there."""
HOLIDAY_DAYS = 2
RELEASE_DIP_DAYS = 4
RELEASE_DIP_LEFT = 0.55

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
    "champion_loss": 28,
    "feature_abandonment": 30,
    "role_decline": 30,
    "new_team": 36,
    "company_holiday": 8,
    "reorganisation": 30,
    "holiday": 6,
    "release_dip": 8,
    "feed_outage": 6,
    "duplicates_replay": 6,
    "late_data": 8,
}

# Users an account needs for the incident at its largest to be visible above its noise.
MIN_USERS = {
    "power_user_decline": 40,
    "silence": 8,
    "usage_drop": 14,
    "slow_decline": 24,
    "seat_saturation": 12,
    "sustained_growth": 30,
    "renewal_at_risk": 20,
    "champion_loss": 8,
    "feature_abandonment": 24,
    "role_decline": 60,
    "new_team": 20,
    "company_holiday": 20,
    "reorganisation": 24,
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


def share_lost(incident: Incident) -> float:
    """Share of their activity that power users, or the users of a role, lose: 0.7 to 1."""
    return 0.7 + 0.3 * incident.strength


def drop_factor(incident: Incident) -> float:
    """What is left of the activity, one of `DROPS_LEFT`."""
    return DROPS_LEFT[int(len(DROPS_LEFT) * incident.strength)]


def decline_days(incident: Incident) -> int:
    """How long a slow decline takes."""
    return ((incident.ends_at_ms or incident.at_ms) - incident.at_ms) // DAY_MS


def users_needed(incident: Incident) -> int:
    """Users that an account must have for its incident to be visible above its noise."""
    needed = MIN_USERS.get(incident.kind, 3)
    if incident.kind in ("usage_drop", "renewal_at_risk"):
        # The evidence of a drop grows with the square of its depth.
        needed = round(needed * ((1 - DROPS_LEFT[0]) / (1 - drop_factor(incident))) ** 2)
    return needed


def _detail(incident: Incident) -> str:
    """What was done to the account, for people who read the labels."""
    left = round(100 * drop_factor(incident))
    return {
        "power_user_decline": f"power users {-round(100 * share_lost(incident))} %, total unchanged",
        "role_decline": f"editors {-round(100 * share_lost(incident))} %, total unchanged",
        "usage_drop": f"usage {left - 100} %",
        "renewal_at_risk": f"usage {left - 100} % before the renewal",
        "slow_decline": f"usage down to {round(100 * SLOW_DECLINE_FLOOR)} % over {decline_days(incident)} days",
        "seat_saturation": f"every seat taken within {SEATS_FILL_DAYS} days",
        "sustained_growth": f"usage up to {round(100 * GROWTH_FACTOR)} % over {GROWTH_DAYS} days",
        "champion_loss": "the most active user left",
        "feature_abandonment": "the feature used most is not used any more, total unchanged",
        "new_team": f"{round(100 * TEAM_SHARE)} % more users within {TEAM_JOINS_DAYS} days",
        "company_holiday": f"nobody for {HOLIDAY_DAYS} days",
        "reorganisation": "every user has a new id",
        "release_dip": f"usage of everybody {round(100 * RELEASE_DIP_LEFT) - 100} %",
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
    # A holiday stands in the calendar: it comes first, and the other incidents keep away from it.
    fleet = [kind for kind in FLEET_KINDS if kind in settings.kinds for _ in range(settings.fleet_incidents_per_kind)]
    taken: set[int] = set()
    for kind in fleet:
        country = _celebrating(settings, countries, rng) if kind == "holiday" else None
        days = _free_days(kind, settings, taken, country)
        if days and (country is not None or kind != "holiday"):
            day = int(rng.choice(days))
            taken |= set(range(day - 2, day + 3))
            incidents.append(_fleet_incident(kind, day, country, settings, rng))
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
            fitting = [days for days in DECLINE_DAYS if day + days <= settings.days] or [DECLINE_DAYS[0]]
            ends_at_ms = midnight_ms + fitting[int(len(fitting) * strength)] * DAY_MS
        case "company_holiday":
            # On two days when people work.
            begins = weekday(settings.calendar_days[day])
            day += 7 - begins if begins > 3 else 0
            at_ms = settings.start_ms + day * DAY_MS
            ends_at_ms = at_ms + HOLIDAY_DAYS * DAY_MS
        case "ticket_surge":
            ends_at_ms = midnight_ms + SURGE_DAYS * DAY_MS
        case "p1_open":
            at_ms = midnight_ms + 10 * HOUR_MS
            ends_at_ms = at_ms + round((3 + 5 * strength) * DAY_MS)
    return Incident(kind, account, day, at_ms, ends_at_ms, strength)


def _free_days(kind: str, settings: SimulationSettings, taken: set[int], country: str | None) -> list[int]:
    """Days on which an incident may begin; with a country, those that are public holidays in it."""
    days = range(settings.first_incident_day, _last_day(kind, settings) + 1)
    fitting = np.ones(settings.days, dtype=bool)
    if country is not None:
        fitting = public_holidays(country, settings.calendar_days)
    # What happens on a weekend nobody would see.
    fitting &= weekdays(settings.calendar_days[0], settings.calendar_days[-1]) < SATURDAY
    return [day for day in days if fitting[day] and day not in taken]


def _celebrating(settings: SimulationSettings, countries: Sequence[str], rng: np.random.Generator) -> str | None:
    """The country of an account, drawn among those that have a public holiday in time, if there is one."""
    having = {country for country in set(countries) if _free_days("holiday", settings, set(), country)}
    drawn = [country for country in countries if country in having]
    return str(rng.choice(drawn)) if drawn else None


def _fleet_incident(
    kind: str, day: int, country: str | None, settings: SimulationSettings, rng: np.random.Generator
) -> Incident:
    strength = float(rng.random())
    at_ms = settings.start_ms + day * DAY_MS
    match kind:
        case "holiday":
            ends_at_ms = at_ms + DAY_MS
        case "release_dip":
            ends_at_ms = at_ms + RELEASE_DIP_DAYS * DAY_MS
        case "feed_outage":
            # A whole day is lost, and some of the next.
            ends_at_ms = at_ms + DAY_MS + round(strength * 12) * HOUR_MS
        case "duplicates_replay":
            at_ms += DAY_MS + 10 * HOUR_MS
            ends_at_ms = at_ms + HOUR_MS
        case _:
            ends_at_ms = at_ms + 5 * DAY_MS
    return Incident(kind, None, day, at_ms, ends_at_ms, strength, country)
