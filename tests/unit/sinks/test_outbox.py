"""The outbox on both databases: what replaces what, what goes out when, and what becomes of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, text

from agents.notify.keeper import Keeper
from agents.notify.sender import Sender
from pipeline.notify.routing import Person, Route, Routing
from sinks.channels.channel import Outgoing
from sinks.database.engine import open_engine
from sinks.database.messages import Messages
from sinks.database.outbox import Outbox
from sinks.database.sink import DatabaseSink
from sinks.errors import ContentRefusedError, SinkUnavailableError
from sinks.metrics import Metrics
from tests.support.cases import case
from tests.support.databases import rows
from tests.support.patience import wait_until
from tests.unit.notify.test_deciding import HOUR_MS, NOON, alert
from tests.unit.sinks import records
from tests.unit.sinks.records import batch

CRITICAL = {"severity": "critical", "updated_at": NOON}
MILD = {"severity": "warning", "updated_at": NOON}
MORNING = NOON + 20 * HOUR_MS
"""When digests are due."""


class House:
    """A database, its outbox and the rules."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.outbox = Outbox(url)
        self.routing = Routing(
            routes=(Route(receiver="chat"), Route(receiver="pager", severity="critical")),
            channels={"chat": "slack", "pager": "pagerduty", "mail": "email"},
            people={"ana": Person(owner="ana", manager="max"), "max": Person(owner="max")},
            without_digest=frozenset({"pager"}),
            timezone="Europe/Berlin",
        )

    def put(self, *cases: dict[str, Any], now_ms: int = NOON) -> None:
        self._write(lambda connection, to: to.put_cases(connection, cases, now_ms))

    def put_alerts(self, *alerts: dict[str, Any]) -> None:
        self._write(lambda connection, to: to.put_alerts(connection, alerts, NOON + 1))

    def _write(self, put: Callable[[Connection, Messages], None]) -> None:
        engine = open_engine(self.url, writer=True)
        with engine.begin() as connection:
            put(connection, Messages(self.routing, lambda: NOON))
        engine.dispose()

    def deliver(self, *records: dict[str, Any], old: int | None = None, now_ms: int = NOON) -> None:
        """Write records as the delivery does."""
        sink = DatabaseSink(self.url, routing=self.routing, clock=lambda: now_ms)
        sink.write(batch(*records, old=old))
        sink.close()

    def rows(self, *states: str, columns: str = "receiver, event, revision") -> list[tuple[Any, ...]]:
        query = f"SELECT {columns}, state FROM outbox ORDER BY receiver, revision, created_ms, event"
        found = [tuple(row.values()) for row in rows(self.url, query)]
        return [each[:-1] for each in found if not states or each[-1] in states]

    def send(self, receiver: str, now_ms: int = NOON) -> list[str]:
        """Send everything that is due to a receiver; the events in order."""
        events = []
        while (taken := self.outbox.take(receiver, now_ms, 1000)) is not None:
            self.outbox.sent(taken.message_id, now_ms)
            events.append(taken.event)
        return events


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    made = House(database_url)
    yield made
    made.outbox.close()


def test_the_same_case_again_writes_nothing(house: House) -> None:
    house.put(case(**CRITICAL))
    before = house.rows(columns="message_id, attempts")
    house.put(case(**CRITICAL), now_ms=NOON + 1)
    assert house.rows(columns="message_id, attempts") == before
    assert house.send("chat", NOON + 1) == ["opened"]
    house.put(case(**CRITICAL), now_ms=NOON + 2)
    assert len(house.rows()) == 2
    assert house.send("chat") == []


def test_what_nobody_tried_to_send_is_replaced_when_the_case_changes(house: House) -> None:
    house.put(case(**CRITICAL))
    house.put(case(**CRITICAL, revision=2, summary="worse"))
    assert house.rows() == [("chat", "opened", 2), ("pager", "opened", 2)]
    house.put(case(**CRITICAL, revision=3, status="closed", closed_by="ana"))
    assert house.rows() == []


