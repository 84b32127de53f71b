"""Dimensions of how the customer is served, pays and feels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.books.billing import FALLEN_DAYS
from pipeline.books.plans import overdue_goals
from pipeline.health.reading import Reading, Sight, trend
from schemas.topics import DAY_MS

REFERENCE_MS = 365 * DAY_MS
"""How long a reference counts."""
OVERDUE_MS = 3 * DAY_MS
"""An unpaid invoice counts as overdue this long after it was due."""


def support(sight: Sight) -> Reading:
    """Open tickets, those of priority P1 more."""
    view = sight.view
    p1 = view.accounts.open_p1[view.rows].astype(np.float64)
    tickets = view.accounts.open_tickets[view.rows].astype(np.float64)
    value = np.maximum(0.0, 1.0 - 0.25 * p1 - 0.1 * np.maximum(0.0, tickets - 2.0))
    return Reading(np.where(view.accounts.tickets_seen[view.rows], value, np.nan), tickets, np.zeros(len(view)))


def billing(sight: Sight) -> Reading:
    """Failed and overdue invoices; nothing is left of it without a subscription."""
    accounts, rows = sight.view.accounts, sight.view.rows
    failed = accounts.failed_unpaid[rows].astype(np.float64)
    overdue = accounts.overdue_flagged[rows] | (accounts.first_due_ms[rows] + OVERDUE_MS <= sight.view.end_ms)
    value = np.where(accounts.cancelled[rows], 0.0, 1.0 - 0.5 * failed - 0.5 * overdue)
    return Reading(np.where(accounts.billing_seen[rows], value, np.nan), failed + overdue, np.zeros(len(sight)))


def contract(sight: Sight) -> Reading:
    """Recurring revenue against what it fell from lately."""
    accounts, rows = sight.view.accounts, sight.view.rows
    lately = accounts.revenue_fell_ms[rows] > sight.view.end_ms - FALLEN_DAYS * DAY_MS
    kept = accounts.revenue_kept[rows]
    kept = np.where(lately | np.isnan(kept), kept, 1.0)
    return Reading(trend(kept, ~np.isnan(kept)), kept, np.ones(len(sight)))


def commitments(sight: Sight) -> Reading:
    """Milestones and outcomes that are reached, of those and the ones that are overdue."""
    view = sight.view
    reached, overdue = view.column("goals_reached").astype(np.float64), np.zeros(len(view))
    rows = np.arange(len(view.accounts) + 1)[view.rows]
    for place in np.flatnonzero(view.column("next_goal_ms") <= view.end_ms).tolist():
        overdue[place] = sum(1 for _ in overdue_goals(view.accounts.books[int(rows[place])], view.end_ms))
    due = reached + overdue
    return Reading(np.where(due > 0, reached / np.maximum(due, 1.0), np.nan), reached, due)


def pulse(sight: Sight) -> Reading:
    """What the account's owner thinks, until it expires."""
    accounts, rows = sight.view.accounts, sight.view.rows
    value = np.where(accounts.pulse_until_ms[rows] > sight.view.end_ms, accounts.pulse[rows], np.nan)
    return Reading(value, value, np.ones(len(sight)))


def survey(sight: Sight) -> Reading:
    """The last survey answer, until it expires."""
    accounts, rows = sight.view.accounts, sight.view.rows
    value = np.where(accounts.survey_until_ms[rows] > sight.view.end_ms, accounts.survey[rows], np.nan)
    return Reading(value, value, np.ones(len(sight)))


def survey_response(sight: Sight) -> Reading:
    """Whether those who once answered a survey still do."""
    accounts, rows = sight.view.accounts, sight.view.rows
    answered = ~np.isnan(accounts.survey[rows])
    lately = (accounts.survey_until_ms[rows] > sight.view.end_ms).astype(np.float64)
    return Reading(np.where(answered, lately, np.nan), lately, np.ones(len(sight)))


def support_quality(sight: Sight) -> Reading:
    """The last review of the quality of support, until it expires."""
    accounts, rows = sight.view.accounts, sight.view.rows
    value = np.where(accounts.quality_until_ms[rows] > sight.view.end_ms, accounts.quality[rows], np.nan)
    return Reading(value, value, np.ones(len(sight)))


def sentiment(sight: Sight) -> Reading:
    """Mean of pulse and survey."""
    owner, customer = pulse(sight).value, survey(sight).value
    both = (owner + customer) / 2.0
    value = np.where(np.isnan(owner), customer, np.where(np.isnan(customer), owner, both))
    return Reading(value, value, np.ones(len(sight)))


def engagement(sight: Sight) -> Reading:
    """Meetings of twelve weeks against those expected."""
    view, wanted = sight.view, sight.expected.touches
    touches = view.total("touches", view.day - 83, view.day).astype(np.float64)
    known = ~np.isnan(view.accounts.attendance[view.rows])
    value = np.where(known, np.clip(touches / wanted, 0.0, 1.0), np.nan)
    return Reading(value, touches, np.broadcast_to(wanted, (len(view),)))


def share(column: str) -> Callable[[Sight], Reading]:
    """A share that the account's book gives: what is reached, held or connected of what is known."""

    def read(sight: Sight) -> Reading:
        value = getattr(sight.view.accounts, column)[sight.view.rows]
        return Reading(value, value, np.ones(len(sight)))

    return read


def reference(sight: Sight) -> Reading:
    """Whether the customer has spoken for us within a year."""
    accounts, rows, end_ms = sight.view.accounts, sight.view.rows, sight.view.end_ms
    given = accounts.reference_ms[rows]
    recent = ((given >= 0) & (given + REFERENCE_MS > end_ms)).astype(np.float64)
    return Reading(np.where(given >= 0, recent, np.nan), recent, np.ones(len(sight)))
