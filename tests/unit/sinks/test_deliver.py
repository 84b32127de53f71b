from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from agents.delivery.loop import Deliver, DeliverConfig
from agents.kafka.embedded import EmbeddedBroker
from agents.process.exits import RefusedError
from sinks.database.engine import open_engine
from sinks.database.migrate import upgrade
from sinks.database.sink import DatabaseSink
from sinks.delivery import PROJECTIONS, Advance, DeliveryBatch
from sinks.metrics import Metrics
from tests.support.patience import wait_until
from tests.unit.sinks.delivering import delivering, send
from tests.unit.sinks.records import ALERTS, HEALTH, alert, health

# The embedded broker lets every group wait three seconds for its first members.
pytestmark = pytest.mark.slow


@pytest.fixture
def bootstrap() -> Iterator[str]:
    with EmbeddedBroker(PROJECTIONS) as broker:
        yield broker.bootstrap


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'foreshock.db'}"
    upgrade(url)
    return url


def ask(url: str, query: str) -> Any:
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(text(query)).scalar_one()
    finally:
        engine.dispose()


def alerts(url: str) -> int:
    return int(ask(url, "SELECT COUNT(*) FROM alerts"))


def positions(url: str) -> int:
    return int(ask(url, "SELECT COALESCE(SUM(next_offset), 0) FROM sink_positions"))


def test_every_output_topic_ends_up_in_its_tables(bootstrap: str, url: str) -> None:
    send(bootstrap, ALERTS, [alert(f"a{n}") for n in range(50)])
    send(bootstrap, "alerts.expansion", [alert("a1", kind="seat_saturation", family="expansion")])
    send(bootstrap, HEALTH, [health(f"a{n}") for n in range(20)])
    command = {
        "command_id": "c1",
        "alert_id": alert("a1")["alert_id"],
        "account_id": "a1",
        "action": "acknowledge",
        "author": "csm-17",
        "issued_at": 1_700_000_000_000,
    }
    send(bootstrap, "alert.commands", [command])
    with delivering(bootstrap, url) as running:
        wait_until(lambda: positions(url) == 72)
        wait_until(lambda: running.deliver.ready() is None)
        assert running.deliver.healthy() is None
    assert alerts(url) == 51
    assert ask(url, "SELECT COUNT(*) FROM accounts") == 50
    assert ask(url, "SELECT COUNT(*) FROM account_health") == 20
    assert ask(url, "SELECT author FROM alert_commands") == "csm-17"
    assert running.metric("foreshock_sink_records_total", sink="database", projection="alert") == 51
    assert running.deliver.ready() == "stopped"
    assert running.errors == []


def test_it_is_ready_while_brokers_answer_and_not_without_them(url: str) -> None:
    with EmbeddedBroker(PROJECTIONS) as broker:
        stack = ExitStack()
        running = stack.enter_context(delivering(broker.bootstrap, url))
        wait_until(lambda: running.deliver.ready() == "waits for the group's partitions")
        wait_until(lambda: running.deliver.ready() is None)
    with stack:
        wait_until(lambda: "no broker answers" in (running.deliver.ready() or ""))
        assert running.deliver.healthy() is None
    assert running.errors == []


def test_a_second_run_goes_on_where_the_first_ended(bootstrap: str, url: str) -> None:
    send(bootstrap, ALERTS, [alert(f"a{n}") for n in range(30)])
    with delivering(bootstrap, url):
        wait_until(lambda: positions(url) == 30)
    send(bootstrap, ALERTS, [alert(f"b{n}") for n in range(7)])
    with delivering(bootstrap, url) as running:
        wait_until(lambda: positions(url) == 37)
    assert running.metric("foreshock_sink_records_total", sink="database", projection="alert") == 7
    assert alerts(url) == 37


def test_records_that_cannot_be_read_or_written_become_dead_letters_and_nothing_else_is_lost(
    bootstrap: str, url: str
) -> None:
    good = [alert(f"a{n}") for n in range(20)]
    bad = [b"", b"\x00\x00\x00\x00\x63rest", b"junk", alert("nul", summary="\x00"), None]
    send(bootstrap, ALERTS, [*good[:10], *bad, *good[10:]])
    with delivering(bootstrap, url) as running:
        wait_until(lambda: positions(url) == 25)
    assert alerts(url) == 20
    reasons = sorted(letter.reason for letter in running.dead_letters)
    assert reasons == ["not_framed", "not_framed", "nul_character", "unknown_schema"]
    assert {letter.value for letter in running.dead_letters} >= {b"", b"junk"}
    assert running.metric("foreshock_dead_letters_total", topic=ALERTS, reason="nul_character") == 1