def test_from_the_first_try_on_a_message_stays_and_the_end_follows_it(house: House) -> None:
    house.put(case(**CRITICAL))
    taken = house.outbox.take("pager", NOON, 1000)
    assert taken is not None
    house.put(case(**CRITICAL, revision=2, status="closed"), now_ms=NOON + 1)
    assert house.rows() == [("pager", "opened", 1), ("pager", "closed", 2)]
    assert house.outbox.take("pager", NOON + 500, 1000) is None, "the end waits for the opening, which is taken"
    assert house.send("pager", NOON + 1001) == ["opened", "closed"]


def test_a_message_that_is_not_settled_in_time_comes_again_and_no_other_in_between(house: House) -> None:
    house.put(case(**CRITICAL))
    first = house.outbox.take("chat", NOON, 1000)
    assert first is not None
    assert house.outbox.take("chat", NOON + 999, 1000) is None
    again = house.outbox.take("chat", NOON + 1000, 1000)
    assert again is not None
    assert (again.message_id, again.attempts) == (first.message_id, 2)
    house.outbox.sent(first.message_id, NOON)
    assert house.outbox.take("chat", NOON + HOUR_MS, 1000) is None


def test_one_message_that_fails_again_and_again_holds_up_no_other(house: House) -> None:
    house.put(case(**CRITICAL))
    house.put(case(**CRITICAL, case_id="c2"), now_ms=NOON + 1)
    first = house.outbox.take("chat", NOON + 1, 1000)
    assert first is not None
    house.outbox.later(first.message_id, NOON + 2, "busy")
    second = house.outbox.take("chat", NOON + 5, 1000)
    assert second is not None
    assert (first.topic_key, second.topic_key) == ("c1", "c2")


def test_escalations_wait_and_go_when_somebody_acknowledges(house: House) -> None:
    house.routing = Routing(
        **{name: getattr(house.routing, name) for name in house.routing.__struct_fields__} | {"escalate_to": "mail"}
    )
    house.put(case(**CRITICAL))
    assert ("mail", "escalated", 1) in house.rows()
    assert (house.send("chat"), house.send("mail")) == (["opened"], [])
    house.put(case(**CRITICAL, revision=2, arr_minor=5))
    assert [each for each in house.rows() if each[1] == "escalated"] == [("mail", "escalated", 1)]
    house.put(case(**CRITICAL, revision=3, status="acknowledged"))
    assert not [each for each in house.rows() if each[1] == "escalated"]
    house.put(case(**CRITICAL, case_id="c2"))
    assert house.send("mail", NOON + HOUR_MS) == ["escalated"]
    house.put(case(**CRITICAL, case_id="c2", revision=2, status="closed"))
    assert house.send("mail", NOON + HOUR_MS) == ["closed"]


def test_an_alert_that_cannot_wait_is_put_in_before_its_case(house: House) -> None:
    house.put_alerts(alert(), alert(alert_id="a2"))
    assert house.rows() == [("chat", "opened", 0), ("pager", "opened", 0)]
    assert house.send("chat", NOON + 1) == ["opened"]
    house.put(case(**CRITICAL), now_ms=NOON + 2)
    assert house.rows() == [("chat", "opened", 0), ("pager", "opened", 1)]


def test_the_delivery_puts_messages_in_with_what_they_tell_of(house: House) -> None:
    urgent = records.alert(case_id="c1", severity="critical", updated_at=NOON)
    mild = records.alert("other", case_id="c2", updated_at=NOON)
    house.deliver(urgent, mild, records.alert("third", severity="critical", updated_at=NOON))
    assert house.rows() == [("chat", "opened", 0), ("pager", "opened", 0)]
    assert (house.send("chat"), house.send("chat", NOON + 1)) == ([], ["opened"])
    first, second = case(**CRITICAL), case(**CRITICAL, revision=2, status="acknowledged")
    house.deliver(first, second, case(**MILD, case_id="c2"), old=3, now_ms=NOON + 2)
    assert house.rows("waiting") == [("chat", "opened", 1), ("chat", "acknowledged", 2)]
    before = house.rows(columns="message_id, attempts")
    house.deliver(first, second, urgent, old=6, now_ms=NOON + 3)
    house.deliver(first, old=9, now_ms=NOON + 4)
    assert house.rows(columns="message_id, attempts") == before


