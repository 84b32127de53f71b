"""What holds for every portfolio formula: it is in the table, says where it comes from, and has a test."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest

import pipeline.portfolio
from pipeline.portfolio.formulas import FORMULAS
from tests.support.repository import ROOT

ASKED_FOR = {
    "logo churn", "churn per year", "gross MRR churn", "net MRR churn", "expansion MRR", "30-day averaging", "ARPA",
    "NPS", "answers by touchpoint", "CSAT", "surveys above 3.5", "CES", "accounts green", "DAU/MAU",
    "engagement volume", "contact engagement", "customer growth", "trial to paid", "lifetime value",
    "customer retention", "net revenue retention", "value migration", "nine-box", "referrals to lost customers",
}  # fmt: skip


def test_every_figure_that_is_asked_for_has_a_formula() -> None:
    assert set(FORMULAS) == ASKED_FOR


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_every_formula_says_what_it_is_and_has_a_test(name: str) -> None:
    tests = (ROOT / "tests/unit/portfolio/test_formulas.py").read_text("utf-8")
    bodies = re.split(r"\ndef test_", tests)[1:]
    for function in FORMULAS[name]:
        assert len(inspect.getdoc(function) or "") > 40, function.__name__
        assert any(re.search(rf"\b{function.__name__}\(", body) for body in bodies), function.__name__


def test_a_formula_takes_values_and_gives_values() -> None:
    names = [module.name for module in pkgutil.iter_modules(pipeline.portfolio.__path__)]
    assert {"customers", "revenue", "surveys", "engagement", "value"} <= set(names)
    for functions in FORMULAS.values():
        for function in functions:
            module = importlib.import_module(function.__module__)
            assert not {"numpy", "polars", "pyarrow"} & set(vars(module))
