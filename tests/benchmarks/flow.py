"""A steady flow of usage events of now, with payment failures among them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Producer

from pipeline.simulate.tables import USAGE, pick, table_of
from pipeline.terms.arrays import I64
from schemas.codec.encode import Encoder
from schemas.partitioning import partitions_of
from schemas.registry.source import FileRegistry
from schemas.topics import TOPICS
from tests.benchmarks.broker import PARTITIONS
from tests.benchmarks.workload import FEATURES, Workload, event_ids

SLICE_S = 0.01
_ENCODED_PER_S = 250_000
"""A cautious guess, so that the flow begins when its event times do."""


@dataclass(frozen=True, slots=True)
class _Encoded:
    keys: list[bytes]
    values: list[bytes]
    partitions: I64


def flow(bootstrap: str, rate: float, seconds: float, failures_per_s: float, accounts: int) -> dict[str, Any]:
    """Produce; returns when each payment failure was handed to the producer, by invoice, in epoch seconds."""
    rng = np.random.default_rng(time.time_ns())
    count, failures = int(rate * seconds), int(failures_per_s * seconds)
    begin_s = time.time() + 1.0 + count / _ENCODED_PER_S
    usage = _usage(rng, count, accounts, begin_s * 1000, seconds)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 2_000_000,
            "log_level": 3,
        }
    )
    billing = _Billing(producer, rng, accounts)
    time.sleep(max(0.0, begin_s - time.time()))
    began_s = time.time()
    late_s = _run(producer, billing, usage, failures, seconds)
    lasted_s = time.time() - began_s
    left = producer.flush(30)
    return {"sent": billing.sent, "rate": count / lasted_s, "late_s": late_s, "unacknowledged": left}


def _run(producer: Producer, billing: _Billing, usage: _Encoded, failures: int, seconds: float) -> float:
    """Send slice by slice; returns how far behind its time the slowest slice was."""
    began_s, late_s = time.perf_counter(), 0.0
    slices = int(seconds / SLICE_S)
    bounds = np.linspace(0, len(usage.values), slices + 1).astype(int)
    due = np.diff(np.linspace(0, failures, slices + 1).astype(int))
    for number in range(slices):
        wait_s = began_s + number * SLICE_S - time.perf_counter()
        late_s = max(late_s, -wait_s)
        if wait_s > 0:
            time.sleep(wait_s)
        for partition, batch in _slice(usage, bounds[number], bounds[number + 1]):
            producer.produce_batch("usage.events", batch, partition)
        for _ in range(due[number]):
            billing.fail()
        producer.poll(0)
    return late_s


def _slice(usage: _Encoded, first: int, last: int) -> Iterator[tuple[int, list[dict[str, bytes]]]]:
    partitions = usage.partitions[first:last]
    for partition in range(PARTITIONS):
        places = (np.flatnonzero(partitions == partition) + first).tolist()
        if places:
            yield partition, [{"key": usage.keys[place], "value": usage.values[place]} for place in places]


class _Billing:
    """Produces payment failures and remembers when."""

    def __init__(self, producer: Producer, rng: np.random.Generator, accounts: int) -> None:
        self.sent: dict[str, float] = {}
        self._producer = producer
        self._rng = rng
        self._accounts = accounts
        self._encoder = Encoder(TOPICS["billing.events"], FileRegistry())
        self._run = f"{rng.integers(0, 2**40):x}"

    def fail(self) -> None:
        """One payment failure of some account."""
        invoice = f"inv-{self._run}-{len(self.sent)}"
        account = f"acct-{self._rng.integers(0, self._accounts):06d}"
        now_s = time.time()
        event = {
            "event_id": invoice,
            "account_id": account,
            "type": "payment_failed",
            "occurred_at": int(now_s * 1000),
            "invoice_id": invoice,
            "amount_minor": 1_000,
            "currency": "EUR",
        }
        partition = int(partitions_of([account.encode()], PARTITIONS)[0])
        self._producer.produce("billing.events", self._encoder.encode(event), account, partition)
        self.sent[invoice] = now_s


def _usage(rng: np.random.Generator, count: int, accounts: int, begin_ms: float, seconds: float) -> _Encoded:
    owner = rng.integers(0, accounts, count)
    ids = Workload(accounts=accounts).account_ids()
    account_ids = ids.take(pa.array(owner))
    keys = [key.encode() for key in ids.to_pylist()]
    names = pa.array([f"user-{number:03d}" for number in range(20)], pa.string())
    columns = {
        "event_id": event_ids(rng, count),
        "account_id": account_ids,
        "user_id": names.take(pa.array(rng.integers(0, len(names), count))),
        "feature": pick(FEATURES, rng.integers(0, len(FEATURES), count)),
        "occurred_at": pa.array((begin_ms + np.arange(count) * (seconds * 1000 / count)).astype(np.int64)),
        "quantity": pa.array(np.ones(count)),
    }
    values = Encoder(TOPICS["usage.events"], FileRegistry()).encode_table(table_of(columns, USAGE, count))
    partitions = partitions_of(keys, PARTITIONS)[owner]
    return _Encoded([keys[place] for place in owner.tolist()], values, partitions)
