from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from agents.eventfiles.files import read_events
from agents.kafka.embedded import EmbeddedBroker
from agents.replay.arrivals import day_ends, every
from agents.replay.emit import Emission, EmitOptions, emit
from agents.replay.pace import Pace, StuckError
from pipeline.config import EngineConfig
from schemas.codec.encode import RecordDecoder
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY
from tests.support.commands import Commands
from tests.support.topics import everything

HEADER = "account_id,feature,occurred_at,event_id,quantity\n"
DAY_MS = 86_400_000
DAILY = day_ends(EngineConfig())


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker with the input topics."""
    with EmbeddedBroker(INPUT_TOPICS) as embedded:
        yield embedded


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """A folder with usage of three accounts over three days."""
    rows = [f"acc-{number % 3},export,{1_767_225_600_000 + number * 3_600_000},e{number},1" for number in range(72)]
    (tmp_path / "usage.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return tmp_path


def client(broker: EmbeddedBroker) -> dict[str, str | int]:
    return {"bootstrap.servers": broker.bootstrap, "log_level": 0}


def test_a_simulation_may_have_incidents_of_one_kind_only(foreshock: Commands, tmp_path: Path) -> None:
    size = ("--accounts", 12, "--days", 110, "--incidents", 2)
    assert foreshock("simulate", "--out", tmp_path, *size, "--kind", "silence").exit_code == 0
    lines = (tmp_path / "labels.csv").read_text(encoding="utf-8").splitlines()
    assert [row["kind"] for row in csv.DictReader(lines)] == ["silence", "silence"]
    ran = foreshock("simulate", "--out", tmp_path, *size, "--kind", "flood")
    assert ran.exit_code == 2
    assert "unknown incident kind 'flood'" in ran.err


def test_a_simulated_stream_is_the_same_for_the_same_seed(foreshock: Commands, tmp_path: Path) -> None:
    for name in ("a", "b"):
        ran = foreshock("simulate", "--out", tmp_path / name, "--accounts", 5, "--days", 8, "--format", "csv", "--json")
        assert ran.exit_code == 0
        assert json.loads(ran.out)["rows"]["profiles"] == 5
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "usage.csv" in names
    assert [(tmp_path / "a" / name).read_bytes() for name in names] == [
        (tmp_path / "b" / name).read_bytes() for name in names
    ]


def test_a_simulation_that_cannot_be_is_a_usage_error(foreshock: Commands, tmp_path: Path) -> None:
    ran = foreshock("simulate", "--out", tmp_path, "--days", 5000)
    assert ran.exit_code == 2
    assert "days must be between 1 and 3650, not 5000" in ran.err


def test_bad_rows_are_all_listed_with_file_row_and_field_and_nothing_is_produced(
    foreshock: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "usage.csv").write_text(
        HEADER + "acc-1,export,2026-01-01T00:00:00Z,e1,1\n,export,yesterday,e2,1\nacc-1,export,2026-01-01,e3,-4\n"
    )
    # No broker is there: producing anything would fail otherwise.
    ran = foreshock("emit", folder)
    assert ran.exit_code == 2
    assert "usage.csv:3: occurred_at: not a time" in ran.err
    assert "usage.csv:3: account_id" in ran.err
    assert "usage.csv:4: quantity" in ran.err
    assert "nothing was produced" in ran.err
    rejects = [json.loads(line) for line in (tmp_path / "bad.rejects.jsonl").read_text().splitlines()]
    assert {(reject["file"], reject["row"], reject["field"]) for reject in rejects} == {
        ("usage.csv", 3, "account_id"),
        ("usage.csv", 3, "occurred_at"),
        ("usage.csv", 4, "quantity"),
    }
    assert all(reject["reason"] for reject in rejects)


def test_rows_that_the_workers_would_call_future_dated_or_too_long_are_bad(
    foreshock: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORESHOCK_LIMITS__RECORD_BYTES", "1024")
    soon_ms = time.time_ns() // 1_000_000 + 300_000
    rows = [f"a,f,{soon_ms},e1,1,", "a,f,2099-01-01,e2,1,", "a,f,2026-01-01,e3,1," + "x" * 1_000]
    (tmp_path / "usage.csv").write_text(HEADER.strip() + ",action\n" + "\n".join(rows) + "\n")
    ran = foreshock("emit", tmp_path, "--dry-run", "--skip-bad")
    assert "1 good row, 2 rejects" in ran.out
    assert "usage.csv:3: occurred_at: in the future: later than 20" in ran.err
    assert "usage.csv:4: row: more than 1,024 bytes as a record" in ran.err


def test_a_dry_run_says_what_is_in_each_file_and_what_will_be_made_of_it(foreshock: Commands, tmp_path: Path) -> None:
    rows = ["a,f,2026-01-03,e1,1", "b,f,2026-01-01,e2,1", "a,f,2026-01-03,e1,1"]
    (tmp_path / "usage.csv").write_text(HEADER + "\n".join(rows) + "\n")
    (tmp_path / "profiles.csv").write_text("account_id\na\n c\n")
    ran = foreshock("emit", tmp_path, "--dry-run")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "usage.csv usage.events 3 3 0 1 2026-01-01T00:00:00Z 2026-01-03T00:00:00Z 2" in lines
    assert "profiles.csv account.profiles 2 2 0 0 2" in lines
    assert "to produce: 5 events of 3 accounts over 3 days; 1 of them are duplicates, which count once" in lines
    assert "accounts in no other file: usage.csv 1 of 2, profiles.csv 1 of 2" in lines
    assert "usage.csv:4: event e1 stands in an earlier row too and counts once" in ran.err
    assert "account id ' c' has spaces at its edges" in ran.err
    document = json.loads(foreshock("emit", tmp_path, "--dry-run", "--json").out)
    assert (document["events"], document["days"]) == (0, 3)
    assert [one["duplicates"] for one in document["files"]] == [1, 0]


def test_files_that_cannot_be_read_are_all_named(foreshock: Commands, tmp_path: Path) -> None:
    (tmp_path / "usage.csv").write_text("a,b\n1,2\n")
    (tmp_path / "billing.parquet").write_bytes(b"no parquet")
    ran = foreshock("emit", tmp_path)
    assert ran.exit_code == 2
    assert "usage.csv: no known column" in ran.err
    assert "billing.parquet: " in ran.err


def test_every_event_reaches_its_topic_under_its_key_with_a_tick_behind_each_day(
    foreshock: Commands, broker: EmbeddedBroker, usage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESHOCK_KAFKA__BOOTSTRAP", broker.bootstrap)
    ran = foreshock("emit", usage, "--json")
    assert ran.exit_code == 0
    assert json.loads(ran.out) | {"bytes": 0} == {
        "events": 72,
        "ticks": 96,
        "bytes": 0,
        "by_topic": {topic: 72 + 16 if topic == "usage.events" else 16 for topic in INPUT_TOPICS},
        "rejects": 0,
        "files": [
            {
                "file": "usage.csv",
                "topic": "usage.events",
                "rows": 72,
                "good": 72,
                "rejected": 0,
                "duplicates": 0,
                "first_at": "2026-01-01T00:00:00Z",
                "last_at": "2026-01-03T23:00:00Z",
                "accounts": 3,
                "accounts_in_no_other": 3,
            }
        ],
        "days": 4,
    }
    found = list(everything(broker.bootstrap, ["usage.events"]))
    decoder = RecordDecoder("usage_event", FileRegistry())
    events = [
        (message.key(), decoder.decode(bytes(message.value() or b""))) for message in found if message.key() != TICK_KEY
    ]
    assert sorted(event["event_id"] for _key, event in events) == sorted(f"e{number}" for number in range(72))
    assert all(key == event["account_id"].encode() for key, event in events)
    assert len(found) == 88


def test_good_rows_are_produced_without_the_bad_ones_when_that_is_asked_for(
    foreshock: Commands, broker: EmbeddedBroker, usage: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORESHOCK_KAFKA__BOOTSTRAP", broker.bootstrap)
    with (usage / "usage.csv").open("a") as file:
        file.write("acc-1,export,never,e99,1\n")
    ran = foreshock("emit", usage, "--skip-bad", "--no-ticks", "--json")
    assert ran.exit_code == 0
    assert json.loads(ran.out)["events"] == 72
    assert json.loads(ran.out)["rejects"] == 1
    assert len(list(everything(broker.bootstrap, ["usage.events"]))) == 72


def test_producing_to_topics_that_are_not_there_says_what_to_do(
    foreshock: Commands, usage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedBroker(["usage.events"]) as broker:
        monkeypatch.setenv("FORESHOCK_KAFKA__BOOTSTRAP", broker.bootstrap)
        ran = foreshock("emit", usage)
    assert ran.exit_code == 1
    assert "no topic billing.events" in ran.err
    assert "foreshock topics apply" in ran.err


def test_a_paced_producer_stops_when_nobody_reads(broker: EmbeddedBroker, usage: Path) -> None:
    pace = Pace(client(broker), "nobody", max_records=5, stuck_s=0.5)
    with pytest.raises(StuckError, match="is a worker running"):
        emit(read_events(usage), client(broker), FileRegistry(), EmitOptions(DAILY), pace=pace)
    pace.close()
    assert 0 < len(list(everything(broker.bootstrap, ["usage.events"]))) < 72


def test_a_paced_producer_goes_on_when_the_group_has_committed(broker: EmbeddedBroker, usage: Path) -> None:
    reader = Consumer(
        {**client(broker), "group.id": "reader", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic in INPUT_TOPICS for number in range(4)])
    most = 0

    class Reading(Pace):
        """Reads and commits whenever the producer waits."""

        def wait(self, topic: str, partition: int, while_waiting: object) -> None:
            def read() -> None:
                nonlocal most
                batch = reader.consume(1000, 0.1)
                most = max(most, len(batch))
                if batch:
                    reader.commit(asynchronous=False)

            super().wait(topic, partition, read)

    pace = Reading(client(broker), "reader", max_records=5, stuck_s=10.0)
    emitted = emit(read_events(usage), client(broker), FileRegistry(), EmitOptions(DAILY), pace=pace)
    pace.close()
    reader.close()
    assert emitted.events == 72
    assert most > 0


def test_the_last_tick_may_be_set_to_a_later_time(broker: EmbeddedBroker, usage: Path) -> None:
    end_ms = 1_767_225_600_000 + 10 * DAY_MS
    seen: list[int] = []
    Emission(client(broker), FileRegistry(), None, EmitOptions(DAILY, final_tick_ms=end_ms)).run(
        read_events(usage), lambda emitted: seen.append(emitted.event_time_ms)
    )
    assert seen[-1] == end_ms
    assert seen == sorted(seen)


def test_a_record_has_the_same_bytes_in_a_small_step_and_in_a_large_one(
    foreshock: Commands, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    assert foreshock("simulate", "--out", tmp_path, "--accounts", 5, "--days", 10).exit_code == 0
    files = read_events(tmp_path)
    for chunk_ms in (3_600_000, 30 * DAY_MS):
        options = EmitOptions(every(chunk_ms), with_ticks=False)
        emit(files, client(broker), FileRegistry(), options)
    for topic in INPUT_TOPICS:
        found = sorted((message.key(), message.value()) for message in everything(broker.bootstrap, [topic]))
        assert found[::2] == found[1::2]
