"""How the pipeline does: rules and their use, positions and lag, and what happened to the whole fleet."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from agents.console.pages import console_of, page
from agents.web.people import person
from pipeline.config import EngineConfig
from pipeline.kinds import KINDS, LEVELS
from pipeline.terms.kind import Kind
from sinks.database.reading import fleet as fleet_reading
from sinks.database.reading import pipeline as pipeline_reading
from sinks.database.reading import rules as rules_reading
from sinks.database.reading.scope import last_close_ms


def rules(request: Request) -> Response:
    """`/rules`: every kind of alert."""
    person(request)
    console = console_of(request)
    config = console.engine_config
    with console.reading() as connection:
        used = rules_reading.kinds(connection, last_close_ms(connection), console.feedback(connection))
    family = request.query_params.get("family") or None
    shown = [kind for kind in KINDS.values() if family in {None, kind.family}]
    return page(
        request,
        "rules",
        kinds=sorted(shown, key=lambda kind: (kind.family, LEVELS.index(kind.level), kind.name)),
        families=list(dict.fromkeys(kind.family for kind in KINDS.values())),
        family=family,
        state={name: state_of(kind, config) for name, kind in KINDS.items()},
        used=used,
        days=rules_reading.DAYS,
        false_alarms=config.expected_false_per_owner_week,
        run_length=config.run_length_days,
    )


def state_of(kind: Kind, config: EngineConfig) -> str:
    """Whether a kind is on, off or on trial."""
    if config.is_off(kind):
        return "off"
    return "trial" if kind.name in config.shadow_kinds else "on"


def pipeline(request: Request) -> Response:
    """`/pipeline`: how far everything is."""
    person(request)
    console = console_of(request)
    with console.reading() as connection:
        found = pipeline_reading.pipeline(connection, console.group)
    brokers = console.lags.look()
    ends = {(each.topic, each.partition): each.end for each in brokers.places}
    lags = {
        each.topic: sum(max(0, ends.get((each.topic, number), at) - at) for number, at in each.next_offsets.items())
        for each in found.positions
    }
    return page(request, "pipeline", found=found, brokers=brokers, lags=lags)


def fleet(request: Request) -> Response:
    """`/fleet`: what happened to all accounts at once."""
    who = person(request)
    with console_of(request).reading() as connection:
        found = fleet_reading.fleet(connection, who.owners)
        as_of_ms = last_close_ms(connection)
    return page(request, "fleet", found=found, as_of_ms=as_of_ms)
