"""Columns of files brought to the types of the event tables; what cannot be converted is null and marked."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.terms.arrays import Bools
from schemas.definitions import current

if TYPE_CHECKING:
    from collections.abc import Callable


TIME = "time"
"""Stands for int64 milliseconds where a column's type is asked for."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_INT64_LIMIT = 2.0**63


class Converted(NamedTuple):
    """A column in its new type; `bad` marks values that could not be converted, which are null."""

    values: pa.Array
    bad: Bools


def time_fields(schema_name: str) -> frozenset[str]:
    """Fields that are times."""
    return frozenset(
        field["name"] for field in current(schema_name)["fields"] if "timestamp-millis" in str(field["type"])
    )


def convert(values: pa.Array, target: pa.DataType | str) -> Converted:
    """Bring a column to an Arrow type (string, int64, float64, list or map of strings), or to `TIME`.

    Integers may be written as integral floats, numbers as text, times as epoch milliseconds or ISO 8601
    (without an offset: UTC), lists and maps as JSON, lists also separated by semicolons. Whether the value is then
    acceptable is not asked here.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if _is_text(values.type):
        values = values.cast(pa.string())
    if values.type == target and _is_sound(values):
        return _good(values)
    if pa.types.is_null(values.type):
        return _good(pa.nulls(len(values), pa.int64() if target is TIME else target))
    return _times(values) if target is TIME else _converter(target)(values)


def _converter(target: pa.DataType) -> Callable[[pa.Array], Converted]:
    if pa.types.is_integer(target):
        return _integers
    if pa.types.is_floating(target):
        return _floats
    if pa.types.is_string(target):
        return _texts
    parse = _parse_strings if pa.types.is_list(target) else _parse_map
    return lambda values: _one_by_one(values, parse, target)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_sound(values: pa.Array) -> bool:
    """Whether all text is UTF-8, which a Parquet file does not promise, and no item of a list or map is null."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    items = values.items if pa.types.is_map(values.type) else values.values if pa.types.is_list(values.type) else None
    return items is None or bool(items.null_count == 0)


def _good(values: pa.Array) -> Converted:
    return Converted(values, np.zeros(len(values), dtype=bool))


def _one_by_one(values: pa.Array, parse: Callable[[Any], Any], target: pa.DataType) -> Converted:
    """Slow, but tells which values are bad."""
    out: list[Any] = []
    bad = np.zeros(len(values), dtype=bool)
    for place, scalar in enumerate(values):
        try:
            value = scalar.as_py()
            out.append(None if value is None else parse(value))
        except (ValueError, TypeError, OverflowError, msgspec.DecodeError):
            out.append(None)
            bad[place] = True
    return Converted(pa.array(out, target), bad)


def _texts(values: pa.Array) -> Converted:
    if pa.types.is_integer(values.type):
        return _good(values.cast(pa.string()))
    return _one_by_one(values, _parse_text, pa.string())


def _integers(values: pa.Array) -> Converted:
    if pa.types.is_integer(values.type) or _is_text(values.type):
        try:
            return _good(values.cast(pa.int64()))
        except pa.ArrowInvalid:
            pass
    return _one_by_one(values, _parse_integer, pa.int64())


def _floats(values: pa.Array) -> Converted:
    if not pa.types.is_boolean(values.type):
        try:
            return _good(values.cast(pa.float64()))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
    return _one_by_one(values, _parse_float, pa.float64())


def _times(values: pa.Array) -> Converted:
    if pa.types.is_integer(values.type):
        return _integers(values)
    if pa.types.is_temporal(values.type) and not pa.types.is_time(values.type):
        return _instants(values)
    if _is_text(values.type):
        # Whole columns at once; the first value that does not fit makes each attempt fail early.
        for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.int64()):
            try:
                return _times(values.cast(kind))
            except pa.ArrowInvalid:
                continue
    return _one_by_one(values, _parse_time, pa.int64())


def _instants(values: pa.Array) -> Converted:
    """Milliseconds of dates and timestamps, rounded down; without a time zone they are UTC."""
    if pa.types.is_date(values.type):
        return _good(values.cast(pa.timestamp("ms")).cast(pa.int64()))
    if pa.types.is_duration(values.type):
        return _one_by_one(values, _parse_time, pa.int64())
    numbers = values.cast(pa.int64())
    match values.type.unit:
        case "s":
            return _good(pc.multiply(numbers, 1000))
        case "ms":
            return _good(numbers)
    per_ms = 1_000 if values.type.unit == "us" else 1_000_000
    floored = np.floor_divide(pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False), per_ms)
    return _good(pa.array(floored, mask=values.is_null().to_numpy(zero_copy_only=False)))


def _parse_text(value: Any) -> str:
    if isinstance(value, bool | list | dict):
        raise TypeError
    return value.decode() if isinstance(value, bytes) else str(value)


def _parse_integer(value: Any) -> int:
    _refuse_number(value)
    if isinstance(value, str):
        try:
            return _in_range(int(value))
        except ValueError:
            value = float(value)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    return _in_range(int(value))


def _in_range(value: int) -> int:
    if abs(value) >= _INT64_LIMIT:
        raise OverflowError
    return value


def _refuse_number(value: Any) -> None:
    # Python takes both for numbers.
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise TypeError


def _parse_float(value: Any) -> float:
    _refuse_number(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _parse_time(value: Any) -> int:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        try:
            return _parse_integer(value)
        except ValueError:
            value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MILLISECOND
    return _parse_integer(value)


def _parse_strings(value: Any) -> list[str]:
    if isinstance(value, str):
        value = msgspec.json.decode(value) if value.startswith("[") else [part for part in value.split(";") if part]
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise TypeError
    return value


def _parse_map(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        value = msgspec.json.decode(value)
    pairs = value.items() if isinstance(value, dict) else value
    # A reader of JSON gives every object the keys of all; those that were absent are null.
    return [(str(key), _parse_text(part)) for key, part in pairs if part is not None]
