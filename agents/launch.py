"""The long-running processes, put together from settings: the only place that knows all their parts."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException

from agents.delivery.loop import Deliver, DeliverConfig
from agents.delivery.portfolio import PortfolioKeeper
from agents.delivery.reader import Publish, record_decoder
from agents.kafka import clients
from agents.kafka.registry import open_registry
from agents.notify.keeper import Keeper
from agents.notify.sender import Sender
from agents.process.exits import ExitCode
from agents.process.failpoints import hit
from agents.settings import ConfigError, Problem, Settings
from agents.worker.process import Worker
from agents.worker.serde import Serde
from pipeline.kinds import enabled_by_level
from schemas.topics import DAY_MS, INPUT_TOPICS
from sinks.channels.table import CHANNELS
from sinks.database.outbox import Outbox
from sinks.database.portfolio import PortfolioStore
from sinks.delivery import Deployment
from sinks.listener import Check, Listener, always_fine
from sinks.metrics import Metrics
from sinks.table import SINKS

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

logger = logging.getLogger(__name__)

_DEAD_LETTER_S = 30.0


def run_worker(settings: Settings, *, embedded: bool = False, accept_epoch: bool = False) -> int:
    """Run a worker until SIGTERM or SIGINT; returns the exit code.

    Args:
        settings: of this process.
        embedded: the broker is the embedded one.
        accept_epoch: start although positions do not fit the topics any more.
    """
    metrics = Metrics(version=version("foreshock"))
    metrics.rules_enabled(enabled_by_level(settings.engine()))
    worker = Worker(
        settings.worker(embedded=embedded, accept_epoch=accept_epoch),
        topics=INPUT_TOPICS,
        serde=Serde(open_registry(settings), source(settings), max_record_bytes=settings.limits.record_bytes),
        metrics=metrics,
    )

    def ready() -> str | None:
        problem: str | None = worker.snapshot()["problem"]
        return problem

    with _listening(settings, metrics, ready=ready):
        return worker.run()


def run_deliver(settings: Settings, *, accept_loss: bool = False) -> int:
    """Deliver topics to every sink that the settings name until SIGTERM or SIGINT; returns the exit code.

    Sinks do not wait for each other, nor for the portfolio figures. `accept_loss`: go on when a topic no longer has
    what a sink waits for.

    Raises:
        RefusedError: it has not, and that was not accepted.
    """
    metrics = Metrics(version=version("foreshock"))
    with ExitStack() as stack:
        delivers = _delivers(settings, metrics, stack, accept_loss=accept_loss)
        database = settings.database
        store = stack.enter_context(closing(PortfolioStore(database.full_url())))
        keeper = PortfolioKeeper(store, settings.app.timezone, metrics, months=database.portfolio_months)
        threads = stack.enter_context(ThreadPoolExecutor(len(delivers) + 1, "deliver"))

        def stop(*_: object) -> None:
            for each in delivers.values():
                each.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        stack.enter_context(
            _listening(
                settings,
                metrics,
                healthy=lambda: _first_problem({name: each.healthy for name, each in delivers.items()}),
                ready=lambda: _first_problem({name: each.ready for name, each in delivers.items()}),
            )
        )
        figures = threads.submit(keeper.run)
        running = [threads.submit(each.run) for each in delivers.values()]
        # Without one of them the others would look sound: the process ends, and its supervisor starts it again.
        wait([figures, *running], return_when=FIRST_COMPLETED)
        stop()
        wait(running)
        keeper.stop()
        for each in (*running, figures):
            each.result()
    return ExitCode.OK


def run_console(settings: Settings, routes: Sequence[BaseRoute]) -> int:
    """Serve the console, its API and these pages until SIGTERM or SIGINT; returns the exit code.

    Raises:
        ConfigError: it would be open to other machines without a sign-in, or the address cannot be listened on.
    """
    from agents.web.app import build, serve

    app = build(settings, routes)
    with _listening(settings, Metrics(version=version("foreshock")), ready=always_fine):
        serve(settings, app)
    return ExitCode.OK


def run_notify(settings: Settings) -> int:
    """Send what the outbox holds, to each receiver on its own, until SIGTERM or SIGINT; returns the exit code."""
    routing = settings.routing()
    metrics = Metrics(receivers=routing.channels, version=version("foreshock"))
    with ExitStack() as stack:
        outbox = stack.enter_context(closing(Outbox(settings.database_url())))
        keeper = Keeper(routing, outbox, metrics, retention_ms=settings.notify.retention_d * DAY_MS)
        senders = {}
        for receiver in settings.receivers:
            channel = stack.enter_context(closing(CHANNELS[receiver.channel].open(receiver)))
            senders[receiver.name] = Sender(receiver.name, channel, outbox, metrics, timeout_s=receiver.timeout_s)
        jobs: list[Keeper | Sender] = [keeper, *senders.values()]
        threads = stack.enter_context(ThreadPoolExecutor(len(jobs), "notify"))

        def stop(*_: object) -> None:
            for each in jobs:
                each.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        ready = {"database": keeper.ready, **{name: each.ready for name, each in senders.items()}}
        stack.enter_context(
            _listening(
                settings,
                metrics,
                healthy=lambda: _first_problem({name: each.healthy for name, each in senders.items()}),
                ready=lambda: _first_problem(ready),
            )
        )
        logger.info("sending to: %s", ", ".join(senders) or "nobody; there are no receivers in the settings")
        running = [threads.submit(each.run) for each in jobs]
        # As with deliveries: without one of them the others would look sound.
        wait(running, return_when=FIRST_COMPLETED)
        stop()
        for done in running:
            done.result()
    return ExitCode.OK


def _delivers(settings: Settings, metrics: Metrics, stack: ExitStack, *, accept_loss: bool) -> dict[str, Deliver]:
    """A delivery for each sink that the settings name; the sinks are closed with the stack."""
    registry = open_registry(settings)
    client = settings.kafka_client()
    deployment = Deployment(settings.app.group, source(settings), settings.routing(), hit)
    delivers = {}
    for name, spec in SINKS.items():
        sink = spec.open(settings.section(name), deployment)
        if sink is None:
            continue
        stack.callback(sink.close)
        config = DeliverConfig(
            client,
            sink=name,
            group=f"{settings.app.group}-{spec.group}",
            topics=spec.topics,
            batch_records=spec.batch_records,
            max_skew_ms=settings.engine().max_skew_ms,
            accept_loss=accept_loss,
        )
        # Of its own, since it has a thread of its own.
        decode = record_decoder(registry, spec.topics)
        dead_letter = dead_letter_publisher(client, Serde(registry, source(settings)))
        delivers[name] = Deliver(config, sink, decode, dead_letter, metrics)
    logger.info("delivering to: %s", ", ".join(delivers))
    return delivers


def _first_problem(checks: Mapping[str, Check]) -> str | None:
    return next((f"{name}: {problem}" for name, check in checks.items() if (problem := check()) is not None), None)


def source(settings: Settings) -> str:
    """CloudEvents source of everything that this deployment says."""
    return f"/foreshock/{settings.app.group}"


def dead_letter_publisher(client: Mapping[str, Any], serde: Serde) -> Publish:
    """A function that publishes a dead letter and returns once that is acknowledged.

    It raises KafkaException when that does not happen.
    """
    silent = {**client, "log_level": clients.SILENT}
    complain = clients.Complaints(logger, "dead letters")
    producer = clients.producer(silent, "dead letters", logger=logger, on_error=complain)

    def publish(letter: Any) -> None:
        failures: list[KafkaError] = []
        message = serde.dead_letter(letter)
        producer.produce(
            message.topic,
            message.value,
            message.key,
            on_delivery=lambda error, _message: None if error is None else failures.append(error),
        )
        if producer.flush(_DEAD_LETTER_S):
            raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT))
        if failures:
            raise KafkaException(failures[0])

    return publish


@contextmanager
def _listening(settings: Settings, metrics: Metrics, *, ready: Check, healthy: Check | None = None) -> Iterator[None]:
    host, port = settings.metrics.host, settings.metrics.port
    checks = {"ready": ready} if healthy is None else {"ready": ready, "healthy": healthy}
    metrics.ready(ready)
    try:
        listener = Listener(metrics.registry, host=host, port=port, **checks)
    except OSError as error:
        why = f"cannot be listened on at {host}: {error.strerror}; choose another, or 0 for any free one"
        raise ConfigError([Problem("settings", "metrics.port", str(port), why)]) from error
    with listener:
        logger.info("metrics and probes on http://%s:%d", host, listener.port)
        yield
