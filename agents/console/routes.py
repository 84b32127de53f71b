"""The console's addresses."""

from __future__ import annotations

from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from agents.console import accounts, actions, case, inbox, operations, portfolio, spreadsheets
from agents.console.pages import STATIC

ROUTES: tuple[BaseRoute, ...] = (
    Route("/", inbox.start),
    Route("/inbox", inbox.show),
    Route("/cases/{case_id}", case.show),
    Route("/act", actions.act, methods=["POST"]),
    Route("/pulse", actions.pulse, methods=["POST"]),
    Route("/accounts", accounts.listing),
    Route("/accounts/views", accounts.save_view, methods=["POST"]),
    Route("/accounts/{account_id:path}", accounts.show),
    Route("/portfolio", portfolio.show),
    Route("/rules", operations.rules),
    Route("/pipeline", operations.pipeline),
    Route("/fleet", operations.fleet),
    Route("/csv/{name}", spreadsheets.download),
    Route("/live", inbox.live),
    Mount("/static", StaticFiles(directory=STATIC)),
)
