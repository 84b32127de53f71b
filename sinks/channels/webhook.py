"""Any program: the message in JSON, signed as Standard Webhooks has it; `webhook-id` is the message's id."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from pydantic import Field, SecretStr

from schemas.codec.cloudevents import rfc3339
from sinks.channels.channel import JSON, HttpChannel, HttpReceiver, Outgoing
from sinks.posting import Poster, secret_conflicts, signature, signing_key
from sinks.section import Conflict


class WebhookReceiver(HttpReceiver):
    """A program that checks signatures."""

    secret: SecretStr = Field(description="Signs the posts: whsec_ and 24 to 64 bytes in base64.")

    def conflicts(self) -> Iterator[Conflict]:
        """An address or a secret that cannot be used."""
        yield from super().conflicts()
        yield from secret_conflicts(self.secret, "webhook receivers")


class Webhook(HttpChannel):
    """Posts `type`, `timestamp` and `data`. `clock` gives the seconds since 1970 that are signed."""

    def __init__(self, poster: Poster, key: bytes, clock: Callable[[], float] = time.time) -> None:
        super().__init__(poster)
        self._key = key
        self._clock = clock

    def content(self, message: Outgoing) -> object:
        """The body as it is."""
        return {"type": f"case.{message.event}", "timestamp": rfc3339(message.created_ms), "data": message.body}

    def headers(self, message: Outgoing, body: bytes) -> Mapping[str, str]:
        """The signature."""
        return JSON | signature(self._key, message.message_id, self._clock(), body)


def open_webhook(receiver: WebhookReceiver) -> Webhook:
    """The channel to a receiver."""
    return Webhook(receiver.poster(), signing_key(receiver.secret))
