"""The schema registry that the settings name, and how an event loop asks it."""

from __future__ import annotations

from time import monotonic

from agents.settings import Settings
from schemas.definitions import Schema
from schemas.errors import IncompatibleSchemaError, RegistryUnavailableError, UnknownSchemaError
from schemas.registry.client import HttpRegistry
from schemas.registry.source import FileRegistry, SchemaId, SchemaRegistry
from schemas.topics import TopicSpec

_UNKNOWN_S = 2.0
"""For so long a registry that has said that it has no such schema is believed."""


class Fetched:
    """A registry for an event loop: its schemas are those that `fetch`, in a thread, has brought."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._known: dict[SchemaId, Schema | IncompatibleSchemaError] = {}
        self._unknown: dict[SchemaId, tuple[UnknownSchemaError, float]] = {}
        self._missing: set[SchemaId] = set()

    def schema(self, schema_id: SchemaId) -> Schema:
        """The schema, if it was fetched; what is missing raises RegistryUnavailableError and is fetched next."""
        if (known := self._known.get(schema_id)) is not None:
            if isinstance(known, IncompatibleSchemaError):
                raise known
            return known
        error, until = self._unknown.get(schema_id, (None, 0.0))
        if error is not None and monotonic() < until:
            raise error
        self._missing.add(schema_id)
        message = f"schema {schema_id} was not fetched yet"
        raise RegistryUnavailableError(message)

    def schema_id(self, topic: TopicSpec) -> int:
        """Asked of the registry itself; blocks."""
        return self._registry.schema_id(topic)

    def fetch(self) -> None:
        """Ask for what was missing; blocks. Raises RegistryUnavailableError."""
        unknown: dict[SchemaId, UnknownSchemaError] = {}
        try:
            for schema_id in tuple(self._missing):
                try:
                    self._known[schema_id] = self._registry.schema(schema_id)
                except IncompatibleSchemaError as error:
                    self._known[schema_id] = error
                except UnknownSchemaError as error:
                    unknown[schema_id] = error
                self._missing.discard(schema_id)
        finally:
            # Believed from now on: when all were asked for, the first must not be missing again.
            now = monotonic()
            self._unknown = {name: known for name, known in self._unknown.items() if known[1] > now}
            self._unknown |= {schema_id: (error, now + _UNKNOWN_S) for schema_id, error in unknown.items()}


def open_registry(settings: Settings) -> FileRegistry | HttpRegistry:
    """Packaged files, or a client of the server; nothing is asked yet."""
    chosen = settings.registry
    if chosen.kind == "files" or chosen.url is None:
        return FileRegistry()
    auth = None
    if chosen.username is not None and chosen.password is not None:
        auth = (chosen.username, chosen.password.get_secret_value())
    return HttpRegistry(chosen.url, auth, register=chosen.register_schemas)
