"""Running the core and the oracle on the same log, and comparing what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec
import pytest

from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.kinds import KNOWN
from pipeline.scorecards.card import Scorecard
from pipeline.scorecards.profiles import HealthProfile
from pipeline.state.panes import PANES
from pipeline.state.state import State
from pipeline.terms.calendar import PlannedShutdown
from pipeline.terms.hashing import hash_text
from pipeline.terms.records import Batch, Outcome
from tests.oracle.batches import to_batches
from tests.oracle.days import Days
from tests.oracle.fleet import FleetLog
from tests.oracle.model import DAY_MS, TOPICS, Account, HealthDay, OracleConfig
from tests.oracle.oracle import Oracle
from tests.oracle.streams import Log

COMPARED = (
    "alert_id", "revision", "account_id", "family", "kind", "dimension", "severity", "status", "transition_reason",
    "starts_at", "ends_at", "detected_at", "updated_at", "shadow", "benchmark", "due_at", "joined", "case_id",
)  # fmt: skip

_id_hash = lru_cache(100_000)(hash_text)


def engine_config(config: OracleConfig) -> EngineConfig:
    """The same settings for the core."""
    return EngineConfig(
        out_of_orderness_ms=config.out_of_orderness_ms,
        allowed_lateness_days=config.allowed_lateness_ms // DAY_MS,
        max_skew_ms=config.max_skew_ms,
        timezone=config.timezone,
        arl_days=config.arl_days,
        basic_drop_pct=config.basic_drop_pct,
        basic_min_actions=config.basic_min_actions,
        max_users=config.max_users,
        max_features=config.max_features,
        scorecards=tuple(_scorecard(card) for card in config.cards),
        health_scorecards=config.health_cards,
        shadow_kinds=config.shadow_kinds,
        profiles=tuple(
            msgspec.convert({"name": f"p{number}", **profile}, HealthProfile)
            for number, profile in enumerate(config.profiles)
        ),
        fleet_min_accounts=config.fleet_min_accounts,
        shutdowns=tuple(PlannedShutdown(*shutdown) for shutdown in config.shutdowns),
        p1_sla_hours=config.p1_sla_hours,
        stage_days=config.stage_days,
        enabled_kinds=config.enabled_kinds,
        disabled_kinds=config.disabled_kinds,
        test_accounts=config.test_accounts,
    )


def _scorecard(card: dict[str, Any]) -> Scorecard:
    criteria = [{"dimension": name, "weight": weight} for name, weight in card["criteria"].items()]
    return msgspec.convert(card | {"criteria": criteria}, Scorecard)


def batches_in_order(log: Log, order: Sequence[str], size: int) -> list[Batch]:
    """The log as batches, topics taken in the given order of records, up to `size` records at a time."""
    queues = {topic: to_batches(log, topic, [1] * len(log[topic])) for topic in TOPICS if log.get(topic)}
    if size == 1:
        return [queues[topic].pop(0) for topic in order]
    runs: list[tuple[str, int]] = []
    for topic in order:
        if runs and runs[-1][0] == topic and runs[-1][1] < size:
            runs[-1] = (topic, runs[-1][1] + 1)
        else:
            runs.append((topic, 1))
    sizes: dict[str, list[int]] = {topic: [] for topic in queues}
    for topic, count in runs:
        sizes[topic].append(count)
    whole = {topic: to_batches(log, topic, sizes[topic]) for topic in queues}
    return [whole[topic].pop(0) for topic, _ in runs]


def run_core(feed: Feed, batches: Iterable[Batch]) -> Outcome:
    """Push batches one after the other."""
    outcome = Outcome()
    for batch in batches:
        outcome.extend(feed.push(batch))
    return outcome


def known_to(config: OracleConfig) -> OracleConfig:
    """The settings with what rules leave to the code: the hash of ids, and the plays of kinds."""
    plays: dict[str, tuple[str, str, int]] = {
        name: (kind.evidence, kind.play.id, kind.play.days) for name, kind in KNOWN.items()
    }
    return replace(config, id_hash=_id_hash, plays=plays)


def run_oracle(config: OracleConfig, log: Log) -> Oracle:
    """Feed the whole log; ids that tie are ordered by the core's hash."""
    oracle = Oracle(known_to(config))
    oracle.feed(log)
    return oracle


