"""What crosses the border of a channel: one message in, what the receiver calls it out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import Field, SecretStr

from sinks.posting import Poster, address_conflicts
from sinks.section import Conflict, Section

JSON = {"content-type": "application/json; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as a channel gets it; the same id is the same message, however often it comes."""

    message_id: str
    topic_key: str
    """What belongs together at the receiver, such as all messages of a case."""
    event: str
    body: Mapping[str, Any]
    """As `pipeline.notify.wording` makes it."""
    created_ms: int


class Channel(Protocol):
    """Sends to one receiver; for one thread."""

    def send(self, message: Outgoing) -> None:
        """Send, and return once the receiver has it for good.

        Raises:
            SinkUnavailableError: the same message comes again later.
            ContentRefusedError: it can never be sent.
        """

    def close(self) -> None:
        """Let go of connections."""


class Receiver(Section):
    """What settings say of a receiver, whatever its channel."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$", description="What routes call it.")
    channel: str
    timeout_s: float = Field(10.0, gt=0, le=60, description="Longest wait for an answer.")


class HttpReceiver(Receiver):
    """A receiver that is posted to, at an address that holds a token."""

    url: SecretStr = Field(description="Address to post to, https://HOST/PATH.")
    insecure: bool = Field(False, description="Allow http to other machines (on a closed network).")

    def conflicts(self) -> Iterator[Conflict]:
        """An address that cannot be posted to."""
        yield from address_conflicts(self.url.get_secret_value(), insecure=self.insecure)

    def poster(self) -> Poster:
        """Posts to it."""
        return Poster(self.name, self.url.get_secret_value(), timeout_s=self.timeout_s)


def as_json(_message: Outgoing, _body: bytes) -> Mapping[str, str]:
    """Headers of a post that nobody signs."""
    return JSON


class HttpChannel:
    """Posts JSON.

    Args:
        poster: to the receiver; closed with the channel.
        content: a message as the receiver understands it, as JSON values.
        headers: of a post with these bytes.
    """

    def __init__(
        self,
        poster: Poster,
        content: Callable[[Outgoing], object],
        headers: Callable[[Outgoing, bytes], Mapping[str, str]] = as_json,
    ) -> None:
        self._poster = poster
        self._content = content
        self._headers = headers

    def send(self, message: Outgoing) -> None:
        """Post a message; raises as `Channel.send`."""
        body = json.dumps(self._content(message), ensure_ascii=False, separators=(",", ":")).encode()
        self._poster.post(body, self._headers(message, body))

    def close(self) -> None:
        """Close all connections."""
        self._poster.close()


def clipped(text: str, most: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def plain(body: Mapping[str, Any]) -> str:
    """A body as lines of text."""
    lines = [body["title"], "", *([body["text"], ""] if body["text"] else [])]
    lines += [f"{label}: {value}" for label, value in body["facts"]]
    for item in body["items"]:
        lines += [f"- {item['title']}", *(f"  {each}" for each in (item["text"], item["url"]) if each)]
    return "\n".join([*lines, *(["", body["url"]] if body["url"] else [])])
