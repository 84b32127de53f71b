"""The client and its brokers: what is counted, what is done when there is no room, and what a spool holds."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from agents.kafka.embedded import EmbeddedBroker
from schemas.client import AsyncEventClient, EventClient, EventError, FullError, Undelivered
from schemas.client.events import PSEUDONYM_KEY, TOPIC_OF, EventWriter
from schemas.errors import UsageError
from schemas.partitioning import partition_of
from schemas.registry.source import FileRegistry
from tests.support.patience import python, wait_until
from tests.support.topics import everything

NOBODY = "kafka://127.0.0.1:1"
TOPICS = list(TOPIC_OF.values())


def events_of(bootstrap: str) -> list[dict[str, Any]]:
    """All records, in the order of their partitions."""
    readers = {TOPIC_OF[method]: EventWriter(method, FileRegistry(), None) for method in TOPIC_OF}
    found = []
    for message in everything(bootstrap, TOPICS):
        assert message.partition() == partition_of(message.key() or b"", 4)
        found.append(readers[str(message.topic())].read(message.value() or b""))
    return found


def emit(client: EventClient, numbers: range) -> list[str]:
    return [client.usage(account_id="acme", feature="export", event_id=f"e{number}") for number in numbers]


def test_events_of_all_sorts_arrive_where_their_account_belongs() -> None:
    with EmbeddedBroker(TOPICS) as broker:
        with EventClient(f"kafka://{broker.bootstrap}") as events:
            ids = [events.usage(account_id=f"a{number}", feature="export") for number in range(100)]
            ids.append(events.billing(account_id="acme", type="payment_failed", currency="EUR", invoice_id="in-1"))
            ids.append(events.ticket(account_id="acme", ticket_id="1", type="opened", priority="p1"))
            ids.append(events.signal(account_id="acme", type="nps", score=9))
            events.profile(account_id="acme", name="Acme", seats=40)
            assert events.flush() == events.waiting == 0
            assert (events.counters.sent, events.counters.acknowledged) == (104, 104)
        assert events.close() == 0
        found = events_of(broker.bootstrap)
    assert sorted(each["event_id"] for each in found if "event_id" in each) == sorted(ids)
    assert [each["seats"] for each in found if "seats" in each] == [40]


def test_awaited_events_arrive_too() -> None:
    async def run(bootstrap: str) -> int:
        async with AsyncEventClient(f"kafka://{bootstrap}") as events:
            await asyncio.gather(*(events.usage(account_id="acme", feature="export") for _ in range(50)))
            await events.billing(account_id="acme", type="invoice_paid", currency="EUR")
            await events.ticket(account_id="acme", ticket_id="1", type="closed", priority="p3")
            await events.signal(account_id="acme", type="meeting_held")
            await events.profile(account_id="acme")
            assert await events.flush() == 0
        return await events.close()

    with EmbeddedBroker(TOPICS) as broker:
        assert asyncio.run(run(broker.bootstrap)) == 0
        assert len(events_of(broker.bootstrap)) == 54


def test_a_client_that_waits_for_room_does_not_hold_up_the_loop() -> None:
    async def run() -> int:
        async with AsyncEventClient(NOBODY, memory_bytes=1024, block_s=0.5) as events:
            ticks = 0

            async def fill() -> None:
                while True:
                    await events.usage(account_id="acme", feature="export")

            filling = asyncio.create_task(fill())
            while not filling.done():
                await asyncio.sleep(0.01)
                ticks += 1
            assert isinstance(filling.exception(), FullError)
            await events.close(0)
            return ticks

    assert asyncio.run(run()) > 10


@pytest.mark.parametrize("method", ["usage", "billing"])
def test_what_would_be_dead_lettered_is_refused_at_the_call(method: str) -> None:
    with EventClient(NOBODY) as events, pytest.raises(EventError, match=rf"^{method}\.account_id: missing"):
        getattr(events, method)(event_id="x")
    assert events.counters.sent == 0


def test_a_type_checker_sees_what_is_wrong() -> None:
    # Every `ignore` that is not needed is an error of `make check`.
    with EventClient(NOBODY) as events, pytest.raises(EventError):
        events.usage(acount_id="acme", feature="export")  # type: ignore[call-arg]
    with EventClient(NOBODY) as events, pytest.raises(EventError):
        events.signal(account_id="acme", type="npz")  # type: ignore[arg-type]


@pytest.mark.parametrize("when_full", ["drop", "raise", "block"])
def test_when_memory_is_full_events_are_dropped_raised_or_waited_for(when_full: Any) -> None:
    lost: list[Undelivered] = []
    events = EventClient(NOBODY, memory_bytes=65_536, when_full=when_full, block_s=0.3, on_undelivered=lost.append)
    began = time.monotonic()
    if when_full == "drop":
        emit(events, range(1000))
        assert events.counters.dropped == 1000 - events.counters.sent
    else:
        with pytest.raises(FullError, match="there is no room"):
            emit(events, range(1000))
        assert events.counters.dropped == 0
    assert (time.monotonic() - began >= 0.3) == (when_full == "block")
    sent = events.counters.sent
    assert sent == 64
    assert events.close(0) == events.counters.failed == sent
    assert [each.fields["event_id"] for each in lost] == [f"e{number}" for number in range(sent)]


def test_events_that_find_no_broker_are_sent_by_the_next_client_first_and_in_order(tmp_path: Path) -> None:
    spool = tmp_path / "events.spool"
    events = EventClient(NOBODY, spool=spool, delivery_s=1.0)
    emit(events, range(100))
    wait_until(lambda: events.counters.spooled == 100, "the spool")
    emit(events, range(100, 200))
    assert events.close(0) == 200
    assert (events.counters.sent, events.counters.spooled, events.counters.failed) == (200, 200, 0)
    with EmbeddedBroker(TOPICS) as broker:
        with EventClient(f"kafka://{broker.bootstrap}", spool=spool) as events:
            emit(events, range(200, 300))
        assert (events.counters.sent, events.counters.acknowledged) == (100, 300)
        assert [each["event_id"] for each in events_of(broker.bootstrap)] == [f"e{number}" for number in range(300)]
    assert spool.stat().st_size == 8


def test_a_process_that_is_killed_loses_nothing_that_was_spooled(tmp_path: Path) -> None:
    spool = tmp_path / "events.spool"
    script = f"""
