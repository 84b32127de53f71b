"""The HTTP listener of a process: /metrics, /-/healthy and /-/ready, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Check = Callable[[], str | None]
"""Returns what is wrong, in one line, or None."""

_TEXT = "text/plain; charset=utf-8"
_CLIENT_TIMEOUT_S = 10.0
_STOP_POLL_S = 0.1


def always_fine() -> str | None:
    """Find nothing wrong."""
    return None


class Listener:
    """Serves one registry; loopback by default, since it asks nobody who they are.

    Args:
        registry: what /metrics shows.
        healthy: asked by /-/healthy; 503 with the reason unless None. A supervisor restarts on it.
        ready: asked by /-/ready in the same way.
        host: address to listen on.
        port: 0 takes a free one; see `port`.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        healthy: Check = always_fine,
        ready: Check = always_fine,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        checks = {"/-/healthy": healthy, "/-/ready": ready}

        class Handler(_Handler):
            pass

        Handler.registry, Handler.checks = registry, checks
        self._server = _Server((host, port), Handler)
        self._thread = threading.Thread(target=self._serve, name="listener", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=_STOP_POLL_S)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A scraper that hangs must not hold up the end of the process.
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is its own business."""


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    checks: dict[str, Check]
    timeout = _CLIENT_TIMEOUT_S
    server_version = "foreshock"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, content_type, encode(self.registry))
        elif path in self.checks:
            problem = self.checks[path]()
            status = HTTPStatus.OK if problem is None else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, _TEXT, f"{problem or 'OK'}\n".encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"not found\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing: a scrape every few seconds is no news."""

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
