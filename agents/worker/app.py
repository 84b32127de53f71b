"""The Faust application: one agent over all input topics, and a table whose changelog holds the state."""

from __future__ import annotations

from typing import Any

import faust
from faust.types import AppT
from yarl import URL

from agents.process.exits import abandon
from agents.transport.credentials import credentials
from agents.transport.transport import BatchTransport, brokers
from agents.worker.recovery import BulkTableManager
from agents.worker.runtime import Runtime

_QUEUED_RUNS = 8
_COMMIT_INTERVAL_S = 2.0
_METADATA_AGE_MS = 5_000
"""Longest time for which added partitions are not seen."""


class RunSchema(faust.Schema[None, Any]):
    """Hands the run of records through as it is."""

    def loads_key(self, app: AppT, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        """A run has no key."""
        return None

    def loads_value(self, app: AppT, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        """The run."""
        return message.value


class WorkerApp(faust.App):
    """A Faust app that knows the worker's parts."""

    runtime: Runtime

    def _create_directories(self) -> None:
        """Nothing of a worker lives in files."""


def _settings(runtime: Runtime) -> dict[str, Any]:
    config = runtime.config
    session_s = config.session_timeout_ms / 1000
    return {
        "broker": [URL(address) for address in brokers(config.bootstrap)],
        "broker_credentials": credentials(config),
        "broker_session_timeout": session_s,
        "broker_heartbeat_interval": session_s / 10,
        "broker_request_timeout": max(session_s + 1, 40.0),
        "broker_rebalance_timeout": config.rebalance_timeout_s,
        "broker_max_poll_interval": 600.0,
        "broker_max_poll_records": config.max_batch_records,
        "broker_commit_interval": _COMMIT_INTERVAL_S,
        "broker_commit_every": 2**62,
        "consumer_max_fetch_size": config.fetch_max_bytes,
        "consumer_auto_offset_reset": "earliest",
        "consumer_metadata_max_age_ms": _METADATA_AGE_MS,
        "processing_guarantee": "at_least_once",
        "stream_wait_empty": False,
        "stream_buffer_maxsize": _QUEUED_RUNS,
        "stream_recovery_delay": 0.0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "web_enabled": False,
        "store": "memory://",
        "TableManager": BulkTableManager,
        "autodiscover": False,
    }


def create_app(runtime: Runtime) -> WorkerApp:
    """A Faust app for one worker; nothing is connected yet."""
    app = WorkerApp(runtime.config.group, **_settings(runtime))
    app.runtime = runtime
    transport = BatchTransport(app.conf.broker, app)
    transport.intake = runtime.ingest
    app.transport = transport
    app.Table("state", help="Account state; recovered and written by the worker itself.")
    topic = app.topic(*runtime.topics, schema=RunSchema())

    async def ingest(stream: Any) -> None:
        try:
            channel: Any = stream.channel
            runtime.waiting = channel.queue.qsize
            async for event in stream.noack().events():
                await runtime.ingest.accept(event.value, event)
        except Exception as error:
            abandon(error)

    app.agent(topic, name="ingest")(ingest)
    return app
