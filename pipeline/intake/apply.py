"""Applying accepted records of one topic to the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.books.billing import apply_billing
from pipeline.books.endings import remembers
from pipeline.books.people import apply_people
from pipeline.books.plans import apply_plans
from pipeline.books.shutdowns import SHUTDOWN, apply_shutdown
from pipeline.books.signals import apply_profile, apply_signal
from pipeline.books.tickets import apply_ticket, note_component
from pipeline.cases.commands import Commands
from pipeline.cases.records import Desk
from pipeline.intake.immediate import apply_rules
from pipeline.kinds import KNOWN
from pipeline.state.accounts import week_bit
from pipeline.state.members import by_day, mark_day
from pipeline.state.panes import COUNTED, added, count
from pipeline.state.state import State
from pipeline.terms.arrays import F64, I32, I64, U64
from pipeline.terms.hashing import hash64, hash_names
from pipeline.terms.records import Outcome


@dataclass(slots=True)
class Accepted:
    """Records of one topic that are applied, in offset order; one entry per record."""

    events: pa.RecordBatch
    rows: I32
    account_hashes: U64
    days: I64


def rows_at(events: pa.RecordBatch, places: npt.NDArray[np.integer]) -> pa.RecordBatch:
    """Rows of a batch; without copying when they are consecutive."""
    count = len(places)
    if count == 0:
        return events.slice(0, 0)
    first = int(places[0])
    if int(places[-1]) - first + 1 == count:
        return events.slice(first, count)
    return events.take(pa.array(places))


_READ = {
    "billing.events": (
        "type", "occurred_at", "subscription_id", "invoice_id", "mrr_minor_before", "mrr_minor_after", "seats_after",
        "amount_minor", "due_at", "currency",
    ),
    "ticket.events": ("ticket_id", "type", "occurred_at", "priority", "csat", "component", "requester_id"),
    "customer.signals": (
        "type", "occurred_at", "contact_id", "score", "scale", "author", "reason_codes", "expires_at", "due_at", "role",
        "subject",
    ),
}  # fmt: skip
"""Fields that the books read."""


def note_days(state: State, rows: I32, days: I64) -> None:
    """Record an account's first day, amended days and that it has changed."""
    accounts = state.accounts
    for day, chosen in by_day(days, rows):
        accounts.first_day[chosen] = np.minimum(accounts.first_day[chosen], day)
        if day < state.open_day:
            accounts.amended_from[chosen] = np.minimum(accounts.amended_from[chosen], day)
    accounts.dirty[rows] = True


def _apply_usage(state: State, accepted: Accepted, outcome: Outcome) -> None:
    """Add usage events to day panes and active days."""
    accounts, events, rows, days = state.accounts, accepted.events, accepted.rows, accepted.days
    note_days(state, rows, days)
    quantity = events.column("quantity").to_numpy(zero_copy_only=False)
    accounts.panes["actions"] = added(accounts.panes["actions"], days, rows, _rounded(quantity * 1000.0))
    duration = events.column("duration_ms")
    if duration.null_count < len(duration):
        tenths = _rounded(duration.fill_null(0).to_numpy(zero_copy_only=False) / 100.0)
        accounts.panes["duration_ds"] = added(accounts.panes["duration_ds"], days, rows, tenths)
    for day, chosen in by_day(days, rows):
        mark_day(accounts.bits, chosen, day)
        accounts.weeks[chosen] |= week_bit(day)
        accounts.first_usage_day[chosen] = np.minimum(accounts.first_usage_day[chosen], day)
    features = events.column("feature")
    for day, owners in state.features.mark(rows, accepted.account_hashes, hash_names(features), features, days):
        count(accounts.panes["active_features"], day, owners)
    users, roles = events.column("user_id"), events.column("role")
    if users.null_count == 0:
        _mark_users(state, rows, accepted.account_hashes, users, days, roles)
    elif users.null_count < len(users):
        known = np.flatnonzero(users.is_valid().to_numpy(zero_copy_only=False))
        named, roles = users.take(pa.array(known)), roles.take(pa.array(known))
        _mark_users(state, rows[known], accepted.account_hashes[known], named, days[known], roles)


def _mark_users(state: State, rows: I32, account_hashes: U64, users: pa.Array, days: I64, roles: pa.Array) -> None:
    event_users = (rows, account_hashes, hash64(users), users, days)
    if roles.null_count == len(roles):
        fresh = state.users.mark(*event_users)
    else:
        fresh = state.users.mark_with_roles(*event_users, state.users.told(roles))
    for day, owners in fresh:
        count(state.accounts.panes["active_users"], day, owners)


