"""One word for one thing: words that were given up for another stand in no name and no docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import PACKAGES, ROOT

RETIRED = {
    "hear": "take, or learn",
    "observer": "metrics",
    "ports": "core, wire",
    "shard": "partition",
    "shards": "partition",
}
"""Words that are not used any more, and what is said instead."""


def words(text: str) -> set[str]:
    """The words of a sentence, or of a name in any case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", text)}


def said(path: Path) -> Iterator[str]:
    """The module's name, every name that it gives, and every docstring."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Module():
                yield ast.get_docstring(node) or ""
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_word_that_was_given_up_does_not_come_back(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {word}, say {RETIRED[word]}"
        for path in (ROOT / package).rglob("*.py")
        for text in said(path)
        for word in words(text) & RETIRED.keys()
    }
    assert found == set()
