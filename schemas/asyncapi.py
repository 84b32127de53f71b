"""AsyncAPI document of the topics, derived from the topic table and the Avro schemas.

`python -m schemas.asyncapi > schemas/asyncapi.yaml` writes it again.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import yaml

from schemas import definitions
from schemas.codec import cloudevents
from schemas.topics import CLOCK_TICKS, INPUT_TOPICS, TOPICS

if TYPE_CHECKING:
    from schemas.topics import TopicSpec

_BINDING = "0.5.0"
_ACTIONS = {"input": "receive", "people": "receive", "output": "send", "internal": "send"}
_EXAMPLE_ALERT = {
    "alert_id": "00000000-0000-5000-8000-000000000000",
    "revision": 1,
    "account_id": "acme",
    "family": "risk",
    "status": "firing",
    "severity": "error",
    "updated_at": 0,
}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "foreshock",
            "version": "1.0.0",
            "description": "Early warnings for customer success: events in, health changes and alerts out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/avro",
        "channels": {spec.name: _channel(spec) for spec in TOPICS.values()},
        "operations": {_operation_id(spec): _operation(spec) for spec in TOPICS.values()},
        "components": {"messages": {name: _message(name) for name in definitions.NAMES}},
    }


def render() -> str:
    """The document as YAML."""
    return yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=110)


def _channel(spec: TopicSpec) -> dict[str, Any]:
    return {
        "address": spec.name,
        "description": f"Keyed by {spec.key}. {definitions.current(spec.schema)['doc']}",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _schemas(spec)},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [spec.cleanup_policy],
                    "retention.ms": spec.retention_ms,
                },
                "bindingVersion": _BINDING,
            }
        },
    }


def _schemas(spec: TopicSpec) -> tuple[str, ...]:
    """What stands in a topic: ticks stand in every input topic."""
    return (spec.schema, CLOCK_TICKS.schema) if spec.name in INPUT_TOPICS else (spec.schema,)


def _operation_id(spec: TopicSpec) -> str:
    words = spec.name.split(".")
    return _ACTIONS[spec.role] + "".join(word.capitalize() for word in words)


def _operation(spec: TopicSpec) -> dict[str, Any]:
    return {
        "action": _ACTIONS[spec.role],
        "channel": {"$ref": f"#/channels/{spec.name}"},
        "messages": [{"$ref": f"#/channels/{spec.name}/messages/{name}"} for name in _schemas(spec)],
    }


def _message(name: str) -> dict[str, Any]:
    schema = definitions.current(name)
    message = {
        "name": schema["name"],
        "title": schema["doc"].partition(".")[0],
        "contentType": "application/avro",
        "payload": {"schemaFormat": "application/vnd.apache.avro;version=1.9.0", "schema": schema},
        "bindings": {
            "kafka": {
                "key": {"type": "string"},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "bindingVersion": _BINDING,
            }
        },
    }
    return message | {"headers": _cloudevents_headers()} if name in {"alert", "case"} else message


def _cloudevents_headers() -> dict[str, Any]:
    names = [name for name, _ in cloudevents.headers(_EXAMPLE_ALERT, "/foreshock")]
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in binary mode.",
        "required": names,
        "properties": {name: {"type": "string"} for name in names},
    }


if __name__ == "__main__":
    sys.stdout.write(render())
