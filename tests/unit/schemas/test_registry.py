from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from schemas import definitions
from schemas.avro import plain
from schemas.errors import IncompatibleSchemaError, RegistryUnavailableError, UnknownSchemaError
from schemas.registry.client import HttpRegistry
from schemas.registry.source import FileRegistry
from schemas.topics import CLOCK_TICKS, TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = TOPICS["usage.events"]


class Server(ThreadingHTTPServer):
    """A small registry: ids by subject, answers that can be overridden, and a log of requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.schemas: dict[int, str] = {}
        self.guids: dict[str, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.answer: tuple[int, bytes] | None = None
        self.log: list[str] = []
        self.authorization: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_args: Any) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        parts = self.path.split("/")
        if parts[1:3] == ["schemas", "guids"]:
            known = self.server.guids.get(parts[3])
            self._say(200, {"schema": known}) if known else self._say(404, {"detail": "no such page"})
        elif parts[1] == "schemas" and int(parts[3]) in self.server.schemas:
            self._say(200, {"schema": self.server.schemas[int(parts[3])]})
        elif parts[1] == "schemas":
            self._say(404, {"error_code": 40403, "message": "Schema not found"})
        elif self.server.subjects.get(parts[2]):
            schema_id = self.server.subjects[parts[2]][-1]
            self._say(200, {"id": schema_id, "schema": self.server.schemas[schema_id]})
        else:
            self._say(404, {"error_code": 40401, "message": "Subject not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = self.path.partition("?")[0].split("/")
        if parts[1] == "compatibility":
            self._say(200, {"is_compatible": False, "messages": ["no default for x"]})
            return
        ids = self.server.subjects.setdefault(parts[2], [])
        known = [schema_id for schema_id in ids if self.server.schemas[schema_id] == body["schema"]]
        if parts[-1] == "versions" and not known:
            known = [100 + len(self.server.schemas)]
            self.server.schemas[known[0]] = body["schema"]
            ids += known
        if known:
            self._say(200, {"id": known[0]})
        else:
            self._say(404, {"error_code": 40403, "message": "Schema not found"})

    def _say(self, status: int, content: dict[str, Any]) -> None:
        self.server.log.append(f"{self.command} {self.path}")
        self.server.authorization = self.headers.get("Authorization")
        status, payload = self.server.answer or (status, json.dumps(content).encode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


@contextmanager
def _running() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with _running() as running:
        yield running


@pytest.fixture
def registry(server: Server) -> Iterator[HttpRegistry]:
    registry = HttpRegistry(server.url, auth=("me", "secret"), timeout_s=2.0)
    yield registry
    registry.close()


def test_packaged_schemas_have_the_ids_that_are_written_down() -> None:
    registry = FileRegistry()
    for spec in (*TOPICS.values(), CLOCK_TICKS):
        schema_id = registry.schema_id(spec)
        assert schema_id in definitions.released_ids()[spec.schema].values()
        assert plain(registry.schema(schema_id)) == plain(definitions.current(spec.schema))


def test_no_two_released_schemas_share_an_id() -> None:
    ids = [i for versions in definitions.released_ids().values() for i in versions.values()]
    assert len(ids) == len(set(ids))


def test_an_id_that_was_never_released_is_unknown() -> None:
    with pytest.raises(UnknownSchemaError, match="4711"):
        FileRegistry().schema(4711)


def test_a_schema_is_registered_once_and_read_back_by_its_id(server: Server, registry: HttpRegistry) -> None:
    schema_id = registry.schema_id(USAGE)
    assert registry.schema_id(USAGE) == schema_id
    assert len(server.log) == 2
    assert registry.schema(schema_id) == definitions.current("usage_event")
    assert registry.latest(USAGE.subject) == (schema_id, definitions.current("usage_event"))


def test_the_credentials_are_sent(server: Server, registry: HttpRegistry) -> None:
    registry.schema_id(USAGE)
    assert server.authorization == "Basic " + base64.b64encode(b"me:secret").decode()


def test_without_permission_to_register_a_missing_schema_is_unknown(server: Server) -> None:
    reader = HttpRegistry(server.url, register=False)
    with pytest.raises(UnknownSchemaError):
        reader.schema_id(USAGE)
    HttpRegistry(server.url).schema_id(USAGE)
    assert reader.schema_id(USAGE) >= 100


def test_a_schema_is_asked_for_once_and_outlives_the_server(server: Server, registry: HttpRegistry) -> None:
    schema_id = registry.schema_id(USAGE)
    before = registry.schema(schema_id)
    server.answer = (503, b"{}")
    assert registry.schema(schema_id) == before
    assert registry.schema_id(USAGE) == schema_id


def test_a_schema_is_read_by_its_guid_and_a_server_without_guids_knows_none(
    server: Server, registry: HttpRegistry
) -> None:
    guid = "89791762-2336-186f-9674-299b90a7a0c9"
    with pytest.raises(UnknownSchemaError, match=f"has no /schemas/guids/{guid}"):
        registry.schema(guid)
    server.guids[guid] = json.dumps(definitions.current(USAGE.schema))
    assert registry.schema(guid) == definitions.current(USAGE.schema)


def test_an_id_that_the_server_does_not_have_is_unknown(registry: HttpRegistry) -> None:
    with pytest.raises(UnknownSchemaError):
        registry.schema(4711)


@pytest.mark.parametrize(
    ("status", "payload"),
    [
        (500, b'{"error_code": 50001}'),
        (503, b"<html>"),
        (429, b"{}"),
        (401, b'{"error_code": 401}'),
        (403, b'{"error_code": 40301}'),
        (404, b"<html>not here</html>"),
        (404, b'{"message": "no route"}'),
        (200, b"<html>welcome</html>"),
        (200, b"[]"),
    ],
)
def test_an_answer_that_is_not_the_registrys_word_is_no_verdict(
    server: Server, registry: HttpRegistry, status: int, payload: bytes
) -> None:
    server.answer = (status, payload)
    with pytest.raises(RegistryUnavailableError, match=server.url):
        registry.schema(1)


def test_a_server_that_is_not_there_is_unavailable_and_no_password_is_told() -> None:
    with _running() as gone:
        url = gone.url.replace("http://", "http://me:secret@")
    with pytest.raises(RegistryUnavailableError) as caught:
        HttpRegistry(url, timeout_s=1.0).schema(1)
    assert gone.url in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"schema": "{}", "schemaType": "PROTOBUF"},
        {"schema": '"string"'},
        {"schema": "{"},
        {"schema": "[" * 100_000},
        {"schema": json.dumps({"doc": "x" * 300_000})},
        {"schema": "{}", "references": [{"name": "x"}]},
    ],
)
def test_a_schema_that_is_no_avro_record_cannot_be_used(
    server: Server, registry: HttpRegistry, answer: dict[str, Any]
) -> None:
    server.answer = (200, json.dumps(answer).encode())
    with pytest.raises(IncompatibleSchemaError):
        registry.schema(1)


def test_the_server_says_what_it_has_against_a_schema(server: Server, registry: HttpRegistry) -> None:
    assert registry.incompatibilities(USAGE) == ["no default for x"]
    server.answer = (200, b'{"is_compatible": true}')
    assert registry.incompatibilities(USAGE) == []
    server.answer = (404, b'{"error_code": 40401}')
    assert registry.incompatibilities(USAGE) == []


def test_a_schema_that_the_server_refuses_is_incompatible(server: Server, registry: HttpRegistry) -> None:
    server.answer = (409, b'{"error_code": 409, "message": "incompatible"}')
    with pytest.raises(IncompatibleSchemaError, match="incompatible"):
        registry.schema_id(USAGE)
