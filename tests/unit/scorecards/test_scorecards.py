"""Scorecards over days: several at once, chosen by profile, changed by configuration, in shadow."""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.config import EngineConfig
from pipeline.scorecards.builtin import DEFAULT
from pipeline.scorecards.card import Criterion, Scorecard
from pipeline.scorecards.profiles import Expectations, HealthProfile
from tests.oracle.model import BILLING, DAY_MS, PROFILES, SIGNALS, TICKETS
from tests.support.scene import TIMES, Partition

FIRST_DAY = 20_000
TRIAL = Scorecard("trial", 1, (Criterion("support", 1), Criterion("billing", 1)))


class Days(Partition):
    """One account day by day."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.close(-1)

    def send(self, topic: str, day: int, **fields: Any) -> None:
        """An event at noon of a day."""
        at_ms = (FIRST_DAY + day) * DAY_MS + DAY_MS // 2
        event = {"account_id": "acme", "event_id": f"n{self.offsets[topic]}"} | dict.fromkeys(TIMES, at_ms) | fields
        self.take(topic, [event], at_ms)

    def owe(self, day: int) -> None:
        """Nothing is left of the dimension billing."""
        for kind in ("payment_failed", "invoice_overdue"):
            self.send(BILLING, day, type=kind, invoice_id="i", currency="EUR")

    def close(self, day: int) -> None:
        """Let time pass until the day is just closed."""
        self.tick((FIRST_DAY + day + 1) * DAY_MS + 3_600_000)

    @property
    def last(self) -> dict[str, Any]:
        """The newest health record."""
        return self.outcome.health[-1]

    def told(self) -> list[tuple[str, str, str, str]]:
        """Kind, dimension, status and reason of every alert about health so far."""
        names = ("kind", "dimension", "status", "transition_reason")
        kind, dimension, status, reason = names
        health = [a for a in self.outcome.alerts if a[kind].startswith("health")]
        return [(a[kind], a[dimension], a[status], a[reason]) for a in health]


def healthy(config: EngineConfig) -> Days:
    """An account that is green after day 0."""
    days = Days(config)
    days.send(TICKETS, 0, ticket_id="t", type="commented", priority="p3")
    days.send(BILLING, 0, type="subscription_started", subscription_id="s", currency="EUR")
    days.send(SIGNALS, 0, type="meeting_held")
    days.send(SIGNALS, 0, type="pulse", score=5.0, scale=5.0, author="ann", reason_codes=["renewed"])
    days.close(0)
    return days


def test_each_scorecard_has_a_band_and_alerts_of_its_own() -> None:
    days = healthy(EngineConfig(scorecards=(TRIAL,), health_scorecards=("default", "trial")))
    assert (days.last["scorecard"], days.last["band"]) == ("default", "green")
    [other] = days.last["other_scorecards"]
    assert (other["scorecard"], other["score"], other["band"], other["coverage"]) == ("trial", 100.0, "green", 1.0)
    days.owe(1)
    days.close(3)
    # trial: (1 + 0) / 2; default: (4 + 0 + 3 + 2/3) / 14
    moved = [(a["dimension"], a["signal"]["observed"]) for a in days.outcome.alerts if a["kind"] == "health_changed"]
    assert moved == [("default", 54.8), ("trial", 50.0)]
    assert [a["health"]["scorecard"] for a in days.outcome.alerts if a["kind"] == "health_changed"] == [
        "default",
        "trial",
    ]


def test_a_record_names_groups_and_the_dated_pulse() -> None:
    last = healthy(EngineConfig()).last
    # (4 + 5 + 3 + 2/3) / 14
    assert last["groups"] == [{"name": "relationship", "score": 90.5}]
    assert last["pulse"] == {
        "value": 1.0,
        "at": FIRST_DAY * DAY_MS + DAY_MS // 2,
        "author": "ann",
        "reason_codes": ["renewed"],
        "expires_at": None,
    }
    assert last["band_since"] == (FIRST_DAY + 1) * DAY_MS


def test_an_account_that_was_never_judged_is_in_no_band_since_1970() -> None:
    days = Days(EngineConfig())
    days.send(PROFILES, 0, name="Acme")
    days.close(0)
    assert (days.last["band"], days.last["band_since"]) == ("grey", None)


def test_a_new_version_is_marked_and_alerts_nobody() -> None:
    days = healthy(EngineConfig())
    severe = msgspec.structs.replace(DEFAULT, version=2, criteria=(*DEFAULT.criteria, Criterion("first_use", 5)))
    days.restart(EngineConfig(scorecards=(severe,)))
    days.close(1)
    before = days.outcome.health[0]["score"]
    # (4 + 5 + 3 + 2/3 + 0) / 19 instead of / 14
    assert days.last["config_change"] == {
        "from_version": 1,
        "to_version": 2,
        "score_before": before,
        "score_after": 66.7,
    }
    assert (days.last["band"], days.last["previous_band"], days.last["version"]) == ("yellow", "green", 2)
    days.close(10)
    assert days.told() == []
    assert [record["config_change"] is None for record in days.outcome.health] == [True, False]


def test_the_same_version_after_a_restart_is_no_change() -> None:
    days = healthy(EngineConfig())
    days.restart(EngineConfig())
    days.close(5)
    assert len(days.outcome.health) == 1


def test_an_alert_that_the_new_version_would_not_raise_is_withdrawn_as_a_change_of_settings() -> None:
    days = healthy(EngineConfig(scorecards=(TRIAL,), health_scorecards=("trial",)))
    days.owe(1)
    days.close(3)
    lenient = msgspec.structs.replace(TRIAL, version=2, criteria=(Criterion("support", 5), Criterion("billing", 1)))
    days.restart(EngineConfig(scorecards=(lenient,), health_scorecards=("trial",)))
    days.close(4)
    assert days.told() == [
        ("health_changed", "trial", "firing", "detected"),
        ("health_changed", "trial", "resolved", "config_change"),
    ]
    assert days.last["config_change"]["score_before"] == 50.0


def test_an_alert_on_an_account_that_the_new_version_cannot_judge_is_withdrawn() -> None:
    days = healthy(EngineConfig(scorecards=(TRIAL,), health_scorecards=("trial",)))
    days.owe(1)
    days.close(3)
    blind = msgspec.structs.replace(TRIAL, version=2, criteria=(Criterion("milestones", 1),))
    days.restart(EngineConfig(scorecards=(blind,), health_scorecards=("trial",)))
    days.close(4)
    assert days.last["band"] == "grey"
    assert days.told()[1:] == [("health_changed", "trial", "resolved", "config_change")]


def test_an_account_that_the_new_version_can_judge_again_is_not_unknown_any_more() -> None:
    mood = Scorecard("mood", 1, (Criterion("pulse", 1),))
    days = Days(EngineConfig(scorecards=(mood,), health_scorecards=("mood",)))
    days.send(SIGNALS, 0, type="pulse", score=5.0, scale=5.0, expires_at=(FIRST_DAY + 2) * DAY_MS)
    days.send(TICKETS, 0, ticket_id="t", type="commented", priority="p3")
    days.close(90)
    seeing = msgspec.structs.replace(mood, version=2, criteria=(Criterion("support", 1),))
    days.restart(EngineConfig(scorecards=(seeing,), health_scorecards=("mood",)))
    days.close(91)
    assert (days.last["previous_band"], days.last["band"]) == ("grey", "green")
    assert days.told() == [
        ("health_unknown", "mood", "firing", "detected"),
        ("health_unknown", "mood", "resolved", "config_change"),
    ]


def test_another_version_of_a_nested_scorecard_is_a_change_of_the_outer_one() -> None:
    outer = Scorecard("outer", 1, (Criterion("scorecard:trial", 1),))
    days = healthy(EngineConfig(scorecards=(TRIAL, outer), health_scorecards=("outer",)))
    inner = msgspec.structs.replace(TRIAL, version=2, criteria=(*TRIAL.criteria, Criterion("first_use", 2)))
    days.restart(EngineConfig(scorecards=(inner, outer), health_scorecards=("outer",)))
    days.close(10)
    # (1 + 1 + 2 · 0) / 4
    change = {"from_version": 1, "to_version": 1, "score_before": 100.0, "score_after": 50.0}
    assert (days.last["day"], days.last["config_change"]) == (FIRST_DAY + 1, change)
    assert (days.last["band"], days.told()) == ("yellow", [])


def test_other_expectations_are_a_change_of_the_scorecard() -> None:
    some, many = (HealthProfile("all", ("default",), expects=Expectations(touches=n)) for n in (2.0, 4.0))
    days = healthy(EngineConfig(profiles=(some,)))
    days.restart(EngineConfig(profiles=(many,)))
    days.close(1)
    # (4 + 5 + 3 + 2 · ½) / 14, and with ¼
    change = {"from_version": 1, "to_version": 1, "score_before": 92.9, "score_after": 89.3}
    assert days.last["config_change"] == change


def test_the_first_profile_that_matches_chooses_scorecards_and_expectations() -> None:
    starters = HealthProfile("starters", ("trial",), lifecycle_stages=("onboarding",))
    everybody = HealthProfile("rest", ("default",), expects=Expectations(touches=2.0))
    days = Days(EngineConfig(scorecards=(TRIAL,), profiles=(starters, everybody)))
    days.send(PROFILES, 0, lifecycle_stage="onboarding")
    days.send(SIGNALS, 0, type="meeting_held")
    days.close(0)
    # The profile is read as of the last closed day; on its first, an account has none yet.
    assert days.last["scorecard"] == "default"
    [engagement] = [d for d in days.last["dimensions"] if d["name"] == "engagement"]
    assert (engagement["value"], engagement["expected"]) == (0.5, 2.0)
    days.close(1)
    assert (days.last["scorecard"], days.last["other_scorecards"]) == ("trial", [])
    days.send(PROFILES, 2, lifecycle_stage="adoption")
    days.close(3)
    assert days.last["scorecard"] == "default"
    assert days.last["config_change"] is None


def test_what_is_in_shadow_is_marked_in_every_record() -> None:
    shadow = msgspec.structs.replace(TRIAL, shadow=True)
    config = EngineConfig(
        scorecards=(shadow,), health_scorecards=("trial", "default"), shadow_kinds=("payment_failed",)
    )
    days = healthy(config)
    assert days.last["scorecard"] == "default"
    days.owe(1)
    days.close(3)
    marked = {(a["kind"], a["dimension"]) for a in days.outcome.alerts if a["shadow"]}
    assert ("health_changed", "trial") in marked
    assert ("health_changed", "default") not in marked
