"""Client of a schema registry server that speaks Confluent's API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

from schemas import definitions
from schemas.errors import IncompatibleSchemaError, RegistryUnavailableError, UnknownSchemaError

if TYPE_CHECKING:
    from schemas.definitions import Schema
    from schemas.registry.source import SchemaId
    from schemas.topics import TopicSpec

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND_CODES = frozenset({40401, 40402, 40403})
"""Subject, version, schema: what the registry itself says; a bare 404 may come from anything in between."""
_GUIDS = "/schemas/guids/"
"""Which many registries do not have at all."""
MAX_SCHEMA_CHARS = 256 * 1024


class HttpRegistry:
    """Schemas of a server; what was once read or registered is kept, and survives the server's absence.

    Args:
        url: of the server, without a path behind it.
        auth: user and password.
        register: add our schemas if the server lacks them; otherwise somebody else must.
        timeout_s: for each request. Requests block.
    """

    def __init__(
        self, url: str, auth: tuple[str, str] | None = None, *, register: bool = True, timeout_s: float = 5.0
    ) -> None:
        headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}
        # What errors name; a password in it is nobody's business.
        self._url = str(httpx.URL(url).copy_with(userinfo=b""))
        self._client = httpx.Client(base_url=url, auth=auth, headers=headers, timeout=timeout_s)
        self._register = register
        self._schemas: dict[SchemaId, Schema] = {}
        self._ids: dict[str, int] = {}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def schema(self, schema_id: SchemaId) -> Schema:
        """The schema with this id or GUID; asked for once."""
        if schema_id not in self._schemas:
            path = f"/schemas/ids/{schema_id}" if isinstance(schema_id, int) else f"{_GUIDS}{schema_id}"
            self._schemas[schema_id] = _avro(self._ask("GET", path))
        return self._schemas[schema_id]

    def schema_id(self, topic: TopicSpec) -> int:
        """The id of the topic's current schema under its subject; looked up, else registered, once."""
        if topic.subject not in self._ids:
            self._ids[topic.subject] = self._find_or_register(topic)
        return self._ids[topic.subject]

    def latest(self, subject: str) -> tuple[int, Schema]:
        """Id and schema of a subject's latest version."""
        answer = self._ask("GET", f"/subjects/{subject}/versions/latest")
        return int(answer["id"]), _avro(answer)

    def incompatibilities(self, topic: TopicSpec) -> list[str]:
        """What the server has against the topic's current schema; nothing if the subject is new."""
        path = f"/compatibility/subjects/{topic.subject}/versions"
        try:
            answer = self._ask("POST", path, params={"verbose": "true"}, json=_request(topic))
        except UnknownSchemaError:
            return []
        if answer.get("is_compatible", False):
            return []
        return [str(message) for message in answer.get("messages", [])] or ["incompatible"]

    def _find_or_register(self, topic: TopicSpec) -> int:
        request = _request(topic)
        try:
            return int(self._ask("POST", f"/subjects/{topic.subject}", json=request)["id"])
        except UnknownSchemaError:
            if not self._register:
                raise
        return int(self._ask("POST", f"/subjects/{topic.subject}/versions", json=request)["id"])

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            response = self._client.request(method, path, **options)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            msg = f"the schema registry at {self._url} did not answer {path}: {error!r}; is it up?"
            raise RegistryUnavailableError(msg) from error
        if response.is_success and isinstance(answer, dict):
            return answer
        said = answer if isinstance(answer, dict) else {}
        its_own = said.get("error_code") in _NOT_FOUND_CODES or path.startswith(_GUIDS)
        if response.status_code == httpx.codes.NOT_FOUND and its_own:
            msg = f"the schema registry at {self._url} has no {path}: {said.get('message')}"
            raise UnknownSchemaError(msg)
        if response.status_code in (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY):
            msg = f"the schema registry at {self._url} refuses {path}: {said.get('message')}"
            raise IncompatibleSchemaError(msg)
        msg = (
            f"the schema registry at {self._url} answered {path} with {response.status_code}: "
            "check its address, our credentials and its log"
        )
        raise RegistryUnavailableError(msg)


def _request(topic: TopicSpec) -> dict[str, str]:
    return {"schema": json.dumps(definitions.current(topic.schema)), "schemaType": "AVRO"}


def _avro(answer: dict[str, Any]) -> Schema:
    """The record schema in a registry's answer."""
    if answer.get("schemaType", "AVRO") != "AVRO" or answer.get("references"):
        msg = "the schema is not Avro in one piece"
        raise IncompatibleSchemaError(msg)
    text = str(answer.get("schema", ""))
    if len(text) > MAX_SCHEMA_CHARS:
        msg = f"the schema is longer than {MAX_SCHEMA_CHARS} characters"
        raise IncompatibleSchemaError(msg)
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"the schema is not JSON: {error!r}"
        raise IncompatibleSchemaError(msg) from error
    if not isinstance(schema, dict):
        msg = "the schema is not a record"
        raise IncompatibleSchemaError(msg)
    return schema
