"""What customers pay, step by step: billing events as changes of recurring revenue, seats and paying subscriptions.

A trial is no customer until it is converted. An event without revenue or seats keeps those known before. Events
count in order of event time; the same event twice changes nothing. A cancellation counts when the subscription ends,
which may be later (`due_at`), unless something else comes to it until then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.terms.arrays import I64

_ENDED, _TRIAL, _PAYING = 0, 1, 2
_STAGE = {
    "trial_started": _TRIAL,
    "trial_expired": _ENDED,
    "trial_converted": _PAYING,
    "subscription_started": _PAYING,
    "subscription_reactivated": _PAYING,
    "subscription_cancelled": _ENDED,
}
_SUBSCRIPTION = ("account_id", "subscription_id")
SUBSCRIPTION_TYPES = frozenset(_STAGE) | {"subscription_changed"}
"""Billing events that portfolio figures are made of."""
BILLING_COLUMNS = (
    "account_id",
    "subscription_id",
    "type",
    "occurred_at",
    "mrr_minor_after",
    "seats_after",
    "currency",
    "due_at",
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes in order of event time; sums up to a time are what holds then."""

    at_ms: I64
    account: I64
    """Places in the list of accounts that was given."""
    mrr_minor: I64
    seats: I64
    paying: I64
    """Subscriptions that began (1) or ended (−1) to be paid."""

    def of_accounts(self, accounts: int, at_ms: int) -> Standing:
        """What every account pays just before an instant."""
        until = int(np.searchsorted(self.at_ms, at_ms, side="left"))
        standing = Standing.nothing(accounts)
        standing.add(self, 0, until)
        return standing


@dataclass(frozen=True, slots=True)
class Standing:
    """What every account pays at one time."""

    mrr_minor: I64
    seats: I64
    paying: I64

    @classmethod
    def nothing(cls, accounts: int) -> Standing:
        """Nobody pays anything."""
        return cls(*(np.zeros(accounts, dtype=np.int64) for _ in range(3)))

    def add(self, changes: Changes, first: int, last: int) -> None:
        """Take the changes from `first` to `last`, excluding `last`, into account."""
        rows = slice(first, last)
        for name in ("mrr_minor", "seats", "paying"):
            np.add.at(getattr(self, name), changes.account[rows], getattr(changes, name)[rows])

    def copy(self) -> Standing:
        """The same, to be kept while the original moves on."""
        return Standing(self.mrr_minor.copy(), self.seats.copy(), self.paying.copy())


def places(account_ids: Iterable[str]) -> pl.DataFrame:
    """`account_id` and `place` of each account, in the order given."""
    ids = list(account_ids)
    return pl.DataFrame(
        {"account_id": ids, "place": range(len(ids))}, schema={"account_id": pl.String, "place": pl.Int64}
    )


def changes_of(billing: pa.Table, place_of: pl.DataFrame, currency: str | None) -> Changes:
    """The changes that billing events make; what is paid in another currency is no revenue.

    Args:
        billing: with `BILLING_COLUMNS`.
        place_of: of `places`.
        currency: of revenue, in capitals.
    """
    of = _SUBSCRIPTION
    frame = _staged(pl.DataFrame(pl.from_arrow(billing.select(BILLING_COLUMNS)))).with_columns(
        pl.when(_in(currency) | pl.col("mrr_minor_after").is_null()).then("mrr_minor_after").otherwise(0)
    )
    for name, after in (("mrr_minor", "mrr_minor_after"), ("seats", "seats_after")):
        known = pl.when(pl.col("stage") != _ENDED).then(after).forward_fill().over(of).fill_null(0)
        frame = frame.with_columns((known * pl.col("paying")).alias(name))
    deltas = [
        (pl.col(name) - pl.col(name).shift(1).over(of).fill_null(0)).alias(name)
        for name in ("mrr_minor", "seats", "paying")
    ]
    frame = (
        frame.with_columns(deltas)
        .filter((pl.col("mrr_minor") != 0) | (pl.col("seats") != 0) | (pl.col("paying") != 0))
        .join(place_of, on="account_id", how="inner", maintain_order="left")
        .sort("occurred_at", maintain_order=True)
    )
    names = ("occurred_at", "place", "mrr_minor", "seats", "paying")
    return Changes(*(frame[name].to_numpy().astype(np.int64) for name in names))


def paying_abroad(billing: pa.Table, currency: str | None) -> set[str]:
    """Accounts with revenue in other currencies than this one."""
    frame = pl.DataFrame(pl.from_arrow(billing.select(BILLING_COLUMNS)))
    return set(frame.filter(~_in(currency) & (pl.col("mrr_minor_after") > 0))["account_id"])


