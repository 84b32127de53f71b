"""Asking brokers for their topics, and saying in one line why they do not answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, TopicMetadata

from agents.exits import UnreachableError

_REPEAT_S = 60.0
SILENT = 2
"""Of the levels of syslog: librdkafka would log every attempt, twenty in a second."""
_NO_ANSWER = frozenset({"_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_AUTHENTICATION", "_SSL"})


class Complaints:
    """What a client says is wrong, as its `error_cb`: each complaint is logged once a minute at most."""

    def __init__(self, logger: logging.Logger, who: str) -> None:
        self._logger = logger
        self._who = who
        self._said_at: dict[str, float] = {}

    def __call__(self, error: KafkaError) -> None:
        """Log it unless that was done lately."""
        text, now = _plain(error), monotonic()
        if now - self._said_at.get(text, -_REPEAT_S) >= _REPEAT_S:
            self._said_at[text] = now
            self._logger.warning("%s: %s", self._who, text)


def topics_of(client: Mapping[str, Any], timeout_s: float) -> dict[str, TopicMetadata]:
    """Every topic of the cluster that these librdkafka settings lead to.

    Raises:
        UnreachableError: no broker answered; the message says why.
        KafkaException: a broker refused.
    """
    complaints: list[KafkaError] = []
    settings: dict[str, Any] = {**client, "log_level": SILENT, "error_cb": complaints.append}
    admin = AdminClient(settings)
    try:
        return admin.list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        failure: KafkaError = error.args[0]
        if failure.name() not in _NO_ANSWER:
            raise
        admin.poll(0)
        causes = {_plain(each): None for each in complaints if each.name() != "_ALL_BROKERS_DOWN"}
        why = "; ".join(causes) or failure.str()
        message = f"no broker of {client['bootstrap.servers']} answered within {timeout_s:.0f} s: {why}"
        raise UnreachableError(message) from error


def _plain(error: KafkaError) -> str:
    """Its text without what is different each time."""
    return re.sub(r" \(after .*\)$", "", error.str())