def test_a_database_that_comes_late_gets_everything(bootstrap: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'late.db'}"
    send(bootstrap, ALERTS, [alert(f"a{n}") for n in range(10)])
    with delivering(bootstrap, url) as running:
        wait_until(lambda: running.metric("foreshock_sink_blocked", sink="database") == 1)
        assert "foreshock db upgrade" in (running.deliver.ready() or "")
        assert running.deliver.healthy() is None
        upgrade(url)
        wait_until(lambda: positions(url) == 10)
        wait_until(lambda: running.deliver.ready() is None)
    assert alerts(url) == 10
    assert running.metric("foreshock_sink_blocked", sink="database") == 0


def test_two_deliverers_share_the_partitions_and_write_each_record_once(bootstrap: str, url: str) -> None:
    with delivering(bootstrap, url) as first:
        send(bootstrap, ALERTS, [alert(f"a{n}") for n in range(100)])
        wait_until(lambda: positions(url) == 100)
        with delivering(bootstrap, url) as second:
            wait_until(lambda: second.metric("foreshock_rebalances_total") >= 1)
            send(bootstrap, ALERTS, [alert(f"b{n}") for n in range(100)])
            wait_until(lambda: positions(url) == 200)
        send(bootstrap, ALERTS, [alert(f"c{n}") for n in range(100)])
        wait_until(lambda: positions(url) == 300)
    assert alerts(url) == 300
    written = [
        each.metric("foreshock_sink_records_total", sink="database", projection="alert") for each in (first, second)
    ]
    assert sum(written) == 300
    assert first.errors == second.errors == []


def test_a_writer_that_was_overtaken_reads_the_positions_again(bootstrap: str, url: str) -> None:
    overtaken = threading.Event()
    other = DatabaseSink(url)

    def overtake(name: str) -> None:
        # Only between two transactions can SQLite have another writer.
        if name == "sink_after_commit" and not overtaken.is_set():
            overtaken.set()
            for partition, offset in other.positions(ALERTS).items():
                other.write(DeliveryBatch([], [Advance(ALERTS, partition, offset, offset + 1)]))

    send(bootstrap, ALERTS, [alert("a")])
    with delivering(bootstrap, url, failpoint=overtake) as running:
        wait_until(overtaken.is_set)
        send(bootstrap, ALERTS, [alert("a", 2), alert("a", 3)])
        wait_until(lambda: positions(url) == 3)
        wait_until(lambda: running.metric("foreshock_sink_write_failures_total", sink="database", kind="conflict") == 1)
    other.close()
    assert ask(url, "SELECT revision FROM alerts") == 3


@pytest.mark.parametrize("accept_loss", [False, True])
def test_a_position_that_the_topic_does_not_have_stops_delivery_unless_loss_is_accepted(
    bootstrap: str, url: str, accept_loss: bool
) -> None:
    send(bootstrap, ALERTS, [alert("a")])
    sink = DatabaseSink(url)
    sink.write(DeliveryBatch([], [Advance(ALERTS, partition, None, 500) for partition in range(4)]))
    sink.close()
    with delivering(bootstrap, url, accept_loss=accept_loss) as running:
        if accept_loss:
            wait_until(lambda: positions(url) == 1)
        else:
            wait_until(lambda: bool(running.errors))
    if accept_loss:
        assert alerts(url) == 1
        assert running.metric("foreshock_state_invariant_violations_total", kind="delivery_gap") == 4
    else:
        assert isinstance(running.errors[0], RefusedError)
        assert "expects offset 500" in str(running.errors[0])
        assert positions(url) == 2000


def test_a_broker_that_starts_anew_under_its_own_name_is_delivered_from_the_beginning(url: str) -> None:
    for known, run in enumerate(("first", "second"), 2):
        with EmbeddedBroker(PROJECTIONS) as broker:
            send(broker.bootstrap, ALERTS, [alert("a"), alert(run)])
            with delivering(broker.bootstrap, url, cluster=run):
                wait_until(partial(delivered, url, known))
    assert positions(url) == 4


def delivered(url: str, count: int) -> bool:
    return alerts(url) == count


def test_an_alert_that_comes_again_with_other_content_is_counted(bootstrap: str, url: str) -> None:
    send(bootstrap, ALERTS, [alert("a"), alert("a", summary="changed")])
    with delivering(bootstrap, url) as running:
        wait_until(lambda: positions(url) == 2)
        wait_until(lambda: running.metric("foreshock_state_invariant_violations_total", kind="alert_conflict") == 1)


def test_delivery_ends_when_dead_letters_cannot_be_written_and_the_position_stays(bootstrap: str, url: str) -> None:
    def refuse(_letter: object) -> None:
        message = "dead.letters is not writable"
        raise OSError(message)

    send(bootstrap, ALERTS, [b"junk"])
    sink = DatabaseSink(url)
    settings = {"bootstrap.servers": bootstrap}
    deliver = Deliver(DeliverConfig(settings), sink, lambda _topic, _value: {"summary": "\x00"}, refuse, Metrics())
    with pytest.raises(OSError, match="not writable"):
        deliver.run()
    sink.close()
    assert positions(url) == 0
