"""What portfolio figures are made of, taken out of events once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.books.book import is_for_tests
from pipeline.portfolio.answers import Answer, answers_of
from pipeline.portfolio.subscriptions import SUBSCRIPTION_TYPES, Changes, changes_of, paying_abroad, places, superseded
from pipeline.portfolio.tickets import Tickets
from pipeline.portfolio.usage import Usage
from pipeline.terms.arrays import I64, Bools
from pipeline.terms.days import Days
from schemas.event_types import SURVEY_TYPES
from schemas.topics import DAY_MS

NO_SEGMENT = -1
_PIECE_ROWS = 2_000
TRIAL_DAYS = 90
"""A trial of which nothing more is heard has ended after so long."""
KEPT_TYPES: Mapping[str, frozenset[str]] = {
    "billing.events": SUBSCRIPTION_TYPES,
    "ticket.events": frozenset({"opened", "commented", "reopened", "resolved", "closed", "csat_given"}),
    "customer.signals": SURVEY_TYPES | {"reference_given", "referral_given", "meeting_held"},
}
"""Types of the events that figures are made of, by topic."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Something that happened to accounts, in order of event time."""

    at_ms: I64
    account: I64

    @classmethod
    def of(cls, events: pa.Table, kind: str, place_of: pl.DataFrame) -> Moments:
        """The events of one type; one that came twice counts once."""
        frame = pl.DataFrame(
            pl.from_arrow(
                events.filter(pc.equal(events.column("type"), kind)).select(["event_id", "account_id", "occurred_at"])
            )
        )
        frame = frame.unique(subset=["account_id", "event_id"], keep="first", maintain_order=True)
        frame = frame.join(place_of, on="account_id", how="inner").sort("occurred_at", "place")
        return cls(*(frame[name].to_numpy().astype(np.int64) for name in ("occurred_at", "place")))

    def counts(self, first_ms: int, last_ms: int, group: I64, groups: int) -> I64:
        """How many there were in a time, by group of accounts."""
        low, high = np.searchsorted(self.at_ms, [first_ms, last_ms])
        of = group[self.account[low:high]]
        return np.bincount(of[of >= 0], minlength=groups)