def _in(currency: str | None) -> pl.Expr:
    return pl.col("currency").str.to_uppercase() == pl.lit(currency)


def superseded(billing: pa.Table, before_ms: int) -> pa.Table:
    """The billing events before an instant without which all that holds from then on stays the same.

    Of each subscription few are left: the last, and the last that tell its stage, revenue and seats; its first trial
    events; and of each account those of the moment in which it began to pay, and the last that arrived.

    Args:
        billing: with `BILLING_COLUMNS`, in order of arrival.
        before_ms: the instant.
    """
    known = (
        pl.DataFrame(pl.from_arrow(billing))
        .with_row_index("row")
        .filter((pl.col("occurred_at") < before_ms) & pl.col("type").is_in(list(SUBSCRIPTION_TYPES)))
        .with_columns(
            pl.col("subscription_id").fill_null(""), last=pl.col("row") == pl.col("row").max().over("account_id")
        )
    )
    frame = _staged(known)
    ahead = pl.col("occurred_at") >= before_ms
    # Where a cancellation that was taken back arrived last, it needs what took it back.
    taken_back = known.filter("last").join(frame, on="row", how="anti").select(_SUBSCRIPTION)
    kept_anyway = [frame.filter(ahead), known.join(taken_back, on=_SUBSCRIPTION, how="semi")]
    frame = frame.filter(~ahead).with_columns(place=pl.int_range(pl.len()).over(_SUBSCRIPTION))
    place, kind, at = pl.col("place"), pl.col("type"), pl.col("occurred_at")
    tells = pl.when(pl.col("own").is_not_null()).then(place)
    began = pl.col("paying") - pl.col("paying").shift(1).over(_SUBSCRIPTION).fill_null(0)
    frame = frame.with_columns(
        # Where the row's stage comes from.
        source=tells.forward_fill().over(_SUBSCRIPTION),
        paid_ms=at.filter(began.sum().over("account_id", "occurred_at") > 0).min().over("account_id"),
    )
    active = pl.col("stage") != _ENDED
    needed = (
        (place == place.max().over(_SUBSCRIPTION))
        | (place == pl.col("source").max().over(_SUBSCRIPTION))
        | pl.any_horizontal(
            place == place.filter(active & pl.col(name).is_not_null()).max().over(_SUBSCRIPTION)
            for name in ("mrr_minor_after", "seats_after")
        )
        | (kind.str.starts_with("trial_") & (place == place.min().over(*_SUBSCRIPTION, "type")))
        | (at == pl.col("paid_ms"))
        | pl.col("last")
    ).fill_null(value=False)
    moment = [*_SUBSCRIPTION, "occurred_at"]
    kept = frame.filter(needed)
    while True:
        # What happened at the same moment counts together, and each needs that which its stage comes from.
        together = frame.join(kept.select(moment).unique(), on=moment, how="semi")
        sources = together.select(*_SUBSCRIPTION, pl.col("source").alias("place")).unique()
        more = pl.concat([together, frame.join(sources, on=[*_SUBSCRIPTION, "place"], how="semi")]).unique("row")
        if more.height == kept.height:
            break
        kept = more
    left = pl.concat(each.select("row") for each in (kept, *kept_anyway))
    rows = known.join(left, on="row", how="anti")["row"].sort()
    return billing.take(rows.to_arrow())


def _staged(billing: pl.DataFrame) -> pl.DataFrame:
    """Subscription by subscription in order of event time: what each event makes of it, and whether it is paid."""
    of, at, due = _SUBSCRIPTION, pl.col("occurred_at"), pl.col("due_at")
    announced = (pl.col("type") == "subscription_cancelled") & (due > at).fill_null(value=False)
    return (
        billing.filter(pl.col("type").is_in(list(SUBSCRIPTION_TYPES)))
        .with_columns(
            pl.col("subscription_id").fill_null(""),
            pl.col("type").replace_strict(_STAGE, default=None, return_dtype=pl.Int64).alias("own"),
        )
        .sort(*of, "occurred_at", maintain_order=True)
        .filter(~announced | (due <= at.shift(-1).over(of)).fill_null(value=True))
        .with_columns(pl.when(announced).then(due).otherwise(at).alias("occurred_at"))
        .with_columns(pl.col("own").forward_fill().over(of).fill_null(_PAYING).alias("stage"))
        # What is changed is active, unless it is still on trial.
        .with_columns(
            pl.when(pl.col("own").is_null() & (pl.col("stage") == _ENDED))
            .then(_PAYING)
            .otherwise("stage")
            .alias("stage")
        )
        .with_columns((pl.col("stage") == _PAYING).cast(pl.Int64).alias("paying"))
    )
