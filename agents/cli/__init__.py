"""The command line `foreshock`: one module a group of commands, each a thin call into the rest."""

from __future__ import annotations

import sys

import typer

from agents.cli import (
    access,
    backtest,
    case,
    config,
    database,
    dead_letters,
    demo,
    events,
    explain,
    mcp,
    notify,
    portfolio,
    processes,
    renewals,
    rules,
    schemas,
    scorecards,
    topics,
    version,
)
from agents.cli.console import err
from agents.cli.failures import explain_failure

EPILOG = (
    "Start here: [bold]foreshock demo[/bold]. Settings: defaults, then the file of --config or "
    "FORESHOCK_CONFIG, then FORESHOCK_SECTION__NAME variables; "
    "[bold]foreshock config check[/bold] lists every problem."
)

app = typer.Typer(
    name="foreshock",
    help="Early warning for customer success: usage, billing and ticket events in, alerts out.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for group in (
    demo,
    backtest,
    events,
    processes,
    case,
    notify,
    explain,
    mcp,
    portfolio,
    renewals,
    rules,
    scorecards,
    topics,
    database,
    access,
    config,
    schemas,
    dead_letters,
    version,
):
    group.register(app)


def main() -> None:
    """Entry point: 0 all well, 1 failed, 2 something given is wrong, 130 interrupted."""
    try:
        app(prog_name="foreshock")
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(130)
    except Exception as error:
        failure = explain_failure(error)
        if failure is None:
            raise
        err.print(failure.message, markup=False, highlight=False, soft_wrap=True)
        sys.exit(failure.exit_code)
