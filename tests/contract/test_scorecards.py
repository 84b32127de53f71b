"""What every dimension and every scorecard must offer."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from pipeline.evidence.successions import People
from pipeline.health.check import MAX_CARDS, problems, warnings
from pipeline.health.dimensions import DIMENSIONS, FEATURE, dimension_of
from pipeline.health.reach import Reach
from pipeline.health.reading import Expected, Reading, Sight
from pipeline.health.score import Reader
from pipeline.scorecards.builtin import BUILTIN
from pipeline.scorecards.card import NESTED, Criterion, Scorecard
from pipeline.scorecards.definition import Definition, content_of
from pipeline.scorecards.plan import Plan
from pipeline.scorecards.profiles import Expectations, HealthProfile
from pipeline.terms.fleet_day import LEVELS
from schemas.topics import INPUT_TOPICS
from tests.oracle import score as oracle
from tests.support.handmade import TODAY, World, varied_world
from tests.support.repository import text

NAMES = (*DIMENSIONS, f"{FEATURE}home")
each_dimension = pytest.mark.parametrize("name", NAMES)
each_card = pytest.mark.parametrize("card", BUILTIN.values(), ids=list(BUILTIN))


@pytest.fixture(scope="module")
def world() -> World:
    return varied_world()


def sight(world: World, rows: np.ndarray[tuple[int], np.dtype[np.int32]] | None = None) -> Sight:
    state = world.state
    people = People(state.users, slice(1, state.users.size), TODAY)
    reach = Reach(people, state.features, world.accounts.size, TODAY)
    return Sight(world.view(rows), Expected.of((Expectations(),)), reach, {None: (1,) * LEVELS})


def read(world: World, name: str, rows: np.ndarray[tuple[int], np.dtype[np.int32]] | None = None) -> Reading:
    return dimension_of(name).read(sight(world, rows))


@each_dimension
def test_a_dimension_is_between_0_and_1_or_missing(name: str, world: World) -> None:
    reading = read(world, name)
    known = reading.value[~np.isnan(reading.value)]
    assert ((known >= 0) & (known <= 1)).all()
    for column in (reading.value, reading.observed, reading.expected):
        assert column.shape == (len(world.accounts),)


@each_dimension
def test_a_dimension_that_is_present_has_figures(name: str, world: World) -> None:
    reading = read(world, name)
    present = ~np.isnan(reading.value)
    assert np.isfinite(reading.observed[present]).all()
    assert np.isfinite(reading.expected[present]).all()


@each_dimension
@pytest.mark.parametrize("rows", [[3], [9, 2, 5]], ids=str)
def test_an_account_reads_alike_alone_and_among_others(name: str, rows: list[int], world: World) -> None:
    chosen = np.array(rows, dtype=np.int32)
    every, some = read(world, name), read(world, name, chosen)
    assert np.array_equal(every.value[chosen - 1], some.value, equal_nan=True)


@each_dimension
def test_a_dimension_is_told_apart_from_opinion_and_delay(name: str) -> None:
    dimension = dimension_of(name)
    assert dimension.source in INPUT_TOPICS
    assert dimension.group in ("product", "relationship")
    assert all(isinstance(tag, bool) for tag in (dimension.leading, dimension.objective, dimension.automated))


@each_dimension
def test_a_dimension_is_specified_and_the_oracle_knows_it(name: str) -> None:
    shown = name if name in DIMENSIONS else f"{FEATURE}NAME"
    row = re.search(rf"^\| `{shown}` \((\w+)\)", text("pipeline/SEMANTICS.md"), re.MULTILINE)
    assert row is not None, f"SEMANTICS.md: no row `{shown}` in the table of dimensions"
    assert row[1] == dimension_of(name).group
    assert name in oracle.DIMENSIONS


def test_the_default_scorecard_is_the_one_specified() -> None:
    rows = re.findall(r"^\| `(\w+)` \(\w+\) \| (\d) \|", text("pipeline/SEMANTICS.md"), re.MULTILINE)
    assert {name: int(weight) for name, weight in rows} == {
        criterion.dimension: criterion.weight for criterion in BUILTIN["default"].criteria
    }
    assert oracle.DEFAULT["criteria"] == {name: int(weight) for name, weight in rows}


def test_the_built_in_scorecards_can_be_used_and_look_at_enough() -> None:
    assert problems(BUILTIN, tuple(BUILTIN), ()) == []
    assert warnings(BUILTIN) == []


@each_card
def test_a_scorecard_says_how_much_of_it_is_known(card: Scorecard, world: World) -> None:
    score = Reader(sight(world)).scores((card,))[card.id]
    known = score.coverage > 0
    assert (score.coverage <= 1).all()
    assert np.isnan(score.score[~known]).all()
    assert ((score.score[known] >= 0) & (score.score[known] <= 100)).all()


@each_card
def test_a_scorecard_survives_storage(card: Scorecard) -> None:
    definition = Definition((card,), Expectations())
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(definition), type=Definition)
    assert stored == definition
    assert content_of(stored) == content_of(definition)


def test_any_change_that_decides_a_score_is_another_definition() -> None:
    card, expects = BUILTIN["default"], Expectations()
    changes = [
        Definition((card,), expects),
        Definition((msgspec.structs.replace(card, version=card.version + 1),), expects),
        Definition((msgspec.structs.replace(card, criteria=card.criteria[1:]),), expects),
        Definition((msgspec.structs.replace(card, bands=msgspec.structs.replace(card.bands, hold_days=4)),), expects),
        Definition((BUILTIN["adoption"], card), expects),
        Definition((card,), Expectations(touches=2.0)),
    ]
    assert len({content_of(each) for each in changes}) == len(changes)
    in_shadow = Definition((msgspec.structs.replace(card, shadow=True),), expects)
    assert content_of(in_shadow) == content_of(changes[0])


def test_all_that_is_wrong_is_said_at_once() -> None:
    cards = {
        "a": Scorecard("a", 0, (Criterion("usage_trnd", 6), Criterion(f"{NESTED}b", 1))),
        "b": Scorecard("b", 1, (Criterion(f"{NESTED}a", 1), Criterion("support", 0), Criterion("support", 1))),
        "c": Scorecard("c", 1, (), shadow=True),
    }
    found = problems(cards, ("c",), (HealthProfile("x", ("d",), expects=Expectations(seat_share=2.0)),))
    for part in (
        "scorecards.a: version must be at least 1",
        "usage_trnd: there is no such dimension; did you mean usage_trend?",
        "weight must be a whole number between 1 and 5 (it is 6)",
        "(it is 0)",
        "support stands there twice",
        "scorecards.c: needs 1 to 32 criteria",
        "a > b > a is a circle",
        "health.scorecards: needs a scorecard that is not in shadow",
        "profiles.x: scorecards: there is no scorecard d",
        "expects.seat_share must be above 0",
    ):
        assert any(part in line for line in found), (part, found)


def test_only_so_many_scorecards_may_be_in_force() -> None:
    cards = {f"c{n}": Scorecard(f"c{n}", 1, (Criterion("support", 1),)) for n in range(MAX_CARDS + 1)}
    assert problems(cards, tuple(cards)[:-1], ()) == []
    assert problems(cards, tuple(cards), ()) == ["scorecards: 9 are in force, at most 8"]


def test_a_scorecard_of_one_source_is_warned_of() -> None:
    card = Scorecard("narrow", 1, (Criterion("support", 3),))
    assert warnings({"narrow": card}) == [
        "scorecards.narrow: 1 dimensions; health is seldom told by fewer than 3",
        "scorecards.narrow: all of it comes from ticket.events; add another source",
    ]


def test_scorecards_nest_and_the_inner_ones_come_first(world: World) -> None:
    inner = Scorecard("inner", 1, (Criterion("support", 3), Criterion("first_use", 2)))
    outer = Scorecard("outer", 1, (Criterion(f"{NESTED}inner", 2), Criterion("first_use", 1)))
    plan = Plan((outer, inner), ("outer",), ())
    assert [card.id for card in plan.order] == ["inner", "outer"]
    scores = Reader(sight(world)).scores(plan.order)
    value = scores["outer"].readings[0].value
    assert np.allclose(value, scores["inner"].score / 100, equal_nan=True)
    assert scores["outer"].readings[0].observed is scores["inner"].score
