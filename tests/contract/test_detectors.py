"""What every detector and every kind of alert must offer, whatever its method."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pipeline.alerts.records import MAX_SUMMARY
from pipeline.config import STREAMS
from pipeline.detectors import COMBINED, DETECTORS, Detector
from pipeline.evidence.view import Finding
from pipeline.kinds import KINDS
from pipeline.state.accounts import SCALARS, SUMMARIES
from schemas.event_types import ALERT_SEVERITIES
from tests.support.handmade import TODAY, World, varied_world
from tests.support.repository import text

each_detector = pytest.mark.parametrize("detector", DETECTORS, ids=[detector.KIND.name for detector in DETECTORS])
each_kind = pytest.mark.parametrize("name", KINDS)
SPECIFIED = re.findall(
    r"`(\w+)` \((risk|expansion|advocacy|data_quality|system)[,;][^)]*\)(?:\*\* of `(\w+)`| \| `(\w+)`)?",
    text("pipeline/SEMANTICS.md"),
)
"""Kind, family and dimension of each rule of a kind; the dimension as it stands in a sentence or in a table."""
FIGURES = ("observed", "expected", "evidence")
LONGEST = {
    "name": "Böll & Söhne Maschinenbau GmbH",
    "observed": 1_234_567.0,
    "expected": 2_345_678.9,
    "dimension": "INV-2024-000123",
    "now": "1,234,567.89 EUR",
    "before": "2,345,678.90 EUR",
    "moved": "fell",
    "causes": ": seat utilisation -64, power users -10, feature breadth -10, other -10",
    "due": " as of 2026-12-31",
    # Names are left out where there is no room for them.
    **dict.fromkeys(("contact", "role", "team", "user", "quiet"), ""),
}


@pytest.fixture(scope="module")
def world() -> World:
    return varied_world()


def state_of(world: World) -> dict[str, bytes]:
    """All that a detector can reach, as bytes."""
    accounts, users, features = world.accounts, world.state.users, world.state.features
    columns = {name: getattr(accounts, name).tobytes() for name in SCALARS | SUMMARIES}
    columns |= {name: pane.tobytes() for name, pane in accounts.panes.items()}
    members = {f"{number}": part.bits.tobytes() for number, part in enumerate((users, features))}
    return columns | members | {"bits": accounts.bits.tobytes(), "ids": repr(accounts.ids).encode()}


def same(left: Finding, right: Finding) -> bool:
    figures = all(
        np.allclose(getattr(left, name), getattr(right, name), rtol=1e-12, atol=0, equal_nan=True) for name in FIGURES
    )
    return figures and np.array_equal(left.raised, right.raised)


@each_detector
def test_a_detectors_kind_is_described(detector: Detector) -> None:
    assert KINDS[detector.KIND.name] is detector.KIND
    assert not detector.KIND.immediate
    assert detector.KIND.dimension


def test_no_more_kinds_share_the_alert_budget_than_the_configuration_counts() -> None:
    assert sum(kind.stream for kind in KINDS.values()) <= STREAMS


@each_kind
def test_what_shares_the_budget_or_is_weighed_has_a_log_e_value(name: str) -> None:
    kind = KINDS[name]
    assert kind.evidence == "log" or not (kind.stream or kind.weight)


def test_every_kind_with_a_weight_is_in_the_combined_evidence() -> None:
    weighed = {name for name, kind in KINDS.items() if kind.weight}
    assert {detector.KIND.name for detector in COMBINED.components} == weighed
    assert set(COMBINED.KIND.yields_to) == weighed | {"users_unnamed"}


@each_kind
def test_a_kind_yields_to_kinds_that_are_advanced_before_it(name: str) -> None:
    order = [detector.KIND.name for detector in DETECTORS]
    for stronger in KINDS[name].yields_to:
        assert stronger in order or KINDS[stronger].immediate


def test_no_two_detectors_are_of_one_kind() -> None:
    assert len({detector.KIND.name for detector in DETECTORS}) == len(DETECTORS)


@each_detector
def test_a_finding_has_one_answer_for_each_account(detector: Detector, world: World) -> None:
    finding = detector.evaluate(world.view())
    assert finding.raised.dtype == np.bool_
    for column in (finding.raised, finding.observed, finding.expected, finding.evidence):
        assert column.shape == (len(world.accounts),)


@each_detector
def test_something_raises_every_detector_and_its_figures_are_finite(detector: Detector, world: World) -> None:
    finding = detector.evaluate(world.view())
    assert finding.raised.any()
    assert not finding.raised.all()
    for name in FIGURES:
        assert np.isfinite(getattr(finding, name)[finding.raised]).all()


@each_detector
@pytest.mark.parametrize("place", range(3))
def test_an_open_episode_is_either_over_or_not(detector: Detector, place: int, world: World) -> None:
    view = world.view()
    finding = detector.evaluate(view)
    assert detector.cleared(view, finding, place, float(finding.expected[place])) in (True, False)


@each_detector
def test_an_account_that_raises_today_is_not_over_today(detector: Detector, world: World) -> None:
    view = world.view()
    finding = detector.evaluate(view)
    for place in np.flatnonzero(finding.raised).tolist():
        assert not detector.cleared(view, finding, place, float(finding.expected[place]))


@each_detector
def test_evaluating_changes_nothing(detector: Detector, world: World) -> None:
    before = state_of(world)
    view = world.view()
    finding = detector.evaluate(view)
    detector.cleared(view, finding, 0, 1.0)
    assert state_of(world) == before
    assert same(detector.evaluate(view), finding)


@each_detector
def test_a_view_of_no_accounts_has_no_findings(detector: Detector) -> None:
    finding = detector.evaluate(World().view())
    assert [len(finding.raised), *(len(getattr(finding, name)) for name in FIGURES)] == [0, 0, 0, 0]


@each_detector
@pytest.mark.parametrize("rows", [[3], [1, 2, 3], [9, 2, 5], [8, 7, 6, 5, 4, 3, 2, 1]], ids=str)
def test_an_account_is_judged_alike_alone_and_among_others(detector: Detector, rows: list[int], world: World) -> None:
    every = detector.evaluate(world.view())
    chosen = np.array(rows, dtype=np.int32)
    some = detector.evaluate(world.view(chosen))
    places = chosen - 1
    assert same(some, Finding(every.raised[places], *(getattr(every, name)[places] for name in FIGURES)))


@each_detector
@pytest.mark.parametrize("day", [TODAY - 30, TODAY - 1, TODAY])
def test_every_day_that_is_kept_can_be_judged(detector: Detector, day: int, world: World) -> None:
    finding = detector.evaluate(world.view(day=day))
    for name in FIGURES:
        assert np.isfinite(getattr(finding, name)[finding.raised]).all()


@each_kind
def test_a_kind_has_a_summary_that_fits(name: str) -> None:
    summary = KINDS[name].summary.format(**LONGEST)
    assert summary.startswith(str(LONGEST["name"]))
    assert len(summary) <= MAX_SUMMARY


@each_kind
def test_a_kind_has_a_play_with_a_due_day(name: str) -> None:
    play = KINDS[name].play
    assert re.fullmatch(r"[a-z][a-z-]+", play.id)
    assert play.title
    assert not play.title.endswith(".")
    assert 1 <= play.days <= 30


@each_kind
def test_a_kinds_words_are_those_of_the_alert_schema(name: str) -> None:
    kind = KINDS[name]
    assert kind.severity in ALERT_SEVERITIES
    assert kind.direction in ("up", "down")
    assert kind.level in ("basic", "intermediate", "advanced")


@each_kind
def test_a_kind_is_specified_with_its_family(name: str) -> None:
    assert [family for kind, family, *_ in SPECIFIED if kind == name] == [KINDS[name].family]


@each_detector
def test_a_detector_is_specified_with_its_dimension(detector: Detector) -> None:
    assert [sentence or cell for kind, _, sentence, cell in SPECIFIED if kind == detector.KIND.name] == [
        detector.KIND.dimension
    ]


def test_every_kind_that_is_specified_exists() -> None:
    assert sorted(kind for kind, *_ in SPECIFIED) == sorted(KINDS)


@each_kind
def test_a_kind_says_in_words_what_raises_and_what_ends_it(name: str) -> None:
    for sentence in (KINDS[name].condition, KINDS[name].resolution):
        assert sentence
        assert not sentence.endswith(".")
        assert len(sentence) <= 120
