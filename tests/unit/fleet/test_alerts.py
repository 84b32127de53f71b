"""One alert for the fleet instead of one for each account."""

from __future__ import annotations

from typing import Any

from pipeline.alerts.records import Alerting
from pipeline.config import EngineConfig
from pipeline.fleet.alerts import FleetAlerts
from pipeline.fleet.merged import Fleet
from pipeline.terms.days import Days
from pipeline.terms.fleet_day import BUCKETS, USUAL, FleetDay, Tally

DAY_MS = 86_400_000


def tally(bucket: int, actions_share: float | None = None) -> Tally:
    counts = [0] * BUCKETS
    counts[bucket] = 400
    share = bucket / USUAL if actions_share is None else actions_share
    return Tally(tuple(counts), int(share * 4_000_000), 4_000_000)


def lived(days: list[dict[str | None, Tally]]) -> tuple[FleetAlerts, list[dict[str, Any]]]:
    """Alert records of days told from day 10 on."""
    fleet, config = Fleet(1, 20), EngineConfig()
    alerts = FleetAlerts(Alerting(config), Days("UTC"))
    fleet.take(FleetDay(0, 0, 9))
    for day, tallies in enumerate(days, 10):
        fleet.take(FleetDay(0, day, day, tallies))
    records = [record for merged in fleet.merge_through(10 + len(days)) for record in alerts.advance(merged, fleet)[0]]
    return alerts, records


