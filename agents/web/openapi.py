"""The OpenAPI document of the API, made of its operations and of the types that they read and answer with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.web.operations import NO_NUL, PREFIX, Operation
from agents.web.problems import PROBLEM


class Problem(msgspec.Struct, frozen=True):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[str] = []
    """What is wrong, one by one."""


_PROBLEMS = {
    "400": "The address cannot be read.",
    "401": "Nobody is signed in, or the key is not known.",
    "403": "The role does not allow it.",
    "404": "There is no such thing for this person.",
    "422": "What was given cannot be used.",
    "503": "Database or brokers do not answer; try again.",
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """OpenAPI 3.1."""
    types = [each.answer for each in operations] + [each.query for each in operations] + [Problem]
    types += [each.body for each in operations if each.body is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        query = components[each.query.__name__]
        paths.setdefault(PREFIX + each.path, {})[each.method.lower()] = {
            "operationId": each.name,
            "summary": each.summary,
            "parameters": list(_parameters(each, query)),
            **_body(each, schema_of),
            "responses": _responses(each, schema_of),
        }
    for each in operations:
        components.pop(each.query.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "foreshock", "version": version("foreshock")},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def openapi_route(operations: Sequence[Operation]) -> Route:
    """The route that shows it."""

    def show(_: Request) -> Response:
        return JSONResponse(document(operations))

    return Route(f"{PREFIX}/openapi.json", show)


def _parameters(operation: Operation, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for part in operation.path.split("/"):
        if part.startswith("{"):
            schema = {"type": "string", "minLength": 1, "pattern": NO_NUL}
            yield {"name": part.strip("{}"), "in": "path", "required": True, "schema": schema}
    for name, schema in query.get("properties", {}).items():
        yield {"name": name, "in": "query", "required": name in query.get("required", ()), "schema": _given(schema)}
    for name, meaning in operation.headers:
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        yield {"name": name, "in": "header", "description": meaning, "schema": schema}


def _given(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A query has no null: what may be null may be left out."""
    if "anyOf" not in schema:
        return schema
    [kind] = [each for each in schema["anyOf"] if each.get("type") != "null"]
    return dict(kind)


def _body(operation: Operation, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    if operation.body is None:
        return {}
    content = {"application/json": {"schema": schema_of[repr(operation.body)]}}
    return {"requestBody": {"required": True, "content": content}}


def _responses(operation: Operation, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    good = {"application/json": {"schema": schema_of[repr(operation.answer)]}}
    bad = {PROBLEM: {"schema": schema_of[repr(Problem)]}}
    problems = {status: {"description": said, "content": bad} for status, said in _PROBLEMS.items()}
    return {str(operation.status): {"description": operation.summary, "content": good}, **problems}
