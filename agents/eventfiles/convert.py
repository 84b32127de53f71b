"""Columns of files brought to the types of the event tables; what cannot be converted is null and marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.terms.arrays import Bools
from schemas.definitions import current

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


TIME = "time"
"""Stands for int64 milliseconds where a column's type is asked for."""
ID = "id"
"""Stands for text in which a whole number is written in one way only."""

TimeUnit = Literal["s", "ms", "us"]


@dataclass(frozen=True, slots=True)
class TimesAs:
    """How times are written where they do not say it themselves."""

    unit: TimeUnit = "ms"
    """Of numbers."""
    offset_ms: int = 0
    """Ahead of UTC, of dates and of times without an offset."""


_MS_OF: Mapping[str, Decimal] = {"s": Decimal(1000), "ms": Decimal(1), "us": Decimal("0.001")}
AS_WRITTEN = TimesAs()
"""Epoch milliseconds, UTC."""
_NO_MAP = "value"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_INT64_LIMIT = 2.0**63
_MOST_SECONDS = 2**63 // 1000 - 1
_EXACT_LIMIT = 2**53
"""Whole numbers from here on are not exact once they have been floats."""
_WHOLE = r"^[+-]?[0-9]+\.0+$"
_INEXACT = r"^[+-]?[0-9]{16,}\.0+$|^[+-]?[0-9](\.[0-9]+)?[eE]\+[0-9]+$"


class Converted(NamedTuple):
    """A column in its new type; `bad` marks values that could not be converted, which are null."""

    values: pa.Array
    bad: Bools


def time_fields(schema_name: str) -> frozenset[str]:
    """Fields that are times."""
    return frozenset(
        field["name"] for field in current(schema_name)["fields"] if "timestamp-millis" in str(field["type"])
    )


def convert(values: pa.Array, target: pa.DataType | str, times_as: TimesAs = AS_WRITTEN) -> Converted:
    """Bring a column to an Arrow type (string, int64, float64, list or map of strings), to `TIME` or to `ID`.

    Integers may be written as integral floats, numbers as text, times as numbers of a unit or ISO 8601, lists as
    JSON or separated by semicolons, maps as JSON, whose values are kept as JSON text. Whether the value is then
    acceptable is not asked here.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if is_text(values.type):
        values = values.cast(pa.string())
    if pa.types.is_null(values.type):
        return _good(pa.nulls(len(values), _TYPE_OF.get(target, target)))
    if values.type == target and _is_sound(values):
        return _good(values)
    if target is TIME:
        return _times(values, times_as)
    return _ids(values) if target is ID else _converter(target)(values)


_TYPE_OF: Mapping[Any, pa.DataType] = {TIME: pa.int64(), ID: pa.string()}


def _converter(target: pa.DataType) -> Callable[[pa.Array], Converted]:
    if pa.types.is_integer(target):
        return _integers
    if pa.types.is_floating(target):
        return _floats
    if pa.types.is_string(target):
        return _texts
    parse = _parse_strings if pa.types.is_list(target) else _parse_map
    return lambda values: _one_by_one(values, parse, target)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column is of text, of whatever length."""
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
        except (ValueError, TypeError, ArithmeticError, RecursionError, msgspec.DecodeError):
            out.append(None)
            bad[place] = True
    return Converted(pa.array(out, target), bad)


def _texts(values: pa.Array) -> Converted:
    if pa.types.is_integer(values.type):
        return _good(values.cast(pa.string()))
    return _one_by_one(values, _parse_text, pa.string())


def _ids(values: pa.Array) -> Converted:
    """Texts; 1001.0 is 1001, which a column of numbers becomes as soon as one is missing."""
    if pa.types.is_floating(values.type):
        return _one_by_one(values, _parse_float_id, pa.string())
    texts, bad = _texts(values) if values.type != pa.string() or not _is_sound(values) else _good(values)
    inexact = pc.match_substring_regex(texts, _INEXACT).fill_null(False)
    if inexact.true_count:
        texts = pc.if_else(inexact, pa.scalar(None, pa.string()), texts)
        bad = bad | inexact.to_numpy(zero_copy_only=False)
    whole = pc.match_substring_regex(texts, _WHOLE).fill_null(False)
    if whole.true_count:
        texts = pc.if_else(whole, pc.replace_substring_regex(texts, r"\.0+$", ""), texts)
    return Converted(texts, bad)


