"""Every capability that is asked for stands in tests/CAPABILITIES.md, with a test that exists or a reason."""

from __future__ import annotations

import re

import pytest

from tests.support.repository import ROOT, text

ASKED_FOR = {*range(1, 43), 55, 56, 57, 58, *range(60, 93)}
"""Numbers of the required rows: early warning, scorecards and health, what is around them, portfolio formulas."""
OPEN = "not yet: "


def rows() -> list[tuple[int, str, str]]:
    """Number, capability and what shows it."""
    cells = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", text("tests/CAPABILITIES.md"), re.MULTILINE)
    return [(int(number), what, shown) for number, what, shown in cells]


def test_every_row_stands_in_the_table_once() -> None:
    numbers = [number for number, _, _ in rows()]
    assert sorted(numbers) == sorted(ASKED_FOR)


@pytest.mark.parametrize(("number", "what", "shown"), rows())
def test_a_row_names_a_test_that_exists_or_says_why_not(number: int, what: str, shown: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", shown)
    assert named or shown.startswith(OPEN), number
    for path, test in named:
        source = (ROOT / path).read_text("utf-8")
        assert not test or f"def {test}(" in source, f"{number}: {path} has no {test}"
