"""PagerDuty, Events API v2: one incident a case, triggered, acknowledged and resolved under the case's id."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pydantic import Field, SecretStr

from schemas.codec.cloudevents import rfc3339
from sinks.channels.channel import HttpChannel, Outgoing, Receiver, clipped
from sinks.posting import Poster, address_conflicts
from sinks.section import Conflict

_ACTIONS = {"acknowledged": "acknowledge", "snoozed": "acknowledge", "closed": "resolve"}
_SUMMARY = 1_024


class PagerDutyReceiver(Receiver):
    """A service with an integration of the Events API v2."""

    routing_key: SecretStr = Field(description="Integration key of the service.")
    url: str = Field("https://events.pagerduty.com/v2/enqueue", description="Where events are posted to.")

    def conflicts(self) -> Iterator[Conflict]:
        """An address that cannot be posted to."""
        yield from address_conflicts(self.url)


def content(routing_key: str, message: Outgoing) -> object:
    """An event; the same again changes nothing at the incident."""
    body = message.body
    text = f"{body['title']}. {body['text']}" if body["text"] else body["title"]
    return {
        "routing_key": routing_key,
        "event_action": _ACTIONS.get(message.event, "trigger"),
        "dedup_key": message.topic_key,
        "client": "foreshock",
        **({"client_url": body["url"], "links": [{"href": body["url"], "text": "Case"}]} if body["url"] else {}),
        "payload": {
            "summary": clipped(text, _SUMMARY),
            "source": body["case"].get("account_id") or "foreshock",
            "severity": body["severity"],
            "timestamp": rfc3339(message.created_ms),
            "class": body["case"].get("lead_kind") or message.event,
            "group": body["case"].get("subject") or "foreshock",
            "custom_details": dict(body["facts"]),
        },
    }


def open_pagerduty(receiver: PagerDutyReceiver) -> HttpChannel:
    """The channel to a receiver."""
    poster = Poster(receiver.name, receiver.url, timeout_s=receiver.timeout_s)
    return HttpChannel(poster, partial(content, receiver.routing_key.get_secret_value()))
