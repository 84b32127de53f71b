"""A tiny core with the API of the real one: counts records by account. Values are decimal event times."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from agents.transport.runs import Run
from agents.worker.ports import CLAIM_KEY, Entry, Facts, Message
from pipeline.terms.records import Batch, DeadLetter, Outcome, RecordKind
from schemas.codec.batch import BadRecord
from schemas.errors import RegistryUnavailableError

POSITION_KEY = b"\x00pos"

POISON = b"poison"
_NO_COLUMNS = pa.RecordBatch.from_arrays([], names=[])


class CountingFeed:
    """Counts by account and topic; every `alert_every`-th record of an account and topic is an alert."""

    def __init__(self, number: int, alert_every: int = 10) -> None:
        self.number = number
        self.positions: dict[str, int] = {}
        self.fates: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.components: dict[bytes, dict[str, int]] = {}
        self.dirty: set[bytes] = set()
        self.alert_every = alert_every
        self._times: dict[str, int] = {}

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
            outcome.alerts.append({"alert_id": f"{key.decode()}#{component['n']}", "account_id": account.decode()})

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

    def queued(self, topic: str) -> int:
        return 0

    def learn(self, records: Any) -> Outcome:
        return Outcome()

    def told_ms(self) -> int:
        return 0

    def start_at(self, positions: Mapping[str, int]) -> None:
        for topic, position in positions.items():
            self.positions.setdefault(topic, position)

    def entries(self, epoch: int) -> list[Entry]:
        changed: list[Entry] = [
            (key, json.dumps(self.components[key] | {"epoch": epoch}).encode()) for key in sorted(self.dirty)
        ]
        self.dirty.clear()
        return [*changed, (POSITION_KEY, json.dumps({"positions": self.positions, "epoch": epoch}).encode())]

    def watermarks(self) -> dict[str, int]:
        return dict(self._times)


class CountingLoader:
    """What a former owner wrote after a newer claim is not taken."""

    def __init__(self, number: int) -> None:
        self.feed = CountingFeed(number)
        self.stale = 0
        self._epoch = -1
        self._beaten: set[bytes] = set()

    def add(self, key: bytes, value: bytes | None, offset: int) -> None:
        if key == CLAIM_KEY:
            self._epoch = offset
            return
        if not value:
            self.feed.components.pop(key, None)
            return
        record = json.loads(value)
        if record["epoch"] < self._epoch:
            self.stale += 1
            self._beaten.add(key)
        elif key == POSITION_KEY:
            self.feed.positions = record["positions"]
        else:
            self.feed.components[key] = record

    def finish(self) -> CountingFeed:
        self.feed.dirty |= self._beaten & self.feed.components.keys()
        return self.feed


class CountingCore:
    """Makes and saves counting feeds."""

    new_loader: type[CountingLoader] = CountingLoader

    def loader(self, number: int, partitions: int | None = None) -> CountingLoader:
        return self.new_loader(number)

    def checkpoint(self, feed: Any, epoch: int) -> list[Entry]:
        entries: list[Entry] = feed.entries(epoch)
        return entries

    def ledger_entry(self, feed: Any) -> dict[str, Any]:
        return {"partition": feed.number, "positions": dict(feed.positions)}

    def facts(self, feed: Any) -> Facts:
        return Facts(len(feed.components), 0, 0, {})

    def bands(self, feed: Any) -> dict[tuple[str, str | None], int]:
        return {("grey", None): len(feed.components)}


class IdleFeed(CountingFeed):
    """Applies nothing: what is measured is the shell."""

    def push(self, batch: Batch) -> Outcome:
        self.positions[batch.topic] = batch.end
        self.fates[batch.topic]["applied"] += len(batch)
        return Outcome()


class IdleLoader(CountingLoader):
    """Loader of IdleFeed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.feed = IdleFeed(number)


class IdleCore(CountingCore):
    """Core that applies nothing."""

    new_loader = IdleLoader


class PlainWire:
    """Decimal event times in, JSON out."""

    fleet_topic: str | None = None

    def fleet_day(self, record: Any) -> Message:
        raise NotImplementedError

    def read_fleet_day(self, value: bytes) -> None:
        raise NotImplementedError

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

    def outcome(self, outcome: Outcome) -> list[Message]:
        return [
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


class BlindWire(PlainWire):
    """Does not look at the values."""

    def decode(self, run: Run) -> Batch:
        kind = np.full(len(run), RecordKind.EVENT, np.uint8)
        return _batch(run, kind, np.asarray(run.timestamps_ms, np.int64), [])


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


class UnsureWire(PlainWire):
    """Has no schemas until a file exists."""

    def __init__(self, gate: Path) -> None:
        self._gate = gate

    def decode(self, run: Run) -> Batch:
        if run.topic == "usage.events" and not self._gate.exists():
            message = "the registry does not answer"
            raise RegistryUnavailableError(message)
        return super().decode(run)
