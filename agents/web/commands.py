"""Commands that people give: checked, written into the audit log, and acknowledged by the brokers before the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

from confluent_kafka import KafkaError
from sqlalchemy import select

from agents.kafka import clients
from agents.process.exits import UnreachableError
from agents.web.people import ForbiddenError, NotSeenError, Person, demand
from schemas.accounts import TAKES_NO_COMMANDS, of_fleet
from schemas.codec.encode import Encoder
from schemas.commands import command
from schemas.errors import UsageError
from schemas.topics import TOPICS
from sinks.database import tables
from sinks.database.reading.cases import case_row
from sinks.database.reading.commands import Command
from sinks.database.reading.commands import command as command_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from agents.web.store import Store
    from schemas.registry.source import SchemaRegistry

Publish = Callable[[str, bytes, bytes], None]
"""Sends a value to a topic under a key; returns once the brokers have it. Raises UnreachableError."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "acknowledge": ("case_id",),
    "unacknowledge": ("case_id",),
    "snooze": ("case_id", "until"),
    "wake": ("case_id",),
    "assign": ("case_id",),
    "comment": ("case_id", "note"),
    "resolve": ("case_id", "outcome"),
    "reopen": ("case_id",),
    "expected": ("since", "until"),
    "feedback": ("verdict",),
    "step_done": ("case_id",),
}
"""What a command of each action must say. Its account is found by its case or alert; of a case, feedback is about the
lead alert unless it names another, and the step that is done is the next one."""
_TIMES = frozenset({"since", "until"})
_POLL_S = 0.2
_NAMES = UUID("4f0e6f0e-2f0c-5c39-9f0a-3c6b8f1f7f11")


class CommandError(UsageError):
    """A command that cannot be sent; `errors` say what is wrong with it, one by one; answered by 422."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class CommandSender:
    """Sends commands and pulses of people.

    Args:
        store: of users' names and of what there is.
        registry: of schemas; asked at the first command.
        publish: sends a record.
    """

    def __init__(self, store: Store, registry: SchemaRegistry, publish: Publish) -> None:
        self._store = store
        self._registry = registry
        self._publish = publish
        self._encoders: dict[str, Encoder] = {}

    def send(self, person: Person, command: Mapping[str, Any]) -> str:
        """Send a command and return its id; blocks until the brokers have it.

        The same `command_id` again is the same command. Times are epoch milliseconds.

        Args:
            person: whose command it is.
            command: fields of schemas/alert_command.avsc; `action` and what NEEDS names of it.

        Raises:
            CommandError: it is incomplete, or says what cannot be.
            ForbiddenError: the person is no operator.
            NotSeenError: there is no such case, alert or account for this person.
            UnreachableError: no broker acknowledged it; it may be sent again under its id.
            SinkUnavailableError: the database cannot be reached; nothing was sent.
        """
        given = {name: value for name, value in command.items() if value not in (None, "")}
        action = str(given.get("action"))
        self._allow(person, action)
        _check(given)
        with self._store.reading() as connection:
            record = _record(connection, person, given)
        self._send(person, "alert.commands", record, action, record["command_id"])
        return str(record["command_id"])

    def result(self, command_id: str, wait_s: float) -> Command | None:
        """The command once the database has its result, or as it is after this time; None if it has none of it."""
        until_s = time.monotonic() + wait_s
        while True:
            with self._store.reading() as connection:
                found = command_of(connection, command_id, None)
            if (found is not None and found.result is not None) or time.monotonic() > until_s:
                return found
            time.sleep(_POLL_S)

    def pulse(self, person: Person, account_id: str, score: float, note: str | None = None) -> str:
        """Send what a person feels about an account, 1 (bad) to 5; returns the event's id. Raises as `send`."""
        self._allow(person, "pulse")
        if not 1 <= score <= 5:
            raise CommandError("score: must be 1 to 5")
        with self._store.reading() as connection:
            if not _sees(connection, person, account_id):
                message = "there is no such account"
                raise NotSeenError(message)
        record = {
            "event_id": str(uuid4()),
            "account_id": account_id,
            "type": "pulse",
            "occurred_at": _now_ms(),
            "score": float(score),
            "scale": 5.0,
            "author": person.name,
            "attributes": {"note": note} if note else None,
        }
        self._send(person, "customer.signals", record, "pulse", record["event_id"])
        return str(record["event_id"])

    def _allow(self, person: Person, action: str) -> None:
        try:
            demand(person, "operator")
        except ForbiddenError:
            self._store.audit(person, action if action in {*NEEDS, "pulse"} else "command", "", "forbidden")
            raise

    def _send(self, person: Person, topic: str, record: Mapping[str, Any], action: str, record_id: object) -> None:
        spec = TOPICS[topic]
        if topic not in self._encoders:
            self._encoders[topic] = Encoder(spec, self._registry)
        value = self._encoders[topic].encode(record)
        what = f"{record['account_id']} {record_id}"
        self._store.audit(person, action, what, "sent")
        try:
            self._publish(topic, str(record[spec.key]).encode(), value)
        except UnreachableError:
            self._store.audit(person, action, what, "not acknowledged")
            raise


