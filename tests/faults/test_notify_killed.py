"""The sending of messages killed again and again: nothing is lost, and nothing is sent under two ids."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from pipeline.notify.routing import Route, Routing
from sinks.channels.mail import EmailReceiver
from sinks.channels.webhook import WebhookReceiver
from sinks.clock import wall_clock_ms
from sinks.database.migrate import upgrade
from sinks.database.sink import DatabaseSink
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.support.cases import case
from tests.support.commands import FORESHOCK, running
from tests.support.databases import rows
from tests.support.pages import scrape, total
from tests.support.patience import wait_until
from tests.support.receivers import CLOSE, SECRET, HttpStandIn, SmtpStandIn, StandIn, stand_in_of
from tests.unit.sinks.records import batch

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(300)]

CASES = 25
STATUSES = ("open", "acknowledged", "closed")
EVENTS = ("opened", "acknowledged", "closed")
RECEIVERS = ("hook", "mail")
ROUTING = Routing(
    routes=tuple(Route(receiver=name, immediate="info") for name in RECEIVERS),
    channels={"hook": "webhook", "mail": "email"},
)


def settings(folder: Path, url: str, mail: EmailReceiver) -> Path:
    file = folder / "foreshock.toml"
    file.write_text(
        f"""
        [database]
        url = "{url}"
        [metrics]
        port = 0
        [[receivers]]
        name = "hook"
        channel = "webhook"
        timeout_s = 1
        [[receivers]]
        name = "mail"
        channel = "email"
        timeout_s = 1
        host = "localhost"
        port = {mail.port}
        ca_file = "{mail.ca_file}"
        sender = "foreshock@example.com"
        to = ["team@example.com"]
        """
    )
    return file


@pytest.fixture
def stand_ins(tmp_path: Path) -> Iterator[dict[str, StandIn]]:
    made = {"hook": stand_in_of("webhook", tmp_path), "mail": stand_in_of("email", tmp_path)}
    for each in made.values():
        each.start()
    yield made
    for each in made.values():
        each.stop()


class Writer:
    """Writes the lives of cases as the delivery does, each state once somebody has begun to tell of the one before."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sink = DatabaseSink(url, routing=ROUTING)
        self._at = 0

    def run(self) -> None:
        for revision, status in enumerate(STATUSES, 1):
            for start in range(0, CASES, 5):
                numbers = range(start, start + 5)
                wait_until(partial(self._all_begun, numbers, revision - 1), seconds=200)
                self._write(revision, status, numbers)
        self._sink.close()

    def _all_begun(self, numbers: range, messages: int) -> bool:
        """Whether so many messages of each case have been tried at each receiver."""
        names = ", ".join(f"'c{number}'" for number in numbers)
        query = f"SELECT COUNT(*) AS n FROM outbox WHERE attempts > 0 AND topic_key IN ({names})"
        count: int = rows(self._url, query)[0]["n"]
        return count == len(RECEIVERS) * len(numbers) * messages

    def _write(self, revision: int, status: str, numbers: range) -> None:
        now_ms = wall_clock_ms()
        changed = {"severity": "critical", "status": status, "updated_at": now_ms, "revision": revision}
        self._sink.write(batch(*(case(**changed, case_id=f"c{n}") for n in numbers), old=self._at or None))
        self._at += len(numbers)


def told(stand_ins: dict[str, StandIn]) -> dict[str, list[tuple[str, str, str]]]:
    """By receiver: case, event and id of everything that arrived, in order."""
    hook, mail = stand_ins["hook"], stand_ins["mail"]
    assert isinstance(hook, HttpStandIn)
    assert isinstance(mail, SmtpStandIn)
    words = {"New": "opened", "Acknowledged": "acknowledged", "Closed": "closed"}
    return {
        "hook": [
            (post.content["data"]["case"]["case_id"], post.content["type"].removeprefix("case."), identity)
            for post, identity in zip(hook.posts, hook.taken(), strict=True)
        ],
        "mail": [
            (each["References"].strip("<>").partition("@")[0], words[each["Subject"].partition(":")[0]], identity)
            for each, identity in zip(mail.mails, mail.taken(), strict=True)
        ],
    }


@contextmanager
def writing(url: str) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=Writer(url).run, daemon=True)
    thread.start()
    yield thread


