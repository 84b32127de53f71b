"""A tiny core in place of the real one: counts records by account. Values are decimal event times."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from agents.transport.runs import Run
from agents.worker import ingest, recovery
from agents.worker.publisher import Message
from agents.worker.serde import Serde
from pipeline.changelog.read import Loader
from pipeline.changelog.write import CLAIM_KEY, POSITION_KEY, Entry
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.terms.records import Batch, DeadLetter, Outcome, RecordKind
from schemas.codec.batch import BadRecord
from schemas.errors import RegistryUnavailableError
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS

POISON = b"poison"
_NO_COLUMNS = pa.RecordBatch.from_arrays([], names=[])


class CountingFeed(Feed):
    """Counts by account and topic; every `alert_every`-th record of an account and topic is an alert."""

    def __init__(self, number: int, alert_every: int = 10) -> None:
        super().__init__(EngineConfig(), number)
        self._positions: dict[str, int] = {}
        self._fates: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.components: dict[bytes, dict[str, int]] = {}
        self.dirty: set[bytes] = set()
        self.alert_every = alert_every
        self._times: dict[str, int] = dict.fromkeys(INPUT_TOPICS, 0)

    @property
    def positions(self) -> dict[str, int]:
        return self._positions

    @property
    def fates(self) -> dict[str, dict[str, int]]:
        return self._fates

    def push(self, batch: Batch) -> Outcome:
        expected = self.positions.get(batch.topic, batch.begin)
        assert batch.begin == expected, (batch.topic, batch.begin, expected)
        outcome = Outcome()
        bad = {record.index for record in batch.bad}
        for index in range(len(batch)):
            offset = int(batch.offsets[index])
            assert batch.begin <= offset < batch.end
            if index in bad:
                self._reject(batch, index, outcome)
            elif batch.kind[index] == RecordKind.TICK:
                self.fates[batch.topic]["applied"] += 1
            else:
                self._count(batch.topic, offset, batch.keys[index] or b"", outcome)
            self._times[batch.topic] = max(self._times.get(batch.topic, 0), int(batch.occurred_at_ms[index]))
        self.positions[batch.topic] = batch.end
        return outcome

    def _count(self, topic: str, offset: int, account: bytes, outcome: Outcome) -> None:
        key = account + b"|" + topic.encode()
        component = self.components.setdefault(key, {"n": 0, "next": 0})
        if offset < component["next"]:
            self.fates[topic]["duplicate"] += 1
            return
        component["n"] += 1
        component["next"] = offset + 1
        self.dirty.add(key)
        self.fates[topic]["applied"] += 1
        if component["n"] % self.alert_every == 0:
            alert = {"alert_id": f"{key.decode()}#{component['n']}", "account_id": account.decode()}
            outcome.alerts.append(alert | {"kind": "silence", "severity": "info", "status": "firing"})

    def _reject(self, batch: Batch, index: int, outcome: Outcome) -> None:
        self.fates[batch.topic]["dead_lettered"] += 1
        outcome.dead_letters.append(
            DeadLetter(
                batch.topic,
                self.number,
                int(batch.offsets[index]),
                "undecodable",
                "",
                batch.keys[index],
                batch.raw[index],
                int(batch.seen_at_ms[index]),
            )
        )

    def start_at(self, positions: Mapping[str, int]) -> None:
        for topic, position in positions.items():
            self.positions.setdefault(topic, position)

    def entries(self, epoch: int) -> list[Entry]:
        changed: list[Entry] = [
            (key, json.dumps(self.components[key] | {"epoch": epoch}).encode()) for key in sorted(self.dirty)
        ]
        self.dirty.clear()
        return [*changed, (POSITION_KEY, json.dumps({"positions": self.positions, "epoch": epoch}).encode())]

    def ledger_entry(self) -> dict[str, Any]:
        return {"partition": self.number, "positions": self.positions}

    def watermarks(self) -> dict[str, int]:
        return dict(self._times)


class CountingLoader(Loader):
    """What a former owner wrote after a newer claim is not taken."""

    def __init__(self, number: int) -> None:
        super().__init__(EngineConfig(), number)
        self.feed = CountingFeed(number)

    @property
    def keys(self) -> set[bytes]:
        return {*self.feed.components, POSITION_KEY}

    def add(self, key: bytes, value: bytes | None, offset: int) -> None:
        if key == CLAIM_KEY:
            self.epoch = offset
            return
        if not value:
            self.feed.components.pop(key, None)
            return
        record = json.loads(value)
        if record["epoch"] < self.epoch:
            self.stale += 1
            self._beaten.add(key)
        elif key == POSITION_KEY:
            self.feed.positions.update(record["positions"])
        else:
            self.feed.components[key] = record

    def finish(self) -> CountingFeed:
        self.feed.dirty |= self._beaten & self.feed.components.keys()
        return self.feed


def count_instead() -> None:
    """Make the workers of this process count, whatever the real core would do."""
    patch.object(recovery, "Loader", lambda _config, number, _count: CountingLoader(number)).start()
    patch.object(ingest, "checkpoint", CountingFeed.entries).start()


class PlainSerde(Serde):
    """Decimal event times in, JSON out."""

    def __init__(self) -> None:
        super().__init__(FileRegistry(), "/test")

    def decode(self, run: Run) -> Batch:
        times = np.zeros(len(run), np.int64)
        kind = np.full(len(run), RecordKind.EVENT, np.uint8)
        bad = []
        for index, (key, value) in enumerate(zip(run.keys, run.values, strict=True)):
            if value is None or value == POISON or key is None:
                kind[index] = RecordKind.BAD
                bad.append(BadRecord(index, "undecodable", "not a number"))
            else:
                times[index] = int(value)
                if key == b"\x00tick":
                    kind[index] = RecordKind.TICK
        return _batch(run, kind, times, bad)

    def outcome(self, outcome: Outcome) -> Iterator[Message]:
        yield from [
            Message(
                "alerts.health",
                alert["account_id"].encode(),
                json.dumps(alert).encode(),
                [("ce_id", alert["alert_id"].encode())],
            )
            for alert in outcome.alerts
        ]

    def dead_letter(self, letter: DeadLetter) -> Message:
        body = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
        return Message("dead.letters", letter.key, json.dumps(body).encode())

    def ledger(self, entry: Any) -> Message:
        return Message("ledger", str(entry["partition"]).encode(), json.dumps(entry).encode())

    def tick(self, topic: str, partition: int, at_ms: int) -> Message:
        return Message(topic, b"\x00tick", str(at_ms).encode(), partition=partition)


def _batch(run: Run, kind: Any, times: Any, bad: list[BadRecord]) -> Batch:
    return Batch(
        topic=run.topic,
        begin=run.begin,
        end=run.end,
        offsets=np.asarray(run.offsets, np.int64),
        seen_at_ms=np.asarray(run.timestamps_ms, np.int64),
        kind=kind,
        occurred_at_ms=times,
        events=_NO_COLUMNS,
        bad=bad,
        keys=run.keys,
        raw=run.values,
    )


class UnsureSerde(PlainSerde):
    """Has no schemas until a file exists."""

    def __init__(self, exists: Path) -> None:
        super().__init__()
        self._exists = exists

    def decode(self, run: Run) -> Batch:
        if run.topic == "usage.events":
            self.fetch_schemas()
        return super().decode(run)

    def fetch_schemas(self) -> None:
        if not self._exists.exists():
            message = "the registry does not answer"
            raise RegistryUnavailableError(message)