def steps(records: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("account_id", "kind", "status", "transition_reason")
    return [tuple(record[name] for name in names) for record in records]


USUAL_DAY = {None: tally(USUAL), "smb": tally(USUAL)}


def test_a_dip_of_the_fleet_is_one_alert_that_ends_after_five_usual_days() -> None:
    low = {None: tally(35), "smb": tally(35)}
    _, records = lived([USUAL_DAY, low, low, *[USUAL_DAY] * 6])
    assert steps(records) == [
        ("fleet", "fleet_dip", "firing", "detected"),
        ("fleet", "fleet_dip", "resolved", "recovered"),
    ]
    opened, resolved = records
    assert (opened["starts_at"], opened["detected_at"]) == (11 * DAY_MS, 12 * DAY_MS)
    assert (opened["severity"], opened["family"], opened["signal"]["observed"]) == ("warning", "system", 0.7)
    assert resolved["ends_at"] == 18 * DAY_MS


def test_open_alerts_are_counted_by_kind() -> None:
    low: dict[str | None, Tally] = {"smb": tally(20), "large": tally(20), None: tally(USUAL)}
    stopped: dict[str | None, Tally] = {None: tally(0, 0.01)}
    assert [lived(days)[0].open_by_kind() for days in ([USUAL_DAY], [low], [low, stopped])] == [
        {"usage_feed_stopped": 0, "fleet_dip": 0, "fleet_identity_changed": 0, "ticket_pattern": 0},
        {"usage_feed_stopped": 0, "fleet_dip": 2, "fleet_identity_changed": 0, "ticket_pattern": 0},
        {"usage_feed_stopped": 1, "fleet_dip": 0, "fleet_identity_changed": 0, "ticket_pattern": 0},
    ]


def test_a_dip_of_one_segment_is_that_segments() -> None:
    _, records = lived([USUAL_DAY, {None: tally(USUAL), "smb": tally(20)}])
    assert steps(records) == [("fleet:smb", "fleet_dip", "firing", "detected")]
    assert records[0]["severity"] == "error"
    assert records[0]["summary"].startswith("Segment smb: ")


def test_a_dip_that_deepens_rises_in_severity() -> None:
    _, records = lived([USUAL_DAY, {None: tally(35)}, {None: tally(20)}])
    assert [(record["revision"], record["severity"]) for record in records] == [(1, "warning"), (2, "error")]


def test_a_stopped_feed_is_the_only_alert() -> None:
    stopped = {None: tally(0), "smb": tally(0)}
    alerts, records = lived([USUAL_DAY, stopped, stopped])
    assert steps(records) == [("fleet", "usage_feed_stopped", "firing", "detected")]
    assert alerts.stopped
    assert not alerts.dipped(None)
    assert (records[0]["family"], records[0]["severity"]) == ("data_quality", "critical")


def test_a_feed_that_stops_after_a_half_day_takes_over_the_dip() -> None:
    half, stopped = {None: tally(25), "smb": tally(25)}, {None: tally(0), "smb": tally(0)}
    _, records = lived([USUAL_DAY, {None: tally(USUAL), "smb": tally(25)}, half, stopped, *[USUAL_DAY] * 5])
    assert steps(records) == [
        ("fleet:smb", "fleet_dip", "firing", "detected"),
        ("fleet", "fleet_dip", "firing", "detected"),
        ("fleet:smb", "fleet_dip", "resolved", "inhibited"),
        ("fleet", "usage_feed_stopped", "firing", "detected"),
        ("fleet", "fleet_dip", "resolved", "inhibited"),
        ("fleet", "usage_feed_stopped", "resolved", "recovered"),
    ]


def test_one_large_account_that_stops_is_no_matter_of_the_fleet() -> None:
    _, records = lived([USUAL_DAY, {None: tally(USUAL, actions_share=0.5)}])
    assert records == []


def test_an_alert_of_the_fleet_ends_when_too_few_accounts_are_left_to_tell() -> None:
    _, records = lived([USUAL_DAY, {None: tally(20)}, *[{}] * 5])
    assert steps(records)[-1] == ("fleet", "fleet_dip", "resolved", "recovered")


def told_of_ids(days: list[tuple[int, int]]) -> tuple[FleetAlerts, list[tuple[Any, ...]]]:
    """Steps of days of which one partition tells so many renamed accounts of so many with people."""
    fleet, alerts = Fleet(1, 20), FleetAlerts(Alerting(EngineConfig()), Days("UTC"))
    fleet.take(FleetDay(0, 0, 9))
    for day, (renamed, peopled) in enumerate(days, 10):
        fleet.take(FleetDay(0, day, day, renamed=renamed, peopled=peopled))
    records = [record for merged in fleet.merge_through(10 + len(days)) for record in alerts.advance(merged, fleet)[0]]
    return alerts, steps(records)


def test_other_ids_in_a_tenth_of_the_accounts_are_one_alert_until_they_are_a_twentieth() -> None:
    opened = ("fleet", "fleet_identity_changed", "firing", "detected")
    assert told_of_ids([(9, 100)] * 3)[1] == []
    alerts, records = told_of_ids([(10, 100), *[(5, 100)] * 6])
    assert (alerts.renamed, records) == (True, [opened])
    alerts, records = told_of_ids([(10, 100), *[(4, 100)] * 5])
    assert (alerts.renamed, records) == (False, [opened, ("fleet", "fleet_identity_changed", "resolved", "recovered")])


def test_too_few_accounts_with_people_tell_nothing_of_ids() -> None:
    assert told_of_ids([(19, 19)] * 3)[1] == []


def ticketed(weeks: list[int], component: str = "login") -> list[dict[str, Any]]:
    """Alert records of weeks in which so many accounts had news of a component, on its first two days."""
    fleet, alerts = Fleet(1, 20), FleetAlerts(Alerting(EngineConfig()), Days("UTC"))
    fleet.take(FleetDay(0, 0, 9))
    for week, accounts in enumerate(weeks):
        for back, count in enumerate((accounts - accounts // 2, accounts // 2, 0, 0, 0, 0, 0)):
            day = 10 + 7 * week + back
            fleet.take(FleetDay(0, day, day, components={component: count} if count else {}))
    days = fleet.merge_through(9 + 7 * len(weeks))
    return [record for merged in days for record in alerts.advance(merged, fleet)[0]]


def test_many_accounts_with_tickets_about_one_component_are_one_alert() -> None:
    opened, resolved = ticketed([3, 4, 3, 4, 16, 4, 3])
    assert steps([opened, resolved]) == [
        ("fleet", "ticket_pattern", "firing", "detected"),
        ("fleet", "ticket_pattern", "resolved", "recovered"),
    ]
    assert opened["dimension"] == "login"
    assert (opened["starts_at"] - 10 * DAY_MS) // (7 * DAY_MS) == 4
    assert "accounts opened tickets about login in a week" in opened["summary"]


def test_what_is_usual_in_number_is_no_pattern_and_neither_is_a_new_feed() -> None:
    assert ticketed([4, 3, 4, 4, 12, 4]) == []
    assert ticketed([40, 60, 50, 45, 70, 50]) == []
    assert ticketed([30, 40]) == []
    assert ticketed([1, 0, 1, 0, 6]) == []


def test_usual_weeks_of_tickets_are_remembered_over_a_restart() -> None:
    fleet, again = Fleet(1, 20), Fleet(1, 20)
    for day in range(40):
        fleet.take(FleetDay(0, day, day, components={"login": 1}))
    assert len(list(fleet.merge_through(39))) == 40
    again.restore(fleet.save())
    assert again.ticketed("login") == fleet.ticketed("login") == (7, 7.0)
