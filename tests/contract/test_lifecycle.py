"""An episode's life is led in one place: nowhere else does a revision grow or an episode enter or leave its book."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.repository import PACKAGES, modules, source

LIFECYCLE = "pipeline.alerts.lifecycle"
FIELDS = {"revision", "clear_days", "episodes"}
MUTATORS = {"append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"}


def written(tree: ast.AST) -> Iterator[str]:
    """Fields of an episode's life that are assigned, deleted or changed in place, by attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node.attr
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield from (part.attr for part in [node.value] if isinstance(part, ast.Attribute))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            yield from (part.attr for part in [node.func.value] if isinstance(part, ast.Attribute))


@pytest.mark.parametrize("package", PACKAGES)
def test_only_the_life_cycle_writes_what_an_episode_has_become(package: str) -> None:
    for name in modules(package):
        if name != LIFECYCLE:
            assert FIELDS & set(written(ast.parse(source(name)))) == set(), name


def test_the_life_cycle_writes_all_of_it() -> None:
    assert set(written(ast.parse(source(LIFECYCLE)))) >= FIELDS


@pytest.mark.parametrize(
    "line",
    [
        "episode.revision += 1", "episode.revision = 2", "book.episodes.append(episode)", "book.episodes = []",
        "del book.episodes[0]", "book.episodes[0] = episode", "episode.clear_days = 0", "book.episodes += [episode]",
    ],
)  # fmt: skip
def test_a_line_that_writes_it_is_seen(line: str) -> None:
    assert FIELDS & set(written(ast.parse(line)))
