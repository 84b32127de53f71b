"""The accounts of one partition as columns: day panes, active days, health, summaries of their books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sys import getsizeof
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.books import shutdowns
from pipeline.books.book import Book
from pipeline.state.belonging import Belonging
from pipeline.state.bookshelf import Bookshelf
from pipeline.state.life import LIFE, life_of, unjudged
from pipeline.state.members import RING_DAYS, clear_day
from pipeline.state.panes import PANES, RING, empty
from pipeline.state.relations import RELATIONS, relations_of
from pipeline.state.shares import SHARES, shares_of
from pipeline.state.standings import Standings
from pipeline.state.work import WORK, work_of
from pipeline.terms.arrays import F64, I32, I64, U8, U64, Bools, Places
from pipeline.terms.hash_index import HashIndex
from pipeline.terms.hashing import hash64

NEVER = np.int32(2**31 - 1)

TOUCH_MODELS = {"digital": 1, "high_touch": 2, "strategic": 3}
"""Codes of touch models; 0 for any other."""

SCALARS: dict[str, tuple[str, Any]] = {
    "first_day": ("i4", NEVER),
    "first_usage_day": ("i4", NEVER),
    "amended_from": ("i4", NEVER),
    "heard_day": ("i4", NEVER),
    "primary": ("u8", 0),
    "band": ("u1", 0),
    "score": ("f8", np.nan),
    "published": ("?", False),
    "weeks": ("u8", 0),
    "cells": ("(10,)u4", 0),
}
"""Stored columns with one value per account: type and default. `band` and `score` are those of the primary scorecard,
`primary` is the content of its definition; `heard_day` was open when the last record was applied, `NEVER` if not known;
`weeks` is a ring of the calendar weeks with use (seven days, from day 0 on), one bit each; `cells` one of what the
account's outlook was read from (`close/outcomes.py`).
"""
UNSEEN = "users_unnamed"
"""The kind of alert while which is open an account's people are out of sight."""
REST_DAYS = 400
"""An account rests when nothing was heard of it for longer: no day closes for it."""

SUMMARIES: dict[str, tuple[str, Any]] = {
    "seats": ("i4", 0),
    "billing_seen": ("?", False),
    "cancelled": ("?", False),
    "failed_unpaid": ("?", False),
    "overdue_flagged": ("?", False),
    "first_due_ms": ("i8", 2**62),
    "tickets_seen": ("?", False),
    "open_tickets": ("i4", 0),
    "open_p1": ("i4", 0),
    "oldest_p1_ms": ("i8", 2**62),
    "component_day": ("i4", -1),
    "signals_seen": ("?", False),
    "survey": ("f8", np.nan),
    "survey_until_ms": ("i8", -1),
    "pulse": ("f8", np.nan),
    "pulse_until_ms": ("i8", -1),
    "quality": ("f8", np.nan),
    "quality_until_ms": ("i8", -1),
    "renewal_at_ms": ("i8", -1),
    "term_ms": ("i8", -1),
    **RELATIONS,
    **SHARES,
    **LIFE,
    **WORK,
    "open_episodes": ("i4", 0),
    "unseen": ("?", False),
    "shutdown_until_ms": ("i8", -1),
    "touch_model": ("u1", 0),
}
"""Columns derived from books; never stored."""

COUNTS: dict[str, tuple[str, Any]] = {
    "power_now": ("i4", 0),
    "new_teams": ("i4", 0),
    "new_team_users": ("i4", 0),
    "probed_features": ("i4", 0),
}
"""Columns counted from members at a close; never stored."""


