"""In words: what a setting may be."""

from __future__ import annotations

from functools import cache
from typing import Any

from sinks.section import Section

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list of texts",
}


@cache
def _properties(section: type[Section]) -> dict[str, Any]:
    properties: dict[str, Any] = section.model_json_schema()["properties"]
    return properties


def allowed(section: type[Section], name: str) -> str:
    """What a setting may be, like "a whole number between 1 and 7"."""
    schema = _properties(section)[name]
    if "anyOf" in schema:
        schema = next(kind for kind in schema["anyOf"] if kind.get("type") != "null")
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    words = _TYPES.get(schema.get("type", "string"), "text")
    if pattern := schema.get("pattern"):
        return f"{words} that matches {pattern}"
    return words + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None and high is not None:
        return f" between {_number(low)} and {_number(high)}"
    if above is not None and high is not None:
        return f" above {_number(above)}, at most {_number(high)}"
    if low is not None:
        return f", at least {_number(low)}"
    return ""


def _number(value: float) -> str:
    return f"{value:g}" if value < 10_000 else f"{int(value)}"
