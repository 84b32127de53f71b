"""Destinations that tests deliver into, for each line of the table of sinks: to look into, and to take away."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text

from sinks.database.engine import open_engine
from sinks.database.settings import Database
from sinks.section import Section
from sinks.webhook import Webhook
from tests.support.databases import rows

BAD = "nul \x00 inside"
"""The summary of a record that every destination here refuses."""
Revision = tuple[str, int]


class Destination(ABC):
    """One of the sort, which tests can look into and take away."""

    section: Section
    """Settings that name it."""

    @abstractmethod
    def revisions(self) -> list[Revision]:
        """Which revisions of which accounts' alerts it has; sorted."""

    def taken(self) -> int:
        """How many records it was given, those that came again included."""
        return len(self.revisions())

    @abstractmethod
    @contextmanager
    def away(self) -> Iterator[None]:
        """It takes nothing meanwhile."""


class Databases(Destination):
    def __init__(self, url: str) -> None:
        self._url = url
        self.section = Database(url=url)

    def revisions(self) -> list[Revision]:
        found = rows(self._url, "SELECT account_id, revision FROM alert_revisions ORDER BY 1, 2")
        return [(row["account_id"], row["revision"]) for row in found]

    @contextmanager
    def away(self) -> Iterator[None]:
        engine = open_engine(self._url, writer=True)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE alert_revisions RENAME TO gone"))
        try:
            yield
        finally:
            with engine.begin() as connection:
                connection.execute(text("ALTER TABLE gone RENAME TO alert_revisions"))
            engine.dispose()


class Receiver(Destination):
    """An HTTP server that keeps each event by its id, as the contract of Standard Webhooks asks of receivers."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._posts = 0
        self._events: dict[str, Revision] = {}
        self._away = False
        self.url, self.secret = f"http://127.0.0.1:{server.server_port}/hook", "whsec_" + "c2VjcmV0" * 4
        self.section = Webhook(url=SecretStr(self.url), secret=SecretStr(self.secret))

    def take(self, identity: str, body: bytes) -> int:
        if self._away:
            return 503
        value = json.loads(body)["data"]
        if value["summary"] == BAD:
            return 422
        self._posts += 1
        self._events[identity] = value["account_id"], value["revision"]
        return 202

    def revisions(self) -> list[Revision]:
        return sorted(self._events.values())

    def taken(self) -> int:
        return self._posts

    @contextmanager
    def away(self) -> Iterator[None]:
        self._away = True
        try:
            yield
        finally:
            self._away = False


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(receiver.take(self.headers["webhook-id"], body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(server)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
