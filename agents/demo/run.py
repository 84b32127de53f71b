"""The whole pipeline on this machine: a sample stream through real topics, a real worker and a database.

Broker, worker and delivery are processes of their own; this one produces, watches, and checks at the end that
every record produced has met exactly one fate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from agents.demo.folder import GROUP, DemoFolder, make_stream
from agents.demo.processes import Child, DemoError, free_port
from agents.demo.replay import Replay
from agents.demo.watch import Applied, Delivered, Watch
from agents.eventfiles.files import EventFiles
from agents.kafka.embedded import EmbeddedBroker
from agents.replay.emit import Emitted
from pipeline.scoring.labels import Label, labels_from_table
from pipeline.simulate import SimulationSettings
from schemas.topics import INPUT_TOPICS, TOPICS
from sinks.database.migrate import upgrade

_LOOK_S = 0.4
_SETTLE_S = 0.1
_STUCK_S = 45.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What there is to show while the demo runs."""

    stage: str
    events: int = 0
    events_total: int = 0
    records: int = 0
    """Records that the worker has applied, ticks included."""
    elapsed_s: float = 0.0
    """Since the first record was produced."""
    watermark_ms: int | None = None
    bands: Mapping[str, int] = field(default_factory=dict)
    alerts: Mapping[str, int] = field(default_factory=dict)


Show = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class DemoRun:
    """What a demo has produced and what became of it."""

    folder: DemoFolder
    settings: SimulationSettings
    labels: list[Label]
    emitted: Emitted
    fates: dict[str, dict[str, int]]
    """By topic, from the worker's ledger."""
    elapsed_s: float
    """From the first record produced until the last alert was in the database."""


def run_demo(folder: DemoFolder, settings: SimulationSettings, show: Show, stay: Stay | None = None) -> DemoRun:
    """Run the demo in a folder that was prepared.

    Args:
        folder: of its own.
        settings: of the stream.
        show: is told how far it is.
        stay: is given the run, the console's address and a look at the processes, while all of them go on.

    Raises:
        DemoError: a process ended, something does not move, or records are not accounted for.
        EmitError: a record was not delivered to the broker.
    """
    show(Progress("starting broker, worker and delivery"))
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker([*TOPICS, f"{GROUP}-state-changelog"]))
        upgrade(folder.database_url)
        port = free_port()
        page_port = free_port()
        own = {
            "worker": {"metrics.port": port},
            "deliver": {"metrics.port": 0},
            "console": {"metrics.port": 0, "console.port": page_port},
        }
        worker, deliver, *console = (
            stack.enter_context(
                Child(role, folder.settings, {"kafka.bootstrap": broker.bootstrap, **more}, folder.log(role))
            )
            for role, more in own.items()
            if role != "console" or stay is not None
        )
        show(Progress(f"drawing {settings.accounts} accounts over {settings.days} days"))
        stream, files = make_stream(settings, folder)
        client = {"bootstrap.servers": broker.bootstrap}
        watch = stack.enter_context(Watch(client, GROUP, port, folder.database_url))
        flow = _Flow(client, files, (worker, deliver, *console), watch, show)
        emitted = flow.replay(None if stay is None else time.time_ns() // 1_000_000)
        applied = flow.await_applied(emitted)
        labels = labels_from_table(stream.labels)
        if stay is not None:
            flow.await_delivered(deliver, *console)
            run = DemoRun(folder, settings, labels, emitted, applied.fates, flow.elapsed_s)

            def look() -> None:
                for each in (worker, deliver, *console):
                    each.check()

            stay(run, f"http://127.0.0.1:{page_port}/", look)
            return run
        flow.show("stopping the worker")
        worker.stop()
        flow.await_delivered(deliver)
        deliver.stop()
        return DemoRun(folder, settings, labels, emitted, applied.fates, flow.elapsed_s)


Stay = Callable[[DemoRun, str, Callable[[], None]], None]


class _Flow:
    """The records' way through the pipeline, watched."""

    def __init__(
        self,
        client: Mapping[str, Any],
        files: EventFiles,
        children: Sequence[Child],
        watch: Watch,
        show: Show,
    ) -> None:
        self._client = client
        self._files = files
        self._children = children
        self._watch = watch
        self._show = show
        self._began_s = time.monotonic()
        self._applied = Applied()
        self._delivered = Delivered({}, {})
        self._events = 0

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began_s

    def replay(self, until_ms: int | None) -> Emitted:
        """Produce the stream, which is over at a time, at the worker's pace."""
        emission = Replay(self._client, self._files, until_ms)
        self._began_s = time.monotonic()
        emission.start()
        while not emission.join_for(_LOOK_S):
            self._events = emission.events
            self._check()
            self.show("replaying")
        self._events = self._files.rows
        return emission.result()

    def await_applied(self, emitted: Emitted) -> Applied:
        """Wait until the worker has applied and committed everything. Raises DemoError."""
        expected = emitted.by_topic

        def pending() -> int:
            fates = self._applied.fates
            missing = sum(abs(expected[topic] - sum(fates.get(topic, {}).values())) for topic in INPUT_TOPICS)
            return missing + self._watch.uncommitted()

        self._await("waiting for the worker", "the worker has not applied and committed", pending)
        return self._applied

    def await_delivered(self, *running: Child) -> None:
        """Wait until the database has everything that the worker has published. Raises DemoError."""
        self._children = running
        self._await("waiting for the database", "the database does not have", self._watch.undelivered)

    def show(self, stage: str) -> None:
        """Look, and show what is to be seen."""
        applied = self._watch.applied()
        if applied.fates:
            self._applied = applied
        self._delivered = self._watch.delivered()
        self._show(
            Progress(
                stage,
                self._events,
                self._files.rows,
                self._applied.records,
                self.elapsed_s,
                self._applied.watermark_ms,
                self._delivered.bands,
                self._delivered.alerts,
            )
        )

    def _await(self, stage: str, complaint: str, pending: Callable[[], int]) -> None:
        left, moved_s = -1, time.monotonic()
        while True:
            self._check()
            self.show(stage)
            now_left = pending()
            if now_left == 0:
                return
            if now_left != left:
                left, moved_s = now_left, time.monotonic()
            elif time.monotonic() - moved_s > _STUCK_S:
                message = f"{complaint} {left} records, and nothing moved for {_STUCK_S:.0f} s"
                raise DemoError(message)
            time.sleep(_SETTLE_S)

    def _check(self) -> None:
        for child in self._children:
            child.check()
