"""Scorecards and health profiles in a file of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import ConfigError, load
from agents.settings.cards import card_warnings
from pipeline.scorecards.card import Criterion
from pipeline.scorecards.plan import Plan

GOOD = """
[health]
scorecards = ["default", "trial"]
[kinds]
shadow = "silence, ticket_surge"

[[scorecards]]
id = "trial"
version = 3
shadow = true
criteria = [
    { dimension = "usage_trend", weight = 5 },
    { dimension = "feature:export", weight = 2, group = "value" },
    { dimension = "scorecard:adoption", weight = 3 },
]
bands = { hold_days = 7 }

[[profiles]]
name = "starters"
lifecycle_stages = ["onboarding"]
scorecards = ["onboarding"]
expects = { touches = 6 }
disabled_kinds = ["seat_saturation"]
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "foreshock.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), {})
    return str(caught.value)


def test_a_file_may_hold_scorecards_and_profiles(tmp_path: Path) -> None:
    engine = load(written(tmp_path, GOOD), {}).engine()
    (card,) = engine.scorecards
    assert (card.id, card.version, card.shadow, card.bands.hold_days) == ("trial", 3, True, 7)
    assert card.criteria[1] == Criterion("feature:export", 2, "value")
    assert engine.health_scorecards == ("default", "trial")
    assert engine.shadow_kinds == ("silence", "ticket_surge")
    plan = Plan(engine.scorecards, engine.health_scorecards, engine.profiles)
    assert [each.id for each in plan.cards] == ["default", "trial", "onboarding"]
    assert plan.expects[1].touches == 6.0
    assert plan.profiles[0].disabled_kinds == ("seat_saturation",)
    assert plan.shadowed == {"trial"}


def test_every_problem_of_the_cards_is_told(tmp_path: Path) -> None:
    message = refused(
        tmp_path,
        """
        [health]
        scorecards = "defalt"
        [kinds]
        shadow = "silense"
        [[scorecards]]
        id = "a"
        version = 1
        criteria = [{ dimension = "usage", weight = 9 }]
        [[scorecards]]
        id = "a"
        version = 1
        criteria = [{ dimension = "support", weight = 1 }]
        [[profiles]]
        name = "Big ones"
        scorecards = []
        disabled_kinds = ["churn"]
        """,
    )
    for part in (
        "health.scorecards: there is no scorecard defalt; did you mean default?",
        "there are no kinds of alert called silense",
        "scorecards.a: stands there twice",
        "profiles.Big ones: name must begin with a small letter",
        "profiles.Big ones: scorecards: needs a scorecard that is not in shadow",
        "profiles.Big ones: disabled_kinds: there are no kinds of alert called churn",
    ):
        assert part in message


def test_an_entry_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    message = refused(
        tmp_path,
        """
        [[scorecards]]
        id = "a"
        version = 1
        criteria = [{ dimension = "support", weight = "heavy" }]
        [[profiles]]
        name = "x"
        segmnets = []
        scorecards = ["default"]
        """,
    )
    assert "scorecards.a: Expected int, got str - at criteria[0].weight" in message
    assert "profiles.x: Object contains unknown field segmnets" in message


def test_a_table_written_as_a_section_is_refused(tmp_path: Path) -> None:
    assert "scorecards: is a list of tables; write [[scorecards]]" in refused(tmp_path, "[scorecards]\nid = 'a'\n")


def test_a_scorecard_that_sees_too_little_is_warned_of_but_accepted(tmp_path: Path) -> None:
    text = "[[scorecards]]\nid = 'a'\nversion = 1\ncriteria = [{ dimension = 'support', weight = 1 }]\n"
    warned = card_warnings(load(written(tmp_path, text), {}).scorecards)
    assert [line.partition(":")[0] for line in warned] == ["scorecards.a"] * 2


def test_the_names_may_come_from_the_environment() -> None:
    settings = load(None, {"FORESHOCK_HEALTH__SCORECARDS": "adoption,default"})
    assert settings.engine().health_scorecards == ("adoption", "default")


def test_the_example_of_the_sample_file_can_be_used(tmp_path: Path) -> None:
    text = Path("deploy/foreshock.toml").read_text(encoding="utf-8")
    blocks = text[text.index("# [[scorecards]]") :].split("\n\n")
    tables = "\n".join(block[block.index("# [[") :] for block in blocks)
    example = "\n".join(line.removeprefix("# ") for line in tables.splitlines())
    settings = load(written(tmp_path, example), {"FORESHOCK_RECEIVERS__SALES__URL": "https://chat.example/x"})
    engine = settings.engine()
    assert (
        [each.name for each in settings.receivers] == [each.receiver for each in settings.routes] == ["sales", "mail"]
    )
    assert [card.id for card in engine.scorecards] == ["enterprise"]
    assert [profile.name for profile in engine.profiles] == ["enterprise-onboarding"]
