"""The channels: a new one is one file and one line here, and has settings, metrics and a sender by that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sinks.channels.alertmanager import AlertmanagerReceiver, open_alertmanager
from sinks.channels.channel import Channel, HttpReceiver, Receiver
from sinks.channels.mail import EmailReceiver, open_email
from sinks.channels.pagerduty import PagerDutyReceiver, open_pagerduty
from sinks.channels.slack import open_slack
from sinks.channels.teams import open_teams
from sinks.channels.webhook import WebhookReceiver, open_webhook


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One channel; its name in the table is what receivers have as `channel`."""

    receiver: type[Receiver]
    open: Callable[[Any], Channel]
    """Makes it of a receiver's settings; nothing is connected yet."""
    digests: bool = True
    """Read by people, who may be told once a day."""


CHANNELS: Mapping[str, ChannelSpec] = {
    "webhook": ChannelSpec(WebhookReceiver, open_webhook),
    "slack": ChannelSpec(HttpReceiver, open_slack),
    "teams": ChannelSpec(HttpReceiver, open_teams),
    "email": ChannelSpec(EmailReceiver, open_email),
    "pagerduty": ChannelSpec(PagerDutyReceiver, open_pagerduty, digests=False),
    "alertmanager": ChannelSpec(AlertmanagerReceiver, open_alertmanager, digests=False),
}
