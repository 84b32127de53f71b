"""Scorecards over days: several at once, chosen by profile, changed by configuration, in shadow."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from pipeline.config import EngineConfig
from pipeline.scorecards.bands import BandRule
from pipeline.scorecards.builtin import DEFAULT
from pipeline.scorecards.card import Criterion, Scorecard
from pipeline.scorecards.profiles import Expectations, HealthProfile
from tests.oracle.model import BILLING, DAY_MS, PROFILES, SIGNALS, TICKETS, USAGE
from tests.support.scene import TIMES, Partition

FIRST_DAY = 20_000
TRIAL = Scorecard("trial", 1, (Criterion("support", 1), Criterion("billing", 1)))


SERVED = Scorecard(
    "default",
    1,
    (Criterion("support", 4), Criterion("billing", 5), Criterion("sentiment", 3), Criterion("engagement", 2)),
)
"""Without a criterion on usage."""


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
    days = healthy(EngineConfig(scorecards=(SERVED, TRIAL), health_scorecards=("default", "trial")))
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


def test_an_account_that_comes_down_the_adoption_ladder_is_told_of() -> None:
    rungs = BandRule(red_below=10.0, red_until=20.0, green_from=60.0, green_until=50.0)
    ladder = Scorecard("ladder", 1, (Criterion("adoption_ladder", 1),), rungs)
    days = Days(EngineConfig(scorecards=(ladder,), health_scorecards=("ladder",)))
    levels = []
    for day in range(50):
        if day % 6 == 0 and day < 36:
            days.send(USAGE, day, user_id="ann", feature="home", quantity=1.0)
        days.close(day)
        levels.append(round(days.last["score"] * 3 / 100))
    # Used in each of four weeks from the fourth week on, and not any more a week after the last time.
    assert levels[0] == levels[20] == 1
    assert levels[21] == levels[36] == 2
    assert levels[37] == levels[-1] == 1
    assert days.told() == [("health_changed", "ladder", "firing", "detected")]


def test_a_record_names_groups_and_the_dated_pulse() -> None:
    last = healthy(EngineConfig(scorecards=(SERVED,))).last
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
    days = healthy(EngineConfig(scorecards=(SERVED,)))
    severe = msgspec.structs.replace(SERVED, version=2, criteria=(*SERVED.criteria, Criterion("first_use", 5)))
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
    assert [record["day"] - FIRST_DAY for record in days.outcome.health if record["config_change"]] == [1]


def test_the_same_version_after_a_restart_is_no_change() -> None:
    days = healthy(EngineConfig())
    days.restart(EngineConfig())
    days.close(5)
    assert {(record["version"], record["config_change"]) for record in days.outcome.health} == {(2, None)}


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
    blind = Scorecard("trial", 2, (Criterion("milestones", 1),), BandRule(cap=False))
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
    changes = [(record["day"], record["config_change"]) for record in days.outcome.health if record["config_change"]]
    assert changes == [(FIRST_DAY + 1, change)]
    assert (days.last["band"], days.told()) == ("yellow", [])


def test_other_expectations_are_a_change_of_the_scorecard() -> None:
    some, many = (HealthProfile("all", ("default",), expects=Expectations(touches=n)) for n in (2.0, 4.0))
    days = healthy(EngineConfig(scorecards=(SERVED,), profiles=(some,)))
    days.restart(EngineConfig(scorecards=(SERVED,), profiles=(many,)))
    days.close(1)
    # (4 + 5 + 3 + 2 · ½) / 14, and with ¼
    change = {"from_version": 1, "to_version": 1, "score_before": 92.9, "score_after": 89.3}
    assert days.last["config_change"] == change


def test_the_first_profile_that_matches_chooses_scorecards_and_expectations() -> None:
    starters = HealthProfile("starters", ("trial",), lifecycle_stages=("onboarding",), touch_models=("digital",))
    everybody = HealthProfile("rest", ("default",), expects=Expectations(touches=2.0))
    days = Days(EngineConfig(scorecards=(TRIAL,), profiles=(starters, everybody)))
    days.send(PROFILES, 0, lifecycle_stage="onboarding", touch_model="digital")
    days.send(SIGNALS, 0, type="meeting_held")
    days.close(0)
    # The profile is read as of the last closed day; on its first, an account has none yet.
    assert days.last["scorecard"] == "default"
    [engagement] = [d for d in days.last["dimensions"] if d["name"] == "engagement"]
    assert (engagement["value"], engagement["expected"]) == (0.5, 2.0)
    days.close(1)
    assert (days.last["scorecard"], days.last["other_scorecards"]) == ("trial", [])
    days.send(PROFILES, 2, lifecycle_stage="onboarding", touch_model="strategic")
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


def bands(days: Days) -> list[tuple[int, str, str | None]]:
    """Day, band and what caps it, of every health record so far that says anything new of them."""
    found: list[tuple[int, str, str | None]] = []
    for record in days.outcome.health:
        told = record["band"], (record["band_reason"] or {}).get("kind")
        if not found or found[-1][1:] != told:
            found.append((record["day"] - FIRST_DAY, *told))
    return found


def test_an_open_alert_caps_the_band_on_its_day_and_is_named() -> None:
    days = healthy(EngineConfig(scorecards=(SERVED,)))
    days.send(SIGNALS, 1, type="risk_raised", subject="budget")
    days.close(1)
    days.send(SIGNALS, 2, type="sponsor_left", contact_id="ida")
    days.close(2)
    days.send(SIGNALS, 3, type="sponsor_changed", contact_id="jo")
    days.close(3)
    days.send(SIGNALS, 4, type="integration_disconnected", subject="crm")
    days.send(SIGNALS, 5, type="risk_cleared", subject="budget")
    days.close(5)
    days.send(SIGNALS, 6, type="integration_connected", subject="crm")
    days.close(8)
    assert bands(days) == [
        (0, "green", None),
        (1, "yellow", "risk_opened"),
        (2, "red", "sponsor_left"),
        (3, "yellow", "risk_opened"),
        (5, "yellow", "integration_disconnected"),
        (6, "green", None),
    ]
    assert days.told() == []
    reason = next(record["band_reason"] for record in days.outcome.health if record["band"] == "red")
    [alert] = [alert for alert in days.alerts if alert["kind"] == "sponsor_left" and alert["revision"] == 1]
    assert reason == {
        "kind": "sponsor_left",
        "dimension": "sponsor",
        "severity": "critical",
        "alert_id": alert["alert_id"],
        "band_by_score": "green",
    }


def test_what_cannot_be_judged_is_red_with_a_critical_alert_and_grey_again_without() -> None:
    days = Days(EngineConfig())
    days.send(SIGNALS, 0, type="sponsor_left", contact_id="ida")
    days.close(0)
    days.send(SIGNALS, 1, type="sponsor_changed", contact_id="jo")
    days.close(1)
    assert bands(days) == [(0, "red", "sponsor_left"), (1, "grey", None)]
    assert days.told() == []


def test_a_warning_and_what_nobody_is_told_of_cap_nothing() -> None:
    days = healthy(EngineConfig(scorecards=(SERVED,), shadow_kinds=("risk_opened",)))
    days.send(SIGNALS, 1, type="risk_raised", subject="budget")
    days.send(SIGNALS, 1, type="csat", score=1.0, scale=5.0)
    days.close(1)
    assert {"risk_opened", "csat_low"} <= {alert["kind"] for alert in days.alerts}
    assert {band for _, band, _ in bands(days)} == {"green"}


def test_a_scorecard_may_do_without_the_cap() -> None:
    free = msgspec.structs.replace(TRIAL, bands=BandRule(cap=False))
    days = healthy(EngineConfig(scorecards=(SERVED, free), health_scorecards=("default", "trial")))
    days.send(SIGNALS, 1, type="risk_raised", subject="budget")
    days.close(1)
    [other] = days.last["other_scorecards"]
    assert (days.last["band"], other["band"], other["band_reason"]) == ("yellow", "green", None)


def test_a_renewal_at_risk_follows_the_cap_at_once() -> None:
    days = Days(EngineConfig(scorecards=(SERVED,)))
    days.send(PROFILES, 0, renewal_at=(FIRST_DAY + 40) * DAY_MS)
    for topic, fields in (
        (TICKETS, {"ticket_id": "t", "type": "commented", "priority": "p3"}),
        (BILLING, {"type": "subscription_started", "subscription_id": "s", "currency": "EUR"}),
        (SIGNALS, {"type": "csat", "score": 5.0}),
    ):
        days.send(topic, 0, **fields)
    days.close(0)
    days.send(SIGNALS, 1, type="sponsor_left", contact_id="ida")
    days.send(SIGNALS, 1, type="risk_raised", subject="budget")
    days.close(1)
    days.send(SIGNALS, 2, type="sponsor_changed", contact_id="jo")
    days.close(2)
    days.send(SIGNALS, 3, type="risk_cleared", subject="budget")
    days.close(3)
    told = [(a["status"], a["severity"]) for a in days.alerts if a["kind"] == "renewal_at_risk"]
    assert told == [("firing", "critical"), ("firing", "error"), ("resolved", "error")]
    assert bands(days)[-1] == (3, "green", None)


def test_green_needs_to_know_something_of_usage() -> None:
    days = healthy(EngineConfig())
    assert (days.last["band"], days.last["score"]) == ("grey", 91.1)
    assert days.last["coverage"] > DEFAULT.bands.min_coverage


def test_a_fall_says_from_which_score_and_by_how_much_each_criterion_moved_it() -> None:
    free = msgspec.structs.replace(SERVED, bands=BandRule(cap=False))
    days = healthy(EngineConfig(scorecards=(free,)))
    days.send(SIGNALS, 1, type="pulse", score=4.0, scale=5.0, author="ann")
    days.close(1)
    days.send(SIGNALS, 2, type="pulse", score=1.0, scale=5.0, author="ann")
    days.send(TICKETS, 2, ticket_id="u", type="opened", priority="p1")
    days.close(2)
    days.send(SIGNALS, 3, type="meeting_held")
    days.owe(3)
    days.close(5)
    [alert] = [alert for alert in days.alerts if alert["kind"] == "health_changed"]
    # Held on day 1: (4 + 5 + 3 · ¾ + 2/3) / 14; now: (4 · ¾ + 0 + 0 + 4/3) / 14
    assert (alert["signal"]["expected"], alert["signal"]["observed"]) == (85.1, 31.0)
    points = {each["criterion"]: round(each["points"], 1) for each in alert["points"]}
    assert list(points.items()) == [("billing", -35.6), ("sentiment", -16.1), ("support", -7.1), ("engagement", 4.8)]
    assert sum(each["points"] for each in alert["points"]) == pytest.approx(31.0 - 85.1)
    assert alert["summary"] == "acme: health fell from 85 to 31: billing -36, sentiment -16, support -7, other +5"


def test_a_criterion_that_came_or_went_has_its_own_part() -> None:
    mood = Scorecard("mood", 1, (Criterion("pulse", 1), Criterion("support", 1), Criterion("survey", 2)))
    days = Days(EngineConfig(scorecards=(mood,), health_scorecards=("mood",)))
    days.send(SIGNALS, 0, type="pulse", score=5.0, scale=5.0, expires_at=(FIRST_DAY + 1) * DAY_MS + 1)
    days.send(TICKETS, 0, ticket_id="t", type="opened", priority="p1")
    days.close(0)
    days.send(SIGNALS, 1, type="nps", score=0.0)
    days.close(3)
    [alert] = [alert for alert in days.alerts if alert["kind"] == "health_changed"]
    # From (1 + ¾) / 2 to (¾ + 0) / 3: without the pulse the mean is ¾, the survey takes the rest.
    assert (alert["signal"]["expected"], alert["signal"]["observed"]) == (87.5, 25.0)
    points = [(each["criterion"], each["points"]) for each in alert["points"]]
    assert points == [("survey", -50.0), ("pulse", -12.5)]


def test_a_rise_within_an_open_alert_is_told_as_one() -> None:
    free = msgspec.structs.replace(SERVED, bands=BandRule(cap=False, hold_days=1))
    days = healthy(EngineConfig(scorecards=(free,)))
    days.owe(1)
    days.send(SIGNALS, 1, type="pulse", score=1.0, scale=5.0, author="ann")
    days.close(1)
    days.send(SIGNALS, 2, type="pulse", score=5.0, scale=5.0, author="ann")
    days.close(2)
    told = [alert["summary"] for alert in days.alerts if alert["kind"] == "health_changed"]
    assert told == [
        "acme: health fell from 90 to 33: billing -36, sentiment -21",
        "acme: health rose from 33 to 55: sentiment +22",
    ]


def test_no_record_is_older_than_two_weeks_and_one_account_tells_of_every_close() -> None:
    partition = Partition(EngineConfig())
    midnight_ms, names = FIRST_DAY * DAY_MS, [f"a{number}" for number in range(40)]
    partition.tick(midnight_ms + 3_600_000)
    for name in names:
        event = {"account_id": name, "event_id": name, "type": "commented", "ticket_id": "t", "priority": "p3"}
        partition.take(TICKETS, [event | {"occurred_at": midnight_ms + 1}], midnight_ms + 1)
    for day in range(1, 43):
        partition.tick(midnight_ms + day * DAY_MS + 3_600_000)
    published = {name: [r["day"] for r in partition.outcome.health if r["account_id"] == name] for name in names}
    daily = [name for name, days in published.items() if len(days) == 42]
    assert len(daily) == 1
    for name, days in published.items():
        if name not in daily:
            assert days[0] == FIRST_DAY
            assert [later - earlier for earlier, later in pairwise(days[1:])] == [14] * (len(days) - 2)
            assert len(days) in (3, 4)
