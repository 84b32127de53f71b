"""Every portfolio figure by calendar month and trailing window, of all accounts and of each segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.portfolio.answers import Answer, survey_changes, survey_figures
from pipeline.portfolio.customers import contacts_per_account, referral_ratio, trial_to_paid
from pipeline.portfolio.facts import Facts, group_names
from pipeline.portfolio.movements import NEVER_MS, Movement, first_paid_ms, movements
from pipeline.portfolio.periods import Period, periods_of
from pipeline.portfolio.revenue import growth_slope
from pipeline.portfolio.subscriptions import Standing
from pipeline.portfolio.surveys import Estimate, mean_score
from pipeline.portfolio.value import green_revenue_share, green_share, migration, nine_box, tier_bounds, value_tier
from pipeline.terms.arrays import I64
from pipeline.terms.days import Days

GROSS_MARGIN = 0.8
"""Of revenue, for the lifetime value."""
GROWTH_MONTHS = 6
"""Month ends behind the growth of a month."""
COMPARED_PERIOD = "trailing_90d"
"""In which answers are compared with those of the year before it."""
ROLLOUT_DAYS = (7, 30, 60, 90)
"""After how many days as a customer the seats in use are looked at."""
_YEAR_DAYS = 365.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one group of accounts over one period."""

    period: str
    starts_on: str
    ends_on: str
    segment: str | None
    """None: all accounts."""
    metric: str
    dimension: str | None
    """What it is of besides: a phase, a part of the product, a move between tiers, days since the start."""
    value: float | None
    n: int
    """Accounts, users or answers behind it."""
    low: float | None = None
    high: float | None = None


@dataclass(slots=True)
class Portfolio:
    """What is known of all customers together."""

    currency: str | None = None
    accounts: int = 0
    accounts_in_other_currencies: int = 0
    figures: list[Figure] = field(default_factory=list)
    histograms: list[dict[str, object]] = field(default_factory=list)
    """Users by active days of the last 28, for each period and segment."""
    nine_box: dict[str, int] = field(default_factory=dict)
    """Accounts by value tier and band at the end, when bands are known."""


def measure(
    facts: Facts,
    days: Days,
    *,
    bands: Mapping[str, str] | None = None,
    gross_margin: float = GROSS_MARGIN,
    first_day: int | None = None,
    open_day: int | None = None,
) -> Portfolio:
    """All figures.

    Args:
        facts: of `facts_of`.
        days: of the business time zone.
        bands: of the accounts at the end; the shares of green ones are left out without them.
        gross_margin: share of revenue, 0…1.
        first_day: months before that of this day are left out; by default that of the first event.
        open_day: the first day that is not complete; by default that of the last event.
    """
    known_day = days.of_one(facts.first_ms)
    first_day = known_day if first_day is None else max(first_day, known_day)
    if open_day is None:
        open_day = days.of_one(facts.last_ms)
    found = Portfolio(facts.currency, len(facts.account_ids), facts.elsewhere)
    measuring = _Measuring(facts, days, gross_margin)
    for period in periods_of(first_day, open_day):
        measuring.add(period, found)
    if bands is not None:
        _add_bands(found, facts, bands, days, open_day)
    return found


