"""Users, keys of programs and the audit log in the database."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, or_, select, update

from sinks.database import tables


@dataclass(frozen=True, slots=True)
class User:
    """A local user, without the password."""

    name: str
    display: str
    role: str
    scope: str
    owner: str | None
    changed_at_ms: int
    """Sessions that began before this time have ended."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A program's key, without its secret."""

    key_id: str
    name: str
    role: str
    scope: str
    owner: str | None
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what to what, from where, and what became of it."""

    at_ms: int
    person: str
    action: str
    object: str
    result: str
    address: str


SIGN_IN, SIGN_OUT = "sign-in", "sign-out"
REFUSED = "refused"
_USER = [tables.users.c[name] for name in User.__slots__]
_KEY = [tables.api_keys.c[name] for name in ApiKey.__slots__]


def user(connection: Connection, name: str) -> tuple[User, str] | None:
    """A user and the hash of the password; None if there is none of this name."""
    of = tables.users.c
    row = connection.execute(select(*_USER, of.password_hash).where(of.name == name)).one_or_none()
    return None if row is None else (User(*row[:-1]), row.password_hash)


def users(connection: Connection) -> list[User]:
    """All users by name."""
    return [User(*row) for row in connection.execute(select(*_USER).order_by(tables.users.c.name))]


def put_user(connection: Connection, user: User, password_hash: str) -> bool:
    """Add a user; False if the name is taken."""
    if connection.execute(select(tables.users.c.name).where(tables.users.c.name == user.name)).first():
        return False
    values = {name: getattr(user, name) for name in User.__slots__}
    connection.execute(insert(tables.users).values(**values, password_hash=password_hash))
    return True


def set_password(connection: Connection, name: str, password_hash: str, at_ms: int) -> bool:
    """Change a password, which ends the sessions of the old one; False if there is no such user."""
    query = update(tables.users).where(tables.users.c.name == name)
    return connection.execute(query.values(password_hash=password_hash, changed_at_ms=at_ms)).rowcount > 0


def remove_user(connection: Connection, name: str) -> bool:
    """Remove a user; False if there is none."""
    return connection.execute(delete(tables.users).where(tables.users.c.name == name)).rowcount > 0


def key(connection: Connection, key_id: str) -> tuple[ApiKey, str] | None:
    """A key and the hash of its secret."""
    of = tables.api_keys.c
    row = connection.execute(select(*_KEY, of.key_sha256).where(of.key_id == key_id)).one_or_none()
    return None if row is None else (ApiKey(*row[:-1]), row.key_sha256)


def keys(connection: Connection) -> list[ApiKey]:
    """All keys, oldest first."""
    return [ApiKey(*row) for row in connection.execute(select(*_KEY).order_by(tables.api_keys.c.created_at_ms))]


def put_key(connection: Connection, key: ApiKey, key_sha256: str) -> None:
    """Add a key."""
    values = {name: getattr(key, name) for name in ApiKey.__slots__}
    connection.execute(insert(tables.api_keys).values(**values, key_sha256=key_sha256))


def remove_key(connection: Connection, key_id: str) -> bool:
    """Remove a key; False if there is none."""
    return connection.execute(delete(tables.api_keys).where(tables.api_keys.c.key_id == key_id)).rowcount > 0


def owners_seen(connection: Connection, scope: str, owner: str | None) -> frozenset[str] | None:
    """The owners whose accounts somebody of this scope sees; None: all accounts, those of nobody among them."""
    if scope == "all":
        return None
    if owner is None:
        return frozenset()
    if scope == "own":
        return frozenset({owner})
    of = tables.teams.c
    team = select(of.team).where(of.owner == owner).scalar_subquery()
    return frozenset({owner, *connection.execute(select(of.owner).where(of.team == team)).scalars()})


def write_audit(connection: Connection, person: str, action: str, object_: str, result: str, address: str) -> None:
    """Add a line to the audit log."""
    connection.execute(
        insert(tables.audit).values(
            audit_id=str(uuid4()),
            at_ms=time.time_ns() // 1_000_000,
            person=person,
            action=action,
            object=object_,
            result=result,
            address=address,
        )
    )


def failed_sign_ins(connection: Connection, since_ms: int, name: str, address: str) -> list[tuple[int, str, str]]:
    """Time, name and address of those that were refused since a time, of this name or address, newest first."""
    of = tables.audit.c
    query = select(of.at_ms, of.person, of.address).where(of.action == SIGN_IN, of.result == REFUSED)
    query = query.where(of.at_ms > since_ms, or_(of.person == name, of.address == address))
    return [(at_ms, *whose) for at_ms, *whose in connection.execute(query.order_by(of.at_ms.desc()))]


def has_signed_out(connection: Connection, name: str, session: str, since_ms: int) -> bool:
    """Whether somebody has ended a session since a time."""
    of = tables.audit.c
    query = select(of.audit_id).where(of.person == name, of.at_ms >= since_ms)
    return connection.execute(query.where(of.action == SIGN_OUT, of.object == session)).first() is not None


def read_audit(connection: Connection, limit: int) -> list[AuditLine]:
    """The last lines of the audit log, newest first."""
    columns = [tables.audit.c[name] for name in AuditLine.__slots__]
    query = select(*columns).order_by(tables.audit.c.at_ms.desc()).limit(limit)
    return [AuditLine(*row) for row in connection.execute(query)]
