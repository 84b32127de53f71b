"""How often and how much people use the product."""

from __future__ import annotations

from collections.abc import Sequence

WINDOW_DAYS = 28


def stickiness(daily_users: Sequence[int], distinct_users: int) -> float | None:
    """DAU/MAU: mean number of users a day over 28 days ÷ users seen at all in them.

    The same with the business days alone (five of seven) is the variant for products used at work.

    Args:
        daily_users: distinct users of each day that counts, those with nobody included.
        distinct_users: distinct users over all of these days.
    """
    if not len(daily_users) or distinct_users <= 0:
        return None
    return float(sum(daily_users)) / len(daily_users) / distinct_users


def l28_histogram(active_days: Sequence[int]) -> list[int]:
    """How many users were active on 1, 2, … 28 of the last 28 days; DAU/MAU is its mean and hides its shape.

    Source: Li Jin, Andreessen Horowitz 2018, "The power user curve".

    Args:
        active_days: of each user; those with none do not count.
    """
    counts = [0] * WINDOW_DAYS
    for days in active_days:
        if days > 0:
            counts[min(days, WINDOW_DAYS) - 1] += 1
    return counts


def per_user(total: float, users: int) -> float | None:
    """Actions, active hours or visits for each user who was there."""
    return total / users if users > 0 else None
