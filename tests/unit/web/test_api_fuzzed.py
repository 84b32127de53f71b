"""The API against its own description: whatever the description allows or forbids is answered as it says."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from sqlalchemy import insert

from agents.web.api import OPERATIONS
from agents.web.operations import PREFIX, Nothing, Operation
from sinks.database import tables
from tests.unit.web.shell import Shell

EXAMPLES = 20


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    shell = Shell(tmp_path_factory.mktemp("api"), console__public_url="https://testserver")
    values = {"account_id": "acme", "action": "wake", "author": "bob", "issued_at_ms": 1}
    shell.run(insert(tables.alert_commands).values(command_id="0", case_id="case-acme", **values))
    _, header = shell.add_key("admin")
    found = schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", shell.app, headers=header)
    found.config.update(headers=header)
    return found


POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
ASKED = [(each, POSITIVE) for each in OPERATIONS]
# Of a path alone nothing can be wrong.
ASKED += [(each, NEGATIVE) for each in OPERATIONS if each.body or each.query is not Nothing]
# What is needed beside the types is no part of the description: which fields an action has, whose cursor it is.
BEYOND = {"send_command", "list_cases"}


@pytest.mark.parametrize(("operation", "mode"), ASKED, ids=lambda each: getattr(each, "name", str(each)))
def test_every_operation_answers_as_it_is_described(described: Any, operation: Operation, mode: GenerationMode) -> None:
    given = described[PREFIX + operation.path][operation.method].as_strategy(generation_mode=mode)
    left_out: list[Any] = [positive_data_acceptance] if operation.name in BEYOND else []
    seen = []

    @hypothesis.settings(
        max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate]
    )
    @hypothesis.given(given)
    def check(case: schemathesis.Case[Any]) -> None:
        answer = case.call_and_validate(excluded_checks=left_out)
        seen.append(answer.status_code)

    check()
    assert seen
    assert set(seen) <= {200, 202, 400, 401, 404, 405, 422}
