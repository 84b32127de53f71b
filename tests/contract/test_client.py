"""What the client takes is what the schemas have, and its wheel is all that a product needs."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from schemas.client import events
from schemas.definitions import current
from schemas.reasons import Reason
from schemas.rules import Symbol
from schemas.topics import INPUT_TOPICS, TOPICS
from schemas.validation import EVENT_ID, EVENT_TIME, RULES
from tests.support.patience import finished
from tests.support.repository import ROOT, project, text

FIELDS = "schemas/client/fields.py"
NAMES = {"usage": "Usage", "billing": "Billing", "ticket": "Ticket", "signal": "Signals", "profile": "Profile"}
TYPES = {"string": "str", "double": "float", "long": "int", "int": "int"}


def annotated(field: dict[str, Any], schema: str) -> str:
    """The type of a field, as a type checker is told it."""
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    kind = next(kind for kind in kinds if kind != "null")
    symbols = [rule.symbols for rule in RULES[schema].get(field["name"], ()) if isinstance(rule, Symbol)]
    if symbols:
        said = f"Literal[{', '.join(f'{each!r}' for each in sorted(symbols[0]))}]"
    elif isinstance(kind, str):
        said = TYPES[kind]
    else:
        said = {"long": "datetime | int", "array": "list[str]", "map": "dict[str, str]"}[kind["type"]]
    if "default" in field:
        return f"{said} | None" if "null" in kinds else said
    made = field["name"] in (EVENT_ID.get(schema), EVENT_TIME[schema])
    return said if made else f"Required[{said}]"


def typed(method: str) -> Iterator[str]:
    """The lines of the dictionary that types the arguments of a method."""
    schema = TOPICS[events.TOPIC_OF[method]].schema
    yield f"class {NAMES[method]}(TypedDict, total=False):"
    yield f'    """{current(schema)["doc"]}"""\n'
    for field in current(schema)["fields"]:
        yield f"    {field['name']}: {annotated(field, schema)}"
        if "doc" in field:
            yield f'    """{chr(10).join(wrap(field["doc"], 112, subsequent_indent="    "))}"""'
    yield "\n"


def rendered() -> str:
    """The module that types the arguments of the methods."""
    head = '"""What the methods of the client take, generated from the schemas: '
    head += 'FORESHOCK_TEST_GOLDEN=write writes it again."""\n\n'
    head += "from datetime import datetime\n"
    head += "from typing import Literal, Required, TypedDict\n\n\n"
    made = head + "\n".join(line for method in events.TOPIC_OF for line in typed(method))
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", FIELDS, "-"]
    return finished(["sh", "-c", f"{' '.join(command)} <<'EOM'\n{made}EOM"], check=True).stdout


def test_the_arguments_are_those_of_the_schemas() -> None:
    made = rendered()
    if os.environ.get("FORESHOCK_TEST_GOLDEN") == "write":
        (ROOT / FIELDS).write_text(made, encoding="utf-8")
    assert (ROOT / FIELDS).read_text(encoding="utf-8") == made


def test_every_topic_that_products_write_has_a_method() -> None:
    assert set(events.TOPIC_OF.values()) == set(INPUT_TOPICS) - {"alert.commands"}


def test_the_page_for_producers_names_every_topic_and_every_reason_of_a_dead_letter() -> None:
    page = text("schemas/README.md")
    assert {name for name in [*events.TOPIC_OF.values(), *Reason] if f"`{name}`" not in page} == set()


def test_the_wheel_has_the_version_of_the_project_and_asks_for_what_the_project_does() -> None:
    alone, whole = tomllib.loads(text("schemas/client/pyproject.toml"))["project"], project()["project"]
    assert {name: alone[name] for name in ("version", "license", "requires-python")} == {
        name: whole[name] for name in ("version", "license", "requires-python")
    }
    asked = {requirement.partition("==")[0] for requirement in whole["dependencies"]}
    needed = [*alone["dependencies"], *alone["optional-dependencies"]["registry"]]
    assert {requirement.partition(">=")[0] for requirement in needed} <= asked
