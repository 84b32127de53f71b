"""Signing in and out: local users by password, or people of an OIDC provider (code flow with PKCE)."""

from __future__ import annotations

import logging
from asyncio import Semaphore
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx2
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from agents.web.attempts import Attempts
from agents.web.pages import page
from agents.web.people import Person, claimed
from agents.web.sessions import Sessions, csrf_token
from sinks.database import people

if TYPE_CHECKING:
    from agents.settings import Settings
    from agents.web.store import Store

logger = logging.getLogger(__name__)

_LONGEST = 256
_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash("nobody has this password")
"""Verified for names that do not exist, so that these take as long."""


def hashed(password: str) -> str:
    """The hash that is kept of a password (argon2id)."""
    return _HASHER.hash(password)


class SignIn:
    """The routes of it."""

    def __init__(self, settings: Settings, store: Store, sessions: Sessions) -> None:
        self._settings = settings
        self._store = store
        self._sessions = sessions
        self._attempts = Attempts(store)
        # Each hash takes 64 MiB.
        self._hashing = Semaphore(2)
        self._provider: Any = _provider(settings) if settings.access.sign_in == "oidc" else None

    def routes(self) -> Sequence[Route]:
        """Those of the way of signing in that the settings name."""
        always = [
            Route("/sign-in", self.form, methods=["GET"]),
            Route("/sign-out", self.out, methods=["POST"]),
        ]
        if self._settings.access.sign_in == "local":
            return [*always, Route("/sign-in", self.by_password, methods=["POST"])]
        if self._settings.access.sign_in == "oidc":
            callback = Route("/sign-in/callback", self.from_provider, name="callback")
            return [*always, Route("/sign-in/oidc", self.to_provider), callback]
        return always

    async def form(self, request: Request) -> Response:
        """The page to sign in at; whoever is signed in goes on."""
        if request.scope.get("person") is not None:
            return RedirectResponse(_local(request.query_params.get("to")), 303)
        return self._form(request, _local(request.query_params.get("to")))

    async def by_password(self, request: Request) -> Response:
        """Sign in a local user."""
        form = await request.form()
        # PostgreSQL has no NUL in its texts.
        given = (str(form.get(field, "")).replace("\x00", "") for field in ("name", "password", "to"))
        name, password, to = (text[: _LONGEST + 1] for text in given)
        address = request.client.host if request.client else ""
        with self._attempts.one(name, address):
            if wait_s := await run_in_threadpool(self._attempts.wait_s, name, address):
                response = self._form(request, _local(to), f"too many attempts; try again in {wait_s} s", 429)
                response.headers["Retry-After"] = str(wait_s)
                return response
            async with self._hashing:
                is_right = await run_in_threadpool(self._is_right, name, password)
            if not is_right:
                await self._audit(name, address, people.REFUSED)
                return self._form(request, _local(to), "name or password is wrong", 401)
        self._sessions.begin(request, name)
        await self._audit(name, address, "ok")
        return RedirectResponse(_local(to), 303)

    async def to_provider(self, request: Request) -> Response:
        """Send the browser to the provider."""
        try:
            response: Response = await self._provider.authorize_redirect(request, self._callback(request))
        except httpx2.HTTPError as error:
            raise HTTPException(503, "the provider does not answer; try again later") from error
        return response

    async def from_provider(self, request: Request) -> Response:
        """Sign in whom the provider has sent back."""
        from authlib.integrations.base_client import OAuthError
        from joserfc.errors import JoseError

        address = request.client.host if request.client else ""
        try:
            token = await self._provider.authorize_access_token(request)
        except (OAuthError, JoseError, ValueError) as error:
            # The text of the error may hold what a stranger has sent; its class says enough.
            logger.warning("a sign-in by the provider failed: %s", type(error).__name__)
            await self._audit("", address, people.REFUSED)
            raise HTTPException(401, "the provider's answer cannot be used; sign in again") from error
        except httpx2.HTTPError as error:
            raise HTTPException(503, "the provider does not answer; try again later") from error
        claims = token.get("userinfo") or {}
        if claims.get("iss") != self._settings.access.issuer:
            raise HTTPException(401, "the answer is of another provider")
        granted = claimed(claims, self._settings.access)
        if granted is None:
            await self._audit(str(claims.get("sub", "")), address, "no role")
            raise HTTPException(403, "you have no role here; ask whoever runs this console")
        self._sessions.begin(request, str(granted["name"]), granted)
        await self._audit(str(granted["name"]), address, "ok")
        return RedirectResponse("/", 303)

    async def out(self, request: Request) -> Response:
        """End the session."""
        person: Person | None = request.scope.get("person")
        ended = self._sessions.end(request)
        if person is not None and self._settings.access.sign_in != "none":
            await run_in_threadpool(self._store.audit, person, people.SIGN_OUT, ended, "ok")
        return RedirectResponse("/sign-in", 303)

    def _form(self, request: Request, to: str, message: str = "", status: int = 200) -> Response:
        sign_in = self._settings.access.sign_in
        shown = page("sign_in", title="Sign in", message=message, sign_in=sign_in, csrf=csrf_token(request), to=to)
        return HTMLResponse(shown, status)

    def _is_right(self, name: str, password: str) -> bool:
        with self._store.reading() as connection:
            found = people.user(connection, name)
        try:
            _HASHER.verify(_NOBODY if found is None else found[1], password)
        except (Argon2Error, InvalidHashError):
            return False
        return found is not None

    async def _audit(self, name: str, address: str, result: str) -> None:
        somebody = Person(name[: _LONGEST + 1], name, "viewer", "own", frozenset(), address)
        await run_in_threadpool(self._store.audit, somebody, people.SIGN_IN, "session", result)

    def _callback(self, request: Request) -> str:
        base = self._settings.console.public_url or str(request.base_url).rstrip("/")
        return f"{base}/sign-in/callback"


def _local(to: str | None) -> str:
    """A path of this console, whatever was asked for."""
    return to if to and to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() else "/"


def _provider(settings: Settings) -> Any:
    from authlib.integrations.starlette_client import OAuth

    access = settings.access
    return OAuth().register(
        "oidc",
        server_metadata_url=f"{str(access.issuer).rstrip('/')}/.well-known/openid-configuration",
        client_id=access.client_id,
        client_secret=access.client_secret.get_secret_value() if access.client_secret else None,
        client_kwargs={
            "scope": " ".join(access.oidc_scopes),
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "client_secret_basic" if access.client_secret else "none",
        },
    )
