"""The console over a database that was filled through the sink, and the commands that its pages send."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.testclient import TestClient

from agents.console.routes import ROUTES
from agents.console.state import console_of
from agents.settings import load
from agents.web.app import build
from agents.web.sign_in import hashed
from pipeline.terms.days import weekday
from schemas.codec.encode import RecordDecoder
from schemas.registry.source import FileRegistry
from sinks.database import people
from sinks.database.engine import open_engine
from sinks.database.migrate import upgrade
from sinks.database.sink import DatabaseSink
from sinks.delivery import Advance, DeliveryBatch, DeliveryRecord, Projection
from tests.support.inbox import case_of
from tests.unit.sinks.records import DAY_MS, alert, context, health
from tests.unit.web.shell import PASSWORD, sign_in

HOSTILE = '<img src=x onerror="alert(1)">"&amp;\' Ltd'
FIRST, LAST = 60, 101
OWNERS = {"acme": "ann", "brix": "bob", "cyan": "ann", "dune": "bob"}


@cache
def empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        upgrade(f"sqlite:///{folder}/foreshock.db")
        return Path(folder, "foreshock.db").read_bytes()


_POINTS = [{"criterion": "usage_trend", "points": -8.25}, {"criterion": "billing", "points": 1.5}]


def alerts() -> list[dict[str, Any]]:
    """Acme's usage fell and a survey was bad, Brix's renewal is near, of Cyan little is known, the fleet dipped."""
    at = {"starts_at": 98 * DAY_MS, "detected_at": 99 * DAY_MS}
    onset = {"low": 95 * DAY_MS, "estimate": 96 * DAY_MS, "high": 98 * DAY_MS}
    return [
        alert("acme", kind="usage_drop", owner="ann", score=19.0, onset=onset, **at, summary=f"{HOSTILE}: usage fell"),
        alert("acme", kind="survey_detractor", owner="ann", score=16.0, severity="warning", **at),
        alert("brix", kind="renewal_at_risk", owner="bob", score=20.0, severity="critical", **at),
        alert("brix", kind="health_changed", owner="bob", score=15.0, severity="warning", points=_POINTS, **at),
        alert("cyan", kind="usage_drop", owner="ann", score=11.0, severity="warning", **at),
        alert("fleet", kind="fleet_dip", family="system", owner=None, score=14.0, severity="warning", **at),
    ]


def cases(known: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    held = [{"kind": "users_drop", "by": "fleet", "by_alert": None, "since": 99 * DAY_MS, "until": None}]
    acme, brix, cyan, fleet = known[:2], known[2:4], known[4:5], known[5:]
    return [
        case_of(acme, account_name=HOSTILE, priority=90, overdue=True),
        case_of(brix, account_name="Brix", priority=95, status="acknowledged", acknowledged_by="bob"),
        case_of(cyan, account_name="Cyan", priority=40, suppressed=held),
        case_of(fleet, account_name="all accounts", priority=30),
    ]


class World:
    """An application over SQLite, and what was sent."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.url = f"sqlite:///{folder / 'foreshock.db'}"
        (folder / "foreshock.db").write_bytes(empty_database())
        self.sent: list[dict[str, Any]] = []
        given = {"database__url": self.url, "kafka__bootstrap": "127.0.0.1:1", **settings}
        self.settings = load(None, {f"FORESHOCK_{name}".upper(): str(value) for name, value in given.items()})
        self.app = build(self.settings, ROUTES, publish=self._keep)
        self.alerts = alerts()
        self.cases = cases(self.alerts)
        self.taken: dict[str, int] = {}
        self.deliver("account.health", Projection.HEALTH, list(healths()))
        known = {each["alert_id"]: case["case_id"] for case in self.cases for each in case["alerts"]}
        self.deliver(
            "alerts.health", Projection.ALERT, [{**each, "case_id": known[each["alert_id"]]} for each in self.alerts]
        )
        self.deliver("cases", Projection.CASE, self.cases)
        said = {"account_id": "acme", "case_id": self.cases[0]["case_id"], "author": f"ann{HOSTILE}", "note": HOSTILE}
        asked = {"command_id": "c-1", "action": "comment", "issued_at": 100 * DAY_MS, **said}
        self.deliver("alert.commands", Projection.COMMAND, [asked])

    def deliver(self, topic: str, projection: Projection, values: Sequence[dict[str, Any]]) -> None:
        """Write records as the delivery does."""
        sink = DatabaseSink(self.url, cluster=self.settings.app.group)
        start = self.taken.get(topic)
        end = (start or 0) + len(values)
        records = [
            DeliveryRecord(topic, 0, number, projection, value) for number, value in enumerate(values, start or 0)
        ]
        sink.write(DeliveryBatch(records, [Advance(topic, 0, start, end)]))
        self.taken[topic] = end
        sink.close()

    def run(self, *statements: Any) -> None:
        engine = open_engine(self.url, writer=True)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)
        engine.dispose()

    def add_user(self, name: str, role: str, scope: str, owner: str | None = None) -> None:
        engine = open_engine(self.url, writer=True)
        with engine.begin() as connection:
            people.put_user(connection, people.User(name, name, role, scope, owner or name, 0), _hash())
        engine.dispose()

    def client(self, name: str | None = None) -> TestClient:
        client = TestClient(self.app, "http://127.0.0.1:8420", follow_redirects=False, client=("127.0.0.9", 1))
        if name is not None:
            assert sign_in(client, name, PASSWORD).status_code == 303
        return client

    def ready(self) -> None:
        """Make the figures of all accounts, which a page does not wait for."""
        console_of(self.app).make_overview()

    def _keep(self, topic: str, _key: bytes, value: bytes) -> None:
        schema = "alert_command" if topic == "alert.commands" else "customer_signal"
        record = RecordDecoder(schema, FileRegistry()).decode(value)
        self.sent.append({name: each for name, each in record.items() if each is not None})


