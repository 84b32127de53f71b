"""The rules of `rules` and `validation`, held against whole columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.accounts import FLEET
from schemas.arrays import numbers, offsets, valid
from schemas.rules import Number, Past, Requirement, Rule, Symbol, Text, Texts, Unreserved
from schemas.scales import DEFAULT_SCALES, FIRST_FROM_ZERO
from schemas.validation import EVENT_TIME, ROW_RULES, RULES, Rules

Mask = npt.NDArray[np.bool_]


class Broken(NamedTuple):
    """A rule of a field, and the rows that break it."""

    rows: Mask
    field: str
    rule: Requirement


def broken_rules(schema: str, columns: pa.RecordBatch, latest_ms: int | None = None) -> Iterator[Broken]:
    """Every rule that a row breaks.

    Args:
        schema: a name in RULES.
        columns: typed as `codec.projection.columns_of` has them; others are left alone.
        latest_ms: event times beyond are in the future; None where no clock is to be asked.
    """
    for name, rules in _with_latest(schema, latest_ms).items():
        column = columns.column(name)
        for rule in rules:
            rows = _broken_in(rule, column)
            if rows is not None:
                yield Broken(rows, name, rule)
    for name, row_rule in ROW_RULES.get(schema, {}).items():
        rows = _off_scale(columns)
        if rows is not None:
            yield Broken(rows, name, row_rule)


def violations(schema: str, columns: pa.RecordBatch) -> dict[int, tuple[str, str]]:
    """Reason and detail of the first rule that each bad row breaks."""
    found: dict[int, tuple[str, str]] = {}
    for rows, name, rule in broken_rules(schema, columns):
        values = columns.column(name)
        for row in np.flatnonzero(rows).tolist():
            if row not in found:
                found[row] = (rule.reason, f"{name}: {wrong_at(rule, values, row)}")
    return found


def wrong_at(rule: Requirement, column: pa.Array, row: int) -> str:
    """What is wrong with the value of a row that breaks it. Texts are not read: they may be no UTF-8."""
    return rule.wrong_with(column[row].as_py() if isinstance(rule, Number) else None)


def _with_latest(schema: str, latest_ms: int | None) -> Mapping[str, Rules]:
    rules = RULES[schema]
    if latest_ms is None:
        return rules
    name = EVENT_TIME[schema]
    return {**rules, name: (*rules[name], Past(high=latest_ms))}


def _broken_in(rule: Rule, column: pa.Array) -> Mask | None:
    """Which values of a column break it; None if none does."""
    if column.null_count == len(column):
        return None
    broken = _broken(rule, column)
    if broken is not None and column.null_count:
        broken = broken & valid(column)
    return broken if broken is not None and broken.any() else None


@singledispatch
def _broken(rule: Rule, _column: pa.Array) -> Mask | None:
    """As `_broken_in`; the answer for nulls is arbitrary."""
    raise NotImplementedError(rule)


@_broken.register
def _(rule: Text, column: pa.Array) -> Mask | None:
    bounds = offsets(column)
    lengths = np.diff(bounds)
    broken: Mask | None = None
    if lengths.max() > rule.most or (rule.least and lengths.min() < rule.least):
        broken = (lengths > rule.most) | (lengths < rule.least)
    data = column.buffers()[2]
    if data is not None and b"\x00" in data[int(bounds[0]) : int(bounds[-1])].to_pybytes():
        with_nul: Mask = pc.match_substring(column, "\x00").fill_null(False).to_numpy(zero_copy_only=False)
        broken = with_nul if broken is None else broken | with_nul
    return broken


@_broken.register
def _(rule: Texts, column: pa.Array) -> Mask | None:
    items = _broken_in(rule.item, column.flatten())
    if items is None:
        return None
    counts = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    broken = np.zeros(len(column), dtype=np.bool_)
    broken[np.repeat(np.arange(len(column)), counts)[items]] = True
    return broken


@_broken.register
def _(rule: Number, column: pa.Array) -> Mask | None:
    values = numbers(column)
    if rule.low <= values.min() and values.max() <= rule.high:
        return None
    outside: Mask = ~((values >= rule.low) & (values <= rule.high))
    return outside


@_broken.register
def _(rule: Symbol, column: pa.Array) -> Mask | None:
    known: Mask = pc.is_in(column, value_set=pa.array(sorted(rule.symbols))).to_numpy(zero_copy_only=False)
    return ~known


@_broken.register
def _(_rule: Unreserved, column: pa.Array) -> Mask | None:
    of_fleet = pc.or_(pc.equal(column, FLEET), pc.starts_with(column, f"{FLEET}:"))
    reserved: Mask = of_fleet.fill_null(False).to_numpy(zero_copy_only=False)
    return reserved


def _off_scale(columns: pa.RecordBatch) -> Mask | None:
    """As `OnScale`: which records break it; None if none does."""
    score = columns.column("score")
    if score.null_count == len(score):
        return None
    usual = pc.take(_USUAL_BEST, pc.index_in(columns.column("type"), value_set=_ANSWERS))
    best = _floats(pc.if_else(usual.is_valid(), pc.coalesce(columns.column("scale"), usual), None))
    worst = np.where(best >= FIRST_FROM_ZERO, 0.0, 1.0)
    value = _floats(score)
    broken: Mask = (value < worst) | (value > best)
    return broken if broken.any() else None


_ANSWERS = pa.array(list(DEFAULT_SCALES))
_USUAL_BEST = pa.array(list(DEFAULT_SCALES.values()), pa.float64())


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    """Values with NaN for nulls, which compares with nothing."""
    found: npt.NDArray[np.float64] = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return found
