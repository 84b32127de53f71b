"""`foreshock db upgrade|check`."""

from __future__ import annotations

import typer

from agents.cli.console import out, print_json
from agents.cli.failures import FAILED
from agents.cli.options import ConfigFile, Json, settings
from agents.settings import masked_url

group = typer.Typer(help="The database of alerts and health.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="db")


@group.command()
def upgrade(config: ConfigFile = None) -> None:
    """Create the tables or bring them to this release; safe to run again."""
    from sinks.database.migrate import upgrade as run

    url = settings(config).database_url()
    version = run(url)
    out.print(f"{masked_url(url)} is at {version.current}", highlight=False)


@group.command()
def check(config: ConfigFile = None, json: Json = False) -> None:
    """Say whether the database has the tables of this release; exit with 1 when it has not."""
    from sinks.database.migrate import check as run

    url = settings(config).database_url()
    version = run(url)
    shown = masked_url(url)
    if json:
        state = {"current": version.current, "newest": version.newest, "ok": version.up_to_date}
        print_json({"url": shown, **state})
    elif version.up_to_date:
        out.print(f"{shown} is up to date ({version.current})", highlight=False)
    else:
        todo = f"has {version.current or 'no tables'}, needs {version.newest}: run `foreshock db upgrade`"
        out.print(f"{shown} {todo}", highlight=False)
    if not version.up_to_date:
        raise typer.Exit(FAILED)