import os
from schemas.client import EventClient
events = EventClient({NOBODY!r}, spool={str(spool)!r}, memory_bytes=1024)
for number in range(1000):
    events.usage(account_id="acme", feature="export", event_id=f"e{{number}}")
print(events.counters.spooled, flush=True)
os.kill(os.getpid(), 9)
"""
    spooled = int(python(script).stdout)
    assert spooled > 900
    with EmbeddedBroker(TOPICS) as broker:
        with EventClient(f"kafka://{broker.bootstrap}", spool=spool):
            pass
        found = [each["event_id"] for each in events_of(broker.bootstrap)]
    assert found == [f"e{number}" for number in range(1000 - spooled, 1000)]


@pytest.mark.parametrize("when_full", ["drop", "raise"])
def test_a_full_spool_is_as_full_memory(tmp_path: Path, when_full: Any) -> None:
    events = EventClient(
        NOBODY, spool=tmp_path / "spool", spool_bytes=5000, memory_bytes=1024, delivery_s=60, when_full=when_full
    )
    if when_full == "drop":
        emit(events, range(500))
        assert events.counters.dropped == 500 - events.counters.sent
    else:
        with pytest.raises(FullError):
            emit(events, range(500))
    assert 0 < events.counters.spooled < events.counters.sent < 200
    # What was in memory finds no room either: it has failed, and that is said.
    assert events.close(0) == events.counters.sent == events.counters.spooled + events.counters.failed
    assert (tmp_path / "spool").stat().st_size <= 5000


def test_an_event_for_which_there_is_no_topic_fails_and_holds_up_no_other(tmp_path: Path) -> None:
    lost: list[Undelivered] = []
    with EmbeddedBroker(TOPICS) as broker:
        events = EventClient(f"kafka://{broker.bootstrap}", spool=tmp_path / "spool", on_undelivered=lost.append)
        refused: Any = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
        made = events._writers["usage"].write({"account_id": "acme", "feature": "export"}, 1_790_000_000_000)
        events.counters.sent += 1
        events._settle(made.event, refused)
        emit(events, range(10))
        assert events.close() == 1
    assert (events.counters.failed, events.counters.acknowledged) == (1, 10)
    assert [(each.topic, each.fields["event_id"]) for each in lost] == [("usage.events", made.event_id)]


def test_a_producer_that_is_broken_for_good_is_replaced(tmp_path: Path) -> None:
    with EmbeddedBroker(TOPICS) as broker:
        with EventClient(f"kafka://{broker.bootstrap}", spool=tmp_path / "spool") as events:
            emit(events, range(10))
            broken = events._producer
            events._complain(KafkaError(KafkaError._FATAL, "of a test", fatal=True))
            wait_until(lambda: events._producer is not broken, "another producer")
            emit(events, range(10, 20))
        assert {each["event_id"] for each in events_of(broker.bootstrap)} == {f"e{number}" for number in range(20)}


def test_threads_share_a_client() -> None:
    with EmbeddedBroker(TOPICS) as broker:
        with EventClient(f"kafka://{broker.bootstrap}") as events:
            ranges = [range(first, first + 500) for first in range(0, 2000, 500)]
            threads = [threading.Thread(target=emit, args=(events, each)) for each in ranges]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert (events.counters.sent, events.counters.acknowledged) == (2000, 2000)
        assert len({each["event_id"] for each in events_of(broker.bootstrap)}) == 2000


def test_a_client_of_before_a_fork_says_so() -> None:
    with EventClient(NOBODY) as events:
        events._pid = os.getpid() + 1
        with pytest.raises(UsageError, match="make one in each process"):
            emit(events, range(1))
        events._pid = os.getpid()
    with pytest.raises(UsageError, match="the client is closed"):
        emit(events, range(1))


@pytest.mark.parametrize(
    ("url", "more", "said"),
    [
        ("https://example.org", {}, "url is kafka://broker:9092"),
        (NOBODY, {"when_full": "wait"}, "when_full block, drop or raise"),
        (NOBODY, {"kafka": {"acks": 1}}, "acks: the workers count on these"),
        (NOBODY, {"pseudonymise": True}, f"set {PSEUDONYM_KEY}"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(url: str, more: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        EventClient(url, **more)


def test_the_key_of_pseudonyms_and_the_ids_of_users_are_in_no_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PSEUDONYM_KEY, "a secret of sixteen bytes")
    with caplog.at_level(logging.DEBUG):
        events = EventClient(NOBODY, pseudonymise=True, delivery_s=0.5)
        events.usage(account_id="acme", user_id="ann@example.org", feature="export")
        with pytest.raises(EventError) as refused:
            events.usage(account_id="acme", user_id="ann@example.org\0", feature="export")
        assert events.close(2.0) == 1
    said = caplog.text + "".join(capfd.readouterr()) + str(refused.value) + repr(events) + repr(events.__dict__)
    assert "events were not delivered" in said
    assert "secret" not in said
    assert "ann@" not in said
