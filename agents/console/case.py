"""One case: what happened, since when, who, how sure, what did not move, what it is worth, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from agents.console import words
from agents.console.actions import OUTCOMES, SNOOZE_DAYS, VERDICTS, toast_of
from agents.console.charts import Chart, Line, Mark, Span, filled
from agents.console.daily import actions_chart, around, users_chart
from agents.console.pages import console_of, not_found, page
from agents.web.people import person
from pipeline.explain.story import moved, story, sureness
from pipeline.kinds import KNOWN
from schemas.topics import DAY_MS
from sinks.database.account import account_of
from sinks.database.reading.cases import Case, case, figures_of
from sinks.database.reading.fleet import alerts
from sinks.database.reading.scope import last_close_ms
from sinks.errors import UnknownAccountError

DAYS = 112
"""Days of the charts."""
_DRAWN_DAYS = 14
"""Revisions of an alert make a line if they tell of so long."""
_CLEARLY = 0.1
_PEOPLE = {"power", "role", "team", "top"}


def show(request: Request) -> Response:
    """`/cases/{case_id}`."""
    who, console = person(request), console_of(request)
    with console.reading() as connection:
        found = case(connection, request.path_params["case_id"], who.owners)
        if found is None:
            raise not_found("case")
        as_of_ms = last_close_ms(connection)
        try:
            account = account_of(connection, found.row.account_id, days=DAYS)
        except UnknownAccountError:
            account = None
        figures = figures_of(connection, found.row.lead_alert_id)
        dips = alerts(connection, as_of_ms - DAYS * DAY_MS)
    lead = found.alerts[0] if found.alerts else None
    date_of = partial(words.date, zone=console.zone)
    return page(
        request,
        "case",
        case=found.row,
        acts=who.may("operator") and found.row.takes_commands,
        lead=lead,
        alerts=found.alerts,
        history=found.history,
        story=story(lead, found.row.payload, date_of) if lead else (),
        sureness=sureness,
        moved=moved,
        kinds=KNOWN,
        charts=charts_of(found, account, figures, around(found.alerts, dips, found.row.segment, console.days)),
        as_of_ms=as_of_ms,
        snooze_days=SNOOZE_DAYS,
        outcomes=OUTCOMES,
        verdicts=VERDICTS,
        toast=toast_of(request),
    )


def charts_of(
    found: Case,
    account: Mapping[str, Any] | None,
    figures: Sequence[Mapping[str, Any]],
    happened: tuple[Sequence[Span], Sequence[Mark]],
) -> list[Chart]:
    """What the account did day by day, what the lead alert measured, and the account's score: over the same days."""
    history = [row for row in (account or {}).get("history", ()) if not row["shadow"]]
    first_card = history[0]["scorecard"] if history else None
    scores = {row["day"]: row["score"] for row in history if row["scorecard"] == first_card}
    measured = {int(each["at_ms"] // DAY_MS) - 1: each for each in figures}
    daily = {each["day"]: each for each in (account or {}).get("activity", ())}
    known = sorted({*scores, *measured, *daily})
    if not known:
        return []
    days = range(max(known[0], known[-1] - DAYS), known[-1] + 1)
    spans, marks = happened
    charts = [actions_chart(daily, days, spans, marks)]
    if _is_of_people(found.row.lead_kind):
        charts.append(users_chart(daily, days, spans, marks))
    if measured and max(measured) - min(measured) >= _DRAWN_DAYS:
        unit = str(figures[0]["unit"])
        lines = [
            Line(name, [_figure(measured, day, name) for day in days], tone)
            for name, tone in (("expected", "expected"), ("observed", "main"))
        ]
        charts.append(Chart(f"{words.label(found.row.lead_kind)}, {unit}", days, lines, spans, marks, unit=unit))
    if scores:
        line = Line("score", filled(scores, days))
        charts.append(Chart("Health score", days, [line], spans, marks, low=0.0, high=100.0))
        fallen = _fallen([row for row in history if row["scorecard"] == first_card], days)
        if fallen:
            title = "What fell most: 0 is bad, 1 as expected or better"
            charts.append(Chart(title, days, fallen, spans, marks, low=0.0, high=1.0))
    return charts


def _is_of_people(lead_kind: str | None) -> bool:
    """Whether its alerts are about who uses the product rather than how much."""
    kind = KNOWN.get(lead_kind or "")
    if kind is None:
        return False
    return kind.unit == "users" or kind.by_id or any(whom in _PEOPLE for whom, _ in kind.contributors)


def _fallen(history: Sequence[Mapping[str, Any]], days: range) -> list[Line]:
    """The dimensions that lost most since they were best, those first that lost more."""
    values: dict[str, dict[int, float | None]] = {}
    for row in history:
        for name, value in row["dimension_values"].items():
            values.setdefault(name, {})[row["day"]] = value
    lost: dict[str, float] = {}
    for name, by_day in values.items():
        known = [each for _, each in sorted(by_day.items()) if each is not None]
        lost[name] = max(known) - known[-1] if known else 0.0
    worst = sorted((name for name in lost if lost[name] >= _CLEARLY), key=lambda name: (-lost[name], name))
    shown = zip(worst, ("main", "violet", "expected"), strict=False)
    return [Line(words.label(name), filled(values[name], days), tone) for name, tone in shown]


def _figure(measured: Mapping[int, Mapping[str, Any]], day: int, name: str) -> float | None:
    found = measured.get(day)
    return None if found is None else found[name]
