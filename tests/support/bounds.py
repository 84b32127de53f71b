"""Values at and beyond every bound of every field, as the rules and the Avro schemas have them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas.avro import plain
from schemas.codec.projection import shape_of
from schemas.definitions import current
from schemas.rules import Number, Rule, Symbol, Text, Texts, Unreserved
from schemas.validation import RULES


class Edge(NamedTuple):
    """A value of a field, at a bound or beyond."""

    field: str
    value: Any


def edges(schema: str) -> Iterator[Edge]:
    """Every edge of every field of a schema of ours; only values that the field's type can hold."""
    for field in plain(current(schema))["fields"]:
        name, shape = field["name"], shape_of(field["type"])
        if shape.nullable:
            yield Edge(name, None)
        rules = RULES[schema].get(name, ())
        for value in {repr(value): value for rule in rules for value in _values(rule, shape.kind)}.values():
            yield Edge(name, value)


_BEST = {"nps": 10, "csat": 5, "ces": 7, "pulse": 5, "qa_scored": 100}


def broken_fields(schema: str, row: Mapping[str, Any]) -> set[str]:
    """The fields of a record that break a rule."""
    found = {
        name
        for name, rules in RULES[schema].items()
        if row[name] is not None and not all(is_allowed(rule, row[name]) for rule in rules)
    }
    if schema == "customer_signal" and row["type"] in _BEST and row["score"] is not None:
        best = _BEST[row["type"]] if row["scale"] is None else row["scale"]
        if row["score"] > best or row["score"] < (1 if best < 10 else 0):
            found.add("score")
    return found


def is_allowed(rule: Rule, value: Any) -> bool:
    """Whether a value keeps a rule, by its parameters alone."""
    match rule:
        case Text():
            return rule.least <= len(value.encode()) <= rule.most and "\x00" not in value
        case Texts():
            return all(is_allowed(rule.item, item) for item in value)
        case Number():
            return bool(rule.low <= value <= rule.high)
        case Symbol():
            return value in rule.symbols
        case Unreserved():
            return bool(value.split(":")[0] != "fleet")
    raise TypeError(rule)


def _values(rule: Rule, kind: str) -> Iterator[Any]:
    match rule:
        case Text():
            yield from ("x" * rule.least, "x" * rule.most, "x" * (rule.most + 1), "x" * (rule.most * 2))
            yield from ("é" * (rule.most // 2), "é" * (rule.most // 2 + 1), "", "\x00", "a\x00b", "x\x00", " ")
        case Texts():
            yield []
            yield from (["fine", item, "fine"] for item in _values(rule.item, "string"))
        case Number() if kind == "double":
            yield from (float(rule.low), float(rule.high), math.nextafter(rule.low, -math.inf))
            yield from (math.nextafter(rule.high, math.inf), math.nan, math.inf, -math.inf, 1e300, -1e300)
        case Number():
            bits = 31 if kind == "int" else 63
            yield from (rule.low, rule.high, rule.low - 1, rule.high + 1, -(2**bits), 2**bits - 1)
        case Symbol():
            yield from sorted(rule.symbols)
            yield from ("", "x", min(rule.symbols).upper(), f"{min(rule.symbols)} ", f"{min(rule.symbols)}\x00")
        case Unreserved():
            yield from ("fleet", "fleet:", "fleet:smb", "fleets", "Fleet", "my:fleet", " fleet")
