"""Who is asking: people, programs with a key, and what they may do and see."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

from schemas.errors import ForeshockError
from sinks.database import people

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.requests import HTTPConnection

    from agents.settings.web import Access

Role = Literal["viewer", "operator", "admin"]
Scope = Literal["own", "team", "all"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
_KEY_PREFIX = "fsk_"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asking. `owners`: those whose accounts are seen; None: all accounts."""

    name: str
    display: str
    role: Role
    scope: Scope
    owners: frozenset[str] | None
    address: str = ""
    """Where the request came from, for the audit log."""
    owner: str | None = None
    """The owner of accounts that they are, as in profiles: cases are assigned to owners."""

    @property
    def mine(self) -> frozenset[str]:
        """The owners that they are, of those whose accounts are seen."""
        names = frozenset({self.owner or self.name, self.name})
        return names if self.owners is None else names & self.owners

    def may(self, role: Role) -> bool:
        """Whether the role is at least this one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def sees(self, owner: str | None) -> bool:
        """Whether accounts of this owner are seen."""
        return self.owners is None or owner in self.owners


class SignInNeededError(ForeshockError):
    """Nobody is signed in: a page leads to the sign-in, the API answers 401."""


class ForbiddenError(ForeshockError):
    """The person may not do this; answered by 403."""


class NotSeenError(ForeshockError):
    """There is no such thing, or none that the person sees; answered by 404."""


def person(request: HTTPConnection) -> Person:
    """Who is asking. Raises SignInNeededError."""
    found: Person | None = request.scope.get("person")
    if found is None:
        message = "sign in first"
        raise SignInNeededError(message)
    return found


def require(request: HTTPConnection, role: Role) -> Person:
    """Who is asking, at least of this role. Raises SignInNeededError and ForbiddenError."""
    return demand(person(request), role)


def demand(asking: Person, role: Role) -> Person:
    """The person, who is at least of this role. Raises ForbiddenError."""
    if not asking.may(role):
        message = f"this needs the role {role}; {asking.display} is {asking.role}"
        raise ForbiddenError(message)
    return asking


def local_operator(address: str) -> Person:
    """Everyone on this machine, where there is no sign-in."""
    return Person("local", "local", "operator", "all", None, address)


def at_the_terminal(access: Access) -> Person:
    """Who runs a command: whoever may read the settings, with the brokers' and the database's secrets, may all."""
    name = access.user or getpass.getuser()
    return Person(name, name, "admin", "all", None, "terminal")


def person_of(connection: Connection, record: people.User | people.ApiKey, address: str) -> Person:
    """The person that a user is, or the program that a key is for."""
    owners = people.owners_seen(connection, record.scope, record.owner)
    name, display = (record.name, record.display) if isinstance(record, people.User) else (f"key:{record.name}",) * 2
    return Person(name, display, cast("Role", record.role), cast("Scope", record.scope), owners, address, record.owner)


def claimed(claims: Mapping[str, object], access: Access) -> dict[str, str | None] | None:
    """What a provider's claims make of somebody, as the session keeps it; None: no role here."""
    values = claims.get(access.roles_claim)
    given = {values} if isinstance(values, str) else set(values) if isinstance(values, Sequence) else set()
    name = claims.get(access.name_claim) or claims.get("sub")
    granted: dict[Role, Sequence[str]] = {
        "admin": access.admins,
        "operator": access.operators,
        "viewer": access.viewers,
    }
    role = next((role for role, wanted in granted.items() if given & set(wanted)), None)
    if role is None or not isinstance(name, str):
        return None
    owner, display = claims.get(access.owner_claim), claims.get("name")
    return {
        "name": name,
        "display": display if isinstance(display, str) else name,
        "role": role,
        "scope": "all" if role == "admin" else access.accounts,
        "owner": owner if isinstance(owner, str) else None,
    }


def new_key() -> tuple[str, str, str]:
    """A new key: its id, its text, which is shown once, and the hash that is kept of it."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return key_id, f"{_KEY_PREFIX}{key_id}_{secret}", _digest(secret)


def key_holder(connection: Connection, text: str, address: str) -> Person | None:
    """The program that a key was given to; None unless it is one of ours."""
    key_id, _, secret = text.removeprefix(_KEY_PREFIX).partition("_")
    found = people.key(connection, key_id) if text.startswith(_KEY_PREFIX) else None
    if found is None or not hmac.compare_digest(_digest(secret), found[1]):
        return None
    return person_of(connection, found[0], address)


def _digest(secret: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()
