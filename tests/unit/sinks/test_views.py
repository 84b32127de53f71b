"""Every view says the same on both databases, of accounts with several scorecards, families and currencies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import insert, inspect

from agents.delivery.portfolio import PortfolioKeeper
from schemas.commands import command
from schemas.topics import DAY_MS
from sinks.database import tables
from sinks.database.engine import open_engine
from sinks.database.migrate import upgrade
from sinks.database.portfolio import PortfolioStore
from sinks.database.sink import DatabaseSink
from sinks.delivery import DeliveryBatch, DeliveryRecord, Projection
from sinks.metrics import Metrics
from tests.servers.postgres import PostgresServer
from tests.support.databases import rows
from tests.unit.sinks.records import alert, batch, context, health, outlook

pytestmark = pytest.mark.servers

NAMES = ("a", "B", "b", "Zoë", "zo\u0308e", "_x", "x-1", "x1", "X 1", "äb", "0", "客户")
BANDS = ("green", "yellow", "red", "grey")


def judged(random: Random, day: int) -> dict[str, Any]:
    """Where an account stands; scores are few, so that some are equal."""
    band = random.choice(BANDS)
    since_day = day - random.choice([0, 3, 6, 7, 20])
    score = None if band == "grey" and random.random() < 0.5 else random.choice([10.0, 33.3, 50.1, 90.0])
    return {"band": band, "previous_band": "grey", "band_since": since_day * DAY_MS, "score": score, "coverage": 0.7}


def card(random: Random, name: str, day: int) -> dict[str, Any]:
    change = {"from_version": 1, "to_version": 3, "score_before": 12.5, "score_after": 50.1}
    return judged(random, day) | {
        "scorecard": name,
        "version": 3,
        "shadow": name == "trial",
        "groups": [],
        "dimensions": [],
        "config_change": random.choice([None, change]),
    }


def population() -> Iterator[dict[str, Any]]:
    """Health of three days, and alerts, some of them in shadow."""
    random = Random(11)
    for number, name in enumerate(name + suffix for name in NAMES for suffix in ("", "'s", "~")):
        known = {
            "parent_account_id": random.choice([None, "holding", *NAMES]),
            "owner": random.choice([None, "ann", "Bob", "Zoë"]),
            "context": context()
            | {
                "arr_minor": random.choice([None, 0, 700, 700, 12_345_678_901_234]),
                "currency": random.choice(["EUR", "EUR", "EUR", "USD", None]),
                "segment": random.choice([None, "smb", "large"]),
            },
        }
        for day in range(100, 103 - number % 3):
            others = [card(random, each, day) for each in ("trial", "customer", "relations") if random.random() < 0.7]
            renewal = random.choice([None, 99 * DAY_MS, 140 * DAY_MS])
            told = {"outlook": random.choice([None, *[outlook(random.choice([0.01, 0.25]), renewal)] * 3])}
            yield health(name, day, **known, **told, **judged(random, day), other_scorecards=others)
        status = random.choice(["firing", "acknowledged", "resolved", "retracted"])
        yield alert(
            name,
            case_id=f"case of {name}",
            shadow=random.random() < 0.3,
            status=status,
            severity=random.choice(["error", "info"]),
        )


def opinions() -> Iterator[dict[str, Any]]:
    """What people say of alerts, and the results of that."""
    random = Random(13)
    for number in range(60):
        name = random.choice(NAMES)
        verdict, outcome = random.choice(["useful", "known", "late"]), "false_alarm"
        given = random.choice([{"verdict": verdict, "alert_id": alert(name)["alert_id"]}, {"verdict": verdict}])
        kinds = random.choice(["feedback", "expected", "resolve"])
        said = command(account_id=name, action=kinds, author="ann", issued_at=10**12 + number, outcome=outcome, **given)
        said["command_id"], said["kind"] = f"c{number}", random.choice([None, "usage_drop"])
        yield said | {"case_id": f"case of {name}"}
        kept = {each: said[each] for each in ("command_id", "account_id", "author", "action")}
        yield kept | {"result": random.choice(["applied", "applied", "refused"]), "at": said["issued_at"]}


def facts() -> list[DeliveryRecord]:
    """Subscriptions and answers of three months."""
    random = Random(12)
    made = []
    for number, name in enumerate(NAMES * 4):
        value = {
            "event_id": f"e{number}",
            "account_id": name,
            "type": random.choice(["subscription_started", "subscription_changed", "subscription_cancelled"]),
            "occurred_at": 90 * DAY_MS + random.randrange(95 * DAY_MS),
            "subscription_id": None,
            "mrr_minor_after": random.choice([0, 500, 990]),
            "seats_after": None,
            "currency": "EUR",
        }
        made.append(DeliveryRecord("billing.events", 0, number, Projection.FACT, value))
        value = {
            "event_id": f"a{number}",
            "account_id": random.choice(NAMES),
            "type": random.choice(["nps", "csat", "ces"]),
            "occurred_at": random.randrange(20, 103) * DAY_MS,
            "score": float(random.choice([1, 3, 4])),
            "scale": random.choice([None, 4.0, 10.0]),
        }
        made.append(DeliveryRecord("customer.signals", 0, number, Projection.FACT, value))
    return made


def filled(url: str) -> str:
    upgrade(url)
    sink, store = DatabaseSink(url), PortfolioStore(url)
    sink.write(batch(*population(), *opinions()))
    sink.write(DeliveryBatch(facts(), []))
    engine = open_engine(url, writer=True)
    with engine.begin() as connection:
        connection.execute(insert(tables.teams), [{"owner": "ann", "team": "north"}, {"owner": "Zoë", "team": "south"}])
    engine.dispose()
    PortfolioKeeper(store, "UTC", Metrics()).refresh()
    sink.close()
    store.close()
    return url


@pytest.fixture(scope="module")
def both(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The same in SQLite and in PostgreSQL."""
    file: Path = tmp_path_factory.mktemp("views") / "foreshock.db"
    return filled(f"sqlite:///{file}"), filled(postgres.create_database("views"))


def plain(value: Any) -> Any:
    """A value without what is the database's own: how it holds times, truth and long numbers."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    if isinstance(value, Decimal):
        assert value == value.to_integral_value()
    if isinstance(value, bool | Decimal):
        return int(value)
    return round(value, 9) if isinstance(value, float) else value.isoformat() if isinstance(value, date) else value


VIEWS = (
    "v_account_answers", "v_accounts_at_risk", "v_company", "v_dimensions", "v_families", "v_feedback",
    "v_health_history", "v_open_alerts", "v_open_cases", "v_outlook", "v_owners", "v_portfolio_daily",
    "v_portfolio_metrics", "v_red_accounts", "v_renewals", "v_scorecards", "v_teams", "v_worst_accounts",
)  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_same_rows_on_both_databases(both: tuple[str, str], view: str) -> None:
    ours, theirs = (
        sorted((tuple(plain(value) for value in row.values()) for row in rows(url, f"SELECT * FROM {view}")), key=str)
        for url in both
    )
    assert len(ours) >= 3
    assert ours == theirs


def test_no_view_is_left_out(both: tuple[str, str]) -> None:
    for url in both:
        engine = open_engine(url)
        assert set(inspect(engine).get_view_names()) == set(VIEWS)
        engine.dispose()
