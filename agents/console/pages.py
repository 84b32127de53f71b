"""How a page is made: a template with its values, all of which are escaped."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agents.console import state, words
from agents.console.state import Console
from agents.web.people import Person, person
from agents.web.sessions import csrf_token
from sinks.database.reading.scope import Owners

STATIC = Path(__file__).resolve().parent / "static"
_PAGES = Environment(
    loader=PackageLoader("agents.console", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters.update(words.FILTERS)
_PAGES.globals.update(query=words.query, span=words.span)


def console_of(request: Request) -> Console:
    """What all pages share."""
    return state.console_of(request.app)


def page(request: Request, name: str, **values: Any) -> Response:
    """The page of a template; dates are of the business time zone."""
    who, zone = person(request), console_of(request).zone
    shared = {
        "person": who,
        "acts": who.may("operator"),
        "csrf": csrf_token(request),
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "path": request.url.path,
        "date": partial(words.date, zone=zone),
        "short_date": partial(words.short_date, zone=zone),
        "moment": partial(words.moment, zone=zone),
        "signs_in": request.app.state.settings.access.sign_in != "none",
        "scripts": (STATIC / "vendor" / "htmx.min.js").is_file(),
    }
    return HTMLResponse(_PAGES.get_template(f"{name}.html.j2").render(shared | values))


def whose(request: Request, who: Person) -> tuple[str, Owners]:
    """Whose accounts a list shows: mine, team or all as the address says, within what the person sees."""
    wanted = request.query_params.get("whose") or ("all" if who.owners is None else "team")
    if wanted == "mine":
        return wanted, who.mine
    return ("all", None) if who.owners is None else ("team", who.owners)


def page_number(request: Request) -> int:
    """Which page of a list is meant."""
    text = request.query_params.get("page", "1")
    return max(1, min(10_000, int(text))) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def chosen(request: Request, *names: str) -> dict[str, str | None]:
    """Parts of the address's query; None for what is not there or empty."""
    return {name: request.query_params.get(name) or None for name in names}


def not_found(what: str) -> HTTPException:
    """There is no such thing, or none that this person sees."""
    return HTTPException(404, f"there is no such {what}")
