"""`foreshock worker`, `foreshock deliver` and `foreshock console`: the long-running processes."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.options import ConfigFile, settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(worker)
    app.command()(deliver)
    app.command()(console)


def worker(
    config: ConfigFile = None,
    accept_epoch: Annotated[
        bool,
        typer.Option("--accept-epoch", help="Begin anew where the state does not fit the topics or cannot be read."),
    ] = False,
) -> None:
    """Run a worker: read the input topics, keep the accounts' state, publish alerts.

    Start as many as you like, up to the number of partitions: they share the work.
    """
    from agents.launch import run_worker
    from agents.logs import configure_logs

    chosen = settings(config)
    configure_logs(chosen.log)
    raise typer.Exit(run_worker(chosen, accept_epoch=accept_epoch))


def deliver(
    config: ConfigFile = None,
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Go on although a topic lost records that were never written."),
    ] = False,
) -> None:
    """Run the delivery: write alerts, health and commands into the database, and post alerts if there is a webhook.

    Run `foreshock db upgrade` first. While a destination is away, its records wait in their topics.
    """
    from agents.launch import run_deliver
    from agents.logs import configure_logs

    chosen = settings(config)
    configure_logs(chosen.log)
    raise typer.Exit(run_deliver(chosen, accept_loss=accept_loss))


def console(
    config: ConfigFile = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, instead of console.host of the settings.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port, instead of console.port; 0 takes any free one.")] = None,
) -> None:
    """Run the console: cases, accounts and the portfolio as pages, on this machine unless told otherwise."""
    from agents.console.routes import ROUTES
    from agents.launch import run_console
    from agents.logs import configure_logs

    given = {"host": host, "port": port}
    chosen = settings(config, {f"console.{name}": value for name, value in given.items() if value is not None})
    configure_logs(chosen.log)
    raise typer.Exit(run_console(chosen, ROUTES))
