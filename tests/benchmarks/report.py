"""The figures as a table for people, as JSON for machines, and as Markdown for the page beside this."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.results import Figure, Results

_VERDICTS = {True: "yes", False: "no", None: ""}


def show(results: Results, console: Console) -> None:
    """Print the table."""
    table = Table(title="foreshock benchmarks", title_justify="left")
    table.add_column("what")
    table.add_column("median", justify="right")
    table.add_column("lowest – highest", justify="right")
    table.add_column("must be", justify="right")
    table.add_column("met")
    for figure in results:
        style = "red" if figure.met is False else None
        table.add_row(figure.what, _middle(figure), _spread(figure), _bound(figure), _verdict(figure), style=style)
    console.print(table)


def write(results: Results, machine: Mapping[str, str], sentence: str, folder: Path) -> None:
    """Write `bench.json` and `bench.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": dict(machine), "figures": [figure.as_record() for figure in results]}
    (folder / "bench.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    (folder / "bench.md").write_text(markdown(results, sentence))


def markdown(results: Results, sentence: str) -> str:
    """The table with the machine's description; notes below it."""
    lines = [
        f"Measured by `make bench` on {sentence}.",
        "",
        "| what | median | lowest – highest | must be | met |",
        "|---|---:|---:|---:|---|",
    ]
    notes = []
    for figure in results:
        cells = [figure.what, _middle(figure), _spread(figure), _bound(figure), _verdict(figure)]
        lines.append("| " + " | ".join(cells) + " |")
        if figure.note:
            notes.append(f"- {figure.what}: {figure.note}")
    if notes:
        lines += ["", *notes]
    return "\n".join(lines) + "\n"


def number(value: float, unit: str) -> str:
    """A value as people read it, with its unit."""
    if unit == "share":
        return f"{100 * value:.0f} %"
    if unit == "times":
        return f"{value:.1f} ×" if value < 100 else f"{value:.0f} ×"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:,.{digits}f} {unit}"


def _middle(figure: Figure) -> str:
    return number(figure.middle, figure.unit)


def _spread(figure: Figure) -> str:
    low, high = min(figure.values), max(figure.values)
    return "" if len(figure.values) == 1 else f"{number(low, figure.unit)} – {number(high, figure.unit)}"


def _bound(figure: Figure) -> str:
    if figure.at_least is not None:
        return f"≥ {number(figure.at_least, figure.unit)}"
    return "" if figure.at_most is None else f"≤ {number(figure.at_most, figure.unit)}"


def _verdict(figure: Figure) -> str:
    return _VERDICTS[figure.met]
