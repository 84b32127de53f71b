"""How long the console's pages take over a crowded database."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from starlette.testclient import TestClient

from agents.console.routes import ROUTES
from agents.console.state import console_of
from agents.settings import load
from agents.web.app import build
from tests.support.addresses import PAGES, addresses
from tests.support.crowded import Crowd

_WARM = 9


def pages(url: str, accounts: int, alerts: int, requests: int) -> dict[str, Any]:
    """Seconds of each page's requests, in their order, and of the figures that are made behind the scenes."""
    crowd = Crowd(accounts, alerts)
    settings = load(None, {"FORESHOCK_DATABASE__URL": url, "FORESHOCK_KAFKA__BOOTSTRAP": "127.0.0.1:1"})
    app = build(settings, ROUTES, publish=lambda *_: None)
    began = perf_counter()
    console_of(app).make_overview()
    found: dict[str, Any] = {"overview": perf_counter() - began}
    console_of(app).lags.look()
    with TestClient(app, "http://127.0.0.1:8420") as client:
        for page in PAGES:
            seconds = []
            for address in addresses(page, crowd, requests + _WARM):
                began = perf_counter()
                answer = client.get(address)
                seconds.append(perf_counter() - began)
                if answer.status_code != 200:
                    message = f"{address}: {answer.status_code}"
                    raise RuntimeError(message)
            found[page] = seconds[_WARM:]
    return found
