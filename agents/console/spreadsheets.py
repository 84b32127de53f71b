"""Everything that is shown, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from agents.console import inbox
from agents.console.accounts import filters_of
from agents.console.pages import console_of, not_found
from agents.console.portfolio import METRICS
from agents.web.people import person
from sinks.database.reading import cases, portfolio, rules
from sinks.database.reading.accounts import accounts
from sinks.database.reading.scope import PAGE_ROWS, Owners, last_close_ms

Rows = Iterable[dict[str, Any]]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MOST = 10_000 // PAGE_ROWS


def download(request: Request) -> Response:
    """`/csv/{name}`: one table."""
    name = request.path_params["name"]
    if name not in TABLES:
        raise not_found("table")
    rows = list(TABLES[name](request, person(request).owners))
    return Response(
        text_of(rows),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="foreshock-{name}.csv"'},
    )


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV; text that a spreadsheet would take for a formula is marked as text."""
    into = io.StringIO()
    writer = csv.DictWriter(into, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return into.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _accounts(request: Request, _owners: Owners) -> Rows:
    filters, _, owners = filters_of(request)
    with console_of(request).reading() as connection:
        for number in range(1, _MOST + 1):
            found = accounts(connection, filters, owners, number)
            yield from map(asdict, found.rows)
            if number >= found.pages:
                return


def _cases(request: Request, _owners: Owners) -> Rows:
    filters, _, owners = inbox.filters_of(request)
    with console_of(request).reading() as connection:
        for number in range(1, _MOST + 1):
            found = cases.inbox(connection, filters, owners, number)
            yield from ({name: value for name, value in asdict(row).items() if name != "payload"} for row in found.rows)
            if number >= found.pages:
                return


def _kinds(request: Request, _owners: Owners) -> Rows:
    with console_of(request).reading() as connection:
        used = rules.kinds(connection, last_close_ms(connection))
    return [{"kind": name, **asdict(use)} for name, use in used.items()]


def _moves(ask: Callable[[Any, int, Owners], Sequence[portfolio.Moved]]) -> Callable[[Request, Owners], Rows]:
    def rows(request: Request, owners: Owners) -> Rows:
        with console_of(request).reading() as connection:
            return [asdict(each) for each in ask(connection, last_close_ms(connection), owners)]

    return rows


def _figures(request: Request, owners: Owners) -> Rows:
    if owners is not None:
        return []
    with console_of(request).reading() as connection:
        return [asdict(each) for each in portfolio.figures(connection, list(METRICS))]


def _standings(request: Request, owners: Owners) -> Rows:
    console = console_of(request)
    with console.reading() as connection:
        found = console.overview(last_close_ms(connection))
    return [asdict(each) for each in (found.standings if found else ()) if owners is None or each.owner in owners]


def _bands(request: Request, owners: Owners) -> Rows:
    console = console_of(request)
    with console.reading() as connection:
        found = console.overview(last_close_ms(connection))
    return [asdict(each) for each in found.daily] if found and owners is None else []


TABLES: dict[str, Callable[[Request, Owners], Rows]] = {
    "cases": _cases,
    "kinds": _kinds,
    "accounts": _accounts,
    "changes": _moves(portfolio.changes),
    "renewals": _moves(portfolio.renewals),
    "figures": _figures,
    "standings": _standings,
    "bands": _bands,
}
