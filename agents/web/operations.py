"""What an operation of the API is, and how a request becomes a call of it: read strictly, answered as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.commands import CommandError
from agents.web.people import Person, Role, require

PREFIX = "/api/v1"
NO_NUL = r"^[^\x00]*$"
"""Pattern of texts that databases can hold."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, and for what."""

    person: Person
    state: Any
    """Of the application: `store`, `sender`, `settings`."""
    path: dict[str, str]
    query: Any
    """Of the operation's type, as is `body`."""
    body: Any
    headers: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation; its handler's docstring is its description. `answer` is the type of what it returns."""

    name: str
    method: Literal["GET", "POST"] = "GET"
    path: str
    answer: type
    handle: Callable[[Call], object]
    query: type[msgspec.Struct] = Nothing
    body: type[msgspec.Struct] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers that it reads, and what they mean."""
    status: int = 200
    role: Role = "viewer"

    @property
    def summary(self) -> str:
        """What it does."""
        return (self.handle.__doc__ or "").strip().splitlines()[0]

    def route(self) -> Route:
        """The route that answers it."""
        # An account's id may hold a slash.
        path = self.path.replace("{account_id}", "{account_id:path}")
        return Route(PREFIX + path, self._answer, methods=[self.method], name=self.name)

    async def _answer(self, request: Request) -> Response:
        person = require(request, self.role)
        query = _read("query", self.query, dict(request.query_params))
        body = None if self.body is None else _read("body", self.body, await request.body())
        call = Call(person, request.app.state, request.path_params, query, body, request.headers)
        found = await run_in_threadpool(self.handle, call)
        return Response(msgspec.json.encode(found), self.status, media_type="application/json")


def _read(what: str, kind: type[msgspec.Struct], given: dict[str, str] | bytes) -> msgspec.Struct:
    """What was given as values of the type. Raises CommandError."""
    try:
        if isinstance(given, bytes):
            return msgspec.json.decode(given, type=kind)
        return msgspec.convert(given, kind, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"{what}: {error}") from error
