"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from agents.settings import Settings, load

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file (TOML); else the one in FORESHOCK_CONFIG."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
EventFolder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR-OR-FILE",
        exists=True,
        help="Folder with usage.*, billing.*, tickets.*, signals.*, profiles.*, or one such file "
        "(.jsonl, .csv, both also .gz, or .parquet).",
    ),
]


def settings(config: Path | None) -> Settings:
    """The settings in force. Raises ConfigError with every problem."""
    return load(config, os.environ)
