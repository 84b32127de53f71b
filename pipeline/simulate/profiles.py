"""Account profiles: one when the account begins, one more at each renewal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.simulate.fleet import COUNTRIES, CURRENCIES, SEGMENTS, TIMEZONES, Fleet
from pipeline.simulate.tables import PROFILES, YEAR_DAYS
from pipeline.simulate.usage import FEATURES
from schemas.topics import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.simulate.settings import SimulationSettings

OWNERS = 8
"""Customer success managers who share the accounts."""
TOUCH_MODELS = ("tech_touch", "low_touch", "high_touch")
PLANS = ("starter", "team", "enterprise")
_ENTITLED = (8, 11, len(FEATURES))


def owner_of(account: int) -> str:
    """The customer success manager of an account."""
    return f"csm-{account % OWNERS + 1:02d}"


def profile_table(settings: SimulationSettings, fleet: Fleet) -> pa.Table:
    """All versions of all profiles, in order of `updated_at`."""
    rows = [row for account in range(settings.accounts) for row in _versions(settings, fleet, account)]
    rows.sort(key=lambda row: row["updated_at"])
    return pa.Table.from_pylist(rows, schema=PROFILES)


def _versions(settings: SimulationSettings, fleet: Fleet, account: int) -> Iterator[dict[str, Any]]:
    renewal_day = int(fleet.renewal_day[account])
    yield _profile(settings, fleet, account, int(fleet.start_day[account]), renewal_day)
    for day in range(renewal_day, settings.days, YEAR_DAYS):
        yield _profile(settings, fleet, account, day, day + YEAR_DAYS)


def _profile(settings: SimulationSettings, fleet: Fleet, account: int, day: int, renewal_day: int) -> dict[str, Any]:
    country, segment = int(fleet.country[account]), int(fleet.segment[account])
    return {
        "account_id": fleet.account_ids[account],
        "updated_at": settings.start_ms + day * DAY_MS,
        "name": fleet.names[account],
        "segment": SEGMENTS[segment],
        "touch_model": TOUCH_MODELS[segment],
        "lifecycle_stage": "adoption" if fleet.start_day[account] == 0 else "onboarding",
        "plan": PLANS[segment],
        "seats": int(fleet.seats[account]),
        "entitled_features": list(FEATURES[: _ENTITLED[segment]]),
        "arr_minor": 12 * int(fleet.mrr_minor[account]),
        "currency": CURRENCIES[country],
        "owner": owner_of(account),
        "timezone": TIMEZONES[country],
        "country": COUNTRIES[country],
        "renewal_at": settings.start_ms + renewal_day * DAY_MS,
        "status": "active",
    }
