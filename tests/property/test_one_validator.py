"""Event files and the wire have one validator: a worker applies what files call good, and quarantines the rest."""

from __future__ import annotations

import csv
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.eventfiles.files import TOPIC_OF, read_events
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.simulate.tables import arrow_schema
from pipeline.terms.records import DeadLetter
from schemas.avro import plain
from schemas.codec.decode import Decoder
from schemas.codec.encode import Encoder, TickEncoder
from schemas.codec.projection import columns_of, readable, shape_of
from schemas.columns import violations
from schemas.definitions import current
from schemas.errors import EncodeError
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS
from schemas.validation import EVENT_ID, EVENT_TIME, MAX_RECORD_BYTES, row_is_valid
from tests.support.bounds import broken_fields, edges
from tests.support.examples import tried
from tests.support.wire import AT_MS, RECORDS, REGISTRY, decoded, value

Row = dict[str, Any]
FILE_OF = {topic: name for name, topic in TOPIC_OF.items()}


def write_parquet(topic: str, rows: list[Row], folder: Path) -> list[int]:
    schema = arrow_schema(TOPICS[topic].schema)
    typed = pa.schema([field.with_nullable(nullable=True) for field in schema])
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows, schema=typed), folder / f"{FILE_OF[topic]}.parquet")
    return list(range(1, len(rows) + 1))


def write_jsonl(topic: str, rows: list[Row], folder: Path) -> list[int]:
    # JSON has no infinity; as a text it is read as one.
    lines = [json.dumps({name: _finite(each) for name, each in row.items()}) for row in rows]
    (folder / f"{FILE_OF[topic]}.jsonl").write_text("\n".join(lines) + "\n")
    return list(range(1, len(rows) + 1))


