"""`foreshock portfolio`: churn, retention, NPS and other figures of all customers together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.console import err, out, print_json, print_table
from agents.cli.inputs import counted, read_files, warn_of_files
from agents.cli.options import ConfigFile, Json, TimeUnit, UtcOffset, settings
from pipeline.terms.money import money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.portfolio.measure import Figure, Portfolio


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(portfolio)


def portfolio(
    events: Annotated[Path, typer.Option("--events", metavar="DIR", help="Event files: a folder, or one file.")],
    to: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for portfolio.json and portfolio.csv.")
    ] = None,
    gross_margin: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of revenue, for the lifetime value.")
    ] = 0.8,
    time_unit: TimeUnit = "ms",
    utc_offset: UtcOffset = "+00:00",
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Churn, retention, revenue, NPS, CSAT, effort, stickiness: by month and segment, and for the last 30 and 90 days.

    Shown are the last month and the trailing windows of all accounts; --json and --out have everything.

    Example: foreshock portfolio --events sample --out result
    """
    from agents.eventfiles.files import EventFileError
    from agents.portfolio import document_of, portfolio_of, write_portfolio

    chosen = settings(config)
    files = read_files(events, chosen, time_unit, utc_offset)
    warn_of_files(files)
    unread = [str(one) for one in files.rejected if not one.row]
    if unread:
        raise EventFileError(unread)
    if files.rejected:
        err.print(
            f"{counted(len({(one.file, one.row) for one in files.rejected}), 'bad row')} left out", highlight=False
        )
    with err.status("computing"):
        tests = chosen.detection.test_accounts
        found = portfolio_of(files, chosen.app.timezone, gross_margin=gross_margin, tests=tests)
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        write_portfolio(found, to)
    if json:
        print_json(document_of(found))
    else:
        _show(found)


def _show(found: Portfolio) -> None:
    latest = _latest(found.figures)
    periods = sorted({(each.period, each.starts_on, each.ends_on) for each in latest})
    metrics = list(dict.fromkeys((each.metric, each.dimension) for each in latest))
    values = {(each.period, each.metric, each.dimension): each for each in latest}
    rows = [
        (
            metric if dimension is None else f"{metric} ({dimension})",
            *(_value(values.get((period, metric, dimension)), found.currency) for period, _, _ in periods),
        )
        for metric, dimension in metrics
    ]
    print_table(["metric", *(f"{starts} to {ends}" for _, starts, ends in periods)], rows)
    if found.currency is not None:
        others = found.accounts_in_other_currencies
        out.print(f"revenue in {found.currency}; in others: {counted(others, 'account')}", highlight=False)


def _latest(figures: Sequence[Figure]) -> list[Figure]:
    """The last of each kind of period, of all accounts."""
    last: dict[str, str] = {}
    for each in figures:
        last[each.period] = max(each.ends_on, last.get(each.period, ""))
    return [each for each in figures if each.segment is None and each.ends_on == last[each.period]]


def _value(figure: Figure | None, currency: str | None) -> str:
    if figure is None or figure.value is None:
        return "-"
    if figure.metric.endswith("_minor"):
        return money(figure.value, currency)
    interval = "" if figure.low is None or figure.high is None else f" ({figure.low:.3g} to {figure.high:.3g})"
    return f"{figure.value:,.4g}{interval}"
