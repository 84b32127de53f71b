"""Where schemas are kept: packaged files, or a registry server that speaks Confluent's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from schemas import definitions
from schemas.avro import plain
from schemas.errors import UnknownSchemaError

if TYPE_CHECKING:
    from schemas.definitions import Schema
    from schemas.topics import TopicSpec


SchemaId = int | str
"""A schema's number, or its GUID as text."""


class SchemaRegistry(Protocol):
    """Schemas by id, and ids of the schemas that we write with."""

    def schema(self, schema_id: SchemaId) -> Schema:
        """The schema with this id or GUID.

        Raises:
            UnknownSchemaError: there is none.
            RegistryUnavailableError: it could not be asked.
            IncompatibleSchemaError: it is no Avro record.
        """

    def schema_id(self, topic: TopicSpec) -> int:
        """The id to write this topic's current schema with; the registry is told the schema if need be.

        Raises:
            UnknownSchemaError: the schema is not there and could not be added.
            RegistryUnavailableError: the registry could not be asked.
        """


class FileRegistry:
    """The released schemas that come with this package; their ids are the same in every process."""

    def __init__(self) -> None:
        self._schemas: dict[SchemaId, Schema] = {
            schema_id: definitions.released(name)[version]
            for name, versions in definitions.released_ids().items()
            for version, schema_id in versions.items()
        }

    def schema(self, schema_id: SchemaId) -> Schema:
        """The released schema with this id; none has a GUID."""
        try:
            return self._schemas[schema_id]
        except KeyError:
            msg = f"no released schema has the id {schema_id}"
            raise UnknownSchemaError(msg) from None

    def schema_id(self, topic: TopicSpec) -> int:
        """The id of the released version that is written as the current schema is, whatever its docs say."""
        schema = plain(definitions.current(topic.schema))
        for version, candidate in definitions.released(topic.schema).items():
            if plain(candidate) == schema:
                return definitions.released_ids()[topic.schema][version]
        msg = (
            f"schemas/{topic.schema}.avsc is not released: copy it to schemas/released/{topic.schema}/ "
            "under the next number and give that an id in schemas/ids.json"
        )
        raise UnknownSchemaError(msg)
