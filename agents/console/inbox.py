"""The inbox: cases by priority."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from agents.console.actions import OUTCOMES, SNOOZE_DAYS, toast_of
from agents.console.live import sse
from agents.console.pages import chosen, console_of, page, page_number, whose
from agents.web.people import person
from pipeline.kinds import KINDS
from schemas.event_types import ALERT_SEVERITIES
from sinks.database.reading.cases import CaseFilters, inbox
from sinks.database.reading.scope import Owners, last_close_ms, segments

SUBJECTS = ("risk", "growth", "data", "fleet", "feed")
STATUSES = ("open", "acknowledged", "snoozed", "closed")
_FILTERS = ("subject", "severity", "kind", "segment", "status", "text")


def start(_request: Request) -> Response:
    """`/`: the inbox."""
    return RedirectResponse("/inbox", 303)


def show(request: Request) -> Response:
    """`/inbox`."""
    filters, mine, owners = filters_of(request)
    given = chosen(request, *_FILTERS)
    with console_of(request).reading() as connection:
        as_of_ms = last_close_ms(connection)
        found = inbox(connection, filters, owners, page_number(request))
        known = segments(connection)
    # Others pages need it soon.
    console_of(request).overview(as_of_ms)
    return page(
        request,
        "inbox",
        found=found,
        as_of_ms=as_of_ms,
        mine=mine,
        given=given,
        shown={**given, "whose": request.query_params.get("whose")},
        choices={
            "subject": SUBJECTS,
            "status": STATUSES,
            "severity": ALERT_SEVERITIES[::-1],
            "kind": sorted(KINDS),
            "segment": known,
        },
        snooze_days=SNOOZE_DAYS,
        outcomes=OUTCOMES,
        toast=toast_of(request),
    )


def filters_of(request: Request) -> tuple[CaseFilters, str, Owners]:
    """What the address asks for, and whose cases."""
    mine, owners = whose(request, person(request))
    return CaseFilters(**chosen(request, *_FILTERS)), mine, owners


async def live(request: Request) -> StreamingResponse:
    """`/live`: an event `changed` with the names of the parts, as often as something does."""
    person(request)
    watching = console_of(request).live

    async def events() -> AsyncIterator[str]:
        yield "retry: 3000\n\n"
        async for parts in watching.changes():
            yield sse(parts)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
