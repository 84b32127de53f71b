"""`foreshock schemas check`."""

from __future__ import annotations

import typer

from agents.cli.console import err, out
from agents.cli.failures import FAILED
from agents.cli.options import ConfigFile, settings

group = typer.Typer(help="The schemas of the topics.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="schemas")


@group.callback()
def _group() -> None:
    """Keep `check` a command of its own."""


@group.command()
def check(config: ConfigFile = None) -> None:
    """Check that this release reads all that was ever written; exit with 1 when it does not.

    Compares with every released schema, and with the registry when the settings name one.
    """
    from agents.kafka.registry import open_registry
    from schemas.definitions import NAMES
    from schemas.registry.compatibility import check_all
    from schemas.registry.source import FileRegistry
    from schemas.topics import TOPICS

    problems = check_all()
    released = FileRegistry()
    for topic in TOPICS.values():
        released.schema_id(topic)
    registry = open_registry(settings(config))
    if not isinstance(registry, FileRegistry):
        problems += [
            f"{topic.subject}: {why}" for topic in TOPICS.values() for why in registry.incompatibilities(topic)
        ]
    for problem in problems:
        err.print(problem, markup=False, highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(FAILED)
    out.print(f"{len(NAMES)} schemas read everything that was ever released", highlight=False)
