"""What every destination of the table must keep, asked through the protocol; a new one needs its `Destination`."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from agents.delivery.loop import Deliver, DeliverConfig
from agents.delivery.reader import record_decoder
from agents.kafka.embedded import EmbeddedBroker
from pipeline.terms.records import DeadLetter
from schemas.registry.source import FileRegistry
from sinks.database.migrate import upgrade
from sinks.delivery import PROJECTIONS, Deployment, PositionedSink, Sink
from sinks.errors import SinkRejectedError, SinkUnavailableError
from sinks.metrics import Metrics
from sinks.table import SINKS
from tests.support.destinations import BAD, Databases, Destination, receiving
from tests.support.patience import wait_until
from tests.unit.sinks.delivering import QUICK, send
from tests.unit.sinks.records import ALERTS, alert, batch, record

SORTS = [
    ("database", "sqlite"),
    pytest.param(("database", "postgresql"), marks=pytest.mark.servers),
    ("webhook", "http"),
]


@pytest.fixture(params=SORTS, ids="-".join)
def sort(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Name in the table, and which server."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def destination(sort: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Destination]:
    if sort[0] == "webhook":
        with receiving() as receiver:
            yield receiver
        return
    url = f"sqlite:///{tmp_path / 'foreshock.db'}"
    if sort[1] == "postgresql":
        url = request.getfixturevalue("postgres").create_database(f"s{abs(hash(tmp_path)):x}")
    upgrade(url)
    yield Databases(url)


@pytest.fixture
def sink(sort: tuple[str, str], destination: Destination) -> Iterator[Sink]:
    made = opened(sort[0], destination)
    yield made
    made.close()


def opened(name: str, destination: Destination) -> Sink:
    made = SINKS[name].open(destination.section, Deployment("test", "/foreshock/test"))
    assert made is not None
    return made


def test_every_sink_of_the_table_is_asked() -> None:
    assert {getattr(each, "values", (each,))[0][0] for each in SORTS} == set(SINKS)


@pytest.mark.parametrize("name", SINKS)
def test_a_line_of_the_table_is_whole(name: str) -> None:
    spec = SINKS[name]
    assert name.isidentifier()
    assert set(spec.topics) <= set(PROJECTIONS)
    assert len({each.group for each in SINKS.values()}) == len(SINKS)
    assert (spec.section.__doc__ or "").endswith(".")
    assert list(spec.section().conflicts()) == []


def test_the_same_records_again_change_nothing(sink: Sink, destination: Destination) -> None:
    values = [alert("a"), alert("a", 2, status="resolved"), alert("b")]
    sink.write(batch(*values))
    assert destination.revisions() == [("a", 1), ("a", 2), ("b", 1)]
    sink.write(batch(*values, old=3))
    assert destination.revisions() == [("a", 1), ("a", 2), ("b", 1)]


def test_what_is_written_is_counted(sink: Sink) -> None:
    written = sink.write(batch(alert("a"), alert("b")))
    assert (sum(written.records.values()), written.conflicts) == (2, ())


def test_a_batch_without_records_is_written_too(sink: Sink, destination: Destination) -> None:
    assert sum(sink.write(batch(old=3) if not isinstance(sink, PositionedSink) else batch()).records.values()) == 0
    assert destination.revisions() == []


def test_a_record_that_is_refused_is_named_and_the_others_are_not_lost(sink: Sink, destination: Destination) -> None:
    good, fine = alert("good"), alert("fine")
    with pytest.raises(SinkRejectedError) as caught:
        sink.write(batch(good, alert("bad", summary=BAD), fine))
    assert [each.index for each in caught.value.rejections] == [1]
    whole = batch(good, alert("bad"), fine)
    sink.write(type(whole)([record(good), record(fine, 2)], whole.advances))
    assert destination.revisions() == [("fine", 1), ("good", 1)]


def test_a_destination_that_is_away_loses_nothing(sink: Sink, destination: Destination) -> None:
    with destination.away(), pytest.raises(SinkUnavailableError) as caught:
        sink.write(batch(alert("a")))
    assert caught.value.retry_after_s > 0
    sink.write(batch(alert("a")))
    assert destination.revisions() == [("a", 1)]


def test_a_sink_that_is_opened_anew_goes_on(sort: tuple[str, str], sink: Sink, destination: Destination) -> None:
    sink.write(batch(alert("a")))
    again = opened(sort[0], destination)
    again.write(batch(alert("b"), old=1))
    again.close()
    assert destination.revisions() == [("a", 1), ("b", 1)]


class CrashedError(Exception):
    """A process that ends at a bad moment."""


class Delivery:
    """Delivers to a destination over a broker until it crashes or is stopped; starts anew as often as is asked."""

    def __init__(self, name: str, destination: Destination, bootstrap: str) -> None:
        self._name, self._destination, self._bootstrap = name, destination, bootstrap
        self.letters: list[DeadLetter] = []
        self.metrics = Metrics()

    @contextmanager
    def running(self, *, crash_after: int | None = None) -> Iterator[Deliver]:
        """`crash_after`: so many writes, between the write and the moving of the position."""
        spec = SINKS[self._name]
        left = [crash_after]

        def failpoint(name: str) -> None:
            if name == "sink_after_commit" and left[0] is not None:
                left[0] -= 1
                if left[0] == 0:
                    raise CrashedError

        sink = opened(self._name, self._destination)
        config = DeliverConfig(
            {"bootstrap.servers": self._bootstrap, **QUICK},
            sink=self._name,
            group=spec.group,
            topics=spec.topics,
            batch_records=min(spec.batch_records, 7),
            longest_backoff_s=0.5,
        )
        decode = record_decoder(FileRegistry(), spec.topics)
        deliver = Deliver(config, sink, decode, self.letters.append, self.metrics, failpoint=failpoint)

        def run() -> None:
            with contextlib.suppress(CrashedError):
                deliver.run()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield deliver
        finally:
            deliver.stop()
            thread.join(60)
            sink.close()
        assert not thread.is_alive()


@pytest.fixture
def delivery(sort: tuple[str, str], destination: Destination) -> Iterator[Delivery]:
    with EmbeddedBroker(PROJECTIONS) as broker:
        values = [alert(f"a{n:02}", revision) for n in range(10) for revision in (1, 2)]
        send(broker.bootstrap, ALERTS, [*values[:9], alert("a99", summary=BAD), *values[9:]])
        yield Delivery(sort[0], destination, broker.bootstrap)


def has_ended(deliver: Deliver) -> bool:
    return deliver.ready() == "stopped"


EVERYTHING = [(f"a{n:02}", revision) for n in range(10) for revision in (1, 2)]


@pytest.mark.slow
def test_a_crash_between_write_and_position_loses_nothing(delivery: Delivery, destination: Destination) -> None:
    for writes in (2, 1):
        with delivery.running(crash_after=writes) as crashing:
            wait_until(partial(has_ended, crashing))
    assert destination.revisions()
    with delivery.running():
        wait_until(lambda: destination.revisions() == EVERYTHING)
        wait_until(lambda: bool(delivery.letters))
    assert len({(letter.partition, letter.offset) for letter in delivery.letters}) == 1
    taken = destination.taken()
    with delivery.running() as anew:
        wait_until(lambda: anew.ready() is None)
        time.sleep(1)
    assert destination.taken() == taken, "what stood in the positions came again"


@pytest.mark.slow
def test_an_outage_delays_delivery_and_loses_nothing(delivery: Delivery, destination: Destination) -> None:
    name = {"sink": next(name for name, spec in SINKS.items() if isinstance(destination.section, spec.section))}
    with destination.away(), delivery.running():
        wait_until(lambda: delivery.metrics.registry.get_sample_value("foreshock_sink_blocked", name) == 1)
    with delivery.running():
        wait_until(lambda: destination.revisions() == EVERYTHING)
        wait_until(lambda: bool(delivery.letters))
        wait_until(lambda: delivery.metrics.registry.get_sample_value("foreshock_sink_blocked", name) == 0)
