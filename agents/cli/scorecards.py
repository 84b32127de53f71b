"""`foreshock scorecards list|coverage`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.console import out, print_json, print_table
from agents.cli.inputs import counted
from agents.cli.options import ConfigFile, Json, settings

if TYPE_CHECKING:
    from agents.settings import Settings

group = typer.Typer(help="What accounts are judged by, and how much of it is known.", no_args_is_help=True)

_TAGS = ("source", "timing", "basis", "origin", "perspective")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="scorecards")


@group.command("list")
def print_scorecards(config: ConfigFile = None, json: Json = False) -> None:
    """Print what each scorecard weighs, and what sort of knowledge each dimension is.

    Leading dimensions tell of what is to come, lagging ones of what has come about.
    """
    chosen = settings(config)
    in_force = {*chosen.health.scorecards, *(name for each in chosen.profiles for name in each.scorecards)}
    rows = [row | {"in_force": row["scorecard"] in in_force} for row in _criteria(chosen)]
    if json:
        print_json(rows)
        return
    columns = ("scorecard", "dimension", "weight", *_TAGS)
    print_table(columns, ([row[name] for name in columns] for row in rows))
    out.print(f"in force: {', '.join(sorted(in_force))}", highlight=False, markup=False)


@group.command()
def coverage(
    to: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="CSV with what each dimension says of each account.")
    ] = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Of how many accounts each dimension and each source is known, and what it says on average; from the database.

    The mean of `feature_adoption`, and of a criterion `feature:NAME`, is the adoption of all customers together.

    Example: foreshock scorecards coverage --out adoption.csv
    """
    from sinks.database.coverage import read_coverage, read_values

    chosen = settings(config)
    criteria = _criteria(chosen)
    tagged: dict[tuple[str, str], list[str]] = {}
    for row in criteria:
        for tag in filter(row.get, _TAGS):
            tagged.setdefault((tag, row[tag]), []).append(row["dimension"])
    found = read_coverage(chosen.database_url(), tagged)
    rows = []
    for row in criteria:
        accounts = found.cards.get(row["scorecard"], 0)
        known, mean = found.known.get((row["scorecard"], row["dimension"]), (0, None))
        if accounts:
            rows.append(row | {"accounts": accounts, "known": known, "share": known / accounts, "mean": mean})
    groups = [
        {"tag": tag, "value": value, "known": known, "share": known / max(found.accounts, 1)}
        for (tag, value), known in found.groups.items()
    ]
    if to is not None:
        _write(read_values(chosen.database_url()), to)
    if json:
        print_json({"accounts": found.accounts, "dimensions": rows, "groups": groups})
        return
    print_table(
        ("scorecard", "dimension", "known", "mean", *_TAGS),
        ((row["scorecard"], row["dimension"], f"{row['share']:.0%}", _plain(row["mean"]), *map(row.get, _TAGS))
         for row in rows),
    )  # fmt: skip
    print_table(
        ("of", counted(found.accounts, "account"), "known"),
        ((each["tag"], each["value"], f"{each['share']:.0%}") for each in groups),
    )


def _criteria(chosen: Settings) -> list[dict[str, Any]]:
    """What the built-in scorecards and those of the settings weigh."""
    from pipeline.health.dimensions import dimension_of
    from pipeline.scorecards.plan import catalogue

    return [
        {"scorecard": card.id, "dimension": each.dimension, "weight": each.weight} | dimension_of(each.dimension).tags
        for card in catalogue(chosen.scorecards).values()
        for each in card.criteria
    ]


def _write(rows: Iterable[Mapping[str, Any]], to: Path) -> None:
    with to.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for number, row in enumerate(rows):
            writer.writerows([row.keys(), row.values()] if number == 0 else [row.values()])


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
