"""What holds for every topic in the table and every schema file."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from schemas import definitions
from schemas.avro import plain
from schemas.codec.projection import project, readable, shape_of
from schemas.registry.compatibility import check_released
from schemas.registry.source import FileRegistry
from schemas.rules import Number, Symbol, Text, Texts, Unreserved
from schemas.topics import CLOCK_TICKS, INPUT_TOPICS, PARTITIONS, TICK_KEY, TOPICS
from schemas.validation import EVENT_ID, EVENT_TIME, MAX_ID_BYTES, RULES

ALL = [*TOPICS.values(), CLOCK_TICKS]


def _fields(name: str) -> dict[str, Any]:
    return {field["name"]: field for field in definitions.current(name)["fields"]}


def test_the_input_topics_come_first_and_in_their_order() -> None:
    assert tuple(TOPICS)[: len(INPUT_TOPICS)] == INPUT_TOPICS
    assert tuple(name for name, spec in TOPICS.items() if spec.role == "input") == INPUT_TOPICS


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_a_topics_schema_exists_is_released_and_reads_what_was_released(spec: Any) -> None:
    assert definitions.current(spec.schema)["type"] == "record"
    assert plain(FileRegistry().schema(FileRegistry().schema_id(spec))) == plain(definitions.current(spec.schema))
    assert check_released(spec.schema) == []


@pytest.mark.parametrize("spec", TOPICS.values(), ids=lambda spec: spec.name)
def test_a_topics_settings_make_sense(spec: Any) -> None:
    assert spec.subject == f"{spec.name}-value"
    assert (spec.retention_ms == -1) == (spec.cleanup_policy == "compact")
    assert spec.retention_ms == -1 or spec.retention_ms >= 86_400_000
    assert spec.partitions == (PARTITIONS if spec.key != "partition" else 1)


@pytest.mark.parametrize("spec", TOPICS.values(), ids=lambda spec: spec.name)
def test_a_topics_key_is_a_field_of_its_records(spec: Any) -> None:
    if spec.name != "dead.letters":  # they keep the key of the record that they quarantine
        assert spec.key in _fields(spec.schema)


@pytest.mark.parametrize("name", INPUT_TOPICS)
def test_input_records_of_every_topic_are_keyed_by_account(name: str) -> None:
    spec = TOPICS[name]
    assert (spec.key, spec.partitions) == ("account_id", PARTITIONS)
    assert _fields(spec.schema)["account_id"]["type"] == "string"


@pytest.mark.parametrize("name", INPUT_TOPICS)
def test_every_event_has_an_identity_and_a_time(name: str) -> None:
    fields = _fields(TOPICS[name].schema)
    time = {"type": "long", "logicalType": "timestamp-millis"}
    if name == "account.profiles":
        assert fields["updated_at"]["type"] == ["null", time]
    else:
        assert fields[EVENT_ID[TOPICS[name].schema]]["type"] == "string"
        assert fields[EVENT_TIME[TOPICS[name].schema]]["type"] == time


@pytest.mark.parametrize("name", INPUT_TOPICS)
def test_every_input_schema_decodes_in_columns(name: str) -> None:
    schema = definitions.current(TOPICS[name].schema)
    assert project(plain(schema), readable(schema)) is not None


@pytest.mark.parametrize("schema", RULES)
def test_every_column_of_an_input_schema_has_rules_that_its_type_can_keep(schema: str) -> None:
    fields = readable(definitions.current(schema))["fields"]
    assert [field["name"] for field in fields] == list(RULES[schema])
    kinds = {"string": (Text, Symbol, Unreserved), "strings": (Texts,)}
    for field in fields:
        kind = shape_of(field["type"]).kind
        for rule in RULES[schema][field["name"]]:
            assert isinstance(rule, kinds.get(kind, (Number,))), (field, rule)
            bits = {"int": 31, "long": 63}.get(kind)
            if isinstance(rule, Number) and bits is not None:
                assert -(2**bits) <= rule.low <= rule.high < 2**bits


def test_every_input_schema_has_rules_and_a_time() -> None:
    assert (
        RULES.keys()
        == EVENT_TIME.keys()
        == {spec.schema for spec in (*(TOPICS[name] for name in INPUT_TOPICS), CLOCK_TICKS)}
    )
    assert all(EVENT_TIME[schema] in rules for schema, rules in RULES.items())


def test_no_account_can_have_the_key_of_a_tick() -> None:
    assert b"\x00" in TICK_KEY
    assert len(TICK_KEY) <= MAX_ID_BYTES


@pytest.mark.parametrize("name", definitions.NAMES)
def test_a_schema_file_is_a_documented_record_in_our_namespace(name: str) -> None:
    schema = definitions.current(name)
    assert schema["namespace"] == "io.foreshock"
    assert schema["name"] == "".join(word.capitalize() for word in name.split("_"))
    assert schema["doc"]


@pytest.mark.parametrize("name", definitions.NAMES)
def test_every_optional_field_defaults_to_null(name: str) -> None:
    for field in _all_fields(definitions.current(name)):
        if isinstance(field["type"], list):
            assert (field["type"][0], field.get("default", "")) == ("null", None), field["name"]


def _all_fields(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [field for branch in schema for field in _all_fields(branch)]
    if not isinstance(schema, dict):
        return []
    own = schema.get("fields", [])
    nested = [schema.get("items"), schema.get("type"), *(field["type"] for field in own)]
    return [*own, *(field for part in nested for field in _all_fields(part))]


def test_alerts_and_health_records_show_the_same_context() -> None:
    assert _fields("alert")["context"]["type"] == _fields("account_health")["context"]["type"]


def test_every_schema_file_is_listed() -> None:
    packaged = {entry.name for entry in files("schemas").iterdir() if entry.name.endswith(".avsc")}
    assert packaged == {f"{name}.avsc" for name in definitions.NAMES}
    ids = json.loads(files("schemas").joinpath("ids.json").read_text(encoding="utf-8"))
    assert set(ids) == set(definitions.NAMES)
