"""A small simulated stream with every kind of trouble, as event files, and its way into Kafka step by step."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Producer

from agents.eventfiles.files import TOPIC_OF, EventFiles, read_events, write_events
from agents.replay.arrivals import every
from agents.replay.emit import EmitOptions, Emitted, emit
from agents.replay.plan import plan
from pipeline.simulate import SimulatedStream, SimulationSettings, simulate
from pipeline.simulate.tables import arrow_schema
from schemas.partitioning import partition_of
from schemas.registry.source import FileRegistry
from schemas.topics import DAY_MS, INPUT_TOPICS, TOPICS
from tests.support.patience import patience, wait_until

HOUR_MS = 3_600_000
CALM_SHARE = 0.4
"""Of the stream: its first six weeks have few alerts."""
_LATE_SHARE = 0.03
_MOST_LATE_MS = 6 * DAY_MS
"""Longer than the allowed lateness of three days, so that some come too late."""
_TWICE_SHARE = 0.01
_FAILED_BEFORE_MS = 5 * HOUR_MS
_BAD_EVERY = 60
_BAD = (b"", b"\x00\x00\x00", b"\x00\x00\x00\x00\x01\xff\xff", b"not avro at all", None)
"""Values that no schema fits; null is one in all topics but account.profiles."""


def write_story(folder: Path, *, accounts: int = 24, days: int = 100, seed: int = 7) -> EventFiles:
    """Draw the stream, let its usage arrive as by a bad feed and payments fail, and write and read its files."""
    wanted = SimulationSettings(seed=seed, accounts=accounts, days=days, incidents_per_kind=2, first_incident_day=60)
    stream = simulate(wanted)
    changed = replace(stream, usage=_with_stragglers(stream, seed), billing=_with_failed_payments(stream.billing))
    write_events(changed, folder)
    files = read_events(folder)
    assert not files.rejected
    return files


def _with_stragglers(stream: SimulatedStream, seed: int) -> pa.Table:
    """The usage as a bad feed brings it: some rows hours or days late, some twice, some too late to count."""
    usage, random = stream.usage, np.random.default_rng(seed)
    occurred_at = usage.column("occurred_at").to_numpy()
    count = usage.num_rows
    delay_ms = np.where(random.random(count) < _LATE_SHARE, random.integers(HOUR_MS, _MOST_LATE_MS, count), 0)
    twice = np.flatnonzero(random.random(count) < _TWICE_SHARE)
    again_ms = random.integers(1, 2 * DAY_MS, len(twice))
    # In a stream ordered by arrival, which is not that of the events, the running maximum is the time of day.
    arrival = np.concatenate([np.maximum.accumulate(occurred_at) + delay_ms, occurred_at[twice] + again_ms])
    rows = np.concatenate([np.arange(count), twice])
    return usage.take(pa.array(rows[np.argsort(arrival, kind="stable")]))


def _with_failed_payments(billing: pa.Table) -> pa.Table:
    """The billing, with a failed attempt a few hours before every third payment."""
    paid = np.flatnonzero(pc.equal(billing.column("type"), "invoice_paid").to_numpy(zero_copy_only=False))[::3]
    failed = billing.take(pa.array(paid))
    occurred_at = billing.column("occurred_at").to_numpy()
    changes = {
        "event_id": pc.binary_join_element_wise(failed.column("event_id"), "failed", "-"),
        "type": pa.array(["payment_failed"] * len(paid)),
        "occurred_at": pa.array(occurred_at[paid] - _FAILED_BEFORE_MS),
    }
    for name, values in changes.items():
        field = billing.schema.field(name)
        failed = failed.set_column(billing.column_names.index(name), field, values.cast(field.type))
    both = pa.concat_tables([billing, failed])
    return both.take(pa.array(np.argsort(both.column("occurred_at").to_numpy(), kind="stable")))


def write_crowd(folder: Path, *, accounts: int = 12_000) -> EventFiles:
    """Usage of many accounts, all of them every four hours over a midnight; write and read its file."""
    start_ms = 1_772_442_000_000
    rows = [
        {
            "event_id": f"{number}-{account}",
            "account_id": f"crowd-{account:05d}",
            "user_id": f"u{(number + account) % 3}",
            "feature": f"f{account % 4}",
            "occurred_at": start_ms + number * 4 * HOUR_MS + account * 300,
            "quantity": 1.0 + account % 7,
        }
        for number in range(7)
        for account in range(accounts)
    ]
    schemas = {name: arrow_schema(TOPICS[topic].schema) for name, topic in TOPIC_OF.items()}
    tables = {name: pa.Table.from_pylist([], schema) for name, schema in schemas.items()}
    usage = pa.Table.from_pylist(rows, schemas["usage"]).sort_by("occurred_at")
    write_events(SimulatedStream(**{**tables, "usage": usage}, labels=pa.table({})), folder)
    files = read_events(folder)
    assert files.rows == len(rows)
    return files


class Feeding:
    """Produces the files in steps of an hour of event time, as far as it is allowed to.

    An hour's tick stands where a backtest has its ticks, so both see the same prefixes when a day closes. With
    `poison`, values that cannot be decoded and tombstones of profiles are strewn in.
    """

    def __init__(self, files: EventFiles, bootstrap: str, *, poison: bool = True) -> None:
        self._files = files
        self._client = {"bootstrap.servers": bootstrap, "log_level": 0}
        self._poison = Producer({**self._client, "linger.ms": 0}) if poison else None
        self._allowed = 0.0
        self._step = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="feeding", daemon=True)
        self._error: BaseException | None = None
        self.emitted: Emitted | None = None
        self.steps = len(plan(files, 1, every(HOUR_MS)))
        """How many there are; hours in which nothing happens have none."""

    @property
    def done(self) -> bool:
        """Whether everything was produced and acknowledged."""
        if self._error is not None:
            raise self._error
        return self.emitted is not None

    @property
    def share(self) -> float:
        """How much of the stream was produced, 0 to 1."""
        return 1.0 if self.done else self._step / self.steps

    def allow(self, share: float) -> None:
        """Produce up to this share of the stream; never less than before."""
        with self._changed:
            self._allowed = max(self._allowed, share * self.steps if share < 1 else float("inf"))
            self._changed.notify()

    def run(self, share: float, seconds: float) -> None:
        """Produce this much more of the stream, evenly over the time."""
        began, began_at = self._allowed / self.steps, time.monotonic()
        while (passed := time.monotonic() - began_at) < seconds:
            assert not self.done, "the stream is over too soon"
            self.allow(began + share * passed / seconds)
            time.sleep(0.02)
        self.allow(began + share)

    def finish(self) -> Emitted:
        """Produce all that is left; what was emitted, without the poison."""
        self.allow(1.0)
        wait_until(lambda: self.done, "the stream to be produced", 120.0)
        assert self.emitted is not None
        return self.emitted

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.allow(1.0)
        self._thread.join(patience(60))

    def _run(self) -> None:
        try:
            options = EmitOptions(every(HOUR_MS), source="test")
            emitted = emit(self._files, self._client, FileRegistry(), options, on_step=self._wait)
            if self._poison is not None:
                assert self._poison.flush(patience(30)) == 0
            self.emitted = emitted
        except BaseException as error:
            self._error = error

    def _wait(self, _emitted: Emitted) -> None:
        self._step += 1
        if self._poison is not None and self._step % _BAD_EVERY == 0:
            number = self._step // _BAD_EVERY
            topic = INPUT_TOPICS[number % len(INPUT_TOPICS)]
            key = f"acc-{number % 24:05d}".encode()
            self._poison.produce(topic, _BAD[number // len(INPUT_TOPICS) % len(_BAD)], key, partition_of(key, 4))
        with self._changed:
            while self._step > self._allowed:
                self._changed.wait(1.0)