@dataclass(frozen=True, slots=True)
class Trials:
    """Trials in order of their start."""

    at_ms: I64
    account: I64
    converted: Bools
    ended: Bools

    @classmethod
    def of(cls, billing: pa.Table, place_of: pl.DataFrame, end_ms: int) -> Trials:
        """The trials in billing events, as known at the end of them."""
        names = ["account_id", "subscription_id", "type", "occurred_at"]
        kind = pl.col("type")
        frame = (
            pl.DataFrame(pl.from_arrow(billing.select(names)))
            .filter(kind.is_in(["trial_started", "trial_converted", "trial_expired"]))
            .join(place_of, on="account_id", how="inner")
            .group_by("place", pl.col("subscription_id").fill_null(""))
            .agg(
                pl.col("occurred_at").filter(kind == "trial_started").min().alias("started_ms"),
                (kind == "trial_converted").any().alias("converted"),
                (kind != "trial_started").any().alias("ended"),
            )
            .drop_nulls("started_ms")
            .sort("started_ms", "place")
        )
        started_ms, place = (frame[name].to_numpy().astype(np.int64) for name in ("started_ms", "place"))
        ended = frame["ended"].to_numpy().astype(np.bool_) | (started_ms <= end_ms - TRIAL_DAYS * DAY_MS)
        return cls(started_ms, place, frame["converted"].to_numpy().astype(np.bool_), ended)

    def cohort(self, first_ms: int, last_ms: int) -> Trials:
        """Those that were started in a time."""
        low, high = np.searchsorted(self.at_ms, [first_ms, last_ms])
        rows = slice(int(low), int(high))
        return Trials(self.at_ms[rows], self.account[rows], self.converted[rows], self.ended[rows])


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything of all accounts that figures need."""

    account_ids: list[str]
    segments: list[str]
    segment: I64
    """Of each account, its place in `segments`, or `NO_SEGMENT`."""
    currency: str | None
    """The one that most accounts pay in; revenue is of it alone."""
    counted: Bools
    """Accounts that pay in it."""
    elsewhere: int
    """Accounts with revenue in others."""
    changes: Changes
    trials: Trials
    answers: list[Answer]
    referrals: Moments
    references: Moments
    meetings: Moments
    tickets: Moments
    solved: Tickets
    usage: Usage | None
    """None when usage is not at hand."""
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Events:
    """Events in the columns of event files; tables that are not at hand are empty."""

    billing: pa.Table
    tickets: pa.Table
    signals: pa.Table
    segments: pa.Table
    """`account_id` and `segment`; the last row of an account counts."""
    usage: pa.Table | None = None

    def without(self, account_ids: pa.Array) -> Events:
        """The events of all other accounts."""
        kept = {
            name: _of_others(table, account_ids)
            for name in ("billing", "tickets", "signals", "segments", "usage")
            if (table := getattr(self, name)) is not None
        }
        return replace(self, **kept)


def accounts_for_tests(profiles: pa.Table) -> pa.Array:
    """Ids of the accounts that their last profile calls one for tests, of `account_id` and `status`."""
    ids, statuses = (profiles.column(name).to_pylist() for name in ("account_id", "status"))
    latest = dict(zip(ids, statuses, strict=True))
    return pa.array([name for name, status in latest.items() if is_for_tests(status)], pa.string())


def _of_others(table: pa.Table, account_ids: pa.Array) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table.column("account_id"), account_ids)))


def facts_of(events: Events, days: Days) -> Facts | None:
    """The facts in events; None when there is no event with a time."""
    dated = [each for each in (events.billing, events.tickets, events.signals, events.usage) if each is not None]
    times = [pc.min_max(table.column("occurred_at")).as_py() for table in dated if table.num_rows]
    if not times:
        return None
    first_ms, last_ms = min(each["min"] for each in times), max(each["max"] for each in times)
    ids = sorted(
        {name for table in (*dated, events.segments) for name in table.column("account_id").unique().to_pylist()}
    )
    place_of = places(ids)
    known = {name: place for place, name in enumerate(ids)}
    segments, segment = _segments(events.segments, known)
    currency, counted = _currency(events.billing, known)
    surveys = events.signals.filter(pc.is_in(events.signals.column("type"), pa.array(sorted(SURVEY_TYPES))))
    csat = events.tickets.filter(pc.is_valid(events.tickets.column("csat")))
    return Facts(
        account_ids=ids,
        segments=segments,
        segment=segment,
        currency=currency,
        counted=counted,
        elsewhere=len(paying_abroad(events.billing, currency)),
        changes=changes_of(events.billing, place_of, currency),
        trials=Trials.of(events.billing, place_of, last_ms),
        answers=answers_of(_once(surveys), _once(csat), known),
        referrals=Moments.of(events.signals, "referral_given", place_of),
        references=Moments.of(events.signals, "reference_given", place_of),
        meetings=Moments.of(events.signals, "meeting_held", place_of),
        tickets=Moments.of(events.tickets, "opened", place_of),
        solved=Tickets.of(events.tickets, place_of),
        usage=None if events.usage is None else Usage.of(events.usage, place_of, days),
        first_ms=first_ms,
        last_ms=last_ms,
    )


def spent(events: Events, before_ms: int) -> dict[str, pa.Table]:
    """By topic, `account_id` and `event_id` of the facts that no figure from a time on needs.

    They can be taken away: figures of months that begin then or later, and of windows after it, stay the same.
    """
    past = {
        topic: pc.less(table.column("occurred_at"), before_ms)
        for topic, table in (("ticket.events", events.tickets), ("customer.signals", events.signals))
    }
    # A ticket of which something is heard later is needed as a whole.
    going_on = events.tickets.filter(pc.invert(past["ticket.events"])).column("ticket_id").drop_null()
    over = pc.invert(pc.is_in(events.tickets.column("ticket_id"), going_on.combine_chunks()))
    found = {
        "billing.events": superseded(events.billing, before_ms),
        "ticket.events": events.tickets.filter(pc.and_(past["ticket.events"], over)),
        "customer.signals": events.signals.filter(past["customer.signals"]),
    }
    return {topic: table.select(["account_id", "event_id"]) for topic, table in found.items()}


def _once(events: pa.Table) -> list[dict[str, object]]:
    """The rows without those that came twice."""
    # In pieces: a long table at once would keep other threads from running.
    rows = [row for piece in events.to_batches(max_chunksize=_PIECE_ROWS) for row in piece.to_pylist()]
    found = {(row["account_id"], row["event_id"]): row for row in reversed(rows)}
    return list(reversed(found.values()))


def _segments(profiles: pa.Table, place_of: dict[str, int]) -> tuple[list[str], I64]:
    latest = dict(zip(profiles.column("account_id").to_pylist(), profiles.column("segment").to_pylist(), strict=True))
    names = sorted({name for name in latest.values() if name is not None})
    code = {name: number for number, name in enumerate(names)}
    of = np.full(len(place_of), NO_SEGMENT, dtype=np.int64)
    for account_id, name in latest.items():
        if name is not None:
            of[place_of[account_id]] = code[name]
    return names, of


def _currency(billing: pa.Table, place_of: dict[str, int]) -> tuple[str | None, Bools]:
    latest = dict(zip(billing.column("account_id").to_pylist(), billing.column("currency").to_pylist(), strict=True))
    counted = np.zeros(len(place_of), dtype=np.bool_)
    most = leading_currency(latest.values())
    for account_id, name in latest.items():
        counted[place_of[account_id]] = name.upper() == most
    return most, counted


def leading_currency(currencies: Iterable[str]) -> str | None:
    """The one that comes most often, in capitals; of equally many the first in the alphabet."""
    used = [name.upper() for name in currencies]
    return max(sorted(set(used)), key=used.count, default=None)


def group_names(segments: Sequence[str]) -> list[str | None]:
    """All accounts (None), then each segment."""
    return [None, *segments]