def test_a_case_whose_alerts_are_over_before_the_close_is_closed_with_the_last_of_them(house: House) -> None:
    first: dict[str, Any] = {"case_id": "c1", "severity": "critical", "updated_at": NOON}
    second = first | {"kind": "other", "alert_id": "a2"}
    house.deliver(records.alert(**first), records.alert(**second))
    assert house.send("pager", NOON + 1) == ["opened"]
    house.deliver(records.alert(revision=2, status="resolved", **first), old=2)
    assert (house.send("pager", NOON + 1), statuses(house)) == ([], ["open"])
    house.deliver(records.alert(revision=2, status="retracted", **second), old=3, now_ms=NOON + 1)
    assert (house.send("pager", NOON + 2), statuses(house)) == (["closed"], ["closed"])
    house.deliver(case(**CRITICAL), old=4, now_ms=NOON + 2)
    assert (house.send("pager", NOON + 2), statuses(house)) == (["reopened"], ["open"])
    house.deliver(records.alert(revision=3, status="resolved", **first), old=5, now_ms=NOON + 3)
    assert (house.send("pager", NOON + 3), statuses(house)) == ([], ["open"]), "the close that comes will say"


def statuses(house: House) -> list[str]:
    return [row["status"] for row in rows(house.url, "SELECT status FROM cases")]


def test_a_record_that_cannot_be_told_of_holds_up_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.deliver(case(**CRITICAL | {"severity": "odd"}), case(**CRITICAL, case_id="c2"))
    assert house.rows(columns="topic_key") == [("c2",), ("c2",)]
    assert "nobody is told of case c1" in caplog.text


def test_what_is_rolled_back_is_told_to_nobody(house: House) -> None:
    sink = DatabaseSink(house.url, routing=house.routing, clock=lambda: NOON, before_commit=crash)
    with pytest.raises(ZeroDivisionError):
        sink.write(batch(case(**CRITICAL)))
    sink.close()
    assert house.rows() == []


def crash() -> None:
    raise ZeroDivisionError


def test_a_team_is_what_the_table_says(house: House) -> None:
    engine = open_engine(house.url, writer=True)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO teams (owner, team) VALUES ('ana', 'north')"))
    engine.dispose()
    house.routing = Routing(routes=(Route(receiver="chat", teams=("north",)),), channels={"chat": "slack"})
    house.put(case(**CRITICAL), case(**CRITICAL, case_id="c2", owner="ben"))
    assert house.rows(columns="topic_key") == [("c1",)]


def test_a_digest_takes_up_all_that_is_due_of_an_owner_and_then_nothing(house: House) -> None:
    cases = [case(**MILD, case_id=f"c{n}") for n in range(3)]
    house.put(*cases, case(**MILD, case_id="ben", owner="ben"), case(**MILD, case_id="none", owner=None))
    assert house.outbox.make_digests(house.routing, MORNING - 1) == 0
    assert house.send("chat", MORNING - 1) == []
    assert house.outbox.make_digests(house.routing, MORNING) == 3
    assert house.outbox.make_digests(house.routing, MORNING) == 0
    titles = [json.loads(body)["title"] for (body,) in house.rows("waiting", columns="body")]
    assert sorted(titles) == [
        "1 case for ben, 2026-03-11",
        "1 case for nobody yet, 2026-03-11",
        "3 cases for ana, 2026-03-11",
    ]
    assert house.send("chat", MORNING) == ["digest"] * 3
    house.put(*(each | {"revision": 2} for each in cases), now_ms=MORNING + 1)
    assert house.outbox.make_digests(house.routing, MORNING + 24 * HOUR_MS) == 0


def test_several_that_make_digests_at_once_make_each_of_them_once_and_whole(house: House) -> None:
    several, owners, items, rounds = [house.outbox, *(Outbox(house.url) for _ in range(3))], 3, 40, 10
    together = threading.Barrier(len(several))

    def make(outbox: Outbox) -> int:
        together.wait(30)
        return outbox.make_digests(house.routing, MORNING)

    with ThreadPoolExecutor(len(several)) as threads:
        for turn in range(rounds):
            names = [f"{turn} {owner}" for owner in range(owners)]
            house.put(*(case(**MILD, case_id=f"{name} {n}", owner=name) for name in names for n in range(items)))
            assert sum(threads.map(make, several)) == owners
    for each in several[1:]:
        each.close()
    waiting = [json.loads(body)["title"] for (body,) in house.rows("waiting", columns="body")]
    assert len(waiting) == owners * rounds
    assert [title for title in waiting if not title.startswith(f"{items} cases")] == []


