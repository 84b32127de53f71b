"""What every database must keep: the same checks on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from sqlalchemy import func, inspect, select

from schemas.commands import command as said_by
from sinks.database import migrate, tables
from sinks.database.account import read_account
from sinks.database.engine import open_engine
from sinks.database.migrate import check, upgrade
from sinks.database.sink import DatabaseSink
from sinks.delivery import Advance, DeliveryBatch
from sinks.errors import PositionConflictError, SinkRejectedError, SinkUnavailableError
from tests.support.databases import rows
from tests.unit.sinks.records import ALERTS, DAY_MS, HEALTH, alert, alert_id, batch, case, health, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def sink(url: str) -> Iterator[DatabaseSink]:
    sink = DatabaseSink(url)
    yield sink
    sink.close()


def counts(url: str) -> dict[str, int]:
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (
                    tables.alerts,
                    tables.alert_revisions,
                    tables.alert_evidence,
                    tables.health_history,
                )
            }
    finally:
        engine.dispose()


def test_positions_are_empty_before_the_first_write_and_move_with_each_batch(sink: DatabaseSink) -> None:
    assert sink.positions(ALERTS) == {}
    sink.write(batch(alert("a"), alert("b")))
    assert sink.positions(ALERTS) == {0: 2}
    sink.write(batch(alert("c"), old=2))
    assert sink.positions(ALERTS) == {0: 3}
    assert sink.positions(HEALTH) == {}


def test_the_same_records_again_change_nothing(sink: DatabaseSink, url: str) -> None:
    values = [alert("a"), alert("a", 2, status="resolved"), health("a"), health("a", 101)]
    sink.write(batch(*values))
    before = counts(url), rows(url, "SELECT * FROM alerts"), rows(url, "SELECT * FROM accounts")
    written = sink.write(batch(*values, old=4))
    assert written.conflicts == ()
    assert (counts(url), rows(url, "SELECT * FROM alerts"), rows(url, "SELECT * FROM accounts")) == before
    assert before[0] == {"alerts": 1, "alert_revisions": 2, "alert_evidence": 4, "health_history": 2}


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
@pytest.mark.parametrize("together", [True, False])
def test_the_highest_revision_stands_whatever_the_order(
    sink: DatabaseSink, url: str, order: tuple[int, ...], together: bool
) -> None:
    status = {1: "firing", 2: "acknowledged", 3: "resolved"}
    values = [alert("a", revision, status=status[revision]) for revision in order]
    if together:
        sink.write(batch(*values))
    else:
        for offset, value in enumerate(values):
            sink.write(batch(value, old=offset or None))
    assert rows(url, "SELECT revision, status FROM alerts") == [{"revision": 3, "status": "resolved"}]
    kept = rows(url, "SELECT revision, status FROM alert_revisions ORDER BY revision")
    assert [(row["revision"], row["status"]) for row in kept] == sorted(status.items())


@pytest.mark.parametrize("order", [(100, 101), (101, 100)])
def test_the_latest_day_of_health_stands_whatever_the_order(
    sink: DatabaseSink, url: str, order: tuple[int, int]
) -> None:
    band = {100: "yellow", 101: "red"}
    for offset, day in enumerate(order):
        sink.write(batch(health("a", day, band=band[day]), old=offset or None, topic=HEALTH))
    assert rows(url, "SELECT day, band FROM account_health") == [{"day": 101, "band": "red"}]
    assert rows(url, "SELECT day, band FROM accounts") == [{"day": 101, "band": "red"}]
    assert len(rows(url, "SELECT * FROM health_history")) == 2


def activity(first_day: int, *actions: float, expected: float | None = 5.0) -> dict[str, Any]:
    return {
        "first_day": first_day,
        "actions": [round(1000 * each) for each in actions],
        "users": [1] * len(actions),
        "expected": None if expected is None else [expected] * len(actions),
        "dispersion": None if expected is None else 2.5,
    }


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_of_each_day_the_activity_stands_that_the_latest_record_tells(
    sink: DatabaseSink, url: str, order: tuple[int, ...]
) -> None:
    trial = {**health("a"), "scorecard": "trial"}
    records = [
        health("a", 100, activity=activity(98, 1.0, 2.0, 3.0, expected=None), other_scorecards=[trial]),
        health("a", 101, activity=activity(100, 3.5, 4.0)),
        health("a", 103),
    ]
    for offset, number in enumerate(order):
        sink.write(batch(records[number], old=offset or None, topic=HEALTH))
    told = {days: read_account(url, "a", days=days)["activity"] for days in (4, 28)}
    days = [(each["day"], each["actions"], each["expected"], each["dispersion"]) for each in told[28]]
    assert days == [(101, 4.0, 5.0, 2.5), (100, 3.5, 5.0, 2.5), (99, 2.0, None, None), (98, 1.0, None, None)]
    assert [each["day"] for each in told[4]] == [101, 100]
    assert len(rows(url, "SELECT * FROM health_history WHERE activity IS NOT NULL")) == 2


def test_health_fills_in_an_account_that_an_alert_made_known(sink: DatabaseSink, url: str) -> None:
    sink.write(batch(alert("a", parent_account_id="group")))
    assert rows(url, "SELECT band, segment FROM accounts") == [{"band": None, "segment": "mid_market"}]
    sink.write(batch(health("a", parent_account_id="group"), topic=HEALTH))
    sink.write(batch(alert("a", 2), old=1))
    assert rows(url, "SELECT band, parent_account_id FROM accounts") == [{"band": "red", "parent_account_id": "group"}]


def test_a_payload_is_read_back_as_it_was_written(sink: DatabaseSink, url: str) -> None:
    value = alert("Zoë \u202egnol\u202c 客户 \U0001f600 '; DROP TABLE alerts; --", summary="\\u0000 is not NUL")
    sink.write(batch(value))
    [row] = rows(url, "SELECT account_id, payload FROM alert_revisions")
    assert row["account_id"] == value["account_id"]
    assert json.loads(row["payload"]) == value


def test_composed_and_decomposed_names_are_two_accounts(sink: DatabaseSink, url: str) -> None:
    sink.write(batch(health("caf\u00e9"), health("cafe\u0301"), topic=HEALTH))
    assert len(rows(url, "SELECT * FROM accounts")) == 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (alert("a", summary="nul \x00 inside"), "nul_character"),
        (alert("a\x00b"), "nul_character"),
        (alert("a", dimensions=[{"name": "\x00", "state": "down"}]), "nul_character"),
        (alert("a", summary="half \ud83d"), "bad_text"),
        (alert("a", score=float("nan")), "bad_value"),
        (alert("a", score=float("inf")), "bad_value"),
        (alert("a", updated_at=2**63), "refused_by_database"),
        (health("a", coverage=float("-inf")), "bad_value"),
        (health("a", band="re\x00d"), "nul_character"),
        ({name: value for name, value in alert("a").items() if name != "signal"}, "bad_record"),
        (alert("a") | {"revision": "1"}, "bad_record"),
        (alert("a", owner={"user": "x"}), "bad_record"),
        (alert("a", status=None), "refused_by_database"),
        (health("a", band=None), "refused_by_database"),
    ],
)
def test_a_record_that_can_never_be_stored_is_named_and_nothing_is_written(
    sink: DatabaseSink, url: str, bad: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SinkRejectedError) as caught:
        sink.write(batch(alert("good"), bad, alert("fine")))
    assert [(each.index, each.reason) for each in caught.value.rejections] == [(1, reason)]
    assert set(counts(url).values()) == {0}
    assert sink.positions(ALERTS) == {}
    sink.write(DeliveryBatch([record(alert("good")), record(alert("fine"), 2)], [Advance(ALERTS, 0, None, 3)]))
    assert counts(url)["alerts"] == 2
    assert sink.positions(ALERTS) == {0: 3}


def test_a_batch_from_a_position_that_was_passed_is_a_conflict(sink: DatabaseSink, url: str) -> None:
    sink.write(batch(alert("a"), alert("b")))
    for stale in (None, 0, 1, 3):
        with pytest.raises(PositionConflictError, match="another writer"):
            sink.write(batch(alert("c"), old=stale))
    assert counts(url)["alerts"] == 2
    assert sink.positions(ALERTS) == {0: 2}


def test_one_stale_partition_holds_back_the_whole_batch(sink: DatabaseSink, url: str) -> None:
    sink.write(DeliveryBatch([], [Advance(ALERTS, 0, None, 5), Advance(ALERTS, 1, None, 7)]))
    both = DeliveryBatch(
        [record(alert("a"), 5, 0), record(alert("b"), 8, 1)],
        [Advance(ALERTS, 0, 5, 6), Advance(ALERTS, 1, 8, 9)],
    )
    with pytest.raises(PositionConflictError):
        sink.write(both)
    assert sink.positions(ALERTS) == {0: 5, 1: 7}
    assert counts(url)["alerts"] == 0


def test_positions_of_another_cluster_are_its_own(sink: DatabaseSink, url: str) -> None:
    sink.write(batch(alert("a")))
    other = DatabaseSink(url, cluster="started-anew")
    assert other.positions(ALERTS) == {}
    other.write(batch(alert("a"), alert("b")))
    assert (sink.positions(ALERTS), other.positions(ALERTS)) == ({0: 1}, {0: 2})
    other.close()


def test_a_failure_before_commit_leaves_nothing_behind(url: str) -> None:
    class CrashedError(Exception):
        pass

    def crash() -> None:
        raise CrashedError

    sink = DatabaseSink(url, before_commit=crash)
    with pytest.raises(CrashedError):
        sink.write(batch(alert("a"), health("a")))
    assert set(counts(url).values()) == {0}
    assert sink.positions(ALERTS) == {}
    sink.close()
    sink = DatabaseSink(url)
    sink.write(batch(alert("a")))
    assert sink.positions(ALERTS) == {0: 1}
    sink.close()


def test_the_same_revision_with_other_content_is_reported_and_the_first_stands(sink: DatabaseSink, url: str) -> None:
    sink.write(batch(alert("a", summary="first")))
    written = sink.write(batch(alert("a", summary="second"), alert("b"), old=1))
    assert written.conflicts == ((alert_id("a"), 1),)
    within = sink.write(batch(alert("c", summary="first"), alert("c", summary="second"), old=3))
    assert within.conflicts == ((alert_id("c"), 1),)
    assert {row["summary"] for row in rows(url, "SELECT summary FROM alerts WHERE account_id <> 'b'")} == {"first"}


def test_an_alert_of_the_open_day_shows_in_its_case_whatever_people_said_meanwhile(
    sink: DatabaseSink, url: str
) -> None:
    def shown() -> tuple[Any, ...]:
        [row] = rows(url, "SELECT status, severity, lead_kind, summary, priority FROM cases")
        return tuple(row.values())

    def payment(revision: int, severity: str, day: int) -> dict[str, Any]:
        at = {"detected_at": day * DAY_MS, "updated_at": day * DAY_MS}
        return alert(
            "pay", revision, case_id="case-1", kind="payment_failed", severity=severity, summary=severity, **at
        )

    nothing_yet: dict[str, Any] = {
        "lead_alert_id": None,
        "lead_kind": None,
        "severity": "info",
        "summary": "",
        "priority": 0,
    }
    of_command: dict[str, Any] = {"cause": "command", "last_command": {"action": "acknowledge", "author": "ann"}}
    sink.write(batch(payment(1, "warning", 102)))
    sink.write(batch(case(**nothing_yet, **of_command, status="acknowledged", updated_at=102 * DAY_MS + 1), old=1))
    assert shown()[:4] == ("acknowledged", "warning", "payment_failed", "warning")
    sink.write(batch(payment(2, "error", 103), old=2))
    assert shown()[:4] == ("acknowledged", "error", "payment_failed", "error")
    sink.write(batch(case(revision=2, severity="warning", updated_at=104 * DAY_MS), old=3))
    assert shown() == ("open", "warning", "usage_drop", "acme: usage fell by 69 %", 40)
    sink.write(batch(case(revision=3, **of_command, status="snoozed", updated_at=104 * DAY_MS + 1), old=4))
    sink.write(batch(payment(2, "error", 103), old=5))
    assert shown()[:2] == ("snoozed", "warning")
    sink.write(batch(payment(3, "critical", 105), old=6))
    assert shown()[:3] == ("open", "critical", "payment_failed")
    sink.write(batch(case(revision=4, status="closed", updated_at=106 * DAY_MS), old=7))
    sink.write(batch(payment(4, "warning", 107), old=8))
    assert shown()[:3] == ("open", "warning", "payment_failed")


def test_an_alert_makes_its_case_known_until_the_first_revision_comes(sink: DatabaseSink, url: str) -> None:
    sink.write(batch(alert("acme", case_id="case-1"), alert("b", case_id="case-2", status="resolved")))
    [stub] = rows(url, "SELECT * FROM v_open_cases")
    assert (stub["case_id"], stub["revision"], stub["lead_kind"], stub["subject"]) == (
        "case-1",
        0,
        "usage_drop",
        "risk",
    )
    sink.write(batch(case(priority=40, revision=2), case(priority=30), alert("acme", 2, case_id="case-1"), old=2))
    [known] = rows(url, "SELECT * FROM v_open_cases")
    assert (known["revision"], known["priority"], known["step_id"]) == (2, 40, "usage-review")
    assert known["responsible"] == "csm-17"
    assert sink.write(batch(case(summary="another"), old=5)).conflicts == (("case-1", 1),)
    sink.write(batch(case(revision=3, status="closed"), old=6))
    assert rows(url, "SELECT * FROM v_open_cases") == []
    assert len(rows(url, "SELECT * FROM case_revisions")) == 3


def test_a_command_and_its_result_make_one_row_in_either_order(sink: DatabaseSink, url: str) -> None:
    said = [
        said_by(
            account_id="acme", action="feedback", author="ann", issued_at=10**12 + n, verdict=verdict, kind="usage_drop"
        )
        | {"command_id": f"c{n}"}
        for n, verdict in enumerate(("useful", "false_alarm", "late"))
    ]
    done = [
        {**{name: each[name] for name in ("command_id", "account_id", "author", "action")}, "at": each["issued_at"]}
        | {"result": result, "reason": None, "case_revision": 7, "case_id": None}
        for each, result in zip(said, ("applied", "applied", "refused"), strict=True)
    ]
    by_close: dict[str, Any] = {
        "last_command": {"command_id": "c0", "action": "feedback", "author": "ann", "at": 0, "note": None}
    }
    sink.write(batch(done[0], said[0], said[1], done[1], said[2], done[2], case(**by_close)))
    kept = rows(url, "SELECT * FROM alert_commands ORDER BY command_id")
    assert [(row["verdict"], row["result"], row["case_revision"]) for row in kept] == [
        ("useful", "applied", 7), ("false_alarm", "applied", 7), ("late", "refused", 7)
    ]  # fmt: skip
    [told] = rows(url, "SELECT * FROM v_feedback")
    assert (told["kind"], told["useful"], told["false_alarm"], told["late"], told["n"]) == ("usage_drop", 1, 1, 0, 2)
    assert told["useful_rate"] == 0.5
    sink.write(batch(case(revision=2, cause="command", **by_close), old=7))
    authors = rows(url, "SELECT author FROM case_revisions ORDER BY revision")
    assert [row["author"] for row in authors] == [None, "ann"]


def test_a_database_without_tables_is_unavailable_and_says_what_to_run(tmp_path: Path) -> None:
    sink = DatabaseSink(f"sqlite:///{tmp_path / 'new' / 'empty.db'}")
    for attempt in (lambda: sink.positions(ALERTS), lambda: sink.write(batch(alert("a")))):
        with pytest.raises(SinkUnavailableError, match="foreshock db upgrade") as caught:
            attempt()
        assert caught.value.retry_after_s > 1
    sink.close()


def test_views_show_times_as_timestamps(sink: DatabaseSink, url: str) -> None:
    sink.write(batch(alert("a"), alert("b", status="resolved"), health("a"), health("z", band="green")))
    [opened] = rows(url, "SELECT * FROM v_open_alerts")
    assert opened["account_id"] == "a"
    assert str(opened["starts_at"]).startswith("1970-04-11")
    [risky] = rows(url, "SELECT * FROM v_accounts_at_risk")
    assert (risky["account_id"], risky["open_alerts"], risky["urgent_alerts"]) == ("a", 1, 1)
    assert str(risky["renewal_at"]).startswith("1970-05-31")
    history = rows(url, "SELECT * FROM v_health_history WHERE account_id = 'a'")
    assert [str(row["date"]) for row in history] == ["1970-04-11"]
    assert json.loads(history[0]["dimension_values"]) == {"sentiment": None, "usage_trend": 0.2}
    assert rows(url, "SELECT starts_at_ms FROM alerts WHERE account_id = 'a'")[0]["starts_at_ms"] == 100 * DAY_MS


def test_the_portfolio_of_a_day_counts_bands_and_money_by_segment(sink: DatabaseSink, url: str) -> None:
    small = alert()["context"] | {"segment": "smb", "arr_minor": 100}
    values = [health("a"), health("b", band="green"), health("c", context=small), health("a", 101)]
    sink.write(batch(*values, topic=HEALTH))
    columns = "segment, accounts, red, green, arr_minor, red_arr_minor"
    query = f"SELECT {columns} FROM v_portfolio_daily WHERE day = 100 ORDER BY segment"
    found = [tuple(row.values()) for row in rows(url, query)]
    assert found == [("mid_market", 2, 1, 1, 9_600_000, 4_800_000), ("smb", 1, 1, 0, 100, 100)]


def test_every_account_counts_on_every_day_until_its_next_record(sink: DatabaseSink, url: str) -> None:
    large = alert()["context"] | {"segment": "large", "arr_minor": 700}
    trial = health("a")["dimensions"], {"scorecard": "trial", "version": 1, "shadow": True, "score": 50.0}
    other = trial[1] | {"band": "yellow", "previous_band": "grey", "band_since": None, "coverage": 1.0}
    values = [
        health("a", other_scorecards=[other | {"dimensions": trial[0], "groups": [], "config_change": None}]),
        health("b", band="green", score=80.0),
        health("b", 102, band="yellow", score=60.0),
        health("a", 103, context=large, band="grey", score=None),
        health("b", 104, band="yellow", score=58.0),
    ]
    sink.write(batch(*values, topic=HEALTH))
    columns = "day, segment, accounts, green, yellow, red, grey, mean_score, arr_minor, red_arr_minor"
    query = f"SELECT {columns} FROM v_portfolio_daily WHERE scorecard = 'default' ORDER BY day, segment DESC"
    arr = alert()["context"]["arr_minor"]
    assert [tuple(row.values()) for row in rows(url, query)] == [
        (100, "mid_market", 2, 1, 0, 1, 0, 59.25, 2 * arr, arr),
        (102, "mid_market", 2, 0, 1, 1, 0, 49.25, 2 * arr, arr),
        (103, "mid_market", 1, 0, 1, 0, 0, 60.0, arr, 0),
        (103, "large", 1, 0, 0, 0, 1, None, 700, 0),
        (104, "mid_market", 1, 0, 1, 0, 0, 58.0, arr, 0),
        (104, "large", 1, 0, 0, 0, 1, None, 700, 0),
    ]
    # Since its record of day 103 the account is not judged by it any more.
    trials = rows(url, "SELECT day, yellow FROM v_portfolio_daily WHERE scorecard = 'trial' ORDER BY day")
    assert [tuple(row.values()) for row in trials] == [(100, 1), (102, 1)]


def test_days_in_band_run_until_the_last_closed_day_of_all_accounts(sink: DatabaseSink, url: str) -> None:
    reason = {"kind": "risk_opened", "dimension": "", "severity": "critical", "alert_id": "x", "band_by_score": "green"}
    values = [
        health("told-long-ago", 100, band_since=100 * DAY_MS),
        health("told-lately", 109, band_since=104 * DAY_MS, band_reason=reason),
    ]
    sink.write(batch(*values, topic=HEALTH))
    found = rows(url, "SELECT account_id, days_in_band, is_new FROM v_red_accounts ORDER BY account_id")
    assert [(row["account_id"], row["days_in_band"], bool(row["is_new"])) for row in found] == [
        ("told-lately", 6, True),
        ("told-long-ago", 10, False),
    ]
    caps = rows(url, "SELECT account_id, band_by_score, capped_by FROM v_scorecards ORDER BY account_id")
    assert [tuple(row.values())[1:] for row in caps] == [("green", "risk_opened"), (None, None)]


def test_accounts_that_are_not_judged_are_known_and_in_no_list(sink: DatabaseSink, url: str) -> None:
    lives = {"a": "active", "b": "gone_quiet", "c": "ended", "d": "test"}
    sink.write(batch(*(health(name, life=life) for name, life in lives.items()), topic=HEALTH))
    sink.write(batch(*(alert(account_id=name, alert_id=f"alert of {name}") for name in lives)))
    known = rows(url, "SELECT account_id, life FROM accounts")
    assert {row["account_id"]: row["life"] for row in known} == lives
    for view in ("v_accounts_at_risk", "v_scorecards", "v_red_accounts", "v_worst_accounts"):
        assert [row["account_id"] for row in rows(url, f"SELECT * FROM {view} ORDER BY account_id")] == ["a", "b"], view
    assert [row["life"] for row in rows(url, "SELECT * FROM v_accounts_at_risk ORDER BY account_id")] == [
        "active",
        "gone_quiet",
    ]
    for view in ("v_portfolio_daily", "v_owners"):
        assert [row["accounts"] for row in rows(url, f"SELECT * FROM {view}")] == [2], view


def test_an_open_alert_says_when_what_it_announces_takes_effect(sink: DatabaseSink, url: str) -> None:
    sink.write(batch(alert(due_at=200 * DAY_MS)))
    [opened] = rows(url, "SELECT * FROM v_open_alerts")
    assert str(opened["due_at"]).startswith("1970-07-20")


def test_upgrading_twice_is_upgrading_once(url: str) -> None:
    assert check(url).up_to_date
    assert upgrade(url) == check(url)


def test_each_migration_can_be_taken_back(url: str) -> None:
    before = schema(url)
    engine = open_engine(url, writer=True)
    configuration = migrate._configuration()
    for version in ("0001", "base", "head"):
        with engine.begin() as connection:
            configuration.attributes["connection"] = connection
            (command.upgrade if version == "head" else command.downgrade)(configuration, version)
    engine.dispose()
    assert schema(url) == before
    assert check(url).up_to_date


def schema(url: str) -> dict[str, set[str]]:
    """Indexes by table."""
    engine = open_engine(url)
    inspector = inspect(engine)
    found = {name: {str(each["name"]) for each in inspector.get_indexes(name)} for name in inspector.get_table_names()}
    engine.dispose()
    return found
