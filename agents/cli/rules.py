"""`foreshock rules list`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from agents.cli.console import out, print_json, print_table
from agents.cli.options import ConfigFile, Json, settings
from agents.settings import Settings
from pipeline.terms.kind import Kind

group = typer.Typer(help="What alerts are raised for.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="rules")


@group.callback()
def _group() -> None:
    """Keep `list` a command of its own."""


@group.command("list")
def print_rules(
    config: ConfigFile = None,
    json: Json = False,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Add what people said of each kind, from the database.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a table for a page, as of the defaults.")] = False,
) -> None:
    """Print every kind of alert: what raises it, what ends it, how bad it is and what to do."""
    from pipeline.kinds import KINDS, enabled_by_level

    if markdown:
        typer.echo(kinds_page(KINDS.values()))
        return

    chosen = settings(config)
    engine = chosen.engine()
    said = _feedback(chosen) if feedback else {}
    rows = [
        {
            "kind": name,
            "family": kind.family,
            "level": kind.level,
            "severity": kind.severity,
            "enabled": not engine.is_off(kind),
            "off_in": [profile.name for profile in engine.profiles if name in profile.disabled_kinds],
            "immediate": kind.immediate,
            "condition": kind.condition,
            "resolution": kind.resolution,
            "play": {"id": kind.play.id, "title": kind.play.title, "days": kind.play.days},
            **({"feedback": said.get(name)} if feedback else {}),
        }
        for name, kind in KINDS.items()
    ]
    if json:
        print_json({"kinds": rows, "enabled": enabled_by_level(engine)})
        return
    if feedback:
        table = [
            (name, *(f"{count} ({count / (sum(given.values()) or 1):.0%})" for count in given.values()))
            for name, given in said.items()
        ]
        verdicts = next(iter(said.values()), {})
        print_table(["kind", *(verdict.replace("_", " ") for verdict in verdicts)], table)
        return
    columns = ("kind", "family", "level", "severity", "enabled", "condition", "resolution", "off_in")
    cells = [
        [_cell(row[column]) for column in columns] + [kind.play.title]
        for row, kind in zip(rows, KINDS.values(), strict=True)
    ]
    print_table(["kind", "family", "level", "severity", "on", "raised when", "ends when", "off in", "next step"], cells)
    levels = ", ".join(f"{count} {level}" for level, count in enabled_by_level(engine).items())
    out.print(f"enabled: {levels}", highlight=False)


def _feedback(chosen: Settings) -> dict[str, dict[str, int]]:
    from contextlib import closing

    from agents.web.store import Store
    from sinks.database.reading.rules import feedback

    with closing(Store(chosen.database_url())) as store, store.reading() as connection:
        return feedback(connection)


def kinds_page(kinds: Iterable[Kind]) -> str:
    """A Markdown table of kinds, one a line."""
    columns = (
        "kind", "family", "severity", "level", "dimension", "raised when", "ends when", "on", "yields to", "counts",
    )  # fmt: skip
    lines = [columns, ("---",) * len(columns), *(_line(kind) for kind in kinds)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(kind: Kind) -> tuple[str, ...]:
    counts = ["budget"] if kind.stream else []
    counts += [f"weight {kind.weight}"] if kind.weight else []
    return (
        f"`{kind.name}`",
        kind.family,
        kind.severity,
        kind.level,
        kind.dimension if kind.immediate or kind.of_card else f"`{kind.dimension}`",
        kind.condition,
        kind.resolution,
        f"with `{kind.setting}`" if kind.setting else "yes",
        ", ".join(f"`{name}`" for name in kind.yields_to),
        ", ".join(counts),
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
