"""What a worker takes for a record."""

from __future__ import annotations

import pytest

from agents.settings import load
from agents.transport.runs import Run
from agents.worker.serde import FLEET_DAYS, Serde
from pipeline.terms.fleet_day import BUCKETS, FleetDay, Tally
from schemas.codec.decode import MAX_RECORD_BYTES
from schemas.registry.source import FileRegistry
from tests.support.hostile import good_value

TOPIC = "usage.events"


def usage_of(size: int) -> bytes:
    """A good usage event of so many bytes."""
    bare = len(good_value(TOPIC, properties={"note": "x" * 1_000})) - 1_000
    value = good_value(TOPIC, properties={"note": "x" * (size - bare)})
    assert len(value) == size
    return value


@pytest.mark.parametrize(("over", "reasons"), [(0, []), (1, ["oversize"])])
def test_a_record_of_more_bytes_than_the_setting_allows_is_bad(over: int, reasons: list[str]) -> None:
    serde = Serde(FileRegistry(), "/foreshock/test", max_record_bytes=2_048)
    batch = serde.decode(Run(TOPIC, 0, 0, 1, 0, [0], [0], [b"victim"], [usage_of(2_048 + over)], [()]))
    assert [bad.reason for bad in batch.bad] == reasons


def test_without_a_setting_it_is_64_kib() -> None:
    assert load(None, {}).limits.record_bytes == MAX_RECORD_BYTES == 65_536


def test_a_fleet_record_is_read_as_it_was_written_by_its_own_deployment_alone() -> None:
    tallies: dict[str | None, Tally] = {
        None: Tally((1, *[0] * 48, 7, 2, *[0] * 50), 12_345, 2**40, (*[0] * 49, 10, *[0] * 51)),
        "smb": Tally((0,) * BUCKETS, 0, 0),
    }
    day = FleetDay(3, 19_999, 20_000, tallies, (1, 2**64 - 1), 4, 30)
    serde, other = (Serde(FileRegistry(), f"/foreshock/{group}") for group in ("here", "there"))
    message = serde.fleet_day(day)
    assert (message.topic, message.partition, message.key) == (FLEET_DAYS, 0, b"3")
    assert serde.read_fleet_day(message.value or b"") == day
    assert other.read_fleet_day(message.value or b"") is None


def test_bytes_that_are_no_fleet_record_are_left_out() -> None:
    assert Serde(FileRegistry(), "/foreshock/here").read_fleet_day(b"nonsense") is None
