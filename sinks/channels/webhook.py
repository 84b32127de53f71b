"""Any program: the message in JSON, signed as Standard Webhooks has it; `webhook-id` is the message's id."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from pydantic import Field, SecretStr

from schemas.codec.cloudevents import rfc3339
from sinks.channels.channel import JSON, HttpChannel, HttpReceiver, Outgoing
from sinks.posting import secret_conflicts, signature, signing_key
from sinks.section import Conflict


class WebhookReceiver(HttpReceiver):
    """A program that checks signatures."""

    secret: SecretStr = Field(description="Signs the posts: whsec_ and 24 to 64 bytes in base64.")

    def conflicts(self) -> Iterator[Conflict]:
        """An address or a secret that cannot be used."""
        yield from super().conflicts()
        yield from secret_conflicts(self.secret, "webhook receivers")


def open_webhook(receiver: WebhookReceiver) -> HttpChannel:
    """The channel to a receiver."""
    key = signing_key(receiver.secret)

    def signed(message: Outgoing, body: bytes) -> Mapping[str, str]:
        return JSON | signature(key, message.message_id, time.time(), body)

    return HttpChannel(receiver.poster(), _content, signed)


def _content(message: Outgoing) -> object:
    return {"type": f"case.{message.event}", "timestamp": rfc3339(message.created_ms), "data": message.body}