class Accounts:
    """Rows of accounts; row 0 stays empty (see `Members`), rows are never reused."""

    first_day: I32
    first_usage_day: I32
    amended_from: I32
    heard_day: I32
    primary: U64
    band: U8
    score: F64
    published: Bools
    weeks: U64
    cells: npt.NDArray[np.uint32]
    seats: I32
    billing_seen: Bools
    cancelled: Bools
    failed_unpaid: Bools
    overdue_flagged: Bools
    first_due_ms: I64
    tickets_seen: Bools
    open_tickets: I32
    open_p1: I32
    oldest_p1_ms: I64
    component_day: I32
    signals_seen: Bools
    survey: F64
    survey_until_ms: I64
    pulse: F64
    pulse_until_ms: I64
    quality: F64
    quality_until_ms: I64
    renewal_at_ms: I64
    next_goal_ms: I64
    expanded_ms: I64
    milestones: F64
    outcomes: F64
    sponsor: F64
    champion_there: F64
    attendance: F64
    integrations: F64
    goals_reached: I32
    revenue_kept: F64
    revenue_fell_ms: I64
    reference_ms: I64
    champion: U64
    sponsor_user: U64
    entitled: I32
    training: F64
    life: U8
    next_end_ms: I64
    quiet: Bools
    power_now: I32
    new_teams: I32
    new_team_users: I32
    probed_features: I32
    work: Bools
    forget_case_day: I32
    open_episodes: I32
    unseen: Bools
    shutdown_until_ms: I64
    touch_model: U8

    def __init__(self, capacity: int = 1024, cards: Sequence[int] = (), profile: int = 0) -> None:
        """`cards`: see `Standings`; `profile`: the health profile of an account without context."""
        self.size = 1
        self.capacity = capacity
        self.ids: list[str] = [""]
        self._id_bytes = 0
        self.books = Bookshelf()
        self.unsummarised: set[int] = set()
        """Rows whose book has changed since its summary."""
        self.hashes: U64 = np.zeros(capacity, dtype=np.uint64)
        self.bits = np.zeros((capacity, 2), dtype=np.uint64)
        self.dirty = np.zeros(capacity, dtype=np.bool_)
        self.panes = {name: empty(name, capacity) for name in PANES}
        for name, (dtype, default) in (SCALARS | SUMMARIES | COUNTS).items():
            setattr(self, name, np.full(capacity, default, dtype=dtype))
        self.standings = Standings(cards, capacity)
        self._first_profile = profile
        self.profile = np.full(capacity, profile, dtype=np.uint8)
        """Number of the account's health profile as of its context; never stored."""
        self.belonging = Belonging(capacity)
        self._index = HashIndex()

    def awake(self, day: int) -> Bools:
        """Rows of which something was heard lately, as of a day; row 0 is no account."""
        known = self.heard_day[: self.size] >= day - REST_DAYS
        known[0] = False
        return np.asarray(known)

    def awaken(self, rows: I32, day: int) -> None:
        """Something was heard of accounts while a day is open."""
        self.heard_day[rows] = day
        self.dirty[rows] = True

    def __len__(self) -> int:
        return self.size - 1

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        names = (*SCALARS, *SUMMARIES, *COUNTS, "hashes", "bits", "dirty", "profile")
        columns: int = sum(getattr(self, name).nbytes for name in names)
        panes = sum(pane.nbytes for pane in self.panes.values())
        parts = self.standings.nbytes + self.belonging.nbytes + self._index.nbytes + self.books.nbytes
        return columns + panes + parts + self._id_bytes

    def reserve(self, needed: int) -> None:
        """Make room for so many rows."""
        if needed <= self.capacity:
            return
        capacity = max(needed, self.capacity + self.capacity // 8)
        for name, (dtype, default) in (SCALARS | SUMMARIES | COUNTS).items():
            column = np.full(capacity, default, dtype=dtype)
            column[: self.size] = getattr(self, name)[: self.size]
            setattr(self, name, column)
        self.standings.grow(capacity)
        profile = np.full(capacity, self._first_profile, dtype=np.uint8)
        profile[: self.size] = self.profile[: self.size]
        self.profile = profile
        for name in ("hashes", "bits", "dirty"):
            old = getattr(self, name)
            column = np.zeros((capacity, *old.shape[1:]), dtype=old.dtype)
            column[: self.size] = old[: self.size]
            setattr(self, name, column)
        for name, pane in self.panes.items():
            grown = np.zeros((RING, capacity), dtype=pane.dtype)
            grown[:, : self.size] = pane[:, : self.size]
            self.panes[name] = grown
        self.belonging.grow(capacity)
        self.capacity = capacity

    def rows_of(self, ids: pa.Array, hashes: U64) -> I32:
        """Row of each account id (given with its hash); unknown accounts get a row."""
        rows = self._index.lookup(hashes, self.hashes)
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            _, firsts = np.unique(hashes[missing], return_index=True)
            new = missing[np.sort(firsts)]
            self.add(ids.take(pa.array(new)).to_pylist(), hashes[new])
            rows[missing] = self._index.lookup(hashes[missing], self.hashes)
        return rows

    def row_of(self, account_id: str) -> int:
        """Row of a known account, or −1."""
        return int(self._index.lookup(hash64(pa.array([account_id], pa.string())), self.hashes)[0])

    def add(self, ids: list[str], hashes: U64) -> I32:
        """Append accounts."""
        self.reserve(self.size + len(ids))
        rows = np.arange(self.size, self.size + len(ids), dtype=np.int32)
        self.size += len(ids)
        self.ids += ids
        self._id_bytes += sum(map(getsizeof, ids)) + 8 * len(ids)
        self.hashes[rows] = hashes
        self._index.insert(rows, self.hashes)
        return rows

    def judged(self) -> Places:
        """Rows of the accounts that are judged and counted, as of the last close."""
        return np.flatnonzero(~unjudged(self.life[1 : self.size])) + 1

    def book(self, row: int) -> Book:
        """The account's book, made on first use."""
        if row not in self.books:
            self.books[row] = Book()
        return self.books[row]

    def summarise(self) -> None:
        """Bring the summary columns up to date with the books that have changed."""
        self.summarise_books({row: self.books[row] for row in sorted(self.unsummarised)})
        self.unsummarised.clear()

    def summarise_books(self, books: Mapping[int, Book]) -> None:
        """Bring the summary columns of some rows up to date with their books."""
        if not books:
            return
        rows = list(books)
        figures = zip(*map(summary, books.values()), strict=True)
        for name, values in zip(SUMMARIES, figures, strict=True):
            getattr(self, name)[rows] = values
        self.belonging.put(rows, [book.context for book in books.values()])

    def age(self, day: int, held: Bools | None) -> None:
        """Empty the pane and the activity bit that a new day is going to use, except for `held` rows."""
        free = None if held is None else ~held
        clear_day(self.bits, day, free)
        chosen = slice(None) if free is None else free
        if day % 7 == 0:
            self.weeks[chosen] &= ~week_bit(day)
        for pane in self.panes.values():
            pane[day % RING, chosen] = 0


def week_bit(day: int) -> np.uint64:
    """The bit of a day's week in the ring of weeks."""
    return np.uint64(1) << np.uint64(day // 7 % 64)


def weeks_of(bits: U64, last_day: I32) -> U64:
    """The ring of weeks, as far as the day rings of accounts tell of it, of which each has come to a last day."""
    weeks = np.zeros(len(bits), dtype=np.uint64)
    for back in range(RING_DAYS):
        day = last_day.astype(np.int64) - back
        words = np.where(day % RING_DAYS < 64, bits[:, 0], bits[:, 1])
        active = (words >> (day % 64).astype(np.uint64)) & np.uint64(1)
        weeks |= active << (day // 7 % 64).astype(np.uint64)
    return weeks


def passed(first_day: I32, day: int) -> U64:
    """The bits of the weeks that begin after a day of each account, up to that of a later day."""
    number = np.clip(day // 7 - first_day.astype(np.int64) // 7, 0, 64)
    some = (np.uint64(1) << (number % 64).astype(np.uint64)) - np.uint64(1)
    some = np.where(number == 64, ~np.uint64(0), some)
    shift = ((first_day.astype(np.int64) // 7 + 1) % 64).astype(np.uint64)
    return (some << shift) | np.where(
        shift > 0, some >> (np.uint64(64) - np.maximum(shift, np.uint64(1))), np.uint64(0)
    )


def summary(book: Book) -> tuple[Any, ...]:
    """What the close of a day reads of a book, in the order of `SUMMARIES`."""
    profile, survey, pulse = book.profile, book.survey, book.pulse
    active = [subscription for subscription in book.subscriptions.values() if subscription.active]
    paid = [subscription.seats for subscription in active if subscription.seats is not None]
    profile_seats = profile.seats or 0 if profile else 0
    unpaid = [invoice for invoice in book.invoices.values() if not invoice.settled]
    due = [invoice.due_at_ms for invoice in unpaid if invoice.due_at_ms is not None]
    p1 = [ticket.opened_at_ms for ticket in book.tickets.values() if ticket.priority == "p1"]
    return (
        min(sum(paid) if paid else profile_seats, 2**31 - 1),
        book.billing_seen,
        bool(book.subscriptions) and not active,
        any(invoice.failures for invoice in unpaid),
        any(invoice.overdue for invoice in unpaid),
        min(due, default=2**62),
        book.tickets_seen,
        len(book.tickets),
        len(p1),
        min(p1, default=2**62),
        max(book.components.values(), default=-1),
        book.signals_seen,
        survey.value if survey else np.nan,
        until_ms(survey),
        pulse.value if pulse else np.nan,
        until_ms(pulse),
        book.quality.value if book.quality else np.nan,
        until_ms(book.quality),
        profile.renewal_at_ms if profile and profile.renewal_at_ms is not None else -1,
        min((each.term_ms for each in active if each.term_ms is not None), default=-1),
        *relations_of(book),
        *shares_of(book),
        *life_of(book),
        *work_of(book),
        len(book.episodes),
        is_unseen(book),
        shutdowns.until_ms(book),
        TOUCH_MODELS.get(profile.touch_model or "", 0) if profile else 0,
    )


def is_unseen(book: Book) -> bool:
    """Whether an alert is open that says that events do not name the account's users any more."""
    return book.is_open(UNSEEN)


def until_ms(reading: object) -> int:
    """When a reading expires; never if it does not say."""
    expires = getattr(reading, "expires_at_ms", None)
    return 2**62 if expires is None else int(expires)
