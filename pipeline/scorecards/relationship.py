"""Dimensions of how the customer is served, pays and feels."""

from __future__ import annotations

import numpy as np

from pipeline.scorecards.reading import Reading, Sight

OVERDUE_MS = 3 * 86_400_000
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


def sentiment(sight: Sight) -> Reading:
    """Mean of the last pulse and the last survey that have not expired."""
    accounts, rows, end_ms = sight.view.accounts, sight.view.rows, sight.view.end_ms
    last_pulse = np.where(accounts.pulse_until_ms[rows] > end_ms, accounts.pulse[rows], np.nan)
    last_survey = np.where(accounts.survey_until_ms[rows] > end_ms, accounts.survey[rows], np.nan)
    both = (last_pulse + last_survey) / 2.0
    value = np.where(np.isnan(last_pulse), last_survey, np.where(np.isnan(last_survey), last_pulse, both))
    return Reading(value, value, np.ones(len(sight)))


def engagement(sight: Sight) -> Reading:
    """Meetings of twelve weeks against those expected."""
    view, wanted = sight.view, sight.expected.touches
    touches = view.total("touches", view.day - 83, view.day).astype(np.float64)
    value = np.where(view.accounts.signals_seen[view.rows], np.clip(touches / wanted, 0.0, 1.0), np.nan)
    return Reading(value, touches, np.broadcast_to(wanted, (len(view),)))
