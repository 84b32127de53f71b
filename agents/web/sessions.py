"""Sessions in a signed cookie: begun at the sign-in with a new id, ended by time, by sign-out or with the user."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from agents.web.people import Person, Role, Scope, person_of
from sinks.database import people

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.requests import HTTPConnection

    from agents.settings.web import Access


class Sessions:
    """Who a session is of. Those that somebody has ended are in the audit log."""

    def __init__(self, access: Access) -> None:
        self.sign_in = access.sign_in
        self._longest_s = access.session_hours * 3600
        self.idle_s = access.idle_minutes * 60

    def begin(self, request: HTTPConnection, name: str, claims: Mapping[str, str | None] | None = None) -> None:
        """Begin a session of somebody who has just signed in; nothing of what the cookie held is kept."""
        now = time.time()
        request.session.clear()
        request.session.update(
            {
                "sid": secrets.token_urlsafe(16),
                "csrf": secrets.token_urlsafe(32),
                "name": name,
                "since": now,
                "seen": now,
            }
        )
        if claims is not None:
            request.session["claims"] = dict(claims)

    def end(self, request: HTTPConnection) -> str:
        """Forget the session, and return its name in the audit log, where its end is for whoever has copied it."""
        ended = _logged(request.session.get("sid", ""))
        request.session.clear()
        return ended

    def person(self, request: HTTPConnection, connection: Connection, address: str) -> Person | None:
        """Who the session is of; None if of nobody (any more)."""
        session, now = request.session, time.time()
        if "name" not in session or now - session["since"] > self._longest_s:
            return None
        # Clocks of several consoles differ, but not by so much.
        earliest_ms = int(session["since"] - self._longest_s) * 1000
        if people.has_signed_out(connection, session["name"], _logged(session["sid"]), earliest_ms):
            return None
        if now - session["seen"] > self.idle_s / 10:
            session["seen"] = now
        if self.sign_in == "oidc":
            return _of_claims(connection, session["claims"], address) if "claims" in session else None
        found = people.user(connection, session["name"])
        if found is None or found[0].changed_at_ms > session["since"] * 1000:
            return None
        return person_of(connection, found[0], address)


def _logged(sid: str) -> str:
    return f"session {sid}"


def _of_claims(connection: Connection, claims: Mapping[str, Any], address: str) -> Person:
    owners = people.owners_seen(connection, claims["scope"], claims["owner"])
    role, scope = cast("Role", claims["role"]), cast("Scope", claims["scope"])
    return Person(claims["name"], claims["display"], role, scope, owners, address, claims["owner"])


def csrf_token(request: HTTPConnection) -> str:
    """The token that every form and every request of a page that changes something must carry.

    In the field `csrf`, or in the header `X-CSRF-Token`.
    """
    if "csrf" not in request.session:
        request.session["csrf"] = secrets.token_urlsafe(32)
    token: str = request.session["csrf"]
    return token


def is_token(request: HTTPConnection, given: str) -> bool:
    """Whether it is the session's token."""
    expected = request.session.get("csrf")
    return expected is not None and hmac.compare_digest(expected.encode(), given.encode())
