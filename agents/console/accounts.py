"""The list of accounts, with views that people save for themselves, and one account."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agents.console.actions import toast_of
from agents.console.charts import Chart, Line, Mark, Span, filled
from agents.console.daily import actions_chart, around
from agents.console.pages import chosen, console_of, not_found, page, page_number, whose
from agents.console.words import label
from agents.web.people import person
from schemas.topics import DAY_MS
from sinks.database.account import CLOSED_DAYS
from sinks.database.reading.accounts import SORTS, Account, AccountFilters, account, accounts
from sinks.database.reading.fleet import alerts
from sinks.database.reading.scope import Owners, last_close_ms, segments
from sinks.errors import UnknownAccountError

BANDS = ("red", "yellow", "green", "grey")
VIEWS = "views"
"""Cookie with the views that a person has saved."""
_MOST_VIEWS = 12
_LONGEST_NAME = 40
_YEAR_S = 365 * 86_400
_HISTORY_DAYS = 182
_LANES = {"billing.events": "Billing", "ticket.events": "Tickets", "customer.signals": "People"}
_FILTERS = ("band", "segment", "stage", "owner", "text", "sort")


def listing(request: Request) -> Response:
    """`/accounts`."""
    filters, mine, owners = filters_of(request)
    with console_of(request).reading() as connection:
        as_of_ms = last_close_ms(connection)
        found = accounts(connection, filters, owners, page_number(request))
        known = segments(connection)
    shown = {**chosen(request, *_FILTERS, "whose"), "down": request.query_params.get("down")}
    return page(
        request,
        "accounts",
        found=found,
        filters=filters,
        mine=mine,
        as_of_ms=as_of_ms,
        shown=shown,
        choices={"band": BANDS, "segment": known},
        sorts=SORTS,
        views=_saved(request),
    )


def filters_of(request: Request) -> tuple[AccountFilters, str, Owners]:
    """What the address asks for, and whose accounts."""
    mine, owners = whose(request, person(request))
    given = chosen(request, *_FILTERS)
    sort = given["sort"] if given["sort"] in SORTS else SORTS[0]
    filters = AccountFilters(
        given["band"],
        given["segment"],
        given["stage"],
        given["owner"],
        given["text"],
        sort=sort or SORTS[0],
        descending=request.query_params.get("down") == "1",
    )
    return filters, mine, owners


async def save_view(request: Request) -> Response:
    """`POST /accounts/views`: keeps, or with `forget` drops, a view under its name."""
    person(request)
    form = await request.form(max_files=0)
    name = str(form.get("name", "")).strip()[:_LONGEST_NAME]
    views = {each["name"]: each["query"] for each in _saved(request)}
    if form.get("forget"):
        views.pop(name, None)
    elif name:
        views[name] = _known(str(form.get("query", "")))
    if len(views) > _MOST_VIEWS:
        raise HTTPException(422, f"more than {_MOST_VIEWS} views cannot be kept; drop one first")
    response = RedirectResponse(f"/accounts?{views.get(name, '')}", 303)
    text = urlencode({VIEWS: json.dumps(views)}).partition("=")[2]
    response.set_cookie(VIEWS, text, max_age=_YEAR_S, path="/accounts", httponly=True, samesite="lax")
    return response


def _known(query: str) -> str:
    """Of a query, what this list understands."""
    return urlencode([(name, value) for name, value in parse_qsl(query) if name in {*_FILTERS, "down", "whose"}])


def _saved(request: Request) -> list[dict[str, str]]:
    text = dict(parse_qsl(f"{VIEWS}={request.cookies.get(VIEWS, '')}")).get(VIEWS, "")
    try:
        views = json.loads(text or "{}")
    except ValueError:
        return []
    if not isinstance(views, Mapping):
        return []
    return [{"name": str(name), "query": _known(str(query))} for name, query in views.items()][:_MOST_VIEWS]


def show(request: Request) -> Response:
    """`/accounts/{account_id}`."""
    who, console = person(request), console_of(request)
    account_id = request.path_params["account_id"]
    with console.reading() as connection:
        as_of_ms = last_close_ms(connection)
        try:
            found = account(connection, account_id, who.owners, days=_HISTORY_DAYS)
        except UnknownAccountError as error:
            raise HTTPException(404, str(error) if who.owners is None else "there is no such account") from error
        dips = alerts(connection, as_of_ms - _HISTORY_DAYS * DAY_MS)
    if found is None:
        raise not_found("account")
    happened = around(found.explained["open_alerts"], dips, found.row.segment, console.days)
    overview = console.overview(as_of_ms)
    return page(
        request,
        "account",
        account=found.row,
        cases=found.cases,
        health=found.explained["health"],
        open_alerts=found.explained["open_alerts"],
        closed_alerts=found.explained["closed_alerts"],
        closed_days=CLOSED_DAYS,
        children=found.children,
        suppressed=found.suppressed,
        lanes=[(name, [fact for fact in found.facts if fact.topic == topic]) for topic, name in _LANES.items()],
        charts=charts_of(found, *happened),
        lines=dimension_charts(found),
        quartiles=overview.quartiles if overview else {},
        as_of_ms=as_of_ms,
        toast=toast_of(request),
    )


def charts_of(found: Account, spans: Sequence[Span], marks: Sequence[Mark]) -> list[Chart]:
    """What the account did day by day, and the scores of all scorecards; over the same days, and what happened."""
    history = found.explained["history"]
    daily = {each["day"]: each for each in found.explained["activity"]}
    if not history and not daily:
        return []
    days = _days([*history, *daily.values()])
    lines = [
        Line(card, filled({row["day"]: row["score"] for row in rows}, days), "main" if not number else "expected")
        for number, (card, rows) in enumerate(_by_card(history).items())
    ]
    score = Chart("Health score", days, lines, spans, marks, low=0.0, high=100.0)
    return [actions_chart(daily, days, spans, marks), score]


def dimension_charts(found: Account) -> dict[str, dict[str, Chart]]:
    """What each dimension was worth over time, by scorecard and dimension; 0 is bad and 1 is good."""
    charts: dict[str, dict[str, Chart]] = {}
    for card, rows in _by_card(found.explained["history"]).items():
        days = _days(rows)
        names = sorted({name for row in rows for name in row["dimension_values"]})
        charts[card] = {}
        for name in names:
            values = {row["day"]: row["dimension_values"].get(name) for row in rows}
            charts[card][name] = Chart(label(name), days, [Line(label(name), filled(values, days))], high=1.0)
    return charts


def _by_card(history: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in history:
        found.setdefault(row["scorecard"], []).append(row)
    return found


def _days(history: Sequence[Mapping[str, Any]]) -> range:
    known = [row["day"] for row in history]
    return range(min(known), max(known) + 1)
