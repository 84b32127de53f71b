"""How often owners are told, counted of the records of a backtest."""

from __future__ import annotations

from typing import Any

from agents.backtest.notifications import notifications
from tests.support.cases import case
from tests.unit.notify.test_deciding import HOUR_MS, NOON, alert

DAY_MS = 24 * HOUR_MS


def mild(name: str, at_ms: int = NOON, **changed: Any) -> dict[str, Any]:
    return case(case_id=name, severity="warning", updated_at=at_ms, **changed)


def test_what_can_wait_is_in_one_digest_a_day_and_owner() -> None:
    alerts = [alert(alert_id=f"a{n}", severity="warning", shadow=False) for n in range(4)]
    cases = [mild("one"), mild("two"), mild("three", owner="max"), mild("four", NOON + DAY_MS)]
    cases.append(mild("one", NOON + 2 * DAY_MS, revision=2, status="closed"))
    assert notifications(alerts, cases, "UTC", 7) == {
        "owners": 2,
        "alerts": 4,
        "cases_at_once": 0,
        "digests": 4,
        "of_cases": {"opened": 4, "closed": 1},
        "per_owner_week": {"alerts_at_once": 2.0, "cases_and_digests": 2.0},
    }


def test_what_changes_before_the_digest_is_told_as_it_is_then() -> None:
    closed = mild("one", NOON + HOUR_MS, revision=2, status="closed")
    assert notifications([], [mild("one"), closed], "UTC", 7)["digests"] == 0


def test_what_cannot_wait_is_told_once_whether_by_its_alert_or_at_the_close() -> None:
    urgent = alert(case_id="one", shadow=False)
    written = case(case_id="one", severity="critical", updated_at=NOON + HOUR_MS)
    found = notifications([urgent], [written], "UTC", 7)
    assert (found["cases_at_once"], found["digests"], found["of_cases"]) == (1, 0, {"opened": 1})


def test_what_is_on_trial_is_told_to_nobody() -> None:
    found = notifications([alert(shadow=True)], [mild("one", shadow=True)], "UTC", 7)
    assert (found["owners"], found["alerts"], found["per_owner_week"]["alerts_at_once"]) == (0, 0, None)
