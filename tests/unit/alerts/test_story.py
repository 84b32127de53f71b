"""What a case says in sentences: few, and every figure is one of the alert's."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.explain.story import MAX_SENTENCES, plain, story, sureness
from pipeline.kinds import KINDS
from pipeline.terms.money import money
from tests.support.inbox import case_of
from tests.unit.sinks.records import DAY_MS, alert

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def date_of(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


def figures_of(value: Any, name: str = "") -> set[str]:
    """Every way in which a figure of a record may be written."""
    if isinstance(value, dict):
        return {text for key, each in value.items() for text in figures_of(each, key)}
    if isinstance(value, list):
        return {text for each in value for text in figures_of(each, name)}
    if isinstance(value, bool) or value is None:
        return set()
    if isinstance(value, str):
        return set(_NUMBER.findall(value))
    written = {plain(value), f"{abs(value):.0f}", f"{value:,.0f}", f"{value / 365:.0f}", f"{value:.0%}"}
    if name.endswith("_minor"):
        written.add(money(value, "EUR"))
    if isinstance(value, int) and value > DAY_MS:
        written.add(date_of(value))
    return {found for text in written for found in _NUMBER.findall(text)}


def changed(**changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(json.dumps(alert("acme")))
    dimensions = [
        {"name": "daily_users", "observed": 3.0, "expected": 9.0, "change_pct": -66.6, "weight": 4, "state": "down"},
        {"name": "touches", "observed": 1.0, "expected": 2.0, "change_pct": None, "weight": 9, "state": "down"},
    ]
    return record | {"dimensions": record["dimensions"] + dimensions} | changes


ALERTS = {
    "as usual": changed(),
    "with an onset": changed(onset={"low": 94 * DAY_MS, "estimate": 96 * DAY_MS, "high": 97 * DAY_MS}),
    "nobody named": changed(top_contributors=[], dimensions=[]),
    "worth nothing": changed(context={"arr_minor": None, "currency": None, "renewal_at": None}),
    "a fact": changed(kind="invoice_overdue", evidence={**alert()["evidence"], "arl_days": None}),
    "a probability": changed(kind="silence", evidence={**alert()["evidence"], "arl_days": None, "value": 0.97}),
    "provisional": changed(evidence={**alert()["evidence"], "provisional": True, "arl_days": 300.0}),
    "a kind of another release": changed(kind="gone", evidence={**alert()["evidence"], "arl_days": None}),
}


@pytest.mark.parametrize("name", ALERTS)
@pytest.mark.parametrize("with_case", [True, False])
def test_few_sentences_whose_every_figure_is_in_the_records(name: str, with_case: bool) -> None:
    lead = ALERTS[name]
    case = case_of([lead]) if with_case else None
    told = story(lead, case, date_of)
    assert 1 <= len(told) <= MAX_SENTENCES
    known = figures_of(lead) | figures_of(case or {})
    for sentence in told:
        assert sentence.endswith(".")
        assert sentence[0].isupper() or sentence.startswith("acme")
        assert [each for each in _NUMBER.findall(sentence) if each not in known] == [], sentence


def test_what_moved_is_told_apart_from_what_did_not() -> None:
    told = story(ALERTS["as usual"], None, date_of)
    assert told[2] == "It shows most in ida; in the use of export; daily users (−67 %) moved the same way."
    assert told[3] == "Tickets did not move."
    assert told[4] == "At stake: 48,000 EUR a year with renewal on 1970-05-31; call the champion by 1970-04-15."


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_how_sure_it_is_or_nothing(kind: str) -> None:
    of_chance = sureness({**ALERTS["as usual"], "kind": kind})
    assert of_chance == "Chance alone gives at most one such alarm in 2,800 days (8 years)."
    plainly = sureness({**ALERTS["a probability"], "kind": kind})
    assert plainly == "" or plainly.endswith(".")
