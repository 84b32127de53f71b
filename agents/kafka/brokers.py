"""Asking brokers for their topics, and saying in one line why they do not answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from time import monotonic
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka.admin import AdminClient, ClusterMetadata, TopicMetadata

from agents.kafka import clients
from agents.process.exits import UnreachableError

_ASK_EVERY_S = 3.0
_ANSWER_S = 2.0
_ATTEMPT_S = 5.0
_NO_ANSWER = frozenset({"_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_AUTHENTICATION", "_SSL"})

Request = Callable[[AdminClient, float], Mapping[Any, Future[Any]]]


class Silence:
    """Whether brokers answer a consumer to which they send nothing, asked every few seconds."""

    def __init__(self, consumer: Consumer, topic: str) -> None:
        """`topic`: one that exists."""
        self._consumer = consumer
        self._topic = topic
        self._heard_s = -_ASK_EVERY_S

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Ask, unless one of these or an earlier answer has come lately; None if there was an answer."""
        now = monotonic()
        if any(message.error() is None for message in messages):
            self._heard_s = now
        if now - self._heard_s < _ASK_EVERY_S:
            return None
        try:
            self._consumer.list_topics(self._topic, timeout=_ANSWER_S)
        except KafkaException as error:
            failure: KafkaError = error.args[0]
            return f"no broker answers: {failure.str()}"
        self._heard_s = monotonic()
        return None


def ask(client: Mapping[str, Any], request: Request, timeout_s: float, done_if: int | None = None) -> dict[Any, Any]:
    """What brokers answer to a request of an admin client, by what was asked for.

    A client sends all its requests to one broker, which may be the one that is down: another client chooses anew.

    Args:
        client: librdkafka settings.
        request: sends the request; it is to take no longer than the seconds that it is given.
        timeout_s: until when to try.
        done_if: code of an error by which a broker says that it was done before.

    Raises:
        UnreachableError: no broker answered; the message says why.
        KafkaException: a broker refused.
    """
    until_s = monotonic() + timeout_s
    while True:
        admin = clients.admin(client)
        try:
            return {asked: _result(future, done_if) for asked, future in request(admin, _ATTEMPT_S).items()}
        except KafkaException as error:
            failure: KafkaError = error.args[0]
            if failure.name() not in _NO_ANSWER:
                raise
            if monotonic() > until_s:
                message = (
                    f"no broker of {client['bootstrap.servers']} answered within {timeout_s:.0f} s: {failure.str()}"
                )
                raise UnreachableError(message) from error


def _result(future: Future[Any], done_if: int | None) -> Any:
    try:
        return future.result()
    except KafkaException as error:
        if error.args[0].code() != done_if:
            raise
        return None


def brokers_of(client: Mapping[str, Any], timeout_s: float) -> list[str]:
    """Addresses of all brokers that the one which answers knows.

    Raises:
        UnreachableError, KafkaException: as `topics_of`.
    """
    return [f"{broker.host}:{broker.port}" for broker in _metadata_of(client, timeout_s).brokers.values()]


def topics_of(client: Mapping[str, Any], timeout_s: float) -> dict[str, TopicMetadata]:
    """Every topic of the cluster that these librdkafka settings lead to.

    Raises:
        UnreachableError: no broker answered; the message says why.
        KafkaException: a broker refused.
    """
    return _metadata_of(client, timeout_s).topics


def _metadata_of(client: Mapping[str, Any], timeout_s: float) -> ClusterMetadata:
    complaints: list[KafkaError] = []
    admin = clients.admin(client, complaints.append)
    try:
        return admin.list_topics(timeout=timeout_s)
    except KafkaException as error:
        failure: KafkaError = error.args[0]
        if failure.name() not in _NO_ANSWER:
            raise
        admin.poll(0)
        causes = {clients.plain(each): None for each in complaints if each.name() != "_ALL_BROKERS_DOWN"}
        why = "; ".join(causes) or failure.str()
        message = f"no broker of {client['bootstrap.servers']} answered within {timeout_s:.0f} s: {why}"
        raise UnreachableError(message) from error
