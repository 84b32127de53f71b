"""`foreshock demo`: everything on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.console import err, out, print_json
from agents.cli.failures import FAILED
from agents.cli.options import Json
from schemas.errors import UsageError

if TYPE_CHECKING:
    from agents.demo.folder import DemoFolder
    from agents.demo.run import DemoRun
    from pipeline.simulate import SimulationSettings


_LOOK_S = 1.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stream.")] = 7,
    accounts: Annotated[int, typer.Option(min=1, max=2000, help="Customers.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=1000, help="Length of the stream.")] = 120,
    to: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Folder for files and database; of its own.")] = Path(
        "demo-data"
    ),
    json: Json = False,
    stay: Annotated[
        bool, typer.Option("--stay", help="End the stream yesterday, and stay up with the console until Ctrl-C.")
    ] = False,
) -> None:
    """Replay a made-up stream through the whole pipeline: topics, worker, alerts, database.

    Nothing needs to be installed: the broker is an embedded one (for trying out only), the database SQLite.
    The end proves that every record produced has met exactly one fate.
    """
    from agents.demo.folder import DemoFolder, sample_settings
    from agents.demo.result import result_of
    from agents.demo.view import render

    folder = DemoFolder(to.resolve())
    try:
        wanted = sample_settings(seed, accounts, days, until_now=stay)
        folder.prepare(until_now=stay)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error

    def told(run: DemoRun) -> None:
        result = result_of(run)
        if json:
            print_json(result)
        else:
            out.print(render(result))
        if not result["accounted_for"]:
            err.print("the records produced are not the sum of their fates", style="bold red")
            raise typer.Exit(FAILED)

    if stay:
        _stay(folder, wanted, told)
    else:
        told(_run(folder, wanted))


def _run(folder: DemoFolder, wanted: SimulationSettings) -> DemoRun:
    from agents.demo.run import run_demo
    from agents.demo.view import ProgressView

    with ProgressView(err) as view:
        return run_demo(folder, wanted, view.show)


def _stay(folder: DemoFolder, wanted: SimulationSettings, told: Callable[[DemoRun], None]) -> None:
    from agents.demo.run import run_demo
    from agents.demo.view import ProgressView

    with ProgressView(err) as view:

        def stay(run: DemoRun, address: str, look: Callable[[], None]) -> None:
            view.end()
            told(run)
            err.print(f"The console is at {address}; Ctrl-C ends everything.", style="bold", highlight=False)
            while True:
                time.sleep(_LOOK_S)
                look()

        run_demo(folder, wanted, view.show, stay)
