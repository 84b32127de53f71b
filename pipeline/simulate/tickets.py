"""Ticket events: opened, commented, resolved; surges and blocking faults where an incident asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.simulate.incidents import HOUR_MS, SURGE_DAYS, Incident
from pipeline.simulate.tables import TICKETS, sorted_events
from schemas.topics import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from pipeline.simulate.fleet import Fleet
    from pipeline.simulate.settings import SimulationSettings

Row = dict[str, Any]

PRIORITIES = ("p1", "p2", "p3", "p4")
_PRIORITY_SHARE = (0.02, 0.18, 0.5, 0.3)
CHANNELS = ("email", "chat", "web")
COMPONENTS = ("login", "reports", "integrations", "billing", "mobile")
_TICKETS_PER_USER_DAY = 0.003
# Normal p1 tickets are solved well within a day: one that is not is an incident.
_P1_HOURS = (1.0, 14.0)


@dataclass(frozen=True, slots=True)
class _Ticket:
    account: int
    opened_ms: int
    resolved_ms: int
    priority: str


def ticket_table(
    settings: SimulationSettings, fleet: Fleet, incidents: Sequence[Incident], rng: np.random.Generator
) -> pa.Table:
    """All ticket events, in order of `occurred_at`."""
    users = np.bincount(fleet.users.account, minlength=settings.accounts)
    rates = _TICKETS_PER_USER_DAY * users * rng.gamma(3.0, 1 / 3.0, settings.accounts)
    tickets = [*_ordinary(settings, fleet, rates, rng)]
    for incident in incidents:
        if incident.account is not None and incident.kind == "ticket_surge":
            tickets += _surge(incident, float(rates[incident.account]), rng)
        elif incident.account is not None and incident.kind == "p1_open":
            tickets.append(_Ticket(incident.account, incident.at_ms, incident.ends_at_ms or settings.end_ms, "p1"))
    rows = (row for number, ticket in enumerate(tickets) for row in _history(ticket, f"t-{number + 1:06d}", fleet, rng))
    return sorted_events(rows, TICKETS, settings.seed, "t", settings.end_ms)


def _ordinary(
    settings: SimulationSettings, fleet: Fleet, rates: np.ndarray[Any, Any], rng: np.random.Generator
) -> Iterator[_Ticket]:
    counts = rng.poisson(rates * (settings.days - fleet.start_day))
    accounts = np.repeat(np.arange(settings.accounts), counts)
    n = len(accounts)
    first_ms = settings.start_ms + fleet.start_day[accounts] * DAY_MS
    opened = (first_ms + rng.random(n) * (settings.end_ms - first_ms)).astype(np.int64)
    priority = rng.choice(len(PRIORITIES), n, p=_PRIORITY_SHARE)
    hours = np.where(priority == 0, rng.uniform(*_P1_HOURS, n), np.clip(rng.lognormal(np.log(30), 0.8, n), 1, 240))
    resolved = opened + (hours * HOUR_MS).astype(np.int64)
    for account, opened_ms, resolved_ms, place in zip(
        accounts.tolist(), opened.tolist(), resolved.tolist(), priority.tolist(), strict=True
    ):
        yield _Ticket(account, opened_ms, resolved_ms, PRIORITIES[place])


def _surge(incident: Incident, rate: float, rng: np.random.Generator) -> Iterator[_Ticket]:
    """Far more tickets within a few days than the account ever opens."""
    weekly = 7 * rate
    count = 7 + int(np.ceil(weekly + 7 * np.sqrt(weekly)))
    for opened_ms in np.sort(incident.at_ms + rng.integers(0, SURGE_DAYS * DAY_MS, count)).tolist():
        resolved_ms = opened_ms + int(rng.uniform(3, 12) * DAY_MS)
        yield _Ticket(incident.account or 0, opened_ms, resolved_ms, PRIORITIES[int(rng.integers(1, 3))])


def _history(ticket: _Ticket, ticket_id: str, fleet: Fleet, rng: np.random.Generator) -> Iterator[Row]:
    members = fleet.users.of(ticket.account)
    requester = int(rng.integers(members.start, members.stop))
    common: Row = {
        "account_id": fleet.account_ids[ticket.account],
        "ticket_id": ticket_id,
        "priority": ticket.priority,
        "channel": CHANNELS[requester % len(CHANNELS)],
        "component": COMPONENTS[int(rng.integers(len(COMPONENTS)))],
        "requester_id": fleet.users.ids[requester],
    }
    lasted_ms = ticket.resolved_ms - ticket.opened_ms
    yield {**common, "type": "opened", "occurred_at": ticket.opened_ms}
    for share in np.sort(rng.random(int(rng.poisson(1.2)))).tolist():
        sentiment = round(float(np.clip(rng.normal(0.1, 0.35), -1, 1)), 2)
        at_ms = ticket.opened_ms + int(share * lasted_ms)
        yield {**common, "type": "commented", "occurred_at": at_ms, "sentiment": sentiment}
    yield {**common, "type": "resolved", "occurred_at": ticket.resolved_ms}
    if rng.random() < 0.3:
        csat = int(rng.choice([3, 4, 5], p=(0.15, 0.4, 0.45)))
        yield {**common, "type": "csat_given", "occurred_at": ticket.resolved_ms + 4 * HOUR_MS, "csat": csat}
