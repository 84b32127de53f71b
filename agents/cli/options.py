"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agents.settings import Settings, load
from agents.settings.sources import variable
from schemas.errors import UsageError

if TYPE_CHECKING:
    from agents.eventfiles.files import TimesAs

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
        help="Folder with usage*, billing*, tickets*, signals*, profiles*, or one such file "
        "(.jsonl, .csv, both also .gz, or .parquet).",
    ),
]
TimeUnit = Annotated[
    Literal["s", "ms", "us"], typer.Option("--time-unit", help="Of times that the files write as numbers.")
]
UtcOffset = Annotated[
    str, typer.Option("--utc-offset", metavar="+HH:MM", help="Of times that the files write without an offset.")
]
_OFFSET = re.compile(r"([+-])(0[0-9]|1[0-4]):([0-5][0-9])")


def settings(config: Path | None, given: Mapping[str, object] | None = None) -> Settings:
    """The settings in force, some `given` on the command line as `section.name`. Raises ConfigError."""
    own = {variable(*name.split(".")): str(value) for name, value in (given or {}).items()}
    return load(config, os.environ | own)


def times_as(unit: Literal["s", "ms", "us"], utc_offset: str) -> TimesAs:
    """How times of files are written. Raises UsageError if the offset is none."""
    from agents.eventfiles.files import TimesAs

    found = _OFFSET.fullmatch(utc_offset)
    if found is None:
        msg = f"--utc-offset {utc_offset} is not between -14:00 and +14:59, as +02:00"
        raise UsageError(msg)
    sign, hours, minutes = found.groups()
    return TimesAs(unit, int(f"{sign}1") * (int(hours) * 60 + int(minutes)) * 60_000)
