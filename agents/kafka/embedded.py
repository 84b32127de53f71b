"""A Kafka-protocol broker without installation: librdkafka's in-process mock, in a process of its own.

For trying things out: memory only, about 5 MB per partition, four partitions for every topic.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from agents.kafka import clients
from schemas.errors import ForeshockError

PARTITIONS = 4
"""Of every topic; librdkafka's mock knows no other number."""

_START_S = 30.0


class EmbeddedBrokerError(ForeshockError):
    """The embedded broker did not start."""


class EmbeddedBroker:
    """Context manager; the broker ends with the block, and with this process however that ends."""

    def __init__(self, topics: Iterable[str] = ()) -> None:
        """`topics` exist from the start; others appear on first use."""
        self._topics = list(topics)
        self._process: subprocess.Popen[str] | None = None
        self.bootstrap = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", __name__, json.dumps(self._topics)]
        # Our own module in our own interpreter.
        self._process = subprocess.Popen(  # noqa: S603 - no input from outside
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.bootstrap = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not self.bootstrap:
            message = f"the embedded broker ended with code {self._process.wait(_START_S)}"
            raise EmbeddedBrokerError(message)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            # The child ends when its standard input does.
            self._process.communicate(timeout=_START_S)


def serve(topics: Iterable[str]) -> None:
    """Run the broker until standard input ends, after one line with its address."""
    # Ctrl-C is for the parent, which still needs the broker to stop in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    owner = clients.admin({"bootstrap.servers": "embedded", "test.mock.num.brokers": 1})
    metadata = owner.list_topics(timeout=_START_S)
    broker = next(iter(metadata.brokers.values()))
    for topic in topics:
        owner.list_topics(topic, timeout=_START_S)
    sys.stdout.write(f"{broker.host}:{broker.port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
