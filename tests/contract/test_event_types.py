"""What holds for every event type: its symbols stand where producers look, and all are accepted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from schemas import definitions, event_types
from schemas.codec.decode import Decoder
from schemas.codec.encode import Encoder
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS
from tests.support.wire import AT_MS, RECORDS, REGISTRY, smallest, symbols

if TYPE_CHECKING:
    from schemas.codec.batch import Batch

SYMBOLS = [
    (topic, field, symbol)
    for topic in INPUT_TOPICS
    for field, allowed in symbols(topic).items()
    for symbol in sorted(allowed)
]


def _decoded(topic: str, records: list[dict[str, Any]]) -> Batch:
    encoder = Encoder(TOPICS[topic], REGISTRY)
    count = len(records)
    keys = [record["account_id"].encode() for record in records]
    values = [encoder.encode(record) for record in records]
    return Decoder(TOPICS[topic], REGISTRY).decode(0, 0, count, range(count), [AT_MS] * count, keys, values)


@pytest.mark.parametrize("topic", INPUT_TOPICS)
@pytest.mark.parametrize("count", [1, 100])
def test_a_record_with_nothing_but_what_must_be_there_is_good(topic: str, count: int) -> None:
    batch = _decoded(topic, [smallest(topic)] * count)
    assert (batch.bad, batch.events.num_rows) == ([], count)


@pytest.mark.parametrize(("topic", "field", "symbol"), SYMBOLS)
def test_every_symbol_is_accepted_and_named_in_the_schema(topic: str, field: str, symbol: str) -> None:
    batch = _decoded(topic, [smallest(topic, **{field: symbol})])
    assert batch.events.column(field).to_pylist() == [symbol]
    fields = {part["name"]: part for part in definitions.current(TOPICS[topic].schema)["fields"]}
    doc = fields[field]["doc"]
    assert re.search(rf"\b{symbol}\b", doc)


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_a_text_that_is_not_normalised_comes_out_byte_for_byte(topic: str) -> None:
    for account_id in ("é", "e\u0301", "\u202eabc", "𝄞", "\ufeffx", " x "):
        batch = _decoded(topic, [smallest(topic, account_id=account_id)])
        assert batch.events.column("account_id").to_pylist() == [account_id]


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_columns_are_texts_whole_numbers_doubles_and_lists_of_texts(topic: str) -> None:
    allowed = {pa.string(), pa.int64(), pa.float64(), pa.list_(pa.string())}
    assert set(_decoded(topic, [smallest(topic)]).events.schema.types) <= allowed


def test_severities_and_bands_are_in_rising_order() -> None:
    assert event_types.ALERT_SEVERITIES == ("info", "warning", "error", "critical")
    assert set(event_types.BANDS) == {"red", "yellow", "green", "grey"}


# Records as a producer wrote them on the first release. A change that makes them unreadable breaks producers.
GOLDEN = {
    "usage.events": (
        "000000000106652d310861636d650206752d311c7265706f7274732e6578706f7274020a636c69636b80a0ab"
        "fef96200000000000004400218020677656200020208706c616e0670726f00"
    ),
    "billing.events": (
        "000000000206622d310861636d651c696e766f6963655f69737375656480a0abfef962000208696e2d370002"
        "80d30e02e707064555520002500282a0abfef96200"
    ),
    "ticket.events": (
        "000000000306742d310861636d6508343731310c6f70656e656480a0abfef96204703202086d61696c000206"
        "752d3102000000000000d0bf00"
    ),
    "customer.signals": (
        "000000000406732d310861636d65066e707380a0abfef9620206632d31020000000000002240020000000000"
        "002440000002040a70726963650e737570706f727400000002020e6368616e6e656c0c696e2d617070000000"
    ),
    "account.profiles": (
        "00000000050861636d650280a0abfef962021241636d6520476d624802146d69642d6d61726b657402086869"
        "6768021061646f7074696f6e020670726f026402040e7265706f72747306617069000280f8c9040206455552"
        "020c63736d2d313700021a4575726f70652f4265726c696e02044445028090ded0fa62020c61637469766500"
    ),
    "alert.commands": (
        "000000000b06632d3108616c2d310861636d650c736e6f6f7a650c63736d2d313780a0abfef9620282a0abfef962"
        "0002146f6e20686f6c69646179"
    ),
}


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_what_the_first_release_wrote_can_still_be_read(topic: str) -> None:
    decoder = Decoder(TOPICS[topic], REGISTRY)
    batch = decoder.decode(0, 0, 1, [0], [AT_MS], [b"acme"], [bytes.fromhex(GOLDEN[topic])])
    assert batch.bad == []
    row = batch.events.to_pylist()[0]
    assert row == {name: field for name, field in RECORDS[topic].items() if name in row}


def test_nothing_but_a_tick_may_use_its_key() -> None:
    record = smallest("usage.events", account_id=TICK_KEY.decode())
    assert [bad.reason for bad in _decoded("usage.events", [record]).bad] == ["invalid_id"]
