"""What keeps an alert closed, and in which order it is asked."""

from __future__ import annotations

import pytest

from pipeline.books.book import Book, Context, Episode
from pipeline.close.bands import is_of_use
from pipeline.close.inhibition import followed, inhibitor
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.kinds import KINDS
from pipeline.terms.hashing import hash_text
from schemas.topics import DAY_MS
from tests.support.scene import Stage

ROW = 0
EVERYTHING = ("feed", "fleet", "smb", "parent", "usage_drop")


def episode(kind: str, severity: str = "error") -> Episode:
    return Episode(kind, "total_usage", 0, 0, 0, severity, 1.0, 2.0, 3.0)


def asked(kind: str, *open_alerts: str) -> str | None:
    """What inhibits a kind in an account of the segment smb below `holding` while these are open."""
    state, own = Feed(EngineConfig(), 0).state, Book()
    state.accounts.belonging.put([ROW], [Context(segment="smb", parent_account_id="holding")])
    books = state.fleet_alerts.books
    for each in open_alerts:
        if each == "feed":
            books.setdefault(None, Book()).episodes.append(episode("usage_feed_stopped"))
        elif each in ("fleet", "smb", "large"):
            books.setdefault(None if each == "fleet" else each, Book()).episodes.append(episode("fleet_dip"))
        elif each == "parent":
            state.fleet.alarmed = frozenset({hash_text("holding")})
        else:
            own.episodes.append(episode(each))
    found = inhibitor(state, ROW, own, KINDS[kind])
    return None if found is None else found[0]


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.scope == "usage"])
def test_the_widest_of_all_that_is_open_keeps_an_alert_on_usage_closed(kind: str) -> None:
    order = ["feed", "fleet", "fleet", "parent"]
    for place, expected in enumerate(order):
        assert asked(kind, *reversed(EVERYTHING[place:])) == expected
    for alone, expected in (("feed", "feed"), ("fleet", "fleet"), ("smb", "fleet"), ("parent", "parent")):
        assert asked(kind, alone) == expected
    assert asked(kind) is None
    assert asked(kind, "large") is None


def test_a_drop_of_the_account_keeps_alerts_on_its_parts_closed() -> None:
    assert asked("users_drop", "usage_drop") == "account"
    assert asked("feature_abandonment", "usage_drop") == "account"
    assert asked("silence", "users_drop") is None


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.scope == "other"])
def test_alerts_that_are_not_on_usage_ask_nobody_wider(kind: str) -> None:
    assert asked(kind, *EVERYTHING[:-1]) is None


@pytest.mark.parametrize("kind", ["sentiment_gap", "health_changed", "renewal_at_risk"])
@pytest.mark.parametrize(
    ("severity", "opened", "expected"),
    [
        ("warning", [("power_user_decline", "warning"), ("usage_drop", "error")], "usage_drop"),
        ("error", [("power_user_decline", "warning"), ("usage_drop", "error")], "usage_drop"),
        ("critical", [("usage_drop", "error")], None),
        ("error", [("time_drop", "warning")], None),
        ("warning", [("payment_failed", "critical"), ("users_growth", "critical")], None),
        ("warning", [("sentiment_gap", "error"), ("health_changed", "error"), ("renewal_at_risk", "error")], None),
        ("warning", [("time_drop", "error")], None),
    ],
)
def test_what_follows_joins_the_worst_alert_about_use_that_is_no_less_severe(
    kind: str, severity: str, opened: list[tuple[str, str]], expected: str | None
) -> None:
    book = Book(episodes=[episode(*each) for each in opened])
    shadow = ("time_drop",) if severity == "warning" else ()
    found = followed(book, KINDS[kind], severity, shadow)
    assert (found.kind if found else None) == expected
    assert followed(book, KINDS[kind], severity, (kind,)) is None
    assert followed(book, KINDS["usage_drop"], severity, ()) is None


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([("usage_trend", -10.0), ("billing", -8.0)], True),
        ([("billing", -10.0), ("usage_trend", -5.0), ("power_users", -5.0)], True),
        ([("billing", -12.0), ("usage_trend", -8.0), ("support", -4.0)], False),
        ([("scorecard:adoption", -20.0), ("feature:home", -1.0)], False),
        ([("usage_trend", 2.0), ("support", -9.0)], False),
    ],
)
def test_health_follows_from_use_where_nearly_half_of_its_fall_does(
    points: list[tuple[str, float]], expected: bool
) -> None:
    assert is_of_use(points, sum(part for _, part in points)) is expected


def using(days: int, *, content: bool = True) -> Stage:
    """An account of 120 steady days that then does a third as much; its people may say that all is well."""
    stage = Stage()
    stage.send("account.profiles", {"name": "Acme", "renewal_at": stage.now_ms + 180 * DAY_MS})
    for day in range(days):
        for user in ("ann", "bob", "cleo")[: 3 if day < 120 else 1]:
            stage.send("usage.events", {"user_id": user, "feature": "home", "quantity": 30.0})
        if content and day == 110:
            stage.send("customer.signals", {"type": "pulse", "score": 5.0})
        stage.pass_days(1)
    return stage


def test_what_follows_is_told_with_the_alert_that_it_follows_from() -> None:
    stage = using(140)
    assert {alert["kind"] for alert in stage.alerts if alert["family"] == "risk"} == {"usage_drop"}
    told = stage.of_kind("usage_drop")
    # The renewal is at risk with the band that the drop caps, so on its day; the others come later.
    joined = ["renewal_at_risk", "sentiment_gap", "health_changed"]
    assert [alert["joined"] for alert in told] == [joined[:1], joined[:2], joined]
    assert [(alert["revision"], alert["transition_reason"]) for alert in told] == [(n, "detected") for n in (1, 2, 3)]
    assert len({(alert["signal"]["observed"], alert["severity"]) for alert in told}) == 1
    assert told[-1]["summary"].endswith("; the renewal came near, sentiment stayed good, health got worse")


def test_what_is_worse_than_the_alert_that_it_follows_from_stands_by_itself() -> None:
    stage = using(150, content=False)
    [renewal] = stage.of_kind("renewal_at_risk")
    assert (renewal["severity"], renewal["health"]["band"]) == ("critical", "red")


def test_what_follows_stands_by_itself_when_the_alert_is_over() -> None:
    stage = using(140)
    stage.send("customer.signals", {"type": "risk_raised", "subject": "budget"})
    for _ in range(12):
        for user in ("ann", "bob", "cleo"):
            stage.send("usage.events", {"user_id": user, "feature": "home", "quantity": 30.0})
        stage.pass_days(1)
    drop, renewal = stage.of_kind("usage_drop")[-1], stage.of_kind("renewal_at_risk")[0]
    assert (drop["status"], renewal["status"], renewal["severity"]) == ("resolved", "firing", "error")
    assert renewal["detected_at"] == drop["ends_at"]
    # Four weeks are below the expected still, but the last one is not.
    assert stage.of_kind("sentiment_gap") == []
