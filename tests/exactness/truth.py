"""The truth of a run: what the oracle makes of the records as they stand in the topics, partition by partition."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from confluent_kafka import Message

from agents.delivery.reader import record_decoder
from pipeline.intake.feed import Feed
from schemas.codec.batch import Batch, RecordKind
from schemas.codec.decode import Decoder
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TOPICS
from tests.exactness.processes import PARTITIONS
from tests.oracle.batches import KINDS
from tests.oracle.model import OracleConfig, Record
from tests.oracle.oracle import Oracle
from tests.property.agreement import (
    COMPARED,
    assert_same_health,
    assert_same_ledger,
    assert_same_windows,
    close,
    run_oracles,
)
from tests.support.topics import everything

Identity = tuple[str, int]
_KINDS = {kind: name for name, kind in KINDS.items()}
ALERT_TOPICS = tuple(name for name, spec in TOPICS.items() if spec.schema == "alert" and name != "alerts.state")


class Truth:
    """An oracle for each partition."""

    def __init__(self, config: OracleConfig, bootstrap: str) -> None:
        logs = _logs(bootstrap)
        self.oracles: dict[int, Oracle] = dict(enumerate(run_oracles(config, [logs[n] for n in range(PARTITIONS)])))

    @property
    def alerts(self) -> dict[Identity, dict[str, Any]]:
        """Every revision of every alert."""
        return {key: alert for oracle in self.oracles.values() for key, alert in oracle.alerts.items()}

    @property
    def buried(self) -> set[tuple[str, int, int]]:
        """Topic, partition and offset of the records to be found in the dead letters."""
        return {
            (topic, number, offset)
            for number, oracle in self.oracles.items()
            for (topic, offset), fate in oracle.fate_of.items()
            if fate in {"dead_lettered", "too_late"}
        }


def _logs(bootstrap: str) -> dict[int, dict[str, list[Record]]]:
    runs: defaultdict[tuple[int, str], list[Message]] = defaultdict(list)
    for message in everything(bootstrap, INPUT_TOPICS):
        runs[int(message.partition() or 0), str(message.topic())].append(message)
    decoders = {topic: Decoder(TOPICS[topic], FileRegistry()) for topic in INPUT_TOPICS}
    logs: defaultdict[int, dict[str, list[Record]]] = defaultdict(dict)
    for (number, topic), messages in runs.items():
        offsets = [int(message.offset() or 0) for message in messages]
        batch = decoders[topic].decode(
            number,
            offsets[0],
            offsets[-1] + 1,
            offsets,
            [message.timestamp()[1] for message in messages],
            [message.key() for message in messages],
            [message.value() for message in messages],
        )
        logs[number][topic] = _records(batch)
    return logs


def _records(batch: Batch) -> list[Record]:
    events = iter(batch.events.to_pylist())
    records = []
    for place, kind in enumerate(batch.kind.tolist()):
        event: dict[str, Any] | None = None
        if kind == RecordKind.EVENT:
            event = next(events)
        elif kind == RecordKind.TOMBSTONE:
            event = {"account_id": (batch.keys[place] or b"").decode()}
        name: Any = _KINDS[RecordKind(kind)]
        at_ms, seen_at_ms = int(batch.occurred_at_ms[place]), int(batch.seen_at_ms[place])
        records.append(Record(int(batch.offsets[place]), name, seen_at_ms, at_ms, event))
    return records


def published_alerts(bootstrap: str) -> dict[Identity, dict[str, Any]]:
    """All alerts of the alert topics; the same identity twice must be the same bytes in the same partition."""
    decode = record_decoder(FileRegistry(), ALERT_TOPICS)
    bodies: dict[Identity, tuple[str, int, bytes]] = {}
    alerts: dict[Identity, dict[str, Any]] = {}
    for message in everything(bootstrap, ALERT_TOPICS):
        topic, value = str(message.topic()), bytes(message.value() or b"")
        alert = dict(decode(topic, value))
        identity = alert["alert_id"], alert["revision"]
        body = topic, int(message.partition() or 0), value
        assert bodies.setdefault(identity, body) == body, f"{identity} was published with two contents"
        assert (topic == "alerts.shadow") == alert["shadow"]
        alerts[identity] = alert
    return alerts


def assert_same_latest(alerts: dict[Identity, dict[str, Any]], bootstrap: str) -> None:
    """The compacted topic has of each alert that people see the last revision, as it was published."""
    decode = record_decoder(FileRegistry(), ["alerts.state"])
    found = {}
    for message in everything(bootstrap, ("alerts.state",)):
        alert = dict(decode("alerts.state", bytes(message.value() or b"")))
        found[alert["alert_id"]] = alert
    seen = sorted(identity for identity, alert in alerts.items() if not alert["shadow"])
    assert found == {alert_id: alerts[alert_id, revision] for alert_id, revision in seen}


def differences(expected: dict[Identity, dict[str, Any]], found: dict[Identity, dict[str, Any]]) -> list[str]:
    """What is missing, unexpected or different; the oracle's values may differ in the sixth decimal."""
    problems = [f"missing {expected[key]}" for key in expected.keys() - found.keys()]
    problems += [f"unexpected {found[key]}" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        ours, theirs = found[key], expected[key]
        problems += [
            f"{key} {name}: {ours[name]}, not {theirs[name]}" for name in COMPARED if ours[name] != theirs[name]
        ]
        values = {
            "observed": ours["signal"]["observed"],
            "expected": ours["signal"]["expected"],
            "evidence": ours["evidence"]["value"],
        }
        problems += [
            f"{key} {name}: {value}, not {theirs[name]}"
            for name, value in values.items()
            if not close(value, theirs[name])
        ]
    return problems


def assert_same_state(truth: Truth, feeds: dict[int, Feed]) -> None:
    """Windows, bands, fates, positions, and fates with holes that add up to the offsets."""
    assert feeds.keys() == truth.oracles.keys()
    for number, feed in feeds.items():
        oracle = truth.oracles[number]
        assert feed.open_day == oracle.open_day, number
        assert_same_ledger(oracle, feed)
        assert_same_windows(oracle, feed)
        for topic in feed.topics.values():
            ledger = topic.ledger
            assert sum(ledger.fates.values()) + ledger.holes == ledger.position - (ledger.start or 0)


def assert_same_verdicts(truth: Truth, bootstrap: str) -> None:
    """What is published of each account's health is what the oracle says of that day, on each of its scorecards."""
    decode = record_decoder(FileRegistry(), ["account.health"])
    records: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for message in everything(bootstrap, ("account.health",)):
        number, value = int(message.partition() or 0), bytes(message.value() or b"")
        records[number].append(dict(decode("account.health", value)))
    for number, oracle in truth.oracles.items():
        assert_same_health(oracle, records[number])


def assert_buried(truth: Truth, bootstrap: str) -> None:
    """Each record that was not taken is in the dead letters, and no other."""
    decode = record_decoder(FileRegistry(), ["dead.letters"])
    found = set()
    for message in everything(bootstrap, ("dead.letters",)):
        letter = decode("dead.letters", bytes(message.value() or b""))
        found.add((letter["topic"], letter["partition"], letter["offset"]))
    assert found == truth.buried