def repeatable_id(person: Person, key: str) -> str:
    """The id of the command that a person names by a key of their own: the same key is the same command."""
    return str(uuid5(_NAMES, f"{person.name}\n{key}"))


def publisher(client: Mapping[str, Any]) -> Publish:
    """A function that publishes to these brokers; any thread may call it."""
    producer = clients.producer({**client, "log_level": clients.SILENT}, "commands")

    def publish(topic: str, key: bytes, value: bytes) -> None:
        done, failures = Event(), list[KafkaError]()

        def delivered(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                failures.append(error)
            done.set()

        producer.produce(topic, value, key, on_delivery=delivered)
        while not done.is_set():
            producer.poll(0.05)
        if failures:
            message = f"{topic} did not take it: {failures[0].str()}"
            raise UnreachableError(message)

    return publish


def _check(given: Mapping[str, Any]) -> None:
    action = given.get("action")
    if action not in NEEDS:
        raise CommandError(f"action: must be one of {', '.join(NEEDS)}")
    errors = [f"{name}: is needed for {action}" for name in NEEDS[str(action)] if name not in given]
    for name, value in given.items():
        if name in {"author", "issued_at"}:
            errors.append(f"{name}: is not given, it is who sends it and when")
        elif (name in _TIMES) != (isinstance(value, int) and not isinstance(value, bool)):
            errors.append(f"{name}: must be {'epoch milliseconds' if name in _TIMES else 'text'}")
        elif isinstance(value, str) and "\x00" in value:
            errors.append(f"{name}: must not hold NUL")
    if not errors and "until" in given and given["until"] <= given.get("since", _now_ms()):
        errors.append("until: must be later")
    if not errors and action == "feedback" and not given.keys() & {"alert_id", "kind", "case_id"}:
        errors.append("alert_id: an alert, a case or a kind is needed for feedback")
    if not errors and "command_id" in given and not _is_uuid(given["command_id"]):
        errors.append("command_id: must be a UUID")
    if errors:
        raise CommandError(*errors)


def _record(connection: Connection, person: Person, given: Mapping[str, Any]) -> dict[str, Any]:
    """The command as a record, of an account that the person sees."""
    found = {str(given["account_id"])} if "account_id" in given else set[str]()
    more: dict[str, Any] = {}
    if "alert_id" in given:
        of = tables.alerts.c
        found.add(connection.scalar(select(of.account_id).where(of.alert_id == given["alert_id"])) or "")
    if "case_id" in given:
        case = case_row(connection, given["case_id"], person.owners)
        found.add(case.account_id if case else "")
        if case is not None and given["action"] == "feedback" and not given.keys() & {"alert_id", "kind"}:
            more["alert_id"] = case.lead_alert_id
        if case is not None and given["action"] == "step_done" and "play_id" not in given:
            more["play_id"] = case.step_id
    [account_id] = found if len(found) == 1 else {""}
    if of_fleet(account_id):
        raise CommandError(f"{account_id}: {TAKES_NO_COMMANDS}")
    if not account_id or not ("case_id" in given or _sees(connection, person, account_id)):
        message = "there is no such case, alert or account"
        raise NotSeenError(message)
    if "command_id" in given:
        before = command_of(connection, given["command_id"], None)
        if before is not None and before.author != person.name:
            raise CommandError("command_id: is somebody else's")
    said = {**given, **more, "account_id": account_id, "author": person.name, "issued_at": _now_ms()}
    try:
        return command(**said)
    except UsageError as error:
        raise CommandError(str(error)) from error


def _sees(connection: Connection, person: Person, account_id: str) -> bool:
    of = tables.accounts.c
    row = connection.execute(select(of.owner).where(of.account_id == account_id)).one_or_none()
    return row is not None and person.sees(row.owner)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
