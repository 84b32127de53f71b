"""`foreshock worker` and `foreshock deliver`: the long-running processes."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.options import ConfigFile, settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(worker)
    app.command()(deliver)


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
