"""`foreshock access …`: users, keys of programs and the audit log of the console."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agents.cli.console import err, out, print_json, print_table
from agents.cli.options import ConfigFile, Json, settings
from schemas.errors import UsageError

if TYPE_CHECKING:
    from agents.web.people import Person
    from agents.web.store import Store

group = typer.Typer(help="Who may sign in to the console, and what was done there.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name to sign in with.")]
RoleOption = Annotated[
    Literal["viewer", "operator", "admin"],
    typer.Option("--role", help="A viewer reads, an operator gives commands too, an admin sees the audit log too."),
]
Accounts = Annotated[
    Literal["own", "team", "all"],
    typer.Option("--accounts", help="Accounts that are seen: of --owner, of the owner's team (table teams), or all."),
]
Owner = Annotated[str | None, typer.Option("--owner", help="The owner whose accounts they are, as in profiles.")]
_SHORTEST_PASSWORD = 12


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="access")


@group.command("add-user")
def add_user(
    name: Name,
    role: RoleOption = "viewer",
    accounts: Accounts = "own",
    owner: Owner = None,
    display: Annotated[str | None, typer.Option("--display", help="Name that people see; else the same.")] = None,
    config: ConfigFile = None,
) -> None:
    """Add a user; the password is asked for, or read from standard input.

    Example: foreshock access add-user ann --role operator --accounts own --owner ann@example.org
    """
    from agents.web.sign_in import hashed
    from sinks.database import people

    _check_owner(accounts, owner)
    password_hash = hashed(_password())
    with _store(config) as (store, person):
        with store.writing() as connection:
            user = people.User(name, display or name, role, accounts, owner, _now_ms())
            added = people.put_user(connection, user, password_hash)
        if not added:
            message = f"there is a user {name} already"
            raise UsageError(message)
        store.audit(person, "add-user", f"{name} {role} {accounts}", "ok")
    out.print(f"{name} may sign in as {role}", markup=False, highlight=False)


@group.command()
def passwd(name: Name, config: ConfigFile = None) -> None:
    """Change a user's password, which ends the sessions of the old one."""
    from agents.web.sign_in import hashed
    from sinks.database import people

    password_hash = hashed(_password())
    with _store(config) as (store, person):
        with store.writing() as connection:
            found = people.set_password(connection, name, password_hash, _now_ms())
        _require(found, f"there is no user {name}")
        store.audit(person, "passwd", name, "ok")


@group.command()
def remove(name: Name, config: ConfigFile = None) -> None:
    """Remove a user; the sessions end at once."""
    from sinks.database import people

    with _store(config) as (store, person):
        with store.writing() as connection:
            found = people.remove_user(connection, name)
        _require(found, f"there is no user {name}")
        store.audit(person, "remove-user", name, "ok")


@group.command("list")
def list_(config: ConfigFile = None, json: Json = False) -> None:
    """List users and keys."""
    from sinks.database import people

    with _store(config) as (store, _), store.reading() as connection:
        users, keys = people.users(connection), people.keys(connection)
    if json:
        print_json({"users": [asdict(each) for each in users], "keys": [asdict(each) for each in keys]})
        return
    print_table(
        ["user", "role", "accounts", "owner", "name"],
        [(each.name, each.role, each.scope, each.owner, each.display) for each in users],
    )
    if keys:
        print_table(
            ["key", "of", "role", "accounts", "owner", "since"],
            [(each.key_id, each.name, each.role, each.scope, each.owner, _when(each.created_at_ms)) for each in keys],
        )


@group.command("add-key")
def add_key(
    name: Annotated[str, typer.Argument(help="The program that gets it; the author of its commands.")],
    scope: Annotated[
        Literal["read", "command"], typer.Option("--scope", help="Whether it only reads, or gives commands too.")
    ] = "read",
    accounts: Accounts = "all",
    owner: Owner = None,
    config: ConfigFile = None,
) -> None:
    """Make a key for the API and print it, this once. To replace a key, make another and remove the old one.

    Example: foreshock access add-key crm --scope command
    """
    from agents.web.people import new_key
    from sinks.database import people

    _check_owner(accounts, owner)
    key_id, text, digest = new_key()
    role = "operator" if scope == "command" else "viewer"
    with _store(config) as (store, person):
        with store.writing() as connection:
            people.put_key(connection, people.ApiKey(key_id, name, role, accounts, owner, _now_ms()), digest)
        store.audit(person, "add-key", f"{key_id} {name} {scope} {accounts}", "ok")
    err.print("keep it: it is not shown again", highlight=False)
    typer.echo(text)


@group.command("remove-key")
def remove_key(
    key: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")], config: ConfigFile = None
) -> None:
    """Remove a key; it is refused at once."""
    from sinks.database import people

    with _store(config) as (store, person):
        with store.writing() as connection:
            found = people.remove_key(connection, key)
        _require(found, f"there is no key {key}")
        store.audit(person, "remove-key", key, "ok")


@group.command()
def audit(
    limit: Annotated[int, typer.Option(min=1, help="Show no more than this.")] = 50,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Show who did what, newest first."""
    from sinks.database import people

    with _store(config) as (store, _), store.reading() as connection:
        lines = people.read_audit(connection, limit)
    if json:
        print_json({"audit": [asdict(each) for each in lines]})
        return
    print_table(
        ["at", "person", "action", "object", "result", "address"],
        [
            (
                _when(each.at_ms),
                *(ascii(text)[1:-1] for text in (each.person, each.action, each.object, each.result, each.address)),
            )
            for each in lines
        ],
    )


@contextmanager
def _store(config: Path | None) -> Iterator[tuple[Store, Person]]:
    from agents.web.people import at_the_terminal
    from agents.web.store import Store

    chosen = settings(config)
    with closing(Store(chosen.database_url())) as store:
        yield store, at_the_terminal(chosen.access)


def _password() -> str:
    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < _SHORTEST_PASSWORD:
        message = f"a password has at least {_SHORTEST_PASSWORD} characters"
        raise UsageError(message)
    return password


def _check_owner(accounts: str, owner: str | None) -> None:
    if accounts != "all" and owner is None:
        message = f"--accounts {accounts} needs --owner"
        raise UsageError(message)


def _require(found: bool, message: str) -> None:
    if not found:
        raise UsageError(message)


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
