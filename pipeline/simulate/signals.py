"""Customer signals: surveys, the pulse that a customer success manager feels, meetings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.simulate.incidents import HOUR_MS, Incident
from pipeline.simulate.profiles import owner_of
from pipeline.simulate.tables import SIGNALS, sorted_events
from schemas.topics import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from pipeline.simulate.fleet import Fleet
    from pipeline.simulate.settings import SimulationSettings

Row = dict[str, Any]

# Days between meetings and between pulses, by segment: small customers are served without a person.
_MEETING_DAYS = (28, 21, 14)
_PULSE_DAYS = (45, 30, 30)
_SURVEY_DAYS = 45
_NO_SHOW_SHARE = 0.08
PULSE_EXPIRES_DAYS = 60


def signal_table(
    settings: SimulationSettings, fleet: Fleet, incidents: Sequence[Incident], rng: np.random.Generator
) -> pa.Table:
    """All customer signals, in order of `occurred_at`."""
    rows = [row for account in range(settings.accounts) for row in _signals(settings, fleet, account, rng)]
    rows += [row for account in range(settings.accounts) for row in _introduced(settings, fleet, account)]
    rows += [_departed(fleet, incident) for incident in incidents if incident.kind == "champion_loss"]
    return sorted_events(rows, SIGNALS, settings.seed, "s", settings.end_ms)


def _introduced(settings: SimulationSettings, fleet: Fleet, account: int) -> Iterator[Row]:
    """Who matters at the customer is known from the first day on."""
    at_ms = settings.start_ms + int(fleet.start_day[account]) * DAY_MS + 9 * HOUR_MS
    sponsor = {**_champion(fleet, account), "contact_id": f"sponsor-{account + 1:05d}", "role": "sponsor"}
    for contact in (sponsor, _champion(fleet, account)):
        yield {**contact, "type": "contact_joined", "occurred_at": at_ms}


def _departed(fleet: Fleet, incident: Incident) -> Row:
    """What the customer success manager hears a few days after the champion has gone."""
    at_ms = incident.at_ms + round((1 + 4 * incident.strength) * DAY_MS) + 10 * HOUR_MS
    return {**_champion(fleet, incident.account or 0), "type": "contact_left", "occurred_at": at_ms}


def _champion(fleet: Fleet, account: int) -> Row:
    return {
        "account_id": fleet.account_ids[account],
        "contact_id": fleet.users.ids[fleet.users.champion(account)],
        "author": owner_of(account),
        "role": "champion",
    }


def _signals(settings: SimulationSettings, fleet: Fleet, account: int, rng: np.random.Generator) -> Iterator[Row]:
    segment = int(fleet.segment[account])
    mood = float(np.clip(rng.normal(0.8, 0.08), 0.55, 1.0))
    common: Row = {"account_id": fleet.account_ids[account]}
    author = owner_of(account)
    for at_ms in _times(settings, fleet, account, _MEETING_DAYS[segment], rng):
        missed = rng.random() < _NO_SHOW_SHARE
        kind = "meeting_missed" if missed else "meeting_held"
        yield {**common, "type": kind, "occurred_at": at_ms, "author": author, "phase": "adoption"}
    for at_ms in _times(settings, fleet, account, _PULSE_DAYS[segment], rng):
        score = float(np.clip(np.round(5 * mood + rng.normal(0, 0.4)), 1, 5))
        expires_at = at_ms + PULSE_EXPIRES_DAYS * DAY_MS
        pulse = {"score": score, "scale": 5.0, "author": author, "expires_at": expires_at}
        yield {**common, "type": "pulse", "occurred_at": at_ms, **pulse}
    members = fleet.users.of(account)
    for number, at_ms in enumerate(_times(settings, fleet, account, _SURVEY_DAYS, rng)):
        kind, scale = ("nps", 10.0) if number % 2 == 0 else ("csat", 5.0)
        score = float(np.clip(np.round(scale * (mood + rng.normal(0, 0.07))), 1, scale))
        contact = fleet.users.ids[int(rng.integers(members.start, members.stop))]
        yield {
            **common,
            "type": kind,
            "occurred_at": at_ms,
            "score": score,
            "scale": scale,
            "contact_id": contact,
        }


def _times(
    settings: SimulationSettings, fleet: Fleet, account: int, every_days: int, rng: np.random.Generator
) -> list[int]:
    """Times about `every_days` apart, in working hours."""
    first = int(fleet.start_day[account]) + int(rng.integers(0, every_days))
    days = np.arange(first, settings.days, every_days)
    hours = rng.uniform(8, 17, len(days))
    times: list[int] = (settings.start_ms + days * DAY_MS + (hours * HOUR_MS).astype(np.int64)).tolist()
    return times