def test_an_opening_that_ended_before_the_digest_is_not_told(house: House) -> None:
    house.put(case(**MILD))
    house.put(case(**MILD, revision=2, status="closed"))
    assert house.outbox.make_digests(house.routing, MORNING) == 0


def test_what_a_person_did_is_remembered_without_being_told(house: House) -> None:
    house.put(case(**MILD))
    house.outbox.make_digests(house.routing, MORNING)
    house.put(case(**MILD, revision=2, status="closed", closed_by="ana"), now_ms=MORNING)
    assert house.rows("dropped") == [("chat", "closed", 2)]
    house.put(case(**MILD, revision=3), now_ms=MORNING)
    assert house.rows("waiting")[-1] == ("chat", "reopened", 3)


def test_settled_messages_are_removed_in_time_but_not_what_receivers_know_of_open_cases(house: House) -> None:
    house.deliver(case(**CRITICAL), case(**CRITICAL, case_id="c2"))
    assert house.send("chat") == ["opened", "opened"]
    house.deliver(case(**CRITICAL, case_id="c2", revision=2, status="closed"), old=2)
    assert house.send("chat") == ["closed"]
    assert house.outbox.prune(NOON) == 0
    assert house.outbox.prune(NOON + 1) == 2
    assert house.rows(columns="receiver, topic_key") == [("chat", "c1"), ("pager", "c1")]


def test_the_backlog_says_what_is_late_and_for_how_long(house: House) -> None:
    house.put(case(**CRITICAL), case(**MILD, case_id="c2"))
    backlog = house.outbox.backlog(["chat", "pager", "mail"], NOON + 500)
    assert {name: (each.waiting, each.oldest_due_ms) for name, each in backlog.items()} == {
        "chat": (1, NOON),
        "pager": (1, NOON),
        "mail": (0, NOON + 500),
    }
    metrics = Metrics(receivers=["chat", "pager"])
    keeper = Keeper(house.routing, house.outbox, metrics, retention_ms=HOUR_MS, clock=lambda: NOON + 500)
    keeper.look()
    assert metrics.registry.get_sample_value("foreshock_notify_late_seconds", {"receiver": "pager"}) == 0.5
    assert metrics.registry.get_sample_value("foreshock_notify_waiting_records", {"receiver": "pager"}) == 1


class Scripted:
    """A channel that answers as it is told, and then takes everything."""

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.got: list[str] = []

    def send(self, message: Outgoing) -> None:
        self.got.append(message.message_id)
        if self.answers:
            raise self.answers.pop(0)

    def close(self) -> None:
        pass


def test_a_sender_repeats_what_may_pass_gives_up_what_is_refused_and_goes_on(house: House) -> None:
    house.put(case(**CRITICAL))
    house.put(case(**CRITICAL, case_id="c2"), now_ms=NOON + 1)
    channel = Scripted(SinkUnavailableError("busy", 0.01), ContentRefusedError("status 400"))
    metrics = Metrics(receivers=["chat"])
    sender = Sender("chat", channel, house.outbox, metrics)
    thread = threading.Thread(target=sender.run)
    thread.start()
    wait_until(lambda: len(house.rows("sent", "failed")) == 2)
    sender.stop()
    thread.join()
    assert len(channel.got) == 3
    assert len(set(channel.got)) == 2
    assert house.rows("sent", columns="last_error, attempts") == [(None, 2)]
    assert house.rows("failed", columns="last_error, attempts") == [("status 400", 1)]
    value = metrics.registry.get_sample_value
    for result, count in (("sent", 1), ("failed", 1), ("retried", 1)):
        assert value("foreshock_notify_messages_total", {"receiver": "chat", "result": result}) == count
    assert value("foreshock_notify_blocked", {"receiver": "chat"}) == 0
    assert sender.ready() is None
    assert sender.healthy() is None