def _rounded(values: F64) -> I64:
    return np.asarray(np.rint(values), dtype=np.int64)


def _apply_billing_events(state: State, accepted: Accepted, outcome: Outcome) -> None:
    """Bring books up to date and apply the immediate rules."""
    accounts, limit = state.accounts, state.config.max_book_entries
    note_days(state, accepted.rows, accepted.days)
    rows = accepted.rows.tolist()
    events = accepted.events.select(_READ["billing.events"]).to_pylist()
    for row, event in zip(rows, events, strict=True):
        outcome.alerts += apply_rules(state, row, apply_billing(accounts.book(row), event, limit))
    _finish(state, rows)
    state.stale_context.update(rows)


def _apply_ticket_events(state: State, accepted: Accepted, outcome: Outcome) -> None:
    """Bring ticket books up to date and apply the immediate rules."""
    accounts, limit = state.accounts, state.config.max_book_entries
    note_days(state, accepted.rows, accepted.days)
    rows = accepted.rows.tolist()
    events = accepted.events.select(_READ["ticket.events"]).to_pylist()
    for row, day, event in zip(rows, accepted.days.tolist(), events, strict=True):
        note_component(accounts.book(row), event, day)
        outcome.alerts += apply_rules(state, row, apply_ticket(accounts.book(row), event, limit))
    _finish(state, rows)


def _apply_signal_events(state: State, accepted: Accepted, outcome: Outcome) -> None:
    """Bring readings, people and plans up to date and apply the immediate rules."""
    accounts, limit = state.accounts, state.config.max_book_entries
    note_days(state, accepted.rows, accepted.days)
    today_end_ms = state.days.end_ms(state.open_day)
    rows = accepted.rows.tolist()
    events = accepted.events.select(_READ["customer.signals"]).to_pylist()
    for row, event in zip(rows, events, strict=True):
        book = accounts.book(row)
        if event["type"] == SHUTDOWN:
            apply_shutdown(book, event, limit)
        if apply_signal(book, event, today_end_ms):
            state.waiting_readings.add(row)
        facts = (*apply_people(book, event, limit), *apply_plans(book, event, limit))
        outcome.alerts += apply_rules(state, row, facts)
    _finish(state, rows)


def _apply_profiles(state: State, accepted: Accepted, outcome: Outcome) -> None:
    """Take newer profiles."""
    rows, limit = accepted.rows.tolist(), state.config.max_book_entries
    for row, event in zip(rows, accepted.events.to_pylist(), strict=True):
        apply_profile(state.accounts.book(row), event, limit)
    _finish(state, rows)
    state.stale_context.update(rows)


def clear_profile(state: State, row: int) -> None:
    """Forget the profile of an account, on a tombstone."""
    book = state.accounts.books.get(row)
    if book is not None and book.profile is not None:
        book.profile = None
        _finish(state, [row])
        state.stale_context.add(row)


def _finish(state: State, rows: list[int]) -> None:
    state.accounts.unsummarised.update(rows)
    state.remembering.update(row for row in set(rows) if remembers(state.accounts.books[row]))
    state.accounts.dirty[rows] = True


def _apply_commands(state: State, accepted: Accepted, outcome: Outcome) -> None:
    """Let people's commands change cases and what is expected of accounts; each has its answer."""
    accounts, commands = state.accounts, Commands(Desk(state.alerting, KNOWN), state.config.max_book_entries)
    rows = accepted.rows.tolist()
    for row, said in zip(rows, accepted.events.to_pylist(), strict=True):
        answer = commands.apply(accounts.ids[row], accounts.book(row), said, state.open_day)
        outcome.results.append(answer.result)
        if answer.case is not None:
            outcome.cases.append(answer.case)
    _finish(state, rows)


_APPLY: dict[str, Callable[[State, Accepted, Outcome], None]] = {
    "usage.events": _apply_usage,
    "billing.events": _apply_billing_events,
    "ticket.events": _apply_ticket_events,
    "customer.signals": _apply_signal_events,
    "account.profiles": _apply_profiles,
    "alert.commands": _apply_commands,
}


def apply_records(state: State, topic: str, accepted: Accepted, outcome: Outcome) -> None:
    """Bring the state up to date with accepted records of an input topic."""
    _APPLY[topic](state, accepted, outcome)
    for name, counted in COUNTED.items():
        if counted.topic == topic:
            times = pc.cast(counted.adds(accepted.events), pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
            count(state.accounts.panes[name], np.repeat(accepted.days, times), np.repeat(accepted.rows, times))
