"""The columnar decoder must never find in bytes what the row reader does not find in them."""

from __future__ import annotations

import dataclasses
import json
import random
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import definitions
from schemas.avro import plain
from schemas.codec.columnar import FEW, GroupDecoder
from schemas.codec.projection import readable
from schemas.codec.rows import RowReader
from schemas.errors import MalformedError
from schemas.topics import INPUT_TOPICS, TOPICS
from tests.support.wire import RECORDS, schema_of


def _body(name: str, record: dict[str, Any]) -> bytes:
    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(plain(definitions.current(name))), record)
    return stream.getvalue()


GOOD = {name: _body(name, RECORDS[topic]) for topic in INPUT_TOPICS for name in [TOPICS[topic].schema]}


def _row_by_row(name: str, bodies: list[bytes]) -> dict[int, dict[str, Any]]:
    """What the row reader makes of each body by itself."""
    schema = schema_of(name)
    columns = {field["name"] for field in readable(schema)["fields"]}
    schema["fields"] = [field for field in schema["fields"] if field["name"] in columns]
    reader = RowReader(definitions.current(name), schema)
    found = {}
    for place, body in enumerate(bodies):
        try:
            found[place] = reader.read(body)
        except MalformedError:
            continue
    return found


def _in_columns(name: str, bodies: list[bytes]) -> dict[int, dict[str, Any]]:
    """What the group decoder makes of all of them."""
    schema = definitions.current(name)
    sizes = np.array([len(body) for body in bodies], dtype=np.int64)
    decoded = GroupDecoder(schema, schema).decode(bodies, sizes)
    assert set(decoded.rows.tolist()) | set(decoded.bad) == set(range(len(bodies)))
    assert not set(decoded.rows.tolist()) & set(decoded.bad)
    return dict(zip(decoded.rows.tolist(), decoded.columns.to_pylist(), strict=True))


def _same(ours: dict[int, dict[str, Any]], theirs: dict[int, dict[str, Any]]) -> None:
    # repr, because NaN does not equal itself
    assert repr(sorted(ours.items())) == repr(sorted(theirs.items()))


def _mutated(good: bytes) -> st.SearchStrategy[bytes]:
    """Good bytes with a part cut out, replaced or added."""
    places = st.integers(0, len(good))
    return st.builds(
        lambda a, b, noise: good[: min(a, b)] + noise + good[max(a, b) :],
        places,
        places,
        st.binary(max_size=12),
    )