def run_oracles(config: OracleConfig, logs: Sequence[Log]) -> list[Oracle]:
    """Feed the logs of all partitions; each goes on when the others let it."""
    config = known_to(config)
    fleet = FleetLog(config, Days(config.timezone), len(logs))
    oracles = [Oracle(config, number, fleet) for number in range(len(logs))]
    for oracle, log in zip(oracles, logs, strict=True):
        oracle.feed(log)
    while any(oracle.go_on() for oracle in oracles):
        pass
    return oracles


def alerts_by_identity(alerts: Iterable[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """Alerts by id and revision; the same identity twice must be the same record."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for alert in alerts:
        key = (alert["alert_id"], alert["revision"])
        assert found.setdefault(key, alert) == alert
    return found


def assert_same_alerts(oracle: Oracle | Sequence[Oracle], alerts: Iterable[dict[str, Any]]) -> None:
    """Missing 0, unexpected 0, different 0."""
    found = alerts_by_identity(alerts)
    ours = {key: _identity(record) for key, record in found.items()}
    oracles = [oracle] if isinstance(oracle, Oracle) else list(oracle)
    days = oracles[0].days
    expected_alerts: dict[tuple[str, int], dict[str, Any]] = {}
    for each in oracles:
        expected_alerts |= each.alerts
    theirs = {key: _identity(record) for key, record in expected_alerts.items()}
    unexpected = [record for key, record in ours.items() if theirs.get(key) != record]
    missing = [record for key, record in theirs.items() if ours.get(key) != record]
    assert not unexpected, f"unexpected {unexpected}\nmissing {missing}"
    assert not missing, f"missing {missing}"
    for key, expected in expected_alerts.items():
        signal, evidence = found[key]["signal"], found[key]["evidence"]
        for name, value in (
            ("observed", signal["observed"]),
            ("expected", signal["expected"]),
            ("evidence", evidence["value"]),
        ):
            assert close(value, expected[name]), (key, name, value, expected)
        _assert_same_points(found[key], expected)
        contacts = [each["ref"] for each in found[key]["top_contributors"] if each["kind"] == "contact"]
        assert contacts == [expected["who"]] * bool(expected["who"]), (key, contacts, expected)
        assert _onset(found[key]["onset"], days) == expected["onset"], (key, found[key]["onset"], expected)


def assert_same_cases(oracle: Oracle | Sequence[Oracle], cases: Iterable[dict[str, Any]]) -> None:
    """The same revisions of the same cases, and under one identity one record only."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for case in cases:
        assert found.setdefault((case["case_id"], case["revision"]), case) == case
    expected: dict[tuple[str, int], dict[str, Any]] = {}
    oracles = [oracle] if isinstance(oracle, Oracle) else list(oracle)
    for each in oracles:
        expected |= each.cases
    for key in sorted(found.keys() | expected.keys()):
        ours, theirs = found.get(key), expected.get(key)
        assert ours is not None, f"missing {key}: {theirs}"
        assert theirs is not None, f"unexpected {key}: {ours}"
        told = _case(ours, oracles[0].days)
        assert told == theirs, {name: (told[name], theirs[name]) for name in told if told[name] != theirs[name]}


def _case(record: dict[str, Any], days: Days) -> dict[str, Any]:
    """A case as the oracle tells it."""
    left_out = {"case_id", "revision", "summary", "config_hash"}
    names = ("alert_id", "kind", "dimension", "severity", "since", "muted")
    step = record["step"]
    return {name: value for name, value in record.items() if name not in left_out} | {
        "alerts": [tuple(each[name] for name in names) for each in record["alerts"]],
        "step": None if step is None else (step["id"], step["due_at"]),
        "suppressed": [
            (each["kind"], each["by"], each["by_alert"], days.of(each["since"])) for each in record["suppressed"]
        ],
    }


def assert_same_answers(oracle: Oracle | Sequence[Oracle], results: Iterable[dict[str, Any]]) -> None:
    """Every command that was applied has its answer, the same one however often it is given."""
    names = ("account_id", "command_id", "author", "action", "case_id", "result", "case_revision", "at")
    found = set()
    for result in results:
        assert (result["reason"] is None) == (result["result"] == "applied")
        found.add(tuple(result[name] for name in names))
    answers: list[dict[str, Any]] = []
    for each in [oracle] if isinstance(oracle, Oracle) else oracle:
        answers += each.work.answers
    expected = {tuple(answer[name] for name in names) for answer in answers}
    assert found == expected, (found - expected, expected - found)


def _assert_same_points(alert: dict[str, Any], expected: dict[str, Any]) -> None:
    """Scores are rounded to a tenth: that much of the difference may be on either criterion."""
    points = {each["criterion"]: each["points"] for each in alert["points"]}
    for name in points.keys() | expected["points"].keys():
        assert abs(points.get(name, 0.0) - expected["points"].get(name, 0.0)) < 0.11, (alert, expected)
    change = expected["observed"] - expected["expected"]
    assert not points or abs(sum(points.values()) - change) < 0.01, (alert, expected)


def _identity(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in COMPARED}


def _onset(onset: dict[str, int] | None, days: Days) -> tuple[int, ...] | None:
    return None if onset is None else tuple(days.of(onset[name]) for name in ("estimate", "low", "high"))


def close(value: float, expected: float) -> bool:
    """Equal but for rounding in the sixth decimal."""
    return abs(value - expected) <= 1e-5 * max(1.0, abs(expected))


def assert_same_health(oracle: Oracle, records: Iterable[dict[str, Any]]) -> None:
    """Every record says what the oracle says of its day, and no move of a band goes without a record."""
    published: set[tuple[str, int, str]] = set()
    for record in records:
        account_id, day = record["account_id"], record["day"]
        parts = [record, *record["other_scorecards"]]
        names = [part["scorecard"] for part in parts]
        assert sorted(names) == sorted(name for who, at, name in oracle.verdicts if (who, at) == (account_id, day))
        assert record["life"] == oracle.lives[account_id, day]
        assert_same_outlook(oracle.outlooks[account_id, day], record["outlook"])
        _assert_same_days(*oracle.daily[account_id, day], record)
        for part in parts:
            _assert_same_card(oracle.verdicts[account_id, day, part["scorecard"]], part)
            published.add((account_id, day, part["scorecard"]))
    for key, entry in oracle.verdicts.items():
        assert entry.band == entry.previous_band or key in published, (key, entry)
        assert entry.config_change is None or key in published, (key, entry)


def _assert_same_days(
    activity: dict[str, Any] | None, power_users: list[dict[str, Any]], record: dict[str, Any]
) -> None:
    """What the account did day by day, and who uses it most; what was expected is rounded to three digits."""
    assert record["power_users"] == power_users, (record, power_users)
    found = record["activity"]
    if activity is None or found is None or activity["expected"] is None:
        assert found == activity, (record, activity)
        return
    assert {**found, "expected": 0, "dispersion": 0} == {**activity, "expected": 0, "dispersion": 0}
    assert found["dispersion"] == pytest.approx(activity["dispersion"], rel=1e-6, abs=1e-4)
    assert found["expected"] == pytest.approx(activity["expected"], rel=1e-6, abs=1e-3)


def assert_same_outlooks(oracles: Sequence[Oracle], records: Iterable[dict[str, Any]]) -> None:
    """Every record says what the oracle of its account's partition says is to come, and was day by day."""
    expected = {key: (outlook, oracle.daily[key]) for oracle in oracles for key, outlook in oracle.outlooks.items()}
    for record in records:
        outlook, daily = expected[record["account_id"], record["day"]]
        assert_same_outlook(outlook, record["outlook"])
        _assert_same_days(*daily, record)


def assert_same_outlook(expected: dict[str, Any] | None, found: dict[str, Any] | None) -> None:
    """What is to come, but for the words; probabilities are rounded to four digits."""
    if expected is None or found is None:
        assert expected is found
        return
    assert expected.keys() == found.keys()
    for name in expected.keys() - {"churn", "contraction", "expansion"}:
        assert expected[name] == found[name], (name, expected, found)
    for name in expected.keys() & {"churn", "contraction", "expansion"}:
        theirs, ours = ({**each[name], **each[name]["layers"]} for each in (expected, found))
        for key in theirs.keys() - {"layers"}:
            same = abs(theirs[key] - ours[key]) < 1e-4 if isinstance(theirs[key], float) else theirs[key] == ours[key]
            assert same, (name, key, expected, found)


def _assert_same_card(entry: HealthDay, part: dict[str, Any]) -> None:
    said = (part["version"], part["band"], part["previous_band"], part["score"])
    assert said == (entry.version, entry.band, entry.previous_band, entry.score), (entry, part)
    assert close(part["coverage"], round(entry.coverage, 4))
    values = {dimension["name"]: dimension["value"] for dimension in part["dimensions"]}
    assert values.keys() == entry.dimensions.keys()
    assert all(close(value, entry.dimensions[name]) for name, value in values.items()), (entry, part)
    change = part["config_change"]
    assert (None if change is None else tuple(change.values())) == entry.config_change, (entry, part)
    reason = part["band_reason"]
    assert (None if reason is None else (reason["kind"], reason["dimension"])) == entry.capped_by, (entry, part)


def assert_same_ledger(oracle: Oracle, feed: Feed) -> None:
    """Fates, positions and open day."""
    for topic in TOPICS:
        expected = {fate: count for fate, count in oracle.fates[topic].items() if count}
        assert {fate: count for fate, count in feed.fates[topic].items() if count} == expected, trace(oracle, feed)
        assert feed.positions[topic] == oracle.positions.get(topic, 0), trace(oracle, feed)
        assert feed.topics[topic].ledger.balanced()


def assert_same_windows(oracle: Oracle, feed: Feed) -> None:
    """Day values of every account within the days that the core keeps."""
    accounts = feed.state.accounts
    known = {accounts.ids[row]: row for row in range(1, accounts.size)}
    assert set(known) == set(oracle.accounts)
    for account_id, row in known.items():
        account = oracle.accounts[account_id]
        for day in range(max(0, feed.open_day - 84), feed.open_day + 1):
            for pane in PANES:
                assert accounts.panes[pane][day % 96, row] == getattr(account, pane).get(day, 0), (
                    account_id,
                    pane,
                    day,
                )
        _assert_same_roles(account, feed.state, row)


def _assert_same_roles(account: Account, state: State, row: int) -> None:
    """The two roles that were told last of each user, and when."""
    users = state.users
    told = {
        int(users.hashes[place]): [
            (int(role), int(day))
            for role, day in (
                (users.role[place], users.role_day[place]),
                (users.former_role[place], users.former_day[place]),
            )
            if role
        ]
        for place in users.of_one(row).tolist()
    }
    for user in account.users:
        roles = [(day, hash_text(name)) for name, day in account.roles.get(user, {}).items()]
        assert told[hash_text(user)] == [(role, day) for day, role in sorted(roles, reverse=True)[:2]], (user, roles)


def trace(oracle: Oracle, feed: Feed) -> str:
    """Both ledgers side by side, for a failing test's message."""
    return "\n".join(
        f"{topic}: core {feed.positions[topic]} {dict(feed.fates[topic])} / oracle {oracle.positions.get(topic)} "
        f"{dict(oracle.fates[topic])}"
        for topic in TOPICS
    )
