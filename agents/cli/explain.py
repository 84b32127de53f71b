"""`foreshock explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.console import out, print_json
from agents.cli.options import ConfigFile, Json, settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    account: Annotated[str, typer.Argument(help="Account id.")],
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say why an account has its score: dimensions, evidence, what could be seen, and its open alerts.

    Example: foreshock explain acct-0001
    """
    from agents.explain import explain as of_account
    from agents.explain import render

    explanation = of_account(settings(config).database_url(), account)
    if json:
        print_json(explanation)
    else:
        out.print(render(explanation))
