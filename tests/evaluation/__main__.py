"""Measure everything and write the table, the plots and the figures: `python -m tests.evaluation`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tests.evaluation.plots import write_plots
from tests.evaluation.report import markdown
from tests.evaluation.run import PARTS, as_document, evaluate
from tests.evaluation.task import FULL, QUICK

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "evaluation"


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A twentieth of the accounts, from another seed.")] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(PARTS)}; may be repeated.")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Sets of event files with labels.csv, a folder each.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json, evaluation.md and the plots.")] = GOLDEN,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures and write no file.")] = False,
) -> None:
    """Measure false alarms, recall and delay: on drawn accounts, on simulated streams, and on sets of event files."""
    began_s = time.perf_counter()
    chosen: Sequence[str] = only or list(PARTS)
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)} is none of {', '.join(PARTS)}")

    def tell(step: str) -> None:
        sys.stderr.write(f"{time.perf_counter() - began_s:5.0f} s  {step}\n")

    size = replace(QUICK if quick else FULL, data=data)
    document = as_document(size, evaluate(size, chosen, jobs, tell))
    if as_json:
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
        return
    out.mkdir(parents=True, exist_ok=True)
    _write(document, out)
    tell(f"written to {out}")


def _write(document: dict[str, Any], out: Path) -> None:
    (out / "evaluation.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for plot in out.glob("*.png"):
        plot.unlink()
    drawn = write_plots(document, out)
    (out / "evaluation.md").write_text(markdown(document, [path.name for path in drawn]), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
