"""Can our current schemas read what was written with any released version (BACKWARD_TRANSITIVE)?

Follows the Avro specification's schema resolution. A union of the writer is accepted only if each branch can
be read; an enum of the writer only if the reader knows every symbol or has a default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas import definitions
from schemas.avro import PRIMITIVES, full_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.definitions import Schema

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


def check_released(name: str) -> list[str]:
    """What the current schema of this name cannot read; empty if it reads every released version."""
    return [
        f"{name} version {version}: {problem}"
        for version, writer in definitions.released(name).items()
        for problem in incompatibilities(definitions.current(name), writer)
    ]


def check_all() -> list[str]:
    """The same for every schema."""
    return [problem for name in definitions.NAMES for problem in check_released(name)]


def incompatibilities(reader: Schema, writer: Schema) -> list[str]:
    """Why records of `writer` cannot all be read with `reader`, each with the path of the field."""
    return _Resolution(_names(reader), _names(writer)).compare(reader, writer, reader.get("name", ""))


class _Resolution:
    """One comparison; types that contain themselves are compared once."""

    def __init__(self, reader_names: dict[str, Any], writer_names: dict[str, Any]) -> None:
        self._reader_names = reader_names
        self._writer_names = writer_names
        self._compared: set[tuple[str, str]] = set()

    def compare(self, reader: Any, writer: Any, path: str) -> list[str]:
        """Problems of one pair of schemas."""
        reader, writer = _resolved(reader, self._reader_names), _resolved(writer, self._writer_names)
        if isinstance(writer, list):
            return [problem for branch in writer for problem in self.compare(reader, branch, path)]
        if isinstance(reader, list):
            return self._into_union(reader, writer, path)
        ours, theirs = _kind(reader), _kind(writer)
        if ours != theirs:
            readable = ours in _PROMOTIONS.get(theirs, ())
            return [] if readable else [f"{path}: {theirs} cannot be read as {ours}"]
        compare_kind: dict[str, Callable[[Any, Any, str], list[str]]] = {
            "record": self._records,
            "enum": _enums,
            "fixed": _fixed,
            "array": self._arrays,
            "map": self._maps,
        }
        return compare_kind.get(ours, _logical_types)(reader, writer, path)

    def _arrays(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        return self.compare(reader["items"], writer["items"], f"{path}[]")

    def _maps(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        return self.compare(reader["values"], writer["values"], f"{path}{{}}")

    def _into_union(self, branches: list[Any], writer: Any, path: str) -> list[str]:
        if any(not self.compare(branch, writer, path) for branch in branches):
            return []
        kinds = ", ".join(_kind(_resolved(branch, self._reader_names)) for branch in branches)
        return [f"{path}: {_kind(writer)} fits no branch of the union [{kinds}]"]

    def _records(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        problems = _named(reader, writer, path)
        pair = (full_name(reader, ""), full_name(writer, ""))
        if problems or pair in self._compared:
            return problems
        self._compared.add(pair)
        theirs = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            here = f"{path}.{field['name']}"
            matches = [theirs[name] for name in (field["name"], *field.get("aliases", ())) if name in theirs]
            if matches:
                problems += self.compare(field["type"], matches[0]["type"], here)
            elif "default" not in field:
                problems.append(f"{here}: is missing in the writer and has no default")
        if problems:
            self._compared.discard(pair)
        return problems


def _enums(reader: Schema, writer: Schema, path: str) -> list[str]:
    problems = _named(reader, writer, path)
    unknown = sorted(set(writer["symbols"]) - set(reader["symbols"]))
    if unknown and "default" not in reader:
        problems.append(f"{path}: the symbols {', '.join(unknown)} are unknown and there is no default")
    return problems


def _fixed(reader: Schema, writer: Schema, path: str) -> list[str]:
    problems = _named(reader, writer, path)
    if reader["size"] != writer["size"]:
        problems.append(f"{path}: fixed of {writer['size']} bytes cannot be read as {reader['size']}")
    return problems


def _kind(schema: Any) -> str:
    kind: str = schema if isinstance(schema, str) else schema["type"]
    return kind


def _resolved(schema: Any, names: dict[str, Any]) -> Any:
    """The schema itself, where its name or a wrapper stands for it."""
    while True:
        if isinstance(schema, str) and schema not in PRIMITIVES:
            schema = names[schema] if schema in names else names[schema.rpartition(".")[2]]
        elif isinstance(schema, dict) and not isinstance(schema["type"], str):
            schema = schema["type"]
        else:
            return schema


def _names(schema: Any) -> dict[str, Any]:
    """Named types of a schema, by name with and without namespace."""
    found: dict[str, Any] = {}
    parts = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            if part.get("type") in ("record", "enum", "fixed"):
                found[full_name(part, "")] = found[part["name"].rpartition(".")[2]] = part
            parts += [part[name] for name in ("type", "items", "values", "fields") if name in part]
    return found


def _named(reader: Schema, writer: Schema, path: str) -> list[str]:
    """Names must agree without their namespaces, or by an alias of the reader."""
    theirs = writer["name"].rpartition(".")[2]
    ours = {name.rpartition(".")[2] for name in (reader["name"], *reader.get("aliases", ()))}
    return [] if theirs in ours else [f"{path}: {theirs} is another type than {reader['name']}"]


def _logical_types(reader: Any, writer: Any, path: str) -> list[str]:
    """A time in another unit has the same bytes and another meaning."""
    ours, theirs = (s.get("logicalType") if isinstance(s, dict) else None for s in (reader, writer))
    if ours and theirs and ours != theirs:
        return [f"{path}: {theirs} would be read as {ours}"]
    return []
