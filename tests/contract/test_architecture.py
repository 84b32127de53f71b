"""The structure that ARCHITECTURE.md promises: directions of imports, a pure core, readable modules."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.patience import finished, python
from tests.support.repository import PACKAGES, ROOT, modules, project, source

SHELL_LIBRARIES = {
    "faust",
    "mode",
    "aiokafka",
    "confluent_kafka",
    "sqlalchemy",
    "alembic",
    "prometheus_client",
}
MAX_MODULE_LINES = 400
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base_utils"}
LIST_LOADED = """
import importlib, json, sys
for name in {names!r}:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def loaded_by(names: list[str]) -> set[str]:
    """Modules in memory of a new interpreter that imported these."""
    return set(json.loads(python(LIST_LOADED.format(names=names), check=True).stdout))


def test_the_import_contracts_hold() -> None:
    finished([Path(sys.executable).parent / "lint-imports", "--no-cache"], check=True)


@pytest.mark.parametrize("package", ["schemas", "pipeline"])
def test_the_core_loads_no_library_of_the_shell(package: str) -> None:
    core = [name for name in modules(package) if not name.startswith("schemas.client")]
    assert loaded_by(core) & SHELL_LIBRARIES == set()


def test_sinks_load_without_faust() -> None:
    assert loaded_by(modules("sinks")) & {"faust", "mode", "aiokafka"} == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_are_those_of_this_repository(package: str) -> None:
    # Their names are common ones: another distribution could put a package of the same name in the way.
    found = importlib.import_module(package).__file__
    assert found is not None
    assert Path(found).parent == ROOT / package


@pytest.mark.parametrize("name", [name for package in PACKAGES for name in modules(package)])
def test_a_module_is_of_readable_size_and_named_after_what_it_holds(name: str) -> None:
    assert len(source(name).splitlines()) <= MAX_MODULE_LINES
    assert name.rpartition(".")[2] not in VAGUE_NAMES
    assert ast.get_docstring(ast.parse(source(name))), f"{name} does not say what is in it"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_name_exists(package: str) -> None:
    for name in modules(package):
        if name.endswith("__main__"):
            continue
        module = importlib.import_module(name)
        missing = [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)]
        assert missing == [], name


def test_every_library_that_is_imported_is_one_that_the_project_asks_for() -> None:
    asked = {re.split(r"[=\[]", requirement)[0].lower() for requirement in project()["project"]["dependencies"]}
    owners = packages_distributions()
    for name in [name for package in PACKAGES for name in modules(package)]:
        for library in imported_by(name) - set(PACKAGES) - sys.stdlib_module_names:
            distributions = {owner.lower().replace("_", "-") for owner in owners.get(library, [])}
            assert distributions & asked, f"{name} imports {library}"


def imported_by(name: str) -> set[str]:
    """Top-level names that a module imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source(name))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_kafka_clients_are_made_in_one_place() -> None:
    makers = {
        path.relative_to(ROOT).as_posix()
        for package in ("agents", "sinks")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\b(Producer|Consumer|AdminClient)\(", path.read_text())
    }
    assert makers == {"agents/kafka/clients.py"}
