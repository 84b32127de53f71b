"""Cases and what people do with them, told by events."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import EngineConfig
from tests.oracle.model import BILLING, COMMANDS, DAY_MS, SIGNALS
from tests.support.scene import Stage

LOST = {"type": "csat", "score": 1.0, "contact_id": "ann"}
WORSE = {"type": "payment_failed", "invoice_id": "i"}


class Desk(Stage):
    """An account whose cases somebody works with."""

    def command(self, action: str, **said: Any) -> dict[str, Any]:
        """Say it of the last case, unless another is named; returns the answer."""
        known = {"case_id": self.outcome.cases[-1]["case_id"] if self.outcome.cases else None}
        self.send(COMMANDS, {"action": action, "author": "ann"} | known | said)
        self.tick(self.now_ms)
        return self.outcome.results[-1]

    @property
    def case(self) -> dict[str, Any]:
        return self.outcome.cases[-1]

    def statuses(self) -> list[str]:
        return [case["status"] for case in self.outcome.cases]


@pytest.fixture
def desk() -> Desk:
    """A desk with an open case of one warning: a contact rated the service 1 of 5."""
    desk = Desk()
    desk.send(SIGNALS, LOST)
    desk.pass_days(1)
    return desk


def test_a_case_opens_takes_up_what_joins_and_closes_with_its_alerts(desk: Desk) -> None:
    [opened] = desk.outcome.cases
    assert (opened["revision"], opened["status"], opened["lead_kind"]) == (1, "open", "csat_low")
    assert opened["case_id"] == desk.alerts[0]["case_id"]
    desk.send(BILLING, WORSE)
    desk.send(BILLING, WORSE)
    desk.pass_days(1)
    assert [alert["kind"] for alert in desk.case["alerts"]] == ["payment_failed", "csat_low"]
    assert (desk.case["severity"], desk.case["alert_count"]) == ("error", 2)
    assert desk.case["priority"] > opened["priority"]
    desk.send(BILLING, {"type": "invoice_paid", "invoice_id": "i"})
    desk.send(SIGNALS, LOST | {"score": 5.0})
    desk.pass_days(1)
    assert (desk.case["status"], desk.case["closed_by"], desk.case["alert_count"]) == ("closed", None, 0)
    assert {case["case_id"] for case in desk.outcome.cases} == {opened["case_id"]}


@pytest.mark.parametrize(("days", "same"), [(13, True), (14, False)])
def test_what_comes_back_within_a_fortnight_is_the_same_case(desk: Desk, days: int, same: bool) -> None:
    known = desk.case["case_id"]
    desk.send(SIGNALS, LOST | {"score": 5.0})
    desk.pass_days(days)
    desk.send(SIGNALS, LOST)
    desk.pass_days(1)
    assert desk.case["status"] == "open"
    assert (desk.case["case_id"] == known) is same


def test_a_case_that_opened_today_takes_commands_before_the_close_lists_its_alerts() -> None:
    desk = Desk()
    desk.send(SIGNALS, LOST)
    desk.tick(desk.now_ms)
    known = desk.alerts[0]["case_id"]
    assert desk.command("acknowledge", case_id=known)["result"] == "applied"
    assert (desk.case["revision"], desk.case["status"], desk.case["alerts"]) == (1, "acknowledged", [])
    desk.pass_days(1)
    assert (desk.case["case_id"], desk.case["revision"], desk.case["status"]) == (known, 2, "acknowledged")
    assert (desk.case["acknowledged_by"], desk.case["alert_count"]) == ("ann", 1)


def test_a_snooze_ends_when_it_is_over_and_sooner_when_it_gets_worse(desk: Desk) -> None:
    desk.command("snooze", until=desk.now_ms + 3 * DAY_MS, note="on holiday")
    assert (desk.case["status"], desk.case["snooze_reason"]) == ("snoozed", "on holiday")
    desk.pass_days(4)
    assert desk.case["status"] == "open"
    desk.command("snooze", until=desk.now_ms + 30 * DAY_MS)
    desk.send(BILLING, WORSE)
    desk.pass_days(1)
    assert desk.case["status"] == "snoozed"
    desk.send(BILLING, WORSE)
    desk.pass_days(1)
    assert desk.case["status"] == "open"


def test_what_a_person_closes_is_silent_until_it_gets_worse() -> None:
    desk = Desk()
    desk.send(BILLING, WORSE)
    desk.pass_days(1)
    desk.command("resolve", outcome="no_action")
    assert (desk.case["status"], desk.case["closed_by"], desk.case["outcome"]) == ("closed", "ann", "no_action")
    desk.pass_days(1)
    last = desk.alerts[-1]
    assert (last["status"], last["transition_reason"]) == ("resolved", "closed")
    assert [alert["muted"] for alert in desk.case["alerts"]] == [True]
    told = len(desk.alerts)
    desk.pass_days(5)
    assert len(desk.alerts) == told
    desk.send(BILLING, WORSE)
    desk.pass_days(1)
    woken = desk.alerts[told]
    assert (woken["revision"], woken["transition_reason"], woken["severity"]) == (1, "worsened", "error")
    assert woken["alert_id"] != last["alert_id"]
    assert (desk.case["status"], desk.case["outcome"]) == ("open", None)


def test_a_case_that_is_reopened_has_its_alerts_again(desk: Desk) -> None:
    desk.command("resolve", outcome="saved")
    desk.pass_days(2)
    desk.command("reopen")
    desk.pass_days(1)
    assert (desk.alerts[-1]["transition_reason"], desk.alerts[-1]["revision"]) == ("human", 1)
    assert (desk.case["status"], desk.case["alert_count"]) == ("open", 1)


def test_days_that_were_expected_keep_a_kind_quiet_until_they_are_over(desk: Desk) -> None:
    until = desk.now_ms + 4 * DAY_MS
    desk.command("expected", since=desk.now_ms - DAY_MS, until=until, kind="csat_low")
    desk.pass_days(1)
    assert (desk.alerts[-1]["status"], desk.alerts[-1]["transition_reason"]) == ("resolved", "closed")
    told = len(desk.alerts)
    desk.send(SIGNALS, LOST | {"contact_id": "bob"})
    desk.pass_days(6)
    assert len(desk.alerts) == told
    desk.send(SIGNALS, LOST | {"contact_id": "cem"})
    desk.pass_days(1)
    assert (desk.alerts[-1]["kind"], desk.alerts[-1]["revision"]) == ("csat_low", 1)


@pytest.mark.parametrize(
    ("action", "said", "result", "why"),
    [
        ("acknowledge", {"case_id": "another"}, "refused", "no such case"),
        ("snooze", {}, "refused", "until when"),
        ("snooze", {"until": 1}, "refused", "over"),
        ("comment", {}, "refused", "says nothing"),
        ("resolve", {}, "refused", "outcome"),
        ("wake", {}, "unchanged", "not snoozed"),
        ("unacknowledge", {}, "unchanged", "nobody"),
        ("reopen", {}, "unchanged", "not closed"),
        ("assign", {}, "unchanged", "the owner has it"),
        ("step_done", {}, "refused", "which step"),
        ("expected", {}, "refused", "from when"),
        ("expected", {"since": 1, "until": 2, "kind": "x"}, "refused", "no kind of alert called x"),
        ("feedback", {}, "refused", "verdict"),
        ("feedback", {"verdict": "useful", "case_id": None}, "refused", "which alert"),
    ],
)
def test_a_command_that_does_nothing_says_why(
    desk: Desk, action: str, said: dict[str, Any], result: str, why: str
) -> None:
    before = len(desk.outcome.cases)
    answer = desk.command(action, **said)
    assert (answer["result"], answer["case_revision"]) == (result, None)
    assert why in answer["reason"]
    assert len(desk.outcome.cases) == before


def test_the_same_command_again_is_a_duplicate_and_has_no_second_answer(desk: Desk) -> None:
    desk.command("comment", note="called", command_id="c")
    desk.command("comment", note="called", command_id="c")
    assert len(desk.outcome.results) == 1
    assert desk.feed.fates[COMMANDS]["duplicate"] == 1
    assert (desk.case["last_command"]["note"], desk.case["cause"]) == ("called", "command")


def test_a_step_that_is_done_gives_way_to_the_next(desk: Desk) -> None:
    desk.send(BILLING, WORSE)
    desk.pass_days(1)
    first = desk.case["step"]["id"]
    desk.command("step_done", play_id=first)
    assert desk.case["steps_done"] == [first]
    assert desk.case["step"]["id"] != first


def test_cases_outlive_a_restart_and_alerts_on_trial_have_their_own() -> None:
    desk = Desk(EngineConfig(shadow_kinds=("payment_failed",)))
    desk.send(SIGNALS, LOST)
    desk.send(BILLING, WORSE)
    desk.pass_days(1)
    assert {(case["shadow"], case["lead_kind"]) for case in desk.outcome.cases} == {
        (False, "csat_low"), (True, "payment_failed")
    }  # fmt: skip
    told = next(case for case in desk.outcome.cases if not case["shadow"])
    desk.command("assign", case_id=told["case_id"], assignee="bob")
    desk.restart(desk.config)
    assert desk.command("acknowledge", case_id=told["case_id"])["case_revision"] == 3
    assert (desk.case["assignee"], desk.case["status"]) == ("bob", "acknowledged")
