"""Which released schema records are written with."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import definitions
from schemas.errors import UnknownSchemaError
from schemas.registry.source import FileRegistry
from schemas.topics import TOPICS

TOPIC = TOPICS["billing.events"]


def changed(monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> None:
    """Let the first field of the topic's present schema be different."""
    schema = definitions.current(TOPIC.schema)
    first, *rest = schema["fields"]
    monkeypatch.setattr(definitions, "current", lambda _: schema | {"fields": [first | attributes, *rest]})


def test_other_words_in_a_schema_need_no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    released = FileRegistry().schema_id(TOPIC)
    changed(monkeypatch, doc="One more type.")
    assert FileRegistry().schema_id(TOPIC) == released


def test_another_type_needs_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    changed(monkeypatch, type="long")
    with pytest.raises(UnknownSchemaError, match=r"billing_event\.avsc is not released"):
        FileRegistry().schema_id(TOPIC)
