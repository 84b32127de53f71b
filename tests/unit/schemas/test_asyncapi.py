from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
import yaml

from schemas import asyncapi, definitions
from schemas.topics import INPUT_TOPICS, TOPICS

DOCUMENT: dict[str, Any] = yaml.safe_load(asyncapi.render())


def _resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [reference for value in part.values() for reference in _references(value)]
    if isinstance(part, list):
        return [reference for value in part for reference in _references(value)]
    return []


def test_the_packaged_document_is_up_to_date() -> None:
    packaged = files("schemas").joinpath("asyncapi.yaml").read_text(encoding="utf-8")
    assert packaged == asyncapi.render(), "run: python -m schemas.asyncapi > schemas/asyncapi.yaml"


def test_the_document_has_what_asyncapi_3_requires() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert set(operation["channel"]) == {"$ref"}
    for name in (*DOCUMENT["components"]["messages"], *DOCUMENT["channels"], *DOCUMENT["operations"]):
        assert re.fullmatch(r"[a-zA-Z0-9.\-_]+", name)


def test_every_reference_leads_somewhere() -> None:
    references = _references({k: v for k, v in DOCUMENT.items() if k != "components"})
    assert len(references) > len(TOPICS)
    assert all(_resolve(reference) for reference in references)


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_every_topic_is_a_channel_with_its_schema_and_settings(name: str) -> None:
    spec, channel = TOPICS[name], DOCUMENT["channels"][name]
    kafka = channel["bindings"]["kafka"]
    assert channel["address"] == name
    assert kafka["partitions"] == spec.partitions
    assert kafka["topicConfiguration"]["cleanup.policy"] == [spec.cleanup_policy]
    message = _resolve(channel["messages"][spec.schema]["$ref"])
    assert message["payload"]["schema"] == definitions.current(spec.schema)
    assert ("clock_tick" in channel["messages"]) == (name in INPUT_TOPICS)


def test_alerts_have_cloudevents_headers() -> None:
    headers = DOCUMENT["components"]["messages"]["alert"]["headers"]
    assert {"ce_id", "ce_source", "ce_specversion", "ce_type", "content-type"} <= set(headers["required"])
