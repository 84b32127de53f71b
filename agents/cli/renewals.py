"""`foreshock renewals`: which accounts are to renew, how likely it is, and what of it is at risk."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.console import out, print_json, print_table
from agents.cli.options import ConfigFile, Json, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.portfolio.renewals import Forecast


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(renewals)


def renewals(
    days: Annotated[int, typer.Option(min=1, max=90, help="How far ahead; probabilities are of a quarter.")] = 90,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Forecast the renewals of the next days: probability by account, and how many and how much renew in all.

    The bounds hold nine times of ten.

    Example: foreshock renewals --days 60
    """
    from sinks.database.renewals import read_renewals

    rows = read_renewals(settings(config).database_url(), days)
    totals = _totals(rows)
    if json:
        print_json({"renewals": rows, "totals": {name: asdict(each) for name, each in totals.items()}})
        return
    shown = [
        (row["account_id"], row["owner"], row["days_to_renewal"], f"{1 - row['churn']:.0%}",
         f"{1 - row['churn_high']:.0%} to {1 - row['churn_low']:.0%}", _money(row["arr_minor"], row["currency"]),
         _money(row["arr_at_risk_minor"], row["currency"]), row["layer"])
        for row in rows
    ]  # fmt: skip
    print_table(["account", "owner", "days", "renews", "bounds", "ARR", "at risk", "rests on"], shown)
    for name, each in totals.items():
        said = (each.expected, each.low, each.high, each.of)
        expected, low, high, whole = (_money(value, name) if name else f"{value:.0f}" for value in said)
        out.print(f"{expected} of {whole}{'' if name else ' accounts'} renew ({low} to {high})", highlight=False)


def _totals(rows: Sequence[dict[str, Any]]) -> dict[str, Forecast]:
    """Of accounts, under an empty name, and of the revenue of each currency."""
    from pipeline.portfolio.renewals import Renewal, forecast

    found = {}
    for currency in ("", *sorted({row["currency"] for row in rows if row["currency"] and row["arr_minor"]})):
        chosen = [
            Renewal(row["churn"], row["churn_doubt"], row["arr_minor"] if currency else 1.0)
            for row in rows
            if not currency or (row["currency"] == currency and row["arr_minor"])
        ]
        found[currency] = forecast(chosen)
    return found


def _money(amount_minor: float | None, currency: str | None) -> str:
    from pipeline.terms.money import money

    return "-" if amount_minor is None else money(amount_minor, currency)