@cache
def _hash() -> str:
    return hashed(PASSWORD)


HOLIDAY = 84
POWER_USERS = [
    {"ref": f"u-1{HOSTILE}", "last_active_day": 94, "active_days": 11},
    {"ref": "u-2", "last_active_day": LAST, "active_days": 20},
]


def activity(day: int) -> dict[str, Any]:
    """Acme's fortnight: quiet on weekends and on a holiday, a third of the usual from day 96 on."""
    days = range(day - 13, day + 1)
    expected = [20.0 if weekday(each) > 4 or each == HOLIDAY else 120.0 for each in days]
    share = [(0.3 if each >= 96 else 1.0) * (0.85 + 0.1 * (each * 7 % 4)) for each in days]
    actions = [round(1000 * part * usual) for part, usual in zip(share, expected, strict=True)]
    users = [round(part * usual / 10) for part, usual in zip(share, expected, strict=True)]
    return {"first_day": days[0], "actions": actions, "users": users, "expected": expected, "dispersion": 3.0}


def healths() -> Any:
    for number, (account_id, owner) in enumerate(OWNERS.items()):
        for day in range(FIRST, LAST + 1, 7 if number else 1):
            score = 90.0 - (day - 90) * 4 if number == 0 and day > 90 else 80.0 - 10 * number
            band = "red" if score < 50 else "yellow" if score < 75 else "green"
            daily = {"activity": activity(day), "power_users": POWER_USERS} if number == 0 else {}
            yield health(
                account_id,
                day,
                **daily,
                score=score,
                band=band,
                owner=owner,
                context=context() | {"arr_minor": 100_000 * (number + 1)},
            )
        yield health(
            account_id,
            LAST,
            **daily,
            score=score,
            band=band,
            owner=owner,
            context=context() | {"arr_minor": 100_000 * (number + 1)},
        )


def act(client: TestClient, **fields: Any) -> Any:
    """Send the form of actions as a page of the console has it."""
    page = client.get("/inbox").text
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return client.post("/act", data={"csrf": found[1], "back": "/inbox", **fields})


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def read(page: str) -> str:
    """What a page says, without markup."""
    parser = _Text()
    parser.feed(page)
    return " ".join(" ".join(parser.parts).split())


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """The page's elements with their attributes."""
    parser = _Text()
    parser.feed(page)
    return parser.tags
