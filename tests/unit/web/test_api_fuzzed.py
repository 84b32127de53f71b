"""The API against its own description: whatever the description allows or forbids is answered as it says."""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from sqlalchemy import insert

from agents.web.api import OPERATIONS
from agents.web.openapi import document
from sinks.database import tables
from tests.unit.web.shell import Shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, dict[str, str]]:
    shell = Shell(tmp_path_factory.mktemp("api"))
    values = {"account_id": "acme", "action": "wake", "author": "bob", "issued_at_ms": 1}
    shell.run(insert(tables.alert_commands).values(command_id="0", case_id="case-acme", **values))
    return shell, shell.add_key("operator")[1]


SCHEMA = schemathesis.openapi.from_dict(document(OPERATIONS))
SCHEMA.config.generation.update(max_examples=25)


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
def test_every_operation_answers_as_it_is_described(
    case: schemathesis.Case, shell: tuple[Shell, dict[str, str]]
) -> None:
    application, header = shell
    response = case.call(app=application.app, base_url="http://localhost", headers=header)
    case.validate_response(response)
