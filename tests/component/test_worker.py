"""One worker on the embedded broker, with the counting core: exact through every kind of end."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.kafka.embedded import PARTITIONS, EmbeddedBroker
from schemas.topics import TOPICS as SPECS
from tests.servers.ports import answers
from tests.support.patience import python, wait_until
from tests.support.standin import POISON
from tests.support.topics import records
from tests.support.workers import (
    OUTPUTS,
    TOPICS,
    Source,
    WorkerProcess,
    await_counts,
    check,
    committed,
    counts,
    recovered,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

_groups = itertools.count()


@pytest.fixture
def group() -> str:
    return f"component-{next(_groups)}"


@pytest.fixture
def bootstrap(group: str) -> Iterator[str]:
    with EmbeddedBroker([*TOPICS, *OUTPUTS, f"{group}-state-changelog"]) as broker:
        yield broker.bootstrap


def test_sigterm_ends_with_code_0_and_everything_durable_and_committed(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    source.send(5_000)
    with WorkerProcess(bootstrap, group, embedded=True) as worker:
        worker.wait_until_running()
        await_counts(bootstrap, group, source.sent)
        source.send(1_000)
        assert worker.terminate() == 0
    feeds = recovered(bootstrap, group)
    positions = {
        (topic, number): position
        for number, feed in feeds.items()
        for topic, position in feed.positions.items()
        if position
    }
    assert {key: at for key, at in committed(bootstrap, group, PARTITIONS).items() if at > 0} == positions
    assert counts(feeds).total() >= 5_000


def test_kill_9_at_random_moments_counts_every_record_once(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    chance = random.Random(7)
    for _ in range(4):
        source.send(1_000)
        with WorkerProcess(bootstrap, group, embedded=True, session_timeout_ms=3_000) as worker:
            worker.wait_until_running()
            source.run(chance.uniform(0.1, 2.5), 50)
            worker.kill9()
    with WorkerProcess(bootstrap, group, embedded=True, session_timeout_ms=3_000) as worker:
        check(bootstrap, group, source)
        assert worker.terminate() == 0


def test_a_bad_record_becomes_one_dead_letter_and_its_neighbours_are_counted(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    with WorkerProcess(bootstrap, group, embedded=True) as worker:
        for _ in range(5):
            source.send(200)
            source.send_raw("usage.events", b"a1", POISON)
        source.send_raw("billing.events", b"a2", None)
        source.send_raw("billing.events", None, b"17")
        await_counts(bootstrap, group, source.sent)
        assert worker.terminate() == 0
    letters = [json.loads(value) for *_, value in records(bootstrap, "dead.letters")]
    places = {(letter["topic"], letter["partition"], letter["offset"]) for letter in letters}
    assert len(letters) == len(places) == 7
    assert counts(recovered(bootstrap, group)) == source.sent


def test_a_burst_of_bad_records_stops_nobody(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    with WorkerProcess(bootstrap, group, embedded=True, dead_letter_limit=20) as worker:
        for number in range(100):
            source.send_raw("usage.events", b"a1", POISON, number % PARTITIONS)
        source.send(200)
        await_counts(bootstrap, group, source.sent)
        assert worker.terminate() == 0
    assert len(list(records(bootstrap, "dead.letters"))) == 100
    assert counts(recovered(bootstrap, group)) == source.sent


def test_an_idle_topic_is_ticked_to_the_time_of_the_active_one(bootstrap: str, group: str) -> None:
    source = Source(bootstrap, accounts=200)
    ticks = {"idle_timeout_s": 2.0, "interval_s": 0.5, "clock": "events"}
    with WorkerProcess(bootstrap, group, embedded=True, ticks=ticks) as worker:
        worker.wait_until_running()

        def all_ticked() -> list[tuple[int, int, bytes, bytes]]:
            source.send(200, ("usage.events",))
            found = list(records(bootstrap, "billing.events"))
            return found if len({number for number, _, key, _ in found if key == b"\x00tick"}) == PARTITIONS else []

        found = wait_until(all_ticked, "ticks in all partitions", meanwhile=worker.alive)
        newest = max(int(value) for *_, value in records(bootstrap, "usage.events"))
        assert all(int(value) <= newest for *_, value in found)
        assert not [key for _, _, key, _ in records(bootstrap, "usage.events") if key == b"\x00tick"]


def test_while_schemas_cannot_be_had_a_topic_waits_and_the_other_goes_on(
    bootstrap: str, group: str, tmp_path: Path
) -> None:
    source = Source(bootstrap)
    source.send(2_000)
    gate = tmp_path / "registry-is-up"
    with WorkerProcess(bootstrap, group, embedded=True, mode=str(gate)) as worker:
        for _ in range(2):
            source.send(500, ("billing.events",))
            others = Counter({key: count for key, count in source.sent.items() if key[1] == "billing.events"})
            assert counts(await_counts(bootstrap, group, others)) == others
        gate.touch()
        assert counts(await_counts(bootstrap, group, source.sent)) == source.sent
        assert worker.terminate() == 0
    assert not list(records(bootstrap, "dead.letters"))


def test_the_embedded_broker_ends_with_the_process_that_opened_it() -> None:
    script = (
        "import os; from agents.kafka.embedded import EmbeddedBroker\n"
        "broker = EmbeddedBroker(); broker.__enter__(); print(broker.bootstrap, flush=True); os._exit(9)"
    )
    port = int(python(script).stdout.strip().rpartition(":")[2])
    wait_until(lambda: not answers(port), "the broker to be gone")


def test_what_a_former_owner_writes_late_is_ignored_and_written_over(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    source.send(1_000)
    for _ in range(2):
        with WorkerProcess(bootstrap, group, embedded=True) as worker:
            worker.wait_until_running()
            await_counts(bootstrap, group, source.sent)
            assert worker.terminate() == 0
    changelog = f"{group}-state-changelog"
    stale = {"n": 1, "next": 1, "epoch": 0}
    late = {(number, key) for number, _, key, _ in records(bootstrap, changelog) if key.endswith(b"usage.events")}
    for number, key in late:
        source.send_raw(changelog, key, json.dumps(stale).encode(), number)
    source.send(300)
    with WorkerProcess(bootstrap, group, embedded=True) as worker:
        worker.wait_until_running()
        assert f"{len(late)} stale" in worker.output()
        assert counts(await_counts(bootstrap, group, source.sent)) == source.sent
        assert worker.terminate() == 0
    last = {(number, key): value for number, _, key, value in records(bootstrap, changelog)}
    kept_by_compaction = sum(json.loads(value)["n"] for (_, key), value in last.items() if b"|" in key)
    assert kept_by_compaction == source.sent.total()


def test_a_changelog_that_cannot_be_read_is_refused_with_78_and_one_line_until_it_is_given_up(group: str) -> None:
    changelog = f"{group}-state-changelog"
    newer = b"\x09" + bytes(200)
    with EmbeddedBroker([*SPECS, changelog]) as broker:
        source = Source(broker.bootstrap)
        source.send_raw(changelog, b"acme", newer, 2)
        with WorkerProcess(broker.bootstrap, group, embedded=True, mode="engine") as worker:
            assert worker.wait(60) == 78
            said = [line for line in worker.output().splitlines() if "acme" in line]
            assert len(said) == 1
            assert f"stopping with exit code 78: {changelog}[2] cannot be read: account acme: " in said[0]
            assert said[0].endswith("or start once with --accept-epoch to begin anew from what the topics hold")
            assert "Traceback" not in worker.output()
        with WorkerProcess(broker.bootstrap, group, embedded=True, mode="engine", accept_epoch=True) as worker:
            worker.wait_until_running()
            assert "partition 2 begins anew" in worker.output()
            assert worker.terminate() == 0
        assert [value for number, _, key, value in records(broker.bootstrap, changelog) if key == b"acme"] == [
            newer,
            b"",
        ]
        with WorkerProcess(broker.bootstrap, group, embedded=True, mode="engine") as worker:
            worker.wait_until_running()
            assert worker.terminate() == 0
