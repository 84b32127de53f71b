"""`foreshock topics apply|check`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agents.cli.console import err, out, print_json
from agents.cli.failures import FAILED
from agents.cli.options import ConfigFile, Json, settings

if TYPE_CHECKING:
    from agents.kafka.topics import Topics

group = typer.Typer(help="The topics on the brokers.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="topics")


@group.command()
def check(config: ConfigFile = None, json: Json = False) -> None:
    """Say whether every topic is as it must be; exit with 1 when one is not. Changes nothing."""
    differences = _topics(config).check()
    if json:
        print_json({"ok": not differences, "differences": [asdict(each) for each in differences]})
    else:
        for difference in differences:
            err.print(str(difference), markup=False, highlight=False, soft_wrap=True)
        out.print(f"{len(differences)} differences" if differences else "all topics are as they must be")
    if differences:
        raise typer.Exit(FAILED)


@group.command()
def apply(config: ConfigFile = None) -> None:
    """Create missing topics and set their configuration; never change partitions."""
    topics = _topics(config)
    done = topics.apply()
    for difference in done:
        change = "created" if difference.what == "topic" else f"{difference.what} set to {difference.wanted}"
        out.print(f"{difference.topic}: {change}", markup=False, highlight=False)
    left = [difference for difference in topics.check() if not difference.mendable]
    for difference in left:
        err.print(f"{difference}; this needs your decision", markup=False, highlight=False, soft_wrap=True)
    if left:
        raise typer.Exit(FAILED)
    out.print("all topics are as they must be")


def _topics(config: Path | None) -> Topics:
    from agents.kafka.topics import Topics, wanted_topics

    chosen = settings(config)
    return Topics(chosen.kafka_client(), wanted_topics(chosen))
