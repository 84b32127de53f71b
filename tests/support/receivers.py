"""Receivers of messages on loopback: to look into, to make answer badly, to take away and to bring back."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from pydantic import SecretStr

from sinks.channels.channel import HttpReceiver, Outgoing, Receiver
from sinks.channels.mail import EmailReceiver
from sinks.channels.pagerduty import PagerDutyReceiver
from sinks.channels.webhook import WebhookReceiver
from tests.servers.ports import free_port

SECRET = "whsec_" + "c2VjcmV0" * 4
HANG, CLOSE = "hang", "close"
Answer = int | str
"""A status, or `HANG` or `CLOSE`."""


class Post(NamedTuple):
    """What an HTTP receiver was sent and took."""

    headers: Mapping[str, str]
    content: Any


class StandIn(ABC):
    """A receiver of one channel."""

    receiver: Receiver
    answer: Answer = 202
    """What it answers to everything."""
    asked_to_wait_s: int | None = None

    @abstractmethod
    def start(self) -> None:
        """Listen, always at the same port."""

    @abstractmethod
    def stop(self) -> None:
        """Refuse connections."""

    @abstractmethod
    def taken(self) -> list[str]:
        """Ids of the messages that it took, in order; texts where the channel knows no ids."""

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nothing listens meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self.start()


class HttpStandIn(StandIn):
    """Keeps the posts that it answers with success."""

    def __init__(self, receiver: Callable[[str], Receiver], named: Callable[[Post], str]) -> None:
        self._port, self._named = free_port(), named
        self.receiver = receiver(f"http://127.0.0.1:{self._port}/t0ken")
        self.posts: list[Post] = []
        self.asked = 0
        self._over = threading.Event()

    def start(self) -> None:
        self._over.clear()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer, stand_in.asked = stand_in.answer, stand_in.asked + 1
                if answer == HANG:
                    stand_in._over.wait(30)
                if not isinstance(answer, int):
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer < 300:
                    stand_in.posts.append(Post(dict(self.headers.items()), json.loads(body)))
                self.send_response(answer)
                if stand_in.asked_to_wait_s is not None:
                    self.send_header("retry-after", str(stand_in.asked_to_wait_s))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def taken(self) -> list[str]:
        return [self._named(post) for post in self.posts]


class SmtpStandIn(StandIn):
    """An SMTP server with STARTTLS and a user."""

    def __init__(self, folder: Path) -> None:
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run(
            [*make, "-days", "2", "-keyout", str(key), "-out", str(certificate), *names],
            check=True,
            capture_output=True,
        )
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self._port = free_port()
        self.receiver = EmailReceiver(
            name="mail", channel="email", host="localhost", port=self._port, ca_file=str(certificate),
            sender="Foreshock <foreshock@example.com>", to=("{owner}", "team@example.com"), timeout_s=1.0,
        )  # fmt: skip
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []

    def start(self) -> None:
        stand_in = self

        class Handler:
            async def handle_DATA(self, server: Any, _session: object, envelope: Any) -> str:  # noqa: N802 - its name there
                answer = stand_in.answer
                if not isinstance(answer, int):
                    if answer == HANG:
                        await server.loop.run_in_executor(None, stand_in._over.wait, 30)
                    server.transport.abort()
                    return "421 gone"
                if answer >= 400:
                    return f"{answer} no"
                stand_in.mails.append(message_from_bytes(envelope.content, policy=policy.default))
                stand_in.recipients.append(list(envelope.rcpt_tos))
                return "250 taken"

        self._over = threading.Event()
        self._controller = Controller(
            Handler(), hostname="127.0.0.1", port=self._port, tls_context=self._tls, require_starttls=True
        )
        self._controller.start()

    def stop(self) -> None:
        self._over.set()
        self._controller.stop()

    def taken(self) -> list[str]:
        return [mail["Message-ID"].strip("<>").partition("@")[0] for mail in self.mails]


def stand_in_of(channel: str, folder: Path) -> StandIn:
    """A receiver of a channel; not started."""

    def http(url: str) -> HttpReceiver:
        return HttpReceiver(name=channel, channel=channel, url=SecretStr(url), timeout_s=1.0)

    def signed(url: str) -> WebhookReceiver:
        secret = SecretStr(SECRET)
        return WebhookReceiver(name="webhook", channel="webhook", url=SecretStr(url), secret=secret, timeout_s=1.0)

    def paged(url: str) -> PagerDutyReceiver:
        key = SecretStr("r0uting")
        return PagerDutyReceiver(name="pagerduty", channel="pagerduty", url=url, routing_key=key, timeout_s=1.0)

    def by_key(post: Post) -> str:
        key: str = post.content["dedup_key"]
        return key

    if channel == "email":
        return SmtpStandIn(folder)
    if channel == "webhook":
        return HttpStandIn(signed, lambda post: {k.lower(): v for k, v in post.headers.items()}["webhook-id"])
    if channel == "pagerduty":
        return HttpStandIn(paged, by_key)
    return HttpStandIn(http, lambda post: json.dumps(post.content))


def outgoing(event: str = "opened", **changed: Any) -> Outgoing:
    """A message of a case with everything that a body can have."""
    body = {
        "title": "New: Acme GmbH",
        "text": "Usage fell by 40 %.",
        "facts": [["Severity", "critical"], ["ARR", "120,000 EUR"]],
        "items": [],
        "url": "https://console.example/cases/c1",
        "severity": "critical",
        "addressee": {"owner": "ana", "email": "ana@example.com"},
        "case": {"account_id": "acme", "subject": "risk", "status": "open", "lead_kind": "usage_decline",
                 "opened_at": 1_773_100_800_000},
    }  # fmt: skip
    return Outgoing(
        message_id=changed.pop("message_id", "m1"),
        topic_key=changed.pop("topic_key", "c1"),
        event=event,
        body=body | changed,
        created_ms=1_773_100_900_000,
    )
