"""Receivers, routes and people: tables that the file may repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
from pydantic import ValidationError

from agents.settings.allowed import allowed
from agents.settings.notify import Notify
from agents.settings.problems import Problem
from agents.settings.sources import FILE_SUFFIX, RECEIVERS, read_secret, unknown
from pipeline.kinds import require_known
from pipeline.notify.routing import Person, Route
from sinks.channels.channel import Receiver
from sinks.channels.table import CHANNELS
from sinks.section import holds_secret

if TYPE_CHECKING:
    from agents.settings.model import Settings
    from agents.settings.sources import Found

Tables = dict[str, tuple[Any, ...]]
_MASK = "***"


def read_notify(found: Found, notify: Notify) -> tuple[Tables, list[Problem]]:
    """Receivers, routes and people, and everything that is wrong with them."""
    wrong: list[Problem] = []
    receivers = tuple(_receivers(found, wrong))
    routes = tuple(_entries(found, "routes", Route, wrong))
    people = tuple(_entries(found, "people", Person, wrong))
    source = found.file or "settings"
    # One that cannot be read is no reason to say that it is not there.
    named = [entry.get("name") for entry in found.tables.get("receivers", ()) if isinstance(entry, Mapping)]
    owners = [person.owner for person in people]
    for number, route in enumerate(routes, 1):
        if route.receiver not in named:
            wrong.append(Problem(source, f"routes.{number}.receiver", route.receiver, "there is no such receiver"))
        try:
            require_known(route.kinds)
        except ValueError as error:
            said = f"{error}; `foreshock rules list` prints them"
            wrong.append(Problem(source, f"routes.{number}.kinds", None, said))
    if notify.escalate_to and notify.escalate_to not in named:
        wrong.append(Problem(source, "notify.escalate_to", notify.escalate_to, "there is no such receiver"))
    for person in people:
        if person.manager and person.manager not in owners:
            wrong.append(Problem(source, f"people.{person.owner}.manager", person.manager, "is nobody in [[people]]"))
        if person.timezone and not _is_timezone(person.timezone):
            said = "is not a time zone of the IANA database; write it like Europe/Berlin or UTC"
            wrong.append(Problem(source, f"people.{person.owner}.timezone", person.timezone, said))
    for table, names in (("receivers", [each.name for each in receivers]), ("people", owners)):
        wrong += [
            Problem(source, f"{table}.{name}", None, "stands there twice")
            for name in sorted({each for each in names if names.count(each) > 1})
        ]
    return {"receivers": receivers, "routes": routes, "people": people}, wrong


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _entries(found: Found, table: str, kind: type[Any], wrong: list[Problem]) -> Iterator[Any]:
    for number, entry in enumerate(found.tables.get(table, ()), start=1):
        name = entry.get("owner", number) if table == "people" and isinstance(entry, Mapping) else number
        try:
            yield msgspec.convert(entry, kind)
        except msgspec.ValidationError as error:
            said = str(error).replace("`", "").replace("$.", "")
            wrong.append(Problem(found.file, f"{table}.{name}", None, said))


def _receivers(found: Found, wrong: list[Problem]) -> Iterator[Receiver]:
    left = dict(found.receivers)
    for number, entry in enumerate(found.tables.get("receivers", ()), start=1):
        values = dict(entry) if isinstance(entry, Mapping) else {}
        name = values.get("name", number)
        spec = CHANNELS.get(str(values.get("channel")))
        kind = Receiver if spec is None else spec.receiver
        if spec is None:
            wrong.append(_problem(found, name, "channel", f"must be one of {', '.join(CHANNELS)}"))
        before = len(wrong)
        for field, about in kind.model_fields.items():
            key, in_file = _variable(name, field), _variable(name, field) + FILE_SUFFIX
            if field in values and holds_secret(about):
                said = f"a secret may not stand in a file of settings; set {key} or {in_file}"
                wrong.append(_problem(found, name, field, said))
            if in_file in left:
                path = left.pop(in_file)
                values[field] = read_secret(in_file, path, f"receivers.{name}.{field}", found.receivers, wrong)
            if key in left:
                values[field] = left.pop(key)
        if spec is None:
            left = {key: value for key, value in left.items() if not key.startswith(_variable(name, ""))}
        elif len(wrong) == before:
            yield from _valid(found, kind, name, values, wrong)
    wrong += [Problem(key, "", None, "is of no setting of a receiver in the file") for key in left]


def _valid(
    found: Found, kind: type[Receiver], name: object, values: object, wrong: list[Problem]
) -> Iterator[Receiver]:
    fields = kind.model_fields
    try:
        receiver = kind.model_validate(values)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            field = str(details["loc"][0])
            said = f"must be {allowed(kind, field)}" if field in fields else unknown("setting", field, fields)
            if details["type"] == "missing":
                said = f"is needed; set {_variable(name, field)}" if holds_secret(fields[field]) else "is needed"
            wrong.append(_problem(found, name, field, said))
        return
    conflicts = [_problem(found, name, field, said) for field, said in receiver.conflicts()]
    wrong += conflicts
    if not conflicts:
        yield receiver


def _problem(found: Found, name: object, field: str, said: str) -> Problem:
    return Problem(found.file, f"receivers.{name}.{field}", None, said)


def _variable(name: object, field: str) -> str:
    return f"{RECEIVERS}{name}__{field}".upper()


def shown(settings: Settings) -> dict[str, dict[str, Any]]:
    """Receivers (secrets masked), routes and people as plain values."""
    return {
        "receivers": {
            each.name: {
                name: _MASK if holds_secret(field) and getattr(each, name) is not None else getattr(each, name)
                for name, field in type(each).model_fields.items()
            }
            for each in settings.receivers
        },
        "routes": {str(number): msgspec.to_builtins(each) for number, each in enumerate(settings.routes, 1)},
        "people": {each.owner: msgspec.to_builtins(each) for each in settings.people},
    }
