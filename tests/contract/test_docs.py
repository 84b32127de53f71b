"""What the pages say can be done can be done: commands, options, targets, files and names in them exist."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import typer.main

from agents.cli import app
from agents.cli.rules import kinds_page
from agents.settings.model import SECTIONS
from pipeline.kinds import KINDS
from schemas.topics import TOPICS
from tests.support.commands import foreshock
from tests.support.repository import PACKAGES, ROOT, text

PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "deploy/README.md",
    "pipeline/DECISIONS.md",
    "pipeline/SEMANTICS.md",
    "schemas/README.md",
    "sinks/README.md",
    "tests/CAPABILITIES.md",
    "tests/benchmarks/README.md",
    "tests/evaluation/README.md",
    "tests/oracle/README.md",
    "tests/servers/README.md",
)
MAX_ARCHITECTURE_BYTES = 12_000
SHELL_LANGUAGES = {"sh", "bash", "shell", "console"}
TARGETS = set(re.findall(r"^([a-z-]+):.*?##", text("Makefile"), re.MULTILINE))


def fenced_commands(page: str) -> Iterator[str]:
    """Lines of the page's shell blocks."""
    for language, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text(page), re.MULTILINE | re.DOTALL):
        if language in SHELL_LANGUAGES:
            yield from (line.strip().removeprefix("$ ") for line in block.splitlines() if line.strip())


def quoted_commands(page: str) -> Iterator[str]:
    """Commands in backquotes within sentences."""
    yield from re.findall(r"`((?:foreshock|make) [^`]+)`", text(page))


COMMANDS = sorted({line for page in PAGES for line in [*fenced_commands(page), *quoted_commands(page)]})


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and what follows it."""
    command: Any = typer.main.get_group(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_on_a_page_exists(line: str) -> None:
    words = shlex.split(line, comments=True)
    program = words[0].rpartition("/")[2] if words else ""
    if program == "make":
        assert {word for word in words[1:] if "=" not in word} <= TARGETS
    elif program == "foreshock":
        command, rest = resolve(words[1:])
        options = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
        assert {word.partition("=")[0] for word in rest if word.startswith("-")} <= options | {"--help"}
    elif words[1:2] == ["-m"]:
        assert program == "python"
        assert find_spec(words[2]) is not None
        assert all((ROOT / path).exists() for path in words[3:] if "/" in path)
    else:
        assert not words or (ROOT / words[0]).exists() or program in {"docker", "kubectl"}, line


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_commands_of_the_readme_for_own_data_run_one_after_another(tmp_path: Path) -> None:
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    lines = [line for line in fenced_commands("README.md") if line.startswith(".venv/bin/foreshock ")]
    assert len(lines) > 2
    for line in lines:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        foreshock(*shlex.split(line)[1:], cwd=tmp_path, env=environment, check=True)


def test_the_pages_have_commands_to_try() -> None:
    assert {"make setup", "make demo"} <= set(fenced_commands("README.md"))


@pytest.mark.parametrize("page", PAGES)
def test_a_link_within_the_repository_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text(page)):
        assert (folder / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_a_setting_on_a_page_exists(page: str) -> None:
    for section, name in re.findall(r"`(\w+)\.(\w+)`", text(page)):
        if section in SECTIONS:
            assert name in SECTIONS[section].model_fields, f"{section}.{name}"


def test_the_pages_name_every_command_group_and_every_kind_of_alert() -> None:
    described = text("README.md") + text("ARCHITECTURE.md") + text("pipeline/SEMANTICS.md")
    named = {command.split()[1] for command in re.findall(r"`(foreshock [^`]+)`", described)}
    assert set(typer.main.get_group(app).commands) - {"version"} <= named
    assert {kind for kind in KINDS if f"`{kind}`" not in described} == set()


def test_the_table_of_kinds_is_that_of_their_declarations() -> None:
    before, begin, rest = text("pipeline/SEMANTICS.md").partition("<!-- generated: kinds -->\n")
    table, end, after = rest.partition("<!-- /generated -->")
    assert begin, "pipeline/SEMANTICS.md has no place for the table of kinds"
    assert end, "the place for the table of kinds has no end"
    right = f"\n{kinds_page(KINDS.values())}\n\n"
    if os.environ.get("FORESHOCK_TEST_GOLDEN") == "write":
        (ROOT / "pipeline/SEMANTICS.md").write_text(f"{before}{begin}{right}{end}{after}", encoding="utf-8")
    elif table != right:
        pytest.fail("`foreshock rules list --markdown` prints it; FORESHOCK_TEST_GOLDEN=write writes it into the page")


def test_a_kind_that_is_off_unless_set_names_a_setting() -> None:
    for kind in KINDS.values():
        if kind.setting:
            section, _, name = kind.setting.partition(".")
            field = SECTIONS[section].model_fields[name]
            assert not field.default, kind.name


def test_the_architecture_names_every_topic_that_is_written_or_read() -> None:
    page = text("ARCHITECTURE.md")
    roles = {"input", "output"}
    assert {name for name, spec in TOPICS.items() if spec.role in roles and name not in page} == set()


def test_the_architecture_is_short() -> None:
    assert (ROOT / "ARCHITECTURE.md").stat().st_size <= MAX_ARCHITECTURE_BYTES


def test_every_page_is_checked() -> None:
    folders = [ROOT / folder for folder in (*PACKAGES, "deploy", "tests")]
    paths = [*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))]
    found = {path.relative_to(ROOT).as_posix() for path in paths}
    assert found - set(PAGES) == {"tests/golden/evaluation/evaluation.md"}


def test_rules_are_numbered_in_order_and_those_that_are_named_exist() -> None:
    page = text("pipeline/SEMANTICS.md")
    rules = re.findall(r"^\*\*([A-Z])(\d+)\.", page, re.MULTILINE)
    sections = [(letter, [int(number) for _, number in of]) for letter, of in groupby(rules, lambda rule: rule[0])]
    assert len({letter for letter, _ in sections}) == len(sections)
    assert [numbers for _, numbers in sections] == [list(range(1, len(numbers) + 1)) for _, numbers in sections]
    assert set(re.findall(r"\b([A-Z])(\d+)\b", page)) <= set(rules)


def test_the_help_of_make_lists_every_target() -> None:
    phony = set(re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)[1].split())  # type: ignore[index]  # it is there
    # Parts of `check`, each callable by itself.
    assert phony - TARGETS == {"lint", "types", "imports", "schemas", "rules"}
