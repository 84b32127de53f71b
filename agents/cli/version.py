"""`foreshock version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed

import typer

from agents.cli.console import out, print_json
from agents.cli.options import Json

_SHOWN = ("foreshock", "faust-streaming", "aiokafka", "confluent-kafka", "pyarrow", "polars", "sqlalchemy")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(version)


def version(json: Json = False) -> None:
    """Print the version of foreshock and of what it stands on."""
    versions = {name: installed(name) for name in _SHOWN} | {"python": platform.python_version()}
    if json:
        print_json(versions)
        return
    out.print(f"foreshock {versions.pop('foreshock')}", highlight=False)
    for name, number in versions.items():
        out.print(f"  {name} {number}", highlight=False)
