"""The figures as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.evaluation.steps import OURS, STEP_DAYS

Row = Mapping[str, Any]
_DISPERSION, _LEAST_VOLUME = 2.0, 2.0
_FLOOR = 1e-3
"""Where a rate of nothing is drawn on a logarithmic axis."""


def write_plots(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what the document holds figures for; returns the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    drawn = []
    if steps := _steps(document):
        drawn.append(_delay(steps, folder / "delay.png"))
    if document["false_alerts"]:
        drawn.append(_budget(document["false_alerts"], folder / "false_alerts.png"))
    if document["budgets"]:
        drawn.append(_asked(document["budgets"], folder / "budgets.png"))
    return drawn


def _steps(document: Mapping[str, Any]) -> list[Row]:
    """Of falls that every method was measured on."""
    return [
        row
        for row in document["recalls"]
        if (row["scenario"], row["effect"], row["dispersion"]) == ("step", "−60 %", _DISPERSION)
        and row["volume"] >= _LEAST_VOLUME
    ]


def _delay(steps: Sequence[Row], target: Path) -> Path:
    """How soon each method finds a fall, all with as many false alarms as ours; a group of bars a volume."""
    from matplotlib import pyplot

    volumes, methods = (list(dict.fromkeys(row[name] for row in steps)) for name in ("volume", "method"))
    figure, panel = pyplot.subplots(figsize=(9, 4.4))
    width = 0.8 / len(methods)
    for number, method in enumerate(methods):
        days = {row["volume"]: row["median_days"] for row in steps if row["method"] == method}
        places = [place + width * (number - len(methods) / 2) for place in range(len(volumes))]
        colour = "black" if method == OURS else f"C{number}"
        # Most are missed: the bar goes to the top.
        heights = [STEP_DAYS if days.get(volume) is None else days[volume] for volume in volumes]
        panel.bar(places, heights, width=width, label=method, color=colour)
    panel.set_xticks(range(len(volumes)), [f"{volume:g} events a day" for volume in volumes])
    panel.set(ylabel=f"median days to find −60 % ({STEP_DAYS}: most are not found)", ylim=(0, STEP_DAYS))
    panel.legend(fontsize=7)
    return _save(figure, target)


def _asked(rows: Sequence[Row], target: Path) -> Path:
    """False alarms asked for and got."""
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(6, 4.4))
    for where in dict.fromkeys(row["where"] for row in rows):
        own = sorted((row for row in rows if row["where"] == where), key=lambda row: row["asked"])
        asked, got = ([row[name] for row in own] for name in ("asked", "got"))
        panel.plot(asked, [max(rate, _FLOOR) for rate in got], marker="o", label=where)
    line = sorted({row["asked"] for row in rows})
    panel.plot(line, line, color="grey", linestyle=":", label="as many as asked for")
    panel.set(
        xscale="log", yscale="log", xlabel="asked for", ylabel="got", title="false alarms of an account and quarter"
    )
    panel.legend(fontsize=8)
    return _save(figure, target)


def _budget(cells: Sequence[Row], target: Path) -> Path:
    """The worst cell of each kind and history against its budget, where every budget was measured."""
    from matplotlib import pyplot

    lengths = sorted({cell["arl_days"] for cell in cells})
    measured = {(cell["kind"], cell["history"], cell["arl_days"]) for cell in cells}
    of_all = dict.fromkeys((cell["kind"], cell["history"]) for cell in cells)
    groups = [group for group in of_all if all((*group, length) in measured for length in lengths)]
    figure, panel = pyplot.subplots(figsize=(9, 0.45 * len(groups) + 1.8))
    for shift, length in enumerate(lengths):
        worst = [
            max(c["per_year"] for c in cells if (c["kind"], c["history"], c["arl_days"]) == (*group, length))
            for group in groups
        ]
        places = [place + 0.25 * (shift - 1) for place in range(len(groups))]
        bars = panel.barh(places, [max(rate, _FLOOR) for rate in worst], height=0.22, label=f"A = {length:.0f} days")
        panel.axvline(365 / length, color=bars.patches[0].get_facecolor(), linestyle=":")
    panel.set_yticks(range(len(groups)), [f"{kind}, {history}" for kind, history in groups], fontsize=8)
    panel.set(xscale="log", xlabel="false alerts per account-year: worst cell (bar) and budget (dotted)")
    panel.legend(fontsize=8)
    return _save(figure, target)


def _save(figure: Any, target: Path) -> Path:
    figure.tight_layout()
    # No date and no version in the file: the same figures give the same bytes.
    figure.savefig(target, dpi=110, metadata={"Software": None})
    figure.clf()
    return target
