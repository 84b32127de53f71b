"""How many customers stay, leave, come from trials and bring others. Counts in, shares 0…1 out."""

from __future__ import annotations


def logo_churn(lost: int, at_start: int) -> float | None:
    """Share of the customers at the start of a period that are none at its end; those won in between do not count.

    Source: the usual definition of customer churn; 15 of 650 are 2.3 %.
    """
    return lost / at_start if at_start > 0 else None


def retention(lost: int, at_start: int) -> float | None:
    """Share of the customers at the start that are still customers at the end: 1 − logo churn of the same cohort."""
    churn = logo_churn(lost, at_start)
    return None if churn is None else 1.0 - churn


def annual_churn(churn: float | None, periods_per_year: float = 12.0) -> float | None:
    """What a churn per period amounts to in a year, compounded: `1 − (1 − m)^12`; 0.5 % a month are 5.8 %.

    Args:
        churn: share lost per period, 0…1.
        periods_per_year: 12 for months, 365 ÷ 30 for 30-day windows.
    """
    if churn is None or not 0.0 <= churn <= 1.0:
        return None
    return float(1.0 - (1.0 - churn) ** periods_per_year)


def referral_ratio(referrals: int, lost: int) -> float | None:
    """Referrals for each customer lost; above 1, more are won by word of mouth than leave. None when none left."""
    return referrals / lost if lost > 0 else None


def trial_to_paid(converted: int, started: int, ended: int) -> float | None:
    """Share of a cohort of trials that became paying customers; None until the last of them has ended.

    Those who buy without a trial are in neither number.

    Args:
        converted: trials of the cohort that became paid.
        started: all trials of the cohort.
        ended: those that were converted, have expired or are too old to be still open.
    """
    if started <= 0 or ended < started:
        return None
    return converted / started


def contacts_per_account(contacts: int, accounts: int) -> float | None:
    """Contacts of one sort per customer. Meetings (good) and support tickets (bad) are never added together."""
    return contacts / accounts if accounts > 0 else None