def write_csv(topic: str, rows: list[Row], folder: Path) -> list[int]:
    names = [field["name"] for field in current(TOPICS[topic].schema)["fields"]]
    text, numbers = StringIO(newline=""), []
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        numbers.append(text.getvalue().count("\n") + 1)
        writer.writerow([json.dumps(row[name]) if isinstance(row[name], list | dict) else row[name] for name in names])
    (folder / f"{FILE_OF[topic]}.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    return numbers


FORMATS: Mapping[str, Callable[[str, list[Row], Path], list[int]]] = {
    "parquet": write_parquet,
    "jsonl": write_jsonl,
    "csv": write_csv,
}


def told_apart(topic: str, rows: list[Row]) -> list[Row]:
    """The same with an id of its own for each, as long as before: an id that comes again is another matter."""
    seen: set[str] = set()
    apart, name = [], EVENT_ID.get(TOPICS[topic].schema, "")
    for place, row in enumerate(rows):
        event_id: str = row.get(name) or ""
        again = event_id != "" and event_id in seen
        apart.append({**row, name: f"{event_id[:-2]}{chr(65 + place // 26)}{chr(65 + place % 26)}"} if again else row)
        seen.add(event_id)
    return apart


def _finite(each: Any) -> Any:
    return str(each) if isinstance(each, float) and not math.isfinite(each) else each


def by_file(topic: str, form: str, rows: list[Row], **limits: Any) -> tuple[pa.Table, dict[int, set[str]]]:
    """The good rows, and the fields that are named for each bad one."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = FORMATS[form](topic, rows, Path(folder))
        files = read_events(folder, **limits)
    bad: dict[int, set[str]] = {}
    for reject in files.rejected:
        assert reject.reason
        bad.setdefault(numbers.index(reject.row), set()).add(reject.field)
    return files.by_topic()[topic], bad


def by_wire(topic: str, rows: list[Row]) -> dict[int, set[str]]:
    """The field that is named for each row that is dead-lettered, or that the encoder refuses."""
    encoder, bad = Encoder(TOPICS[topic], REGISTRY), dict[int, set[str]]()
    places, values = [], []
    for place, row in enumerate(rows):
        try:
            values.append(encoder.encode(row))
            places.append(place)
        except EncodeError:
            bad[place] = set(row)
    for place, detail in dead_letters(topic, values, [rows[place]["account_id"] for place in places]).items():
        bad[places[place]] = {detail.partition(":")[0]}
    return bad


def dead_letters(topic: str, values: Sequence[bytes], account_ids: list[str]) -> dict[int, str]:
    batch = decoded(topic, values, [account_id.encode() for account_id in account_ids])
    return {bad.index: bad.detail for bad in batch.bad}


def assert_agreed(topic: str, form: str, rows: list[Row]) -> dict[int, set[str]]:
    """Files and wire call the same rows bad for the same fields, and all that files call good is applied."""
    rows = told_apart(topic, rows)
    table, bad = by_file(topic, form, rows)
    on_wire = by_wire(topic, rows)
    assert bad.keys() == on_wire.keys()
    assert all(bad[place] & on_wire[place] for place in bad), (bad, on_wire)
    account_ids = table.column("account_id").to_pylist()
    encoder = Encoder(TOPICS[topic], REGISTRY)
    one_by_one = [encoder.encode(row) for row in table.to_pylist(maps_as_pydicts="strict")]
    for values in (encoder.encode_table(table), one_by_one):
        assert dead_letters(topic, values, account_ids) == {}
        assert len(values) == len(rows) - len(bad)
    return bad


def _is_told(form: str, row: Row) -> bool:
    """Whether a file of this kind can say it: an empty text is nothing in CSV, NaN in any text."""
    if form != "parquet" and any(isinstance(each, float) and math.isnan(each) for each in row.values()):
        return False
    return form != "csv" or "" not in row.values()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_every_bound_of_every_field_is_the_same_in_files_and_on_the_wire(topic: str, form: str) -> None:
    cases = [
        (edge, row)
        for edge in edges(TOPICS[topic].schema)
        if _is_told(form, row := {**RECORDS[topic], edge.field: edge.value})
    ]
    assert {edge.field for edge, _ in cases} >= RECORDS[topic].keys()
    bad = assert_agreed(topic, form, [row for _, row in cases])
    broken = {place: broken_fields(TOPICS[topic].schema, row) for place, (_, row) in enumerate(cases)}
    assert {place: fields for place, fields in broken.items() if fields} == bad


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_a_record_alone_is_judged_as_among_others(topic: str) -> None:
    schema = TOPICS[topic].schema
    columns = columns_of(readable(current(schema)))
    for edge in edges(schema):
        row = {**RECORDS[topic], edge.field: edge.value}
        good = not broken_fields(schema, row)
        assert row_is_valid(schema, row) is good, edge
        alone = pa.RecordBatch.from_pylist([row], schema=columns)
        assert (violations(schema, alone) == {}) is good, edge


@st.composite
def rows_of(draw: st.DrawFn, topic: str, form: str) -> list[Row]:
    """Good records with a few fields replaced by what their types can hold: edges, and anything else."""
    known: dict[str, list[Any]] = {}
    for edge in edges(TOPICS[topic].schema):
        known.setdefault(edge.field, []).append(edge.value)
    anything: dict[str, st.SearchStrategy[Any]] = {}
    for field in plain(current(TOPICS[topic].schema))["fields"]:
        values = _KINDS[shape_of(field["type"]).kind]
        anything[field["name"]] = st.sampled_from(known[field["name"]]) | values if field["name"] in known else values
    changes = st.lists(st.sampled_from(sorted(anything)), max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: anything[name] for name in names})
    )
    rows = [{**RECORDS[topic], **changed} for changed in draw(st.lists(changes, min_size=1, max_size=8))]
    return [row for row in rows if _is_told(form, row)] or [RECORDS[topic]]


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=300)
_KINDS: Mapping[str, st.SearchStrategy[Any]] = {
    "string": _TEXT,
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(width=64),
    "strings": st.lists(_TEXT, max_size=3),
    "map": st.dictionaries(_TEXT, _TEXT, max_size=3),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_whatever_rows_say_files_and_wire_agree(topic: str, form: str) -> None:
    @tried(25)
    @given(rows_of(topic, form))
    def agree(rows: list[Row]) -> None:
        assert_agreed(topic, form, rows)

    agree()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("topic", "field"),
    [("usage.events", "properties"), ("customer.signals", "reason_codes"), ("account.profiles", "entitled_features")],
)
def test_a_row_is_as_long_as_a_record_may_be(topic: str, field: str, form: str) -> None:
    def padded(length: int) -> Row:
        pad: Any = {"k": "x" * length} if field == "properties" else ["x" * 1_000] * 65 + ["x" * length]
        return {**RECORDS[topic], field: pad}

    room = MAX_RECORD_BYTES - len(value(topic, **padded(0)))
    last = next(length for length in range(room, 0, -1) if len(value(topic, **padded(length))) == MAX_RECORD_BYTES)
    rows = told_apart(topic, [padded(last), padded(last + 1), RECORDS[topic]])
    table, bad = by_file(topic, form, rows)
    assert (table.num_rows, bad) == (2, {1: {""}})
    assert by_file(topic, form, rows, record_bytes=MAX_RECORD_BYTES + 1)[1] == {}
    assert dead_letters(topic, [value(topic, **row) for row in rows], ["acme"] * 3).keys() == {1}


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_a_row_that_a_worker_would_call_future_dated_is_rejected_by_file(topic: str) -> None:
    name = EVENT_TIME[TOPICS[topic].schema]
    latest_ms = AT_MS + EngineConfig().max_skew_ms
    rows = told_apart(topic, [{**RECORDS[topic], name: at_ms} for at_ms in (latest_ms, latest_ms + 1)])
    assert by_file(topic, "parquet", rows, latest_ms=latest_ms)[1] == {1: {name}}
    assert by_file(topic, "parquet", rows)[1] == {}
    sent = [value(topic, **row) for row in rows]
    feed, letters = Feed(EngineConfig(), 0), list[DeadLetter]()
    tick = TickEncoder(REGISTRY).encode(latest_ms, "test")
    for each in INPUT_TOPICS:
        values = [*sent, tick] if each == topic else [tick]
        keys, count = [b"acme", b"acme", TICK_KEY][-len(values) :], len(values)
        batch = Decoder(TOPICS[each], REGISTRY).decode(0, 0, count, range(count), [AT_MS] * count, keys, values)
        letters += feed.push(batch).dead_letters
    assert [(letter.topic, letter.value, letter.reason) for letter in letters] == [(topic, sent[1], "future_dated")]