class _Measuring:
    def __init__(self, facts: Facts, days: Days, gross_margin: float) -> None:
        self._facts = facts
        self._days = days
        self._margin = gross_margin
        self._names = group_names(facts.segments)
        self._everybody = np.zeros(len(facts.account_ids), dtype=np.int64)
        members = [np.where(facts.segment == number, 0, -1) for number in range(len(facts.segments))]
        self._groups: list[I64] = [self._everybody, *members]
        """0 for the accounts of each group, −1 for the others."""
        self._first_paid_ms = first_paid_ms(facts.changes, len(facts.account_ids))
        paid = self._first_paid_ms < NEVER_MS
        self._first_paid_day = np.where(paid, days.of(np.where(paid, self._first_paid_ms, 0)), NEVER_MS >> 1)
        self._seats: dict[str | None, list[float]] = {name: [] for name in self._names}
        self._answers_ms = np.array([each.at_ms for each in facts.answers], dtype=np.int64)
        self._standing = Standing.nothing(len(facts.account_ids))
        self._taken = 0

    def add(self, period: Period, found: Portfolio) -> None:
        first_ms, last_ms = self._days.start_ms(period.first_day), self._days.start_ms(period.end_day)
        start, end = self._standings(period, first_ms, last_ms)
        moved = self._moved(start, end, first_ms)
        for number, name in enumerate(self._names):
            rows = [
                *self._of_customers(period, moved[number], name),
                *self._of_counts(first_ms, last_ms, moved[number], number),
                *self._of_answers(period, first_ms, last_ms, number),
                *self._of_usage(period, number, found),
                *self._of_rollout(period, end, number),
                *(self._of_tiers(start, end) if period.kind == "month" and not number else ()),
            ]
            found.figures += [
                Figure(period.kind, period.starts_on, period.ends_on, name, metric, dimension, each.value, each.n,
                       each.low, each.high)
                for metric, dimension, each in rows
                if each.n > 0 or each.value is not None
            ]  # fmt: skip

    def _standings(self, period: Period, first_ms: int, last_ms: int) -> tuple[Standing, Standing]:
        """What accounts paid at both ends; months come in order, so that each change is taken once."""
        changes, accounts = self._facts.changes, len(self._facts.account_ids)
        if period.kind != "month":
            return changes.of_accounts(accounts, first_ms), changes.of_accounts(accounts, last_ms)
        self._advance(first_ms)
        start = self._standing.copy()
        self._advance(last_ms)
        return start, self._standing.copy()

    def _advance(self, at_ms: int) -> None:
        until = int(np.searchsorted(self._facts.changes.at_ms, at_ms, side="left"))
        self._standing.add(self._facts.changes, self._taken, until)
        self._taken = until

    def _moved(self, start: Standing, end: Standing, first_ms: int) -> list[Movement]:
        was_customer = self._first_paid_ms < first_ms
        everybody = movements(start, end, was_customer, self._facts.counted, self._everybody, 1)
        # The last group is that of the accounts without a segment, which nobody asks for.
        groups = len(self._facts.segments) + 1
        group = np.where(self._facts.segment >= 0, self._facts.segment, groups - 1)
        return everybody + movements(start, end, was_customer, self._facts.counted, group, groups)[:-1]

    def _of_customers(self, period: Period, moved: Movement, name: str | None) -> Iterator[tuple[str, None, Estimate]]:
        per_year = 12.0 if period.kind == "month" else _YEAR_DAYS / (period.end_day - period.first_day)
        for metric, value, n in moved.figures(per_year, self._margin):
            yield metric, None, Estimate(value, n)
        if period.kind == "month":
            self._seats[name].append(moved.seats_at_end)
            growth = growth_slope(self._seats[name][-GROWTH_MONTHS:])
            yield "seat_growth", None, Estimate(growth, moved.at_end)

    def _of_counts(
        self, first_ms: int, last_ms: int, moved: Movement, number: int
    ) -> Iterator[tuple[str, str | None, Estimate]]:
        facts, group = self._facts, self._groups[number]
        accounts = moved.at_end or int((group == 0).sum())
        referrals, references, meetings, tickets = (
            int(each.counts(first_ms, last_ms, group, 1)[0])
            for each in (facts.referrals, facts.references, facts.meetings, facts.tickets)
        )
        yield "referrals", None, Estimate(float(referrals), referrals)
        yield "references", None, Estimate(float(references), references)
        yield "referral_ratio", None, Estimate(referral_ratio(referrals, moved.lost), moved.lost)
        yield "meetings_per_account", None, Estimate(contacts_per_account(meetings, accounts), meetings)
        yield "tickets_per_account", None, Estimate(contacts_per_account(tickets, accounts), tickets)
        cohort = facts.trials.cohort(first_ms, last_ms)
        mine = group[cohort.account] == 0
        started = int(mine.sum())
        paid = trial_to_paid(int(cohort.converted[mine].sum()), started, int(cohort.ended[mine].sum()))
        yield "trial_to_paid", None, Estimate(paid, started)
        yield from facts.solved.figures(first_ms, last_ms, group, by_component=number == 0)

    def _of_answers(
        self, period: Period, first_ms: int, last_ms: int, number: int
    ) -> Iterator[tuple[str, str | None, Estimate]]:
        now = self._answers(first_ms, last_ms, number)
        yield from survey_figures(now)
        if period.kind == COMPARED_PERIOD:
            year_ago_ms = self._days.start_ms(period.first_day - int(_YEAR_DAYS))
            yield from survey_changes(now, self._answers(year_ago_ms, first_ms, number))

    def _answers(self, first_ms: int, last_ms: int, number: int) -> Sequence[Answer]:
        low, high = np.searchsorted(self._answers_ms, [first_ms, last_ms]).tolist()
        group = self._groups[number]
        return [each for each in self._facts.answers[low:high] if group[each.account] == 0]

    def _of_usage(self, period: Period, number: int, found: Portfolio) -> Iterator[tuple[str, str | None, Estimate]]:
        if self._facts.usage is None:
            return
        window = self._facts.usage.window(period.end_day)
        if number:
            window = window.of_group(self._groups[number], 0)
        for metric, value, n in window.figures(period.end_day):
            yield metric, None, Estimate(value, n)
        if len(window.visits.day):
            found.histograms.append(
                {
                    "period": period.kind,
                    "starts_on": period.starts_on,
                    "ends_on": period.ends_on,
                    "segment": self._names[number],
                    "users_by_active_days": window.histogram(),
                }
            )

    def _of_rollout(self, period: Period, end: Standing, number: int) -> Iterator[tuple[str, str, Estimate]]:
        """Share of the seats that somebody has used by so many days, of those who have been customers for so long."""
        if self._facts.usage is None:
            return
        for days in ROLLOUT_DAYS:
            reached = self._first_paid_day + days
            of = (self._groups[number] == 0) & (reached > period.first_day) & (reached <= period.end_day)
            of &= end.seats > 0
            if of.any():
                users = self._facts.usage.users_before(reached)
                yield "rollout", f"day {days}", mean_score(np.minimum(users[of] / end.seats[of], 1.0).tolist())

    def _of_tiers(self, start: Standing, end: Standing) -> Iterator[tuple[str, str, Estimate]]:
        before, after = (_tiered(standing, self._facts) for standing in (start, end))
        bounds = tier_bounds(before)
        if bounds is None:
            return
        tiers = ([value_tier(value, bounds) for value in values] for values in (before, after))
        for was, ends in migration(*tiers).items():
            for now, count in ends.items():
                if count:
                    yield "tier_moves", f"{was} to {now}", Estimate(float(count), sum(ends.values()))


