"""Arrow schemas of the event tables, and helpers that turn drawn numbers into columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.terms.arrays import Bools
from schemas.definitions import current

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PRIMITIVES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "long": pa.int64(),
    # As the decoder has it: every integer is a 64-bit one.
    "int": pa.int64(),
    "double": pa.float64(),
}


def arrow_schema(name: str) -> pa.Schema:
    """Columns of a record schema: times as int64 milliseconds, everything else as in Avro."""
    return pa.schema([_arrow_field(field) for field in current(name)["fields"]])


def _arrow_field(field: Mapping[str, Any]) -> pa.Field:
    kind = field["type"]
    nullable = isinstance(kind, list)
    return pa.field(field["name"], _arrow_type(kind[1] if nullable else kind), nullable=nullable)


def _arrow_type(kind: Any) -> pa.DataType:
    if isinstance(kind, str):
        return _PRIMITIVES[kind]
    match kind["type"]:
        case "array":
            return pa.list_(_arrow_type(kind["items"]))
        case "map":
            return pa.map_(pa.string(), _arrow_type(kind["values"]))
        case base:
            return _PRIMITIVES[base]


YEAR_DAYS = 365

USAGE = arrow_schema("usage_event")
BILLING = arrow_schema("billing_event")
TICKETS = arrow_schema("ticket_event")
SIGNALS = arrow_schema("customer_signal")
PROFILES = arrow_schema("account_profile")
LABELS = pa.schema(
    [
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("at", pa.int64(), nullable=False),
        pa.field("ends_at", pa.int64()),
        pa.field("detail", pa.string()),
    ]
)


def event_ids(seed: int, letter: str, count: int) -> pa.Array:
    """Ids that no other seed or topic has."""
    numbers = pc.cast(pa.array(np.arange(count)), pa.string())
    return pc.binary_join_element_wise(f"{letter}{seed}", numbers, "-")


def pick(values: Sequence[str], index: npt.NDArray[Any], null: Bools | None = None) -> pa.Array:
    """The strings that `index` points to, null where `null` is set."""
    return pa.array(values, pa.string()).take(pa.array(index, mask=null))


def table_of(columns: Mapping[str, Any], schema: pa.Schema, rows: int) -> pa.Table:
    """A table in the schema; columns that are not given are null."""
    arrays = [columns[field.name] if field.name in columns else pa.nulls(rows, field.type) for field in schema]
    return pa.table(arrays, schema=schema)


def sorted_events(rows: Iterable[dict[str, Any]], schema: pa.Schema, seed: int, letter: str, end_ms: int) -> pa.Table:
    """A table of the rows before `end_ms`, ordered by `occurred_at`, with ids; missing fields are null."""
    kept = sorted((row for row in rows if row["occurred_at"] < end_ms), key=lambda row: row["occurred_at"])
    columns = {
        field.name: pa.array([row.get(field.name) for row in kept], field.type)
        for field in schema
        if field.name != "event_id"
    }
    return table_of({"event_id": event_ids(seed, letter, len(kept)), **columns}, schema, len(kept))
