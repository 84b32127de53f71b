"""The figures as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.evaluation.budget import REFERENCE_ARL
from tests.evaluation.steps import OURS

Row = Mapping[str, Any]
_HISTORY, _DISPERSION = "steady", 2.0
_FLOOR = 1e-3
"""Where a rate of nothing is drawn on a logarithmic axis."""


def write_plots(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what the document holds figures for; returns the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    drawn = []
    if any(cell["arl_days"] is None for cell in document["false_alerts"]) and _steps(document):
        drawn.append(_trade_off(document, folder / "trade_off.png"))
    if any(cell["arl_days"] is not None for cell in document["false_alerts"]):
        drawn.append(_budget(document["false_alerts"], folder / "false_alerts.png"))
    if document["quiet"]:
        drawn.append(_quiet(document["quiet"], folder / "quiet.png"))
    return drawn


def _steps(document: Mapping[str, Any]) -> list[Row]:
    return [
        row
        for row in document["recalls"]
        if (row["scenario"], row["effect"], row["dispersion"]) == ("step", "−60 %", _DISPERSION)
    ]


def _trade_off(document: Mapping[str, Any], target: Path) -> Path:
    """False alerts against delay, a method a point, one panel a volume."""
    from matplotlib import pyplot

    steps = [row for row in _steps(document) if row["volume"] >= 2]
    volumes = sorted({row["volume"] for row in steps})
    figure, panels = pyplot.subplots(1, len(volumes), figsize=(4.6 * len(volumes), 4.4), sharey=True, squeeze=False)
    methods = list(dict.fromkeys(row["method"] for row in steps))
    for panel, volume in zip(panels[0], volumes, strict=True):
        for row in (row for row in steps if row["volume"] == volume and row["median_days"] is not None):
            rate = _steady_rate(document["false_alerts"], row["method"], volume)
            if rate is not None:
                place = methods.index(row["method"])
                star = {"marker": "*", "s": 160} if row["method"] == OURS else {"marker": "o", "s": 40}
                panel.scatter(max(rate, _FLOOR), row["median_days"], color=f"C{place}", label=row["method"], **star)
        panel.set(
            xscale="log",
            xlim=(_FLOOR / 2, 100),
            title=f"{volume:g} events a day",
            xlabel="false alerts per account-year",
        )
        panel.axvline(365 / REFERENCE_ARL, color="grey", linestyle=":", linewidth=1)
        panel.legend(fontsize=7)
    panels[0][0].set_ylabel("median days until a −60 % step is found")
    return _save(figure, target)


def _steady_rate(cells: Sequence[Row], method: str, volume: float) -> float | None:
    """False alerts per account-year of a method, ours over all its kinds, at the reference run length."""
    rates = [
        cell["per_year"]
        for cell in cells
        if (cell["history"], cell["volume"], cell["dispersion"]) == (_HISTORY, volume, _DISPERSION)
        and (cell["arl_days"] == REFERENCE_ARL if method == OURS else cell["kind"] == method)
    ]
    return sum(rates) if rates else None


def _budget(cells: Sequence[Row], target: Path) -> Path:
    """The worst cell of each kind and history against its budget, where every budget was measured."""
    from matplotlib import pyplot

    ours = [cell for cell in cells if cell["arl_days"] is not None]
    lengths = sorted({cell["arl_days"] for cell in ours})
    measured = {(cell["kind"], cell["history"], cell["arl_days"]) for cell in ours}
    of_all = dict.fromkeys((cell["kind"], cell["history"]) for cell in ours)
    groups = [group for group in of_all if all((*group, length) in measured for length in lengths)]
    figure, panel = pyplot.subplots(figsize=(9, 0.45 * len(groups) + 1.8))
    for shift, length in enumerate(lengths):
        worst = [
            max(c["per_year"] for c in ours if (c["kind"], c["history"], c["arl_days"]) == (*group, length))
            for group in groups
        ]
        places = [place + 0.25 * (shift - 1) for place in range(len(groups))]
        bars = panel.barh(places, [max(rate, _FLOOR) for rate in worst], height=0.22, label=f"A = {length:.0f} days")
        panel.axvline(365 / length, color=bars.patches[0].get_facecolor(), linestyle=":")
    panel.set_yticks(range(len(groups)), [f"{kind}, {history}" for kind, history in groups], fontsize=8)
    panel.set(xscale="log", xlabel="false alerts per account-year: worst cell (bar) and budget (dotted)")
    panel.legend(fontsize=8)
    return _save(figure, target)


def _quiet(rows: Sequence[Row], target: Path) -> Path:
    """Alerts around incidents that should be quiet, by method."""
    from matplotlib import pyplot

    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, panel = pyplot.subplots(figsize=(10, 4.4))
    width = 0.8 / len(methods)
    for number, method in enumerate(methods):
        own = {row["kind"]: row["account_alerts"] / max(row["incidents"], 1) for row in rows if row["method"] == method}
        places = [place + width * (number - len(methods) / 2) for place in range(len(kinds))]
        panel.bar(places, [own.get(kind, 0.0) for kind in kinds], width=width, label=method)
    panel.set_xticks(range(len(kinds)), kinds, fontsize=8)
    panel.set(yscale="symlog", ylabel="account alerts per incident")
    panel.legend(fontsize=7)
    return _save(figure, target)


def _save(figure: Any, target: Path) -> Path:
    figure.tight_layout()
    # No date and no version in the file: the same figures give the same bytes.
    figure.savefig(target, dpi=110, metadata={"Software": None})
    figure.clf()
    return target
