"""`foreshock mcp`."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.options import ConfigFile, settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(mcp)


def mcp(
    owner: Annotated[
        list[str] | None, typer.Option("--owner", help="Show accounts of this owner only; may be repeated.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65_535, help="Serve by HTTP at 127.0.0.1, not by standard input and output."),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Answer assistants by the Model Context Protocol: why an account is red, what changed, cases, the portfolio.

    It only reads. An assistant starts it by itself, as `foreshock mcp --config FILE`.
    """
    from agents.logs import configure_logs
    from agents.web.assistants import assistant
    from agents.web.store import Store

    chosen = settings(config)
    configure_logs(chosen.log)
    server = assistant(Store(chosen.database_url()), frozenset(owner) if owner else None, chosen.app.timezone)
    if port is None:
        server.run()
    else:
        server.run("streamable-http", host="127.0.0.1", port=port)
