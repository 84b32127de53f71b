"""Avro on the wire: runs to batches, outcomes to messages."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from agents.transport.runs import Run
from agents.worker import fleet_wire
from agents.worker.ports import Headers, Message
from pipeline.terms.fleet_day import FleetDay
from pipeline.terms.records import Batch, DeadLetter, Outcome
from schemas import cloudevents
from schemas.codec import MAX_RECORD_BYTES, Decoder
from schemas.encoder import Encoder, RecordDecoder, TickEncoder
from schemas.errors import MalformedError
from schemas.registry import SchemaRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS

logger = logging.getLogger(__name__)

FLEET_DAYS = "fleet.days"
_EXPANSION = frozenset({"expansion", "advocacy"})
"""Families that go to alerts.expansion; all others go to alerts.health."""


class AvroWire:
    """Confluent-framed Avro for every topic.

    Args:
        registry: where schemas and their ids come from.
        source: CloudEvents source of the alerts, such as `/foreshock/production`.
        max_record_bytes: longer records of input topics are bad, and are not decoded.

    Raises:
        UnknownSchemaError: the registry has no id for a schema that is written.
        RegistryUnavailableError: the registry could not be asked.
    """

    def __init__(self, registry: SchemaRegistry, source: str, *, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        self._source = source
        self._decoders = {name: Decoder(TOPICS[name], registry, max_record_bytes) for name in INPUT_TOPICS}
        self._alert = Encoder(TOPICS["alerts.health"], registry)
        self._expansion = Encoder(TOPICS["alerts.expansion"], registry)
        self._shadow = Encoder(TOPICS["alerts.shadow"], registry)
        self._state = Encoder(TOPICS["alerts.state"], registry)
        self._health = Encoder(TOPICS["account.health"], registry)
        self._dead_letter = Encoder(TOPICS["dead.letters"], registry)
        self._ledger = Encoder(TOPICS["ledger"], registry)
        self._fleet = Encoder(TOPICS[FLEET_DAYS], registry)
        self._fleet_reader = RecordDecoder(TOPICS[FLEET_DAYS].schema, registry)
        self._tick = TickEncoder(registry)

    @property
    def fleet_topic(self) -> str:
        """Where partitions tell each other of their days."""
        return FLEET_DAYS

    def decode(self, run: Run) -> Batch:
        """Decode a run. Raises RegistryUnavailableError when a schema cannot be had now."""
        return self._decoders[run.topic].decode(
            run.partition, run.begin, run.end, run.offsets, run.timestamps_ms, run.keys, run.values
        )

    def outcome(self, outcome: Outcome) -> Iterator[Message]:
        """Alerts to their family's topic and to alerts.state, or to alerts.shadow; health to account.health."""
        for alert in outcome.alerts:
            account = alert["account_id"].encode()
            headers: Headers = [*cloudevents.headers(alert, self._source)]
            if alert["shadow"]:
                yield Message("alerts.shadow", account, self._shadow.encode(alert), headers)
                continue
            if alert["family"] in _EXPANSION:
                yield Message("alerts.expansion", account, self._expansion.encode(alert), headers)
            else:
                yield Message("alerts.health", account, self._alert.encode(alert), headers)
            yield Message("alerts.state", alert["alert_id"].encode(), self._state.encode(alert), headers)
        for health in outcome.health:
            yield Message("account.health", health["account_id"].encode(), self._health.encode(health))

    def fleet_day(self, record: FleetDay) -> Message:
        """A fleet update; all stand in one partition, whose order decides."""
        value = self._fleet.encode(fleet_wire.to_record(record, self._source))
        return Message(FLEET_DAYS, str(record.partition).encode(), value, partition=0)

    def read_fleet_day(self, value: bytes) -> FleetDay | None:
        """A fleet update of this deployment. Raises RegistryUnavailableError when its schema cannot be had now."""
        try:
            record = self._fleet_reader.decode(value)
        except MalformedError as error:
            logger.error("a record of %s cannot be read and is left out: %s", FLEET_DAYS, error)
            return None
        return fleet_wire.from_record(record) if record["source"] == self._source else None

    def dead_letter(self, letter: DeadLetter) -> Message:
        """A quarantined record under its original key."""
        record = {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "reason": letter.reason,
            "detail": letter.detail,
            "key": letter.key,
            "value": letter.value,
            "seen_at": letter.seen_at_ms,
        }
        return Message("dead.letters", letter.key, self._dead_letter.encode(record))

    def ledger(self, entry: Mapping[str, Any]) -> Message:
        """A ledger entry under its partition number."""
        return Message("ledger", str(entry["partition"]).encode(), self._ledger.encode(entry))

    def tick(self, topic: str, partition: int, at_ms: int) -> Message:
        """A tick for one partition of an input topic."""
        return Message(topic, TICK_KEY, self._tick.encode(at_ms, self._source), partition=partition)
