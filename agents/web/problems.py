"""How a refusal is answered: problem details (RFC 9457) to programs, a page or the sign-in to people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from agents.process.exits import UnreachableError
from agents.web.commands import CommandError
from agents.web.pages import page
from agents.web.people import ForbiddenError, NotSeenError, SignInNeededError
from schemas.errors import RegistryUnavailableError
from sinks.errors import SinkUnavailableError

API = "/api/"
PROBLEM = "application/problem+json"
_STATUS: Mapping[type[Exception], int] = {
    SignInNeededError: 401,
    ForbiddenError: 403,
    NotSeenError: 404,
    UnreachableError: 503,
    SinkUnavailableError: 503,
    RegistryUnavailableError: 503,
}


def problem(
    status: int, detail: str, *, errors: Sequence[str] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """Problem details; `errors` are what is wrong, one by one."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    text = json.dumps({**body, "errors": list(errors)} if errors else body)
    return Response(text, status, headers, PROBLEM)


def refused(request: Request, error: Exception) -> Response:
    """The answer to a request that cannot be served."""
    status, detail, errors = _said(error)
    headers = error.headers if isinstance(error, HTTPException) else None
    path = request.url.path
    if path.startswith(API):
        asked = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
        return problem(status, detail, errors=errors, headers={**asked, **(headers or {})})
    if isinstance(error, SignInNeededError):
        here = f"{path}?{request.url.query}" if request.url.query else path
        to = "/sign-in" + (f"?{urlencode({'to': here})}" if request.method == "GET" and path != "/" else "")
        # A page that htmx asks for a part goes to the sign-in as a whole.
        return (
            Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
            if is_htmx(request)
            else RedirectResponse(to, 303)
        )
    shown = page("message", title=HTTPStatus(status).phrase, message=detail)
    return HTMLResponse(shown, status, headers)


def _said(error: Exception) -> tuple[int, str, Sequence[str]]:
    """Status, what is said, and what is wrong one by one."""
    match error:
        case HTTPException():
            return error.status_code, str(error.detail), ()
        case CommandError():
            return 422, str(error), error.errors
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    return status, "something went wrong here; the log says what" if status == 500 else str(error), ()


def is_htmx(request: Request) -> bool:
    """Whether a page asks for a part of itself."""
    return request.headers.get("hx-request") == "true"
