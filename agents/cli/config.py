"""`foreshock config check|show|sample`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.console import out, print_json, print_table
from agents.cli.options import ConfigFile, Json, settings
from agents.settings import masked, sample
from agents.settings.cards import card_warnings
from agents.settings.cards import shown as cards_shown
from agents.settings.load import read
from agents.settings.receivers import shown as notify_shown
from schemas.errors import UsageError

group = typer.Typer(help="Look at the settings.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="config")


@group.command()
def check(config: ConfigFile = None) -> None:
    """Say whether the settings can be used; list every problem and exit with 2 when they cannot.

    Example: foreshock config check --config deploy/foreshock.toml
    """
    chosen = settings(config)
    for warning in card_warnings(chosen.scorecards):
        out.print(f"warning: {warning}", highlight=False)
    for number, route in enumerate(chosen.routes, 1):
        out.print(f"route {number}: {chosen.routing().in_words(route)}", highlight=False)
    out.print("the settings are valid")


@group.command()
def show(config: ConfigFile = None, json: Json = False) -> None:
    """Print the settings in force and where each was set; secrets are masked."""
    loaded = read(config, os.environ)
    shown = masked(loaded.settings)
    tables = cards_shown(loaded.settings.scorecards, loaded.settings.profiles) | notify_shown(loaded.settings)
    if json:
        print_json(shown | tables)
        return
    rows = [
        (f"{section}.{name}", "" if value is None else value, loaded.origins[f"{section}.{name}"])
        for section, values in shown.items()
        for name, value in values.items()
    ]
    rows += [
        (f"{table}.{name}", ", ".join(f"{key} {value}" for key, value in entry.items()), "file")
        for table, entries in tables.items()
        for name, entry in entries.items()
    ]
    print_table(["setting", "value", "set by"], rows)


@group.command("sample")
def print_sample(
    to: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to this new file.")] = None,
) -> None:
    """Print a settings file with every setting, its meaning and its default."""
    if to is None:
        out.file.write(sample())
        return
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(sample())
    except OSError as error:
        message = f"{to} cannot be written: {error.strerror}"
        raise UsageError(message) from error
    out.print(f"wrote {to}", highlight=False)
