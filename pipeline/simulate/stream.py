"""The simulated stream: tables of events as they arrive, and the labels of what was put into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.simulate.arrival import as_arrived
from pipeline.simulate.billing import billing_table
from pipeline.simulate.fleet import COUNTRIES, draw_countries, draw_fleet
from pipeline.simulate.incidents import Incident, plan_incidents
from pipeline.simulate.profiles import profile_table
from pipeline.simulate.signals import signal_table
from pipeline.simulate.tables import LABELS, arrow_schema
from pipeline.simulate.tickets import ticket_table
from pipeline.simulate.usage import usage_table

if TYPE_CHECKING:
    from pipeline.simulate.settings import SimulationSettings


@dataclass(frozen=True, slots=True)
class SimulatedStream:
    """Events of each topic in order of arrival, columns named as the Avro fields, times in milliseconds.

    `labels` has `account_id` ("*" for the fleet), `kind`, `at`, `ends_at` (null if it goes on) and `detail`.
    """

    usage: pa.Table
    billing: pa.Table
    tickets: pa.Table
    signals: pa.Table
    profiles: pa.Table
    commands: pa.Table
    """None: nobody works with a simulated stream."""
    labels: pa.Table


def simulate(settings: SimulationSettings) -> SimulatedStream:
    """Draw the stream that belongs to the settings: the same settings, the same bytes."""
    # Each part has its own generator, so that a change of one leaves the others as they are.
    parts = iter(np.random.default_rng(settings.seed).spawn(7))
    country = draw_countries(settings.accounts, next(parts))
    incidents = plan_incidents(settings, [COUNTRIES[place] for place in country], next(parts))
    fleet = draw_fleet(settings, country, incidents, next(parts))
    usage = usage_table(settings, fleet, incidents, next(parts))
    return SimulatedStream(
        usage=as_arrived(usage, incidents, settings.start_ms, next(parts)),
        billing=billing_table(settings, fleet, incidents, (rest := next(parts)).spawn(1)[0]),
        tickets=ticket_table(settings, fleet, incidents, rest),
        signals=signal_table(settings, fleet, incidents, next(parts)),
        profiles=profile_table(settings, fleet),
        commands=arrow_schema("alert_command").empty_table(),
        labels=_label_table(incidents, fleet.account_ids),
    )


def _label_table(incidents: list[Incident], account_ids: tuple[str, ...]) -> pa.Table:
    labels = sorted((i.label(account_ids) for i in incidents), key=lambda label: (label.at_ms, label.account_id))
    return pa.table(
        {
            "account_id": [label.account_id for label in labels],
            "kind": [label.kind for label in labels],
            "at": [label.at_ms for label in labels],
            "ends_at": [label.ends_at_ms for label in labels],
            "detail": [label.detail for label in labels],
        },
        schema=LABELS,
    )
