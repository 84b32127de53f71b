"""The lifecycle stage and since when: how it is known, and where it is told."""

from __future__ import annotations

import pytest

from pipeline.books.book import Book
from pipeline.books.signals import apply_profile, context_of
from pipeline.config import EngineConfig
from tests.oracle.model import DAY_MS
from tests.support.scene import MIDNIGHT_MS, Stage
from tests.support.wire import blank

PROFILES = "account.profiles"


def since(*profiles: tuple[str | None, int | None]) -> int | None:
    """Since when the stage lasts after these profiles, each with its stage and `updated_at`."""
    book = Book()
    for stage, updated_at in profiles:
        apply_profile(book, blank(PROFILES, lifecycle_stage=stage, updated_at=updated_at), 9)
    assert book.profile is not None
    return book.profile.stage_since_ms


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        ([("adoption", 5)], 5),
        ([("adoption", 5), ("adoption", 9)], 5),
        ([("onboarding", 5), ("adoption", 9)], 9),
        ([("onboarding", 5), ("adoption", 9), ("onboarding", 12), ("onboarding", 13)], 12),
        ([("onboarding", 5), (None, 9)], None),
        ([("adoption", 5), ("onboarding", 3)], 5),
        ([("adoption", None)], None),
        ([("adoption", None), ("adoption", 7)], None),
    ],
    ids=["first", "same", "next", "back", "none", "an older profile is not taken", "undated", "undated at first"],
)
def test_a_stage_lasts_since_the_profile_that_brought_it(
    profiles: list[tuple[str | None, int | None]], expected: int | None
) -> None:
    assert since(*profiles) == expected


def test_the_context_shows_since_when_once_the_day_is_closed() -> None:
    book = Book()
    apply_profile(book, blank(PROFILES, lifecycle_stage="adoption", updated_at=7), 9)
    context = context_of(book, 3)
    assert (context.lifecycle_stage, context.stage_since_ms) == ("adoption", 7)


def test_alerts_tell_the_stage_and_a_restart_forgets_nothing() -> None:
    config = EngineConfig(stage_days=(("adoption", 10),))
    stage = Stage(config)
    stage.send(PROFILES, {"lifecycle_stage": "adoption"})
    stage.pass_days(5)
    stage.restart(config)
    stage.pass_days(7)
    [alert] = stage.of_kind("stage_stalled")
    assert alert["context"]["lifecycle_stage"] == "adoption"
    assert alert["context"]["stage_since"] // DAY_MS == MIDNIGHT_MS // DAY_MS
    assert (alert["signal"]["observed"], alert["signal"]["expected"]) == (11, 10)


def test_a_stage_without_an_expected_length_may_last() -> None:
    stage = Stage(EngineConfig(stage_days=(("onboarding", 1),)))
    stage.send(PROFILES, {"lifecycle_stage": "adoption"})
    stage.pass_days(40)
    assert stage.of_kind("stage_stalled") == []


def test_a_length_is_a_day_at_least() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        EngineConfig(stage_days=(("adoption", 0),))
