"""A test message to one receiver, past the outbox: what it answers is said at once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from pipeline.notify.wording import trial_body
from schemas.errors import UsageError
from sinks.channels.channel import Outgoing
from sinks.channels.table import CHANNELS
from sinks.clock import wall_clock_ms
from sinks.errors import SinkError

if TYPE_CHECKING:
    from agents.settings import Settings


def send_test(settings: Settings, name: str) -> str | None:
    """Send a test message; returns why it was not taken. Raises UsageError for a receiver that there is not."""
    receivers = {each.name: each for each in settings.receivers}
    if name not in receivers:
        message = f"there is no receiver {name!r}; there is {', '.join(receivers) or 'none'}"
        raise UsageError(message)
    receiver, identity = receivers[name], str(uuid4())
    channel = CHANNELS[receiver.channel].open(receiver)
    try:
        channel.send(Outgoing(identity, identity, "test", trial_body(settings.routing()), wall_clock_ms()))
    except SinkError as error:
        return f"{name} did not take the message: {error}"
    finally:
        channel.close()
    return None
