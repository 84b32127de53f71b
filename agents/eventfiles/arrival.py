"""The order in which the rows of event files arrive: by `arrived_at` where a file has it, else by event time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agents.eventfiles.prices import PRICES
from pipeline.simulate.tables import arrow_schema
from pipeline.terms.arrays import I64
from schemas.validation import EVENT_TIME

ARRIVED_AT = "arrived_at"
"""A column that only files have: when a row reached its topic. No event has it."""

EXPORT, FILE, ROW = "#export", "#file", "#row"
"""Columns that only rows have which are being read: numbers of what was exported at once, of the file, and in it."""

_BEFORE_ALL = np.iinfo(np.int64).min


def file_schema(schema_name: str) -> pa.Schema:
    """Columns that a file of records of a schema may have."""
    return arrow_schema(schema_name).append(pa.field(ARRIVED_AT, pa.int64()))


def read_schema(schema_name: str) -> pa.Schema:
    """Columns that are read of it: those, and what they are computed from."""
    return pa.schema([*file_schema(schema_name), *PRICES.get(schema_name, ())])


def rows_schema(schema_name: str) -> pa.Schema:
    """Columns of good rows, with the places from which they come."""
    return pa.schema([*file_schema(schema_name), *(pa.field(name, pa.int64()) for name in (EXPORT, FILE, ROW))])


def with_times_of_arrival(table: pa.Table, schema_name: str) -> pa.Table:
    """The table with an `arrived_at` wherever there is an event time."""
    arrived_at = pc.coalesce(table.column(ARRIVED_AT), table.column(EVENT_TIME[schema_name]))
    return table.set_column(table.schema.get_field_index(ARRIVED_AT), ARRIVED_AT, arrived_at)


def with_arrival(table: pa.Table, schema_name: str) -> pa.Table:
    """The table with an `arrived_at` that keeps its order, if the event times alone would not."""
    times = table.column(EVENT_TIME[schema_name])
    if _rises(_numbers(times, _BEFORE_ALL)):
        return table
    # A late row cannot have arrived before the rows in front of it had happened.
    arrived_at = np.maximum.accumulate(_numbers(times, 0))
    return table.append_column(ARRIVED_AT, pa.array(arrived_at))


def _numbers(times: pa.ChunkedArray, missing: int) -> I64:
    numbers: I64 = times.fill_null(missing).to_numpy().astype(np.int64, copy=False)
    return numbers


def _rises(times: I64) -> bool:
    return bool((times[1:] >= times[:-1]).all())