def notifying(
    url: str, stand_ins: dict[str, StandIn], folder: Path
) -> Callable[..., AbstractContextManager[subprocess.Popen[bytes]]]:
    """A function that starts the sending, with further variables."""
    mail, hook = stand_ins["mail"].receiver, stand_ins["hook"].receiver
    assert isinstance(mail, EmailReceiver)
    assert isinstance(hook, WebhookReceiver)
    config = settings(folder, url, mail)
    environment = {
        **os.environ,
        "FORESHOCK_RECEIVERS__HOOK__URL": hook.url.get_secret_value(),
        "FORESHOCK_RECEIVERS__HOOK__SECRET": SECRET,
    }

    def start(**more: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return running(*FORESHOCK, "notify", "--config", config, log=folder / "log", env=environment | more)

    return start


def all_sent(url: str) -> bool:
    return rows(url, "SELECT 1 FROM outbox WHERE state <> 'sent'") == []


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    wait_until(lambda: process.poll() is not None, "the end of the process")
    assert process.returncode == 0


@pytest.mark.servers
def test_two_that_live_send_nothing_twice(
    postgres: PostgresServer, stand_ins: dict[str, StandIn], tmp_path: Path
) -> None:
    url = postgres.create_database("twins")
    upgrade(url)
    notify = notifying(url, stand_ins, tmp_path)
    ports = [free_port(), free_port()]
    running_at = [notify(FORESHOCK_METRICS__PORT=str(port)) for port in ports]
    with running_at[0] as one, running_at[1] as other, writing(url) as writer:
        wait_until(lambda: not writer.is_alive() and all_sent(url), "all to be sent", 200)
        sent = [total(scrape(port), "foreshock_notify_messages_total", result="sent") for port in ports]
        end(one)
        end(other)
    for receiver, arrived in told(stand_ins).items():
        order: dict[str, list[str]] = defaultdict(list)
        for of, event, _ in arrived:
            order[of].append(event)
        assert order == {f"c{n}": list(EVENTS) for n in range(CASES)}, receiver
        assert len({identity for *_, identity in arrived}) == len(arrived)
    assert min(sent) > 0
    assert sum(sent) == len(RECEIVERS) * CASES * len(EVENTS)


@pytest.mark.parametrize("how", ["at random", "notify_taken", "notify_sent"])
def test_nothing_is_lost_and_nothing_is_sent_under_two_ids(
    how: str, database_url: str, stand_ins: dict[str, StandIn], tmp_path: Path
) -> None:
    random, hook = Random(how), stand_ins["hook"]
    assert isinstance(hook, HttpStandIn)
    notify = notifying(database_url, stand_ins, tmp_path)

    def arrived() -> int:
        return sum(len(each.taken()) for each in stand_ins.values())

    with writing(database_url) as writer:
        for answer in (202, 500, 202, CLOSE, 202):
            point = {} if how == "at random" else {"FORESHOCK_FAILPOINT": f"{how}:{random.randint(1, 40)}"}
            hook.answer, enough = answer, hook.asked + 2
            with notify(**point) as process:

                def is_over(process: subprocess.Popen[bytes] = process) -> bool:
                    return process.poll() is not None or not writer.is_alive()

                # Long enough to be noticed, not long enough to be waited for.
                wait_until(lambda: answer == 202 or hook.asked >= enough or is_over())  # noqa: B023
                hook.answer, goal = 202, arrived() + random.randint(1, 60)
                wait_until(lambda: is_over() or (not point and arrived() >= goal))  # noqa: B023
                process.kill()
        with notify() as process:
            writer.join()
            wait_until(lambda: all_sent(database_url), "all to be sent")
            end(process)
    expected = {(f"c{n}", event) for n in range(CASES) for event in EVENTS}
    for receiver, arrived_there in told(stand_ins).items():
        ids = defaultdict(set)
        order: dict[str, list[str]] = defaultdict(list)
        for of, event, identity in arrived_there:
            ids[of, event].add(identity)
            if event not in order[of]:
                order[of].append(event)
        assert ids.keys() == expected, receiver
        assert {len(each) for each in ids.values()} == {1}, receiver
        assert {tuple(each) for each in order.values()} == {EVENTS}, receiver
        assert len({identity for _, _, identity in arrived_there}) == len(expected)
