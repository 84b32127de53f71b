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
from schemas.codec.encode import Encoder
from schemas.errors import UsageError
from schemas.topics import TOPICS
from schemas.validation import RULES
from sinks.database import tables

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
    "step_done": ("case_id", "play_id"),
}
"""What a command of each action must say; `account_id` is found by its case or alert."""
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
        action = str(command.get("action"))
        self._allow(person, action)
        given = {name: value for name, value in command.items() if value not in {None, ""}}
        record = {"command_id": str(uuid4()), **given, "author": person.name, "issued_at": _now_ms()}
        _check(record)
        with self._store.reading() as connection:
            record["account_id"] = _account_of(connection, person, record)
        self._send(person, "alert.commands", record, action, record["command_id"])
        return str(record["command_id"])

    def pulse(self, person: Person, account_id: str, score: float, note: str | None = None) -> str:
        """Send what a person feels about an account, 1 (bad) to 5; returns the event's id. Raises as `send`."""
        self._allow(person, "pulse")
        if not 1 <= score <= 5:
            raise CommandError("score: must be 1 to 5")
        with self._store.reading() as connection:
            account_id = _account_of(connection, person, {"account_id": account_id})
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
            self._store.audit(person, action, "", "forbidden")
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


def _check(record: Mapping[str, Any]) -> None:
    action = record.get("action")
    if action not in NEEDS:
        raise CommandError(f"action: must be one of {', '.join(NEEDS)}")
    errors = [f"{name}: is needed for {action}" for name in NEEDS[str(action)] if name not in record]
    rules = RULES.get("alert_command", {})
    for name, value in record.items():
        if name not in rules:
            errors.append(f"{name}: is no field of a command")
        elif _is_time(name) != isinstance(value, int):
            errors.append(f"{name}: must be {'epoch milliseconds' if _is_time(name) else 'text'}")
        else:
            errors += [f"{name}: {rule}" for rule in rules[name] if not rule.allows(value)]
    if not errors:
        if action == "feedback" and not record.keys() & {"alert_id", "kind", "case_id"}:
            errors.append("alert_id: an alert, a case or a kind is needed for feedback")
        if "until" in record and record["until"] <= record.get("since", record["issued_at"]):
            errors.append("until: must be later")
    if errors:
        raise CommandError(*errors)


def _is_time(name: str) -> bool:
    return name in {"since", "until", "issued_at"}


def _account_of(connection: Connection, person: Person, record: Mapping[str, Any]) -> str:
    """The account of a command, which the person sees."""
    found = {str(record["account_id"])} if "account_id" in record else set[str]()
    for name, table in (("case_id", tables.metadata.tables["cases"]), ("alert_id", tables.alerts)):
        if name in record:
            query = select(table.c.account_id).where(table.c[name] == record[name])
            found.add(connection.execute(query).scalar_one_or_none() or "")
    [account_id] = found if len(found) == 1 else {""}
    owner = connection.execute(select(tables.accounts.c.owner).where(tables.accounts.c.account_id == account_id))
    row = owner.one_or_none()
    # Fleet and feed have no account; they are seen by those who see all.
    if not account_id or not (person.owners is None or (row is not None and person.sees(row.owner))):
        message = "there is no such case, alert or account"
        raise NotSeenError(message)
    return account_id


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
