"""What every request passes: who is asking, that nobody unknown gets further, and that a page of ours has sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.web.headers import STATIC
from agents.web.people import Person, SignInNeededError, key_holder, local_operator
from agents.web.problems import refused
from agents.web.sessions import is_token
from schemas.errors import ForeshockError

if TYPE_CHECKING:
    from agents.web.sessions import Sessions
    from agents.web.store import Store

_PUBLIC = ("/sign-in", "/sign-in/oidc", "/sign-in/callback")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LARGEST_BODY = 1024 * 1024
_BEARER = "bearer "


class Gate:
    """Lets a request pass with `scope["person"]` set, or answers it."""

    def __init__(self, app: ASGIApp, *, store: Store, sessions: Sessions) -> None:
        self._app = app
        self._store = store
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(STATIC):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            if "\x00" in scope["path"] or "%00" in scope["query_string"].decode("latin-1"):
                raise HTTPException(400, "an address must not hold NUL")
            scope["person"] = await run_in_threadpool(self._person, request)
            if scope["person"] is None and scope["path"] not in _PUBLIC:
                message = "sign in first"
                raise SignInNeededError(message)
            if request.method not in _SAFE:
                body = await _body(receive)
                receive = _again(body, receive)
                if not _by_key(request):
                    _check_origin(request, body)
        except (HTTPException, ForeshockError) as error:
            await refused(request, error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _person(self, request: Request) -> Person | None:
        address = request.client.host if request.client else ""
        if self._sessions.sign_in == "none" and not _by_key(request):
            return local_operator(address)
        with self._store.reading() as connection:
            if _by_key(request):
                found = key_holder(connection, request.headers["authorization"][len(_BEARER) :].strip(), address)
                if found is None:
                    raise HTTPException(401, "this key is not known")
                return found
            return self._sessions.person(request, connection, address)


def _by_key(request: Request) -> bool:
    return request.headers.get("authorization", "").lower().startswith(_BEARER)


def _check_origin(request: Request, body: bytes) -> None:
    """Refuse what no page of ours has sent."""
    given = request.headers.get("x-csrf-token")
    if given is None and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        given = parse_qs(body.decode("utf-8", "replace")).get("csrf", [""])[0]
    elsewhere = request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    if elsewhere or given is None or not is_token(request, given):
        raise HTTPException(403, "this did not come from a page of this console; load the page again")


async def _body(receive: Receive) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _LARGEST_BODY:
            raise HTTPException(413, f"more than {_LARGEST_BODY} bytes")
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return left.pop() if left else await receive()

    return replayed
