"""One worker process: builds the app, runs it until it is told to stop, and never goes on broken."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from agents.process import memory
from agents.process.exits import ExitCode, abandon
from agents.settings.worker import WorkerConfig
from agents.worker.app import WorkerApp, create_app
from agents.worker.checkpointer import Checkpointer
from agents.worker.fleet_tail import FleetTail
from agents.worker.preflight import require_topics
from agents.worker.runtime import Runtime
from agents.worker.serde import Serde
from agents.worker.ticker import Ticker
from agents.worker.watchdog import Watchdog
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS
from sinks.metrics import Metrics

logger = logging.getLogger(__name__)


class Worker:
    """Runs the core on the input topics until SIGTERM or SIGINT."""

    def __init__(
        self,
        config: WorkerConfig,
        *,
        topics: Sequence[str] = INPUT_TOPICS,
        serde: Serde,
        metrics: Metrics | None = None,
    ) -> None:
        self.config = config
        self._topics = topics
        self._serde = serde
        self._metrics = metrics or Metrics()
        self._runtime: Runtime | None = None
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def snapshot(self) -> dict[str, Any]:
        """State for readiness; callable from any thread."""
        if self._runtime is None:
            return {
                "state": "starting",
                "problem": "the worker is starting",
                "ready": False,
                "partitions": [],
                "positions": {},
            }
        return self._runtime.snapshot()

    def stop(self) -> None:
        """Ask it to stop; callable from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or `stop`; returns the exit code.

        A broken worker ends the whole process instead, whichever thread it runs in.
        """
        try:
            return asyncio.run(self._main())
        except Exception as error:
            abandon(error)

    async def _main(self) -> int:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._stop.set)
        partitions = await asyncio.to_thread(require_topics, self.config, self._topics)
        runtime = Runtime.build(self.config, self._topics, partitions, self._serde, self._metrics)
        self._runtime = runtime
        app = create_app(runtime)
        memory.calm_collector()
        runtime.lease.start()
        checkpointer = Checkpointer(self.config, runtime.ingest, lambda: runtime.waiting() == 0)
        tail = FleetTail(self.config, self._serde.read_fleet_day)
        tasks = [
            asyncio.create_task(app.start(), name="faust"),
            asyncio.create_task(checkpointer.run(), name="checkpoints"),
            asyncio.create_task(Ticker(runtime, app).run(), name="ticks"),
            asyncio.create_task(Watchdog(runtime, app).run(), name="watchdog"),
            asyncio.create_task(runtime.ingest.fetch_schemas(), name="schemas"),
            asyncio.create_task(tail.run(runtime.ingest.take_fleet_updates), name="fleet"),
        ]
        try:
            await self._wait(tasks)
            checkpointer.stop()
            return await self._finish(app, runtime, tasks)
        except Exception as error:
            abandon(error)

    async def _wait(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for the order to stop. Raises what any part raised."""
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        waiting: set[asyncio.Task[Any]] = {*tasks, stop}
        while not stop.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stop}:
                task.result()

    async def _finish(self, app: WorkerApp, runtime: Runtime, tasks: list[asyncio.Task[None]]) -> int:
        """Last checkpoint, commit, leave the group."""
        runtime.state = "stopping"
        async with asyncio.timeout(self.config.shutdown_timeout_s):
            app.flow_control.suspend()
            _, checkpoints, *others = tasks
            async with runtime.ingest.lock:
                for task in others:
                    task.cancel()
            await checkpoints
            await runtime.ingest.finish()
            await app.stop()
        runtime.lease.stop()
        left = runtime.publisher.close(1.0)
        if left:
            logger.error("%d records were given up at the end; they will be made again after a restart", left)
        return ExitCode.OK


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker with the packaged schemas, configured by JSON alone.

    `--config-json` holds the fields of WorkerConfig; `engine` in it holds those of EngineConfig.
    """
    parser = argparse.ArgumentParser(prog="python -m agents.worker.process", description=main.__doc__)
    parser.add_argument("--config-json", required=True)
    config = msgspec.json.decode(parser.parse_args(arguments).config_json, type=WorkerConfig)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return Worker(config, serde=Serde(FileRegistry(), f"/foreshock/{config.group}")).run()


if __name__ == "__main__":
    sys.exit(main())
