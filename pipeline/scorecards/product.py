"""Dimensions of how the product is used."""

from __future__ import annotations

import numpy as np

from pipeline.scorecards.reading import Reading, Sight, trend

MIN_DAYS = 7
"""Days of four weeks, each counted by its factor, below which nothing is said of usage."""


def usage_trend(sight: Sight) -> Reading:
    """Actions of four weeks against the expected level."""
    view = sight.view
    observed = view.total("actions", view.day - 27, view.day) / 1000.0
    expected = view.four_weeks * view.level.mean
    present = view.level.judged & (view.four_weeks >= MIN_DAYS)
    return Reading(trend(observed / np.where(present, expected, 1.0), present), observed, expected)


def active_users(sight: Sight) -> Reading:
    """User-days of four weeks against the baseline's."""
    view = sight.view
    mean = view.users.days_base / np.maximum(view.level.days, 1)
    present = view.level.judged & (view.users.days_base > 0) & (view.four_weeks >= MIN_DAYS)
    observed = view.users.days_28.astype(np.float64)
    expected = view.four_weeks * mean
    return Reading(trend(observed / np.where(present, expected, 1.0), present), observed, expected)


def seat_utilisation(sight: Sight) -> Reading:
    """Users of four weeks against the share of the seats that is expected to be in use."""
    view = sight.view
    seats = view.accounts.seats[view.rows].astype(np.float64)
    users = view.users.active_28.astype(np.float64)
    wanted = sight.expected.seat_share * np.maximum(seats, 1.0)
    value = np.where(seats > 0, np.clip(users / wanted, 0.0, 1.0), np.nan)
    return Reading(value, users, seats)


def feature_breadth(sight: Sight) -> Reading:
    """Features used in four weeks against those of the four weeks before."""
    view = sight.view
    now = view.features.active_28.astype(np.float64)
    before = view.features.active_before.astype(np.float64)
    present = view.level.judged & (before > 0)
    value = np.where(present, np.clip(now / np.maximum(before, 1.0), 0.0, 1.0), np.nan)
    return Reading(value, now, before)
