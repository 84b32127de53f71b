"""Avro on the wire: runs to batches, outcomes to messages."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from agents.kafka.registry import Fetched
from agents.transport.runs import Run
from agents.worker.publisher import Headers, Message
from pipeline.terms.fleet_day import BUCKETS, DRIFTS, LEVELS, FleetDay, Ranked, Tally
from pipeline.terms.records import Batch, DeadLetter, Outcome
from schemas.codec import cloudevents
from schemas.codec.decode import Decoder
from schemas.codec.encode import Encoder, RecordDecoder, TickEncoder
from schemas.errors import MalformedError
from schemas.registry.source import FileRegistry, SchemaRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS
from schemas.validation import MAX_RECORD_BYTES

logger = logging.getLogger(__name__)

FLEET_DAYS = "fleet.days"
"""Where partitions tell each other of the days that they have closed."""
_EXPANSION = frozenset({"expansion", "advocacy"})
"""Families that go to alerts.expansion; all others go to alerts.health."""


class Serde:
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
        self._fetched = Fetched(registry)
        decoding = registry if isinstance(registry, FileRegistry) else self._fetched
        self._decoders = {name: Decoder(TOPICS[name], decoding, max_record_bytes) for name in INPUT_TOPICS}
        self._alert = Encoder(TOPICS["alerts.health"], registry)
        self._expansion = Encoder(TOPICS["alerts.expansion"], registry)
        self._shadow = Encoder(TOPICS["alerts.shadow"], registry)
        self._state = Encoder(TOPICS["alerts.state"], registry)
        self._case = Encoder(TOPICS["cases"], registry)
        self._result = Encoder(TOPICS["command.results"], registry)
        self._health = Encoder(TOPICS["account.health"], registry)
        self._dead_letter = Encoder(TOPICS["dead.letters"], registry)
        self._ledger = Encoder(TOPICS["ledger"], registry)
        self._fleet = Encoder(TOPICS[FLEET_DAYS], registry)
        self._fleet_reader = RecordDecoder(TOPICS[FLEET_DAYS].schema, registry)
        self._tick = TickEncoder(registry)

    def decode(self, run: Run) -> Batch:
        """Decode a run, asking no server. Raises RegistryUnavailableError for what `fetch_schemas` must bring first."""
        return self._decoders[run.topic].decode(
            run.partition, run.begin, run.end, run.offsets, run.timestamps_ms, run.keys, run.values, run.headers
        )

    def fetch_schemas(self) -> None:
        """Ask for the schemas that `decode` was missing; blocks. Raises RegistryUnavailableError."""
        self._fetched.fetch()

    def outcome(self, outcome: Outcome) -> Iterator[Message]:
        """Alerts to their family's topic and to alerts.state, or to alerts.shadow; the rest to a topic each."""
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
        for case in outcome.cases:
            about: Headers = [*cloudevents.headers(case, self._source)]
            yield Message("cases", case["case_id"].encode(), self._case.encode(case), about)
        for result in outcome.results:
            yield Message("command.results", result["account_id"].encode(), self._result.encode(result))
        for health in outcome.health:
            yield Message("account.health", health["account_id"].encode(), self._health.encode(health))

    def fleet_day(self, record: FleetDay) -> Message:
        """A fleet record; all stand in one partition, whose order decides."""
        value = self._fleet.encode(_fleet_record(record, self._source))
        return Message(FLEET_DAYS, str(record.partition).encode(), value, partition=0)

    def read_fleet_day(self, value: bytes) -> FleetDay | None:
        """A fleet record of this deployment; may ask the registry, and blocks. Raises RegistryUnavailableError."""
        try:
            record = self._fleet_reader.decode(value)
        except MalformedError as error:
            logger.error("a record of %s cannot be read and is left out: %s", FLEET_DAYS, error)
            return None
        return _fleet_day(record) if record["source"] == self._source else None

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


def _fleet_record(day: FleetDay, source: str) -> dict[str, Any]:
    """The record as in schemas/fleet_day.avsc."""
    return {
        "partition": day.partition,
        "since": day.since,
        "day": day.day,
        "source": source,
        "scopes": [
            {
                "segment": segment,
                "counts": _trimmed(tally.counts),
                "actions": tally.actions,
                "expected": tally.expected,
                "weeks": _trimmed(tally.weeks),
            }
            for segment, tally in day.tallies.items()
        ],
        "alarmed": np.array(day.alarmed, dtype="<u8").tobytes(),
        "renamed": day.renamed,
        "peopled": day.peopled,
        "ranked": [
            {"kind": kind, "accounts": told.accounts, "opened": told.opened, "lasted": told.lasted}
            for kind, told in day.ranked.items()
        ],
        "levels": [{"segment": scope, "counts": _trimmed(counts)} for scope, counts in day.levels.items()],
        "components": [{"name": name, "accounts": accounts} for name, accounts in day.components.items()],
        "outcomes": [
            {"cell": key // 8, "happened": key % 8, "accounts": accounts} for key, accounts in day.outcomes.items()
        ],
        "used": day.used,
        "drifts": _trimmed(day.drifts),
    }


def _fleet_day(record: Mapping[str, Any]) -> FleetDay:
    """What `_fleet_record` made a record of."""
    tallies = {
        scope["segment"]: Tally(_filled(scope["counts"]), scope["actions"], scope["expected"], _filled(scope["weeks"]))
        for scope in record["scopes"]
    }
    alarmed = np.frombuffer(record["alarmed"], dtype="<u8").tolist()
    told = record["partition"], record["since"], record["day"]
    ranked = {each["kind"]: Ranked(each["accounts"], each["opened"], each["lasted"]) for each in record["ranked"]}
    levels = {each["segment"]: _filled(each["counts"], LEVELS) for each in record["levels"]}
    components = {each["name"]: each["accounts"] for each in record["components"]}
    outcomes = {8 * each["cell"] + each["happened"]: each["accounts"] for each in record["outcomes"]}
    people = record["renamed"], record["peopled"]
    drifts = _filled(record["drifts"], DRIFTS) if record["drifts"] else ()
    feeds = record["used"], drifts
    return FleetDay(*told, tallies, tuple(alarmed), *people, ranked, levels, components, outcomes, *feeds)


def _filled(counts: Sequence[int], size: int = BUCKETS) -> tuple[int, ...]:
    return (*counts, *[0] * (size - len(counts)))


def _trimmed(counts: tuple[int, ...]) -> list[int]:
    used = len(counts)
    while used and not counts[used - 1]:
        used -= 1
    return list(counts[:used])
