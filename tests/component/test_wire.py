"""What the wire takes for a record."""

from __future__ import annotations

import pytest

from agents.runs import Run
from agents.settings import load
from agents.wire import AvroWire
from schemas.codec import MAX_RECORD_BYTES
from schemas.registry import FileRegistry
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
    wire = AvroWire(FileRegistry(), "/foreshock/test", max_record_bytes=2_048)
    batch = wire.decode(Run(TOPIC, 0, 0, 1, 0, [0], [0], [b"victim"], [usage_of(2_048 + over)]))
    assert [bad.reason for bad in batch.bad] == reasons


def test_without_a_setting_it_is_64_kib() -> None:
    assert load(None, {}).limits.record_bytes == MAX_RECORD_BYTES == 65_536