def _tiered(standing: Standing, facts: Facts) -> list[float]:
    revenue: list[float] = (standing.mrr_minor * facts.counted).tolist()
    return revenue


def _add_bands(found: Portfolio, facts: Facts, bands: Mapping[str, str], days: Days, open_day: int) -> None:
    standing = facts.changes.of_accounts(len(facts.account_ids), days.start_ms(open_day))
    revenue = _tiered(standing, facts)
    at = Period("trailing_30d", open_day - 30, open_day)
    bounds = tier_bounds(revenue)
    for number, name in enumerate(group_names(facts.segments)):
        counts: dict[str, int] = {}
        paid: dict[str, float] = {}
        for place, account_id in enumerate(facts.account_ids):
            band = bands.get(account_id)
            if band is None or (number and facts.segment[place] != number - 1):
                continue
            counts[band] = counts.get(band, 0) + 1
            paid[band] = paid.get(band, 0.0) + revenue[place]
            cell = nine_box(value_tier(revenue[place], bounds), band) if bounds is not None else None
            if number == 0 and cell is not None:
                found.nine_box[cell] = found.nine_box.get(cell, 0) + 1
        share, n = green_share(counts), sum(counts.values())
        found.figures += [
            Figure(at.kind, at.starts_on, at.ends_on, name, "green", None, share.value, share.n, share.low, share.high),
            Figure(at.kind, at.starts_on, at.ends_on, name, "green_revenue", None, green_revenue_share(paid), n),
        ]