VARINTS = st.sampled_from(
    [
        b"\x01",
        b"\x80\x00",
        b"\xfe\xff\xff\xff\x0f",
        b"\xff" * 9 + b"\x01",
        b"\x80" * 10 + b"\x00",
        b"\xff" * 20,
    ]
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """A few strange bodies among enough good ones for the columnar decoder to be asked."""
    name = draw(st.sampled_from(sorted(GOOD)))
    good = GOOD[name]
    strange = st.one_of(st.binary(max_size=60), _mutated(good), VARINTS.map(lambda v: v + good), VARINTS)
    picked = draw(st.lists(strange, min_size=1, max_size=4))
    bodies = [good] * (3 * FEW)
    for body in picked:
        bodies.insert(draw(st.integers(0, len(bodies))), body)
    return name, bodies


@given(batches())
@settings(max_examples=400, deadline=None)
@example(("usage_event", [GOOD["usage_event"]] * 40 + [GOOD["usage_event"] + b"\x00"]))
def test_strange_bytes_mean_the_same_in_a_batch_and_alone(batch: tuple[str, list[bytes]]) -> None:
    name, bodies = batch
    _same(_in_columns(name, bodies), _row_by_row(name, bodies))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_every_single_byte_change_means_the_same_in_a_batch_and_alone(name: str) -> None:
    good = GOOD[name]
    rng = random.Random(7)
    changed = [
        good[:place] + bytes([byte]) + good[place + 1 :]
        for place in range(len(good))
        for byte in (0x00, 0x01, 0x04, 0x7F, 0x80, 0xFF, rng.randrange(256))
    ]
    _same(_in_columns(name, changed), _row_by_row(name, changed))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_truncated_and_extended_records_are_isolated(name: str) -> None:
    good = GOOD[name]
    strange = [*(good[:cut] for cut in range(len(good))), good + b"\x00", good + good]
    bodies = [good] * 50 + strange + [good] * 50
    found = _in_columns(name, bodies)
    assert set(found) == set(range(50)) | set(range(52 + len(good), 102 + len(good)))


def test_text_that_is_not_utf8_is_bad_and_its_neighbours_are_good() -> None:
    good = GOOD["usage_event"]
    bodies = [good] * 40
    bodies[17] = good.replace(b"acme", b"\xed\xa0\x80e")
    assert set(_in_columns("usage_event", bodies)) == set(range(40)) - {17}


# The third is as long as what is left of it when its high bits are dropped.
@pytest.mark.parametrize("seats", [2**31, 2**33 + 5, 2**32 + 2**30, -(2**31) - 1])
def test_an_int_beyond_32_bits_is_bad_though_its_bytes_are_whole(seats: int) -> None:
    wide = schema_of("account_profile")
    for field in wide["fields"]:
        if field["name"] == "seats":
            field["type"] = ["null", "long"]
    stream = BytesIO()
    record = {**RECORDS["account.profiles"], "seats": seats}
    fastavro.schemaless_writer(stream, fastavro.parse_schema(plain(wide)), record)
    bodies = [GOOD["account_profile"]] * 40 + [stream.getvalue()]
    assert set(_in_columns("account_profile", bodies)) == set(range(40))


def test_good_records_are_decoded_without_the_row_reader() -> None:
    for name, good in GOOD.items():
        schema = definitions.current(name)
        decoder = GroupDecoder(schema, schema)
        bodies = [good] * 100
        decoded = decoder.decode(bodies, np.full(100, len(good), dtype=np.int64))
        assert (decoder.slow_records, decoded.columns.num_rows) == (0, 100), name


def test_one_bad_record_sends_few_good_ones_to_the_row_reader() -> None:
    schema, good = definitions.current("usage_event"), GOOD["usage_event"]
    decoder = GroupDecoder(schema, schema)
    bodies = [good] * 5_000
    bodies[1_234] = good[:-1]
    decoder.decode(bodies, np.array([len(body) for body in bodies]))
    assert decoder.slow_records <= 2 * FEW


def test_a_panic_of_the_columnar_decoder_is_survived() -> None:
    schema, good = definitions.current("usage_event"), GOOD["usage_event"]
    decoder = GroupDecoder(schema, schema)
    assert decoder._projection is not None
    # The columnar decoder panics at a type that it does not implement.
    fixed = {"name": "f", "type": {"type": "fixed", "name": "F", "size": 1}}
    wire = json.dumps({"type": "record", "name": "R", "fields": [fixed]})
    decoder._projection = dataclasses.replace(decoder._projection, wire=wire)
    decoded = decoder.decode([good] * 40, np.full(40, len(good), dtype=np.int64))
    assert (decoded.columns.num_rows, decoder.slow_records) == (40, 40)


@pytest.mark.parametrize("count", [2**31 - 1, 2**40, 2**62, -(2**62), -(2**63)])
@pytest.mark.parametrize("name", ["customer_signal", "account_profile", "usage_event"])
def test_a_hostile_length_costs_neither_memory_nor_time(name: str, count: int) -> None:
    zigzag = ((count << 1) ^ (count >> 63)) & (2**64 - 1)
    prefix = bytearray()
    while zigzag > 127:
        prefix.append(zigzag & 127 | 128)
        zigzag >>= 7
    prefix.append(zigzag)
    good = GOOD[name]
    before = pa.total_allocated_bytes()
    bodies = [good[:cut] + bytes(prefix) + good[cut:] for cut in range(len(good))]
    _same(_in_columns(name, bodies), _row_by_row(name, bodies))
    assert pa.total_allocated_bytes() - before < 2**20
