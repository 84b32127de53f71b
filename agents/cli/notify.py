"""`foreshock notify`: the process that sends messages, and what people ask of it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from agents.cli.console import out, print_json, print_table
from agents.cli.failures import FAILED
from agents.cli.options import ConfigFile, Json, settings
from schemas.errors import UsageError

group = typer.Typer(help="Send messages of cases to people and programs; without a command, until stopped.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="notify", invoke_without_command=True)


@group.callback()
def run(context: typer.Context, config: ConfigFile = None) -> None:
    """Send what `foreshock deliver` has put into the outbox, until stopped; what a receiver refuses to take waits.

    Several may run at the same time, on PostgreSQL.
    """
    if context.invoked_subcommand is not None:
        return
    from agents.launch import run_notify
    from agents.logs import configure_logs

    chosen = settings(config)
    configure_logs(chosen.log)
    raise typer.Exit(run_notify(chosen))


@group.command("test")
def try_out(
    receiver: Annotated[str, typer.Argument(help="Its name in the settings.")], config: ConfigFile = None
) -> None:
    """Send a test message to a receiver; exit with 1 when it does not take it.

    Example: foreshock notify test sales
    """
    from agents.notify.trial import send_test

    said = send_test(settings(config), receiver)
    out.print(said or f"{receiver} took the message", highlight=False)
    if said:
        raise typer.Exit(FAILED)


@group.command("list")
def show(
    state: Annotated[
        Literal["waiting", "sent", "failed", "dropped"] | None, typer.Option(help="Those in this state only.")
    ] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many, the newest first.")] = 100,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List messages of the outbox: those that wait, and those that a receiver refuses."""
    from sinks.database.outbox import Outbox

    outbox = Outbox(settings(config).database_url())
    try:
        rows = outbox.listed([state] if state else ["waiting", "failed"], most)
    finally:
        outbox.close()
    if json:
        print_json(rows)
        return
    columns = ["created_ms", "receiver", "event", "topic_key", "state", "attempts", "not_before_ms", "last_error"]
    shown = ([_time(row[name]) if name.endswith("_ms") else row[name] for name in columns] for row in rows)
    print_table([name.removesuffix("_ms") for name in columns], shown)


@group.command()
def routes(
    case: Annotated[Path, typer.Argument(metavar="CASE.json", help="A case record; - reads standard input.")],
    team: Annotated[str | None, typer.Option(help="Of the case's owner.")] = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say where a case would go, how, and why not elsewhere."""
    from pipeline.notify.deciding import ways

    chosen = settings(config)
    routing = chosen.routing()
    found = ways(routing, _read(case), team)
    if json:
        print_json([{"receiver": way.route.receiver, "how": way.how, "mismatch": way.mismatch} for way in found])
        return
    rows = (
        (number, way.route.receiver, way.how, way.mismatch or routing.in_words(way.route))
        for number, way in enumerate(found, 1)
    )
    print_table(["route", "receiver", "told", "why"], rows)


def _read(path: Path) -> dict[str, Any]:
    import json

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        missing = [name for name in ("case_id", "account_id", "subject", "status", "severity") if name not in found]
    except (OSError, ValueError, TypeError) as error:
        message = f"{path} is no case record: {error}"
        raise UsageError(message) from error
    if missing:
        message = f"{path} is no case record: it lacks {', '.join(missing)}"
        raise UsageError(message)
    return found


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
