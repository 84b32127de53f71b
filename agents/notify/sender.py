"""The sender of one receiver: takes a message, sends it, settles it.

A message is taken for as long as a try may last, and the try is counted before it is made. So whatever is killed when,
the message comes again under its id, and no event of a case overtakes an earlier one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from agents.process.failpoints import hit
from sinks.backoff import Backoff, Progress
from sinks.channels.channel import Channel, Outgoing
from sinks.clock import wall_clock_ms
from sinks.database.outbox import Outbox, Taken
from sinks.errors import ContentRefusedError, SinkUnavailableError
from sinks.metrics import Metrics

logger = logging.getLogger(__name__)

_LOOK_S = 0.5
_GRACE_S = 5.0
"""What a try may last beyond the receiver's timeout."""


class Sender:
    """Sends to one receiver until stopped; `run` belongs to one thread, the rest to any.

    Args:
        name: of the receiver.
        channel: to it. The caller closes it.
        outbox: where messages are.
        metrics: told what happens.
        timeout_s: longest wait of the channel for one answer.
        longest_backoff_s: between two tries while the receiver is away.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        outbox: Outbox,
        metrics: Metrics,
        *,
        timeout_s: float = 10.0,
        longest_backoff_s: float = 300.0,
        clock: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._name = name
        self._channel = channel
        self._outbox = outbox
        self._metrics = metrics
        # A channel may wait for several answers.
        self._lease_ms = int((3 * timeout_s + _GRACE_S) * 1000)
        self._clock = clock
        self._stop = threading.Event()
        self._away = Backoff(longest_backoff_s)
        self._database = Backoff(30.0)
        self._problem: str | None = None
        self._progress = Progress()
        self.healthy = self._progress.problem

    def stop(self) -> None:
        """Ask `run` to return after the message in hand."""
        self._stop.set()

    def ready(self) -> str | None:
        """Say why messages are not being sent now."""
        return self._problem

    def run(self) -> None:
        """Send until stopped."""
        while not self._stop.is_set():
            self._progress.made()
            try:
                message = self._outbox.take(self._name, self._clock(), self._lease_ms)
                self._database.reset()
            except SinkUnavailableError as error:
                self._pause(self._database.next_delay(error.retry_after_s), str(error))
                continue
            if message is None:
                self._stop.wait(_LOOK_S)
            else:
                self._send(message)

    def _send(self, message: Taken) -> None:
        hit("notify_taken")
        try:
            self._channel.send(
                Outgoing(message.message_id, message.topic_key, message.event, message.body, message.created_ms)
            )
        except SinkUnavailableError as error:
            self._metrics.notified(self._name, "retried")
            self._metrics.notify_blocked(self._name, blocked=True)
            delay_s, said = self._away.next_delay(error.retry_after_s), str(error)
            not_before_ms = self._clock() + int(delay_s * 1000)
            self._settle(lambda: self._outbox.later(message.message_id, not_before_ms, said))
            self._pause(delay_s, said)
            return
        except ContentRefusedError as error:
            logger.error("%s refuses message %s (%s): %s", self._name, message.message_id, message.event, error)
            refused = str(error)
            self._settle(lambda: self._outbox.failed(message.message_id, refused))
            self._metrics.notified(self._name, "failed")
        else:
            hit("notify_sent")
            self._settle(lambda: self._outbox.sent(message.message_id, self._clock()))
            self._metrics.notified(self._name, "sent")
        self._metrics.notify_blocked(self._name, blocked=False)
        self._away.reset()
        self._problem = None

    def _settle(self, write: Callable[[], None]) -> None:
        """Write what became of a message, however long the database is away: else it would be sent again."""
        while True:
            try:
                return write()
            except SinkUnavailableError as error:
                if self._stop.is_set():
                    return None
                self._pause(self._database.next_delay(error.retry_after_s), str(error))

    def _pause(self, delay_s: float, problem: str) -> None:
        self._problem = problem
        logger.warning("%s: tried again in %.1f s: %s", self._name, delay_s, problem)
        until_s = time.monotonic() + delay_s
        while (left_s := until_s - time.monotonic()) > 0 and not self._stop.wait(min(left_s, 1.0)):
            self._progress.made()
