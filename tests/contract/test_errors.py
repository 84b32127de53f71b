"""The tree of errors that is drawn on top of schemas/errors.py is the one that there is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import agents
import pipeline
import schemas
import sinks
from agents.cli.failures import explain_failure
from agents.process.exits import ExitCode, RefusedError, code_of
from schemas import errors
from schemas.errors import BrokenError, ForeshockError, RegistryUnavailableError, UsageError

LINE = re.compile(r"^(?P<indent> *)(?P<name>[A-Z]\w+) {2,}(?:(?P<code>\d+)  )?\S", re.MULTILINE)


def drawn() -> Iterator[tuple[str, str, int]]:
    """Name, parent and exit code of every line of the drawing; a code that is left out is that of the parent."""
    above: list[tuple[str, int]] = []
    for line in LINE.finditer(errors.__doc__ or ""):
        depth = len(line["indent"]) // 2
        parent, inherited = above[depth - 1] if depth else ("Exception", 0)
        code = int(line["code"]) if line["code"] else inherited
        above[depth:] = [(line["name"], code)]
        yield line["name"], parent, code


def ours() -> Iterator[type[Exception]]:
    """Every exception that a module of ours defines."""
    for package in (schemas, pipeline, sinks, agents):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "__main__" in module.name or ".migrations" in module.name:
                continue
            for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(found, Exception) and found.__module__ == module.name:
                    yield found


def test_the_tree_is_drawn_as_it_is() -> None:
    found = [(error.__name__, error.__base__.__name__ if error.__base__ else "", error) for error in ours()]
    strangers = [name for name, _, error in found if not issubclass(error, ForeshockError)]
    assert strangers == []
    real = {(name, base, error.exit_code) for name, base, error in found if issubclass(error, ForeshockError)}
    lines = list(drawn())
    assert len(lines) == len(set(lines)) > 30
    assert set(lines) == real


def test_every_exit_code_has_its_meaning() -> None:
    assert {code for _, _, code in drawn()} == {1, 2, *ExitCode} - {ExitCode.OK, ExitCode.LEASE_LOST}
    assert BrokenError.exit_code == ExitCode.BROKEN


def test_a_command_explains_what_it_refuses_and_leaves_a_fault_its_traceback() -> None:
    assert explain_failure(UsageError("no such day")) == ("no such day", 2)
    assert explain_failure(RegistryUnavailableError("nobody is there")) == ("nobody is there", 1)
    assert explain_failure(RefusedError("the topic is short")) == ("the topic is short", 78)
    assert explain_failure(BrokenError("a gap")) is None
    assert explain_failure(RuntimeError("?")) is None


def test_a_process_ends_with_the_code_of_its_error_and_else_with_that_of_a_fault() -> None:
    assert code_of(RefusedError("x")) is ExitCode.REFUSED
    for fault in (BrokenError("x"), RegistryUnavailableError("x"), UsageError("x"), OSError("x")):
        assert code_of(fault) is ExitCode.BROKEN
