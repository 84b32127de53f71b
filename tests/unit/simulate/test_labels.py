from __future__ import annotations

from typing import Any

import pytest

from pipeline.scoring.labels import (
    ACCOUNT_INCIDENTS,
    EXPANSION_KINDS,
    FLEET_INCIDENTS,
    QUIET_INCIDENTS,
    RISK_KINDS,
    Label,
    UnknownLabelKindError,
    labels_from_table,
    match,
)
from pipeline.simulate import SimulationSettings, simulate
from schemas.topics import DAY_MS

AT = 100 * DAY_MS


def alert(
    kind: str,
    day: float,
    *,
    account_id: str = "a",
    revision: int = 1,
    status: str = "firing",
    severity: str = "error",
) -> dict[str, Any]:
    return {
        "alert_id": f"{account_id}-{kind}-{day}",
        "account_id": account_id,
        "kind": kind,
        "revision": revision,
        "status": status,
        "severity": severity,
        "detected_at": AT + round(day * DAY_MS),
    }


def test_the_first_alert_of_a_fitting_kind_finds_the_incident() -> None:
    alerts = [alert("silence", 9), alert("usage_drop", 4), alert("ticket_surge", 1)]
    report = match([Label("a", "silence", AT)], alerts)
    (finding,) = report.findings
    assert finding.first == alerts[1]
    assert finding.delay_days == 4
    assert [found["kind"] for found in finding.alerts] == ["usage_drop", "silence"]
    assert report.recall == 1
    assert report.unmatched == (alerts[2],)


@pytest.mark.parametrize(("day", "found"), [(-1.01, False), (-1, True), (35, True), (35.01, False)])
def test_an_incident_is_found_from_a_day_before_until_five_weeks_after(day: float, found: bool) -> None:
    report = match([Label("a", "usage_drop", AT)], [alert("usage_drop", day)])
    assert report.findings[0].found is found
    assert bool(report.unmatched) is not found


def test_the_five_weeks_begin_when_the_incident_ends() -> None:
    label = Label("a", "ticket_surge", AT, AT + 10 * DAY_MS)
    assert match([label], [alert("ticket_surge", 45)]).found == 1
    assert match([label], [alert("ticket_surge", 45.01)]).found == 0


def test_another_account_finds_nothing() -> None:
    report = match([Label("a", "usage_drop", AT)], [alert("usage_drop", 3, account_id="b")])
    assert report.found == 0
    assert len(report.unmatched) == 1


def test_only_openings_count() -> None:
    alerts = [alert("usage_drop", 3, revision=2), alert("usage_drop", 4, status="suppressed")]
    report = match([Label("a", "usage_drop", AT)], alerts)
    assert report.found == 0
    assert report.unmatched == ()


def test_a_health_change_follows_from_an_incident_but_does_not_find_it() -> None:
    change = alert("health_changed", 5)
    report = match([Label("a", "usage_drop", AT)], [change])
    assert report.found == 0
    assert report.consequences == (change,)
    assert report.unmatched == ()


def test_an_account_that_becomes_healthy_is_no_false_alarm() -> None:
    better = alert("health_changed", 5, severity="info")
    report = match([], [better, alert("health_changed", 6)])
    assert report.improvements == (better,)
    assert len(report.unmatched) == 1


def test_a_fact_that_no_label_names_is_no_false_alarm() -> None:
    fact, other = alert("payment_failed", 5), alert("usage_drop", 5)
    report = match([Label("a", "ticket_surge", AT)], [fact, other])
    assert report.facts == (fact,)
    assert report.unmatched == (other,)


def test_a_health_change_does_not_follow_from_growth() -> None:
    report = match([Label("a", "sustained_growth", AT)], [alert("health_changed", 5)])
    assert len(report.unmatched) == 1


@pytest.mark.parametrize("kind", FLEET_INCIDENTS)
def test_an_alert_around_a_fleet_wide_incident_is_a_false_one_and_shown_with_it(kind: str) -> None:
    alerts = [alert("usage_drop", 3), alert("usage_drop", 20)]
    report = match([Label("*", kind, AT, AT + DAY_MS)], alerts)
    assert report.findings == ()
    assert report.recall is None
    assert report.quiet[0].alerts == (alerts[0],)
    assert report.unmatched == tuple(alerts)


def test_one_alert_of_the_fleet_tells_of_a_dip_of_everybody() -> None:
    dip, drop = alert("fleet_dip", 2, account_id="fleet"), alert("usage_drop", 2)
    report = match([Label("*", "release_dip", AT, AT + 4 * DAY_MS)], [dip, drop])
    assert report.quiet[0].system == (dip,)
    assert report.quiet[0].alerts == (drop,)
    assert report.unmatched == (drop,)


@pytest.mark.parametrize("kind", QUIET_INCIDENTS)
def test_an_alert_on_an_account_to_which_nothing_bad_happened_is_shown_with_what_happened(kind: str) -> None:
    alerts = [alert("usage_drop", 3), alert("usage_drop", 4, account_id="b")]
    report = match([Label("a", kind, AT)], alerts)
    assert report.findings == ()
    assert report.quiet[0].alerts == (alerts[0],)


def test_a_churn_is_found_by_any_risk_in_the_quarter_before() -> None:
    label = Label("a", "churned", AT)
    assert match([label], [alert("ticket_surge", -90)]).found == 1
    assert match([label], [alert("ticket_surge", -92)]).found == 0
    assert match([label], [alert("seat_saturation", -10)]).found == 0


def test_an_unknown_kind_of_label_is_refused() -> None:
    with pytest.raises(UnknownLabelKindError, match="flood"):
        match([Label("a", "flood", AT)], [])


def test_every_opening_is_counted_once() -> None:
    labels = [
        Label("a", "usage_drop", AT),
        Label("a", "churned", AT + 20 * DAY_MS),
        Label("*", "holiday", AT),
    ]
    alerts = [alert(kind, day) for kind in (*RISK_KINDS, *EXPANSION_KINDS) for day in (-40, 2, 30, 300)]
    report = match(labels, alerts)
    found = {a["alert_id"] for finding in report.findings for a in finding.alerts}
    rest = [a["alert_id"] for a in (*report.consequences, *report.improvements, *report.facts, *report.unmatched)]
    assert len(rest) == len(set(rest))
    assert found.isdisjoint(rest)
    assert found | set(rest) == {a["alert_id"] for a in alerts}


def test_labels_of_a_simulated_stream_can_all_be_matched() -> None:
    stream = simulate(SimulationSettings(accounts=60, incidents_per_kind=1))
    labels = labels_from_table(stream.labels)
    report = match(labels, [])
    assert {finding.label.kind for finding in report.findings} == set(ACCOUNT_INCIDENTS)
    assert {check.label.kind for check in report.quiet} == {*QUIET_INCIDENTS, *FLEET_INCIDENTS}
