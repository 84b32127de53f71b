"""`foreshock mcp`: asked by the protocol's own client, over standard input and output."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from sqlalchemy import update

from agents.web.assistants import assistant
from sinks.database import tables
from tests.support.repository import ROOT
from tests.unit.web.shell import Shell

ANN = "ann@example.org"
TOOLS = {"why_is_account_red", "what_changed", "list_cases", "get_case", "find_accounts", "portfolio"}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    of = tables.accounts
    red = {"score": 31.0, "band": "red", "previous_band": "green", "band_since_ms": 1_790_000_000_000}
    shell.run(update(of).values(as_of_ms=1_790_000_000_000, day=20_717, **red))
    return shell


def asked(client: Any, tool: str, **arguments: object) -> Any:
    async def ask() -> Any:
        async with client as connected:
            return await connected.call_tool(tool, arguments)

    answer = anyio.run(ask)
    return answer.content[0].text if answer.is_error else answer.structured_content


def ask(shell: Shell, owners: frozenset[str] | None, tool: str, **arguments: object) -> Any:
    return asked(Client(assistant(shell.app.state.store, owners, "UTC")), tool, **arguments)


@pytest.mark.slow
def test_the_command_answers_over_standard_input_and_output(shell: Shell) -> None:
    environment = {"FORESHOCK_DATABASE__URL": shell.url, "PYTHONPATH": str(ROOT)}
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "agents", "mcp", "--owner", ANN], env=environment, cwd=ROOT
    )

    async def session() -> tuple[set[str], bool, Any]:
        async with Client(stdio_client(command)) as client:
            listed = (await client.list_tools()).tools
            answer = await client.call_tool("list_cases", {})
            hints = [tool.annotations is not None and tool.annotations.read_only_hint for tool in listed]
            return {tool.name for tool in listed}, all(hints), answer.structured_content

    names, only_read, found = anyio.run(session)
    assert names == TOOLS
    assert only_read
    assert [each["case_id"] for each in found["cases"]] == ["case-acme"]


def test_why_an_account_is_red(shell: Shell) -> None:
    found = ask(shell, None, "why_is_account_red", account_id="acme")
    assert found["account"]["band"] == "red"
    assert [each["summary"] for each in found["cases"]] == ["usage of acme fell"]


def test_what_changed_this_week(shell: Shell) -> None:
    found = ask(shell, None, "what_changed", days=7)
    assert found["as_of"] == "2026-09-21"
    assert {each["account_id"] for each in found["bands_changed"]} == {"acme", "brix", "cyan", "lost"}
    assert len(found["cases_changed"]) == 4
    assert found["cases_closed"] == []


def test_accounts_and_the_portfolio(shell: Shell) -> None:
    found = ask(shell, None, "find_accounts", text="bri", band="red")
    assert [each["account_id"] for each in found["accounts"]] == ["brix"]
    assert ask(shell, None, "portfolio")["renewals"] == []
    assert ask(shell, None, "get_case", case_id="case-acme")["case"]["account_id"] == "acme"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("why_is_account_red", {"account_id": "brix"}), ("why_is_account_red", {"account_id": "bri"}),
     ("get_case", {"case_id": "case-brix"}), ("get_case", {"case_id": "x"})],
)  # fmt: skip
def test_what_is_of_other_owners_is_as_if_it_were_not(shell: Shell, tool: str, arguments: dict[str, str]) -> None:
    said = ask(shell, frozenset({ANN}), tool, **arguments)
    assert "there is no such" in said
    assert "brix" not in said


def test_lists_are_of_the_owners_that_are_seen(shell: Shell) -> None:
    for tool in ("what_changed", "list_cases", "find_accounts", "portfolio"):
        assert "brix" not in json.dumps(ask(shell, frozenset({ANN}), tool))


def test_nothing_is_changed(shell: Shell) -> None:
    before = (Path(shell.url.removeprefix("sqlite:///"))).read_bytes()
    for tool in ("what_changed", "list_cases", "find_accounts", "portfolio"):
        ask(shell, None, tool)
    assert Path(shell.url.removeprefix("sqlite:///")).read_bytes() == before
    assert shell.sent == []