def _parse_float_id(value: float) -> str:
    if not math.isfinite(value) or abs(value) >= _EXACT_LIMIT:
        raise ValueError
    return str(int(value)) if value.is_integer() else str(value)


def _integers(values: pa.Array) -> Converted:
    if pa.types.is_duration(values.type):
        return _milliseconds(values)
    if pa.types.is_integer(values.type) or is_text(values.type):
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


def _times(values: pa.Array, written: TimesAs) -> Converted:
    if pa.types.is_integer(values.type):
        numbers, bad = _integers(values)
        instants = _milliseconds(numbers.cast(pa.timestamp(written.unit)))
        return instants._replace(bad=bad | instants.bad)
    if pa.types.is_date(values.type):
        return _ahead(_good(values.cast(pa.timestamp("ms")).cast(pa.int64())), written)
    if pa.types.is_timestamp(values.type):
        instants = _milliseconds(values)
        return instants if values.type.tz else _ahead(instants, written)
    if is_text(values.type):
        # Whole columns at once; the first value that does not fit makes each attempt fail early.
        for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.int64()):
            try:
                return _times(values.cast(kind), written)
            except pa.ArrowInvalid:
                continue
    return _one_by_one(values, lambda value: _parse_time(value, written), pa.int64())


def _ahead(local: Converted, written: TimesAs) -> Converted:
    return local if not written.offset_ms else local._replace(values=pc.subtract(local.values, written.offset_ms))


def _milliseconds(values: pa.Array) -> Converted:
    """Milliseconds of timestamps or durations, rounded down; what overflows is bad."""
    numbers = values.cast(pa.int64())
    unit = values.type.unit
    if unit == "ms":
        return _good(numbers)
    missing = values.is_null().to_numpy(zero_copy_only=False)
    found = pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False)
    if unit == "s":
        bad = (found > _MOST_SECONDS) | (found < -_MOST_SECONDS)
        return Converted(pa.array(np.where(bad, 0, found) * 1000, mask=missing | bad), bad)
    return _good(pa.array(np.floor_divide(found, 1_000 if unit == "us" else 1_000_000), mask=missing))


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
    whole = _in_range(int(value))
    if whole != value:
        raise ValueError
    return whole


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


def _parse_time(value: Any, written: TimesAs) -> int:
    if isinstance(value, str):
        value = value.strip()
        try:
            return _parse_number_of_time(value, written)
        except (ValueError, ArithmeticError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return (value - _EPOCH) // _MILLISECOND
        return (value.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND - written.offset_ms
    return _parse_number_of_time(value, written)


def _parse_number_of_time(value: Any, written: TimesAs) -> int:
    if written.unit == "ms":
        return _parse_integer(value)
    _refuse_number(value)
    return _in_range(math.floor(Decimal(str(value)) * _MS_OF[written.unit]))


def _parse_strings(value: Any) -> list[str]:
    if isinstance(value, str):
        value = msgspec.json.decode(value) if value.startswith("[") else [part for part in value.split(";") if part]
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise TypeError
    return value


def _parse_map(value: Any) -> list[tuple[str, str]]:
    """A map; whatever else is told is kept under a name of its own."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            return [(_NO_MAP, value)]
    pairs = value.items() if isinstance(value, dict) else value
    if not isinstance(value, dict) and not (isinstance(value, list) and all(isinstance(each, tuple) for each in value)):
        pairs = [(_NO_MAP, value)]
    # A reader of JSON gives every object the keys of all; those that were absent are null.
    return [(str(key), _text_of(part)) for key, part in pairs if part is not None]


def _text_of(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
