"""The application around the routes of the console, and the API: sign-in, headers, sessions; and how it is served."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute

from agents.kafka.registry import open_registry
from agents.settings import ConfigError, Problem
from agents.web.api import OPERATIONS
from agents.web.commands import CommandSender, Publish, publisher
from agents.web.gate import Gate
from agents.web.headers import SecurityHeaders
from agents.web.openapi import openapi_route
from agents.web.problems import refused
from agents.web.sessions import Sessions
from agents.web.sign_in import SignIn
from agents.web.store import Store
from schemas.errors import ForeshockError
from sinks.section import is_loopback, revealed

if TYPE_CHECKING:
    from agents.settings import Settings

logger = logging.getLogger(__name__)

_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")
_STOP_S = 10


def build(settings: Settings, routes: Sequence[BaseRoute], *, publish: Publish | None = None) -> Starlette:
    """The application; nothing is connected yet.

    Its routes find `store: Store`, `sender: CommandSender` and `settings` in `request.app.state`, and who is asking
    by `agents.web.people`. None but those of the sign-in and of static files is reached by somebody unknown.

    Args:
        settings: of this process.
        routes: of the pages.
        publish: how commands are sent, instead of by a producer of its own.

    Raises:
        ConfigError: it would be open to other machines without a sign-in.
    """
    _refuse_the_open(settings)
    store, sessions = Store(settings.database_url()), Sessions(settings.access)
    sender = CommandSender(store, open_registry(settings), publish or publisher(settings.kafka_client()))
    console = settings.console
    middleware = [
        Middleware(SecurityHeaders, secure=console.secure),
        Middleware(TrustedHostMiddleware, allowed_hosts=_names(settings), www_redirect=False),
        Middleware(
            SessionMiddleware,
            secret_key=revealed(settings.access.session_secret) or secrets.token_urlsafe(32),
            # With this prefix browsers let no other host set it.
            session_cookie="__Host-foreshock" if console.secure else "foreshock",
            max_age=sessions.idle_s,
            same_site="lax",
            https_only=console.secure,
        ),
        Middleware(Gate, store=store, sessions=sessions),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    app = Starlette(
        routes=[
            *SignIn(settings, store, sessions).routes(),
            *(each.route() for each in OPERATIONS),
            openapi_route(OPERATIONS),
            *routes,
        ],
        middleware=middleware,
        exception_handlers={HTTPException: refused, ForeshockError: refused, Exception: refused},
        lifespan=lifespan,
    )
    app.state.settings, app.state.store, app.state.sender = settings, store, sender
    return app


def serve(settings: Settings, app: Starlette) -> None:
    """Answer until SIGTERM or SIGINT. Raises ConfigError if the address cannot be listened on."""
    console = settings.console
    family = socket.AF_INET6 if ":" in console.host else socket.AF_INET
    try:
        listening = socket.create_server((console.host, console.port), family=family)
    except OSError as error:
        why = f"cannot be listened on at {console.host}: {error.strerror}; choose another, or 0 for any free one"
        raise ConfigError([Problem("settings", "console.port", str(console.port), why)]) from error
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=console.proxy is not None,
        forwarded_allow_ips=console.proxy or "",
        timeout_graceful_shutdown=_STOP_S,
    )
    host, port = listening.getsockname()[:2]
    logger.info("the console is at %s", console.public_url or f"http://{host}:{port}")
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _refuse_the_open(settings: Settings) -> None:
    if settings.access.sign_in == "none" and not is_loopback(settings.console.host):
        why = "everybody who reaches it would be its operator; set access.sign_in, or listen on 127.0.0.1"
        raise ConfigError([Problem("settings", "console.host", settings.console.host, why)])


def _names(settings: Settings) -> list[str]:
    """Names by which it is asked: any other is a page elsewhere whose name leads here."""
    public = urlsplit(settings.console.public_url or "").hostname
    return [*_LOCAL_NAMES, settings.console.host, *([public] if public else [])]
