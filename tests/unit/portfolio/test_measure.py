"""Portfolio figures of a small year, worked out by hand, and of random ones against a plain replay of each account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.portfolio.facts import Events, Facts, facts_of
from pipeline.portfolio.measure import Figure, Portfolio, measure
from pipeline.portfolio.movements import Movement, first_paid_ms, movements
from pipeline.portfolio.periods import periods_of
from pipeline.portfolio.subscriptions import SUBSCRIPTION_TYPES
from pipeline.simulate.tables import arrow_schema
from pipeline.terms.days import Days

DAY_MS = 86_400_000
UTC_DAYS = Days("UTC")
Row = dict[str, Any]


def at(date: str) -> int:
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000)


def table(schema: str, rows: Sequence[Row]) -> pa.Table:
    of = arrow_schema(schema)
    names = set(of.names)
    numbered = [{"event_id": f"{schema}-{number}", **row} for number, row in enumerate(rows)]
    assert all(set(row) <= names for row in numbered if "event_id" in names)
    return pa.Table.from_pylist([{name: row.get(name) for name in of.names} for row in numbered], schema=of)


def facts(
    billing: Sequence[Row] = (),
    signals: Sequence[Row] = (),
    tickets: Sequence[Row] = (),
    usage: list[Row] | None = None,
    segments: dict[str, str] | None = None,
) -> Facts:
    profiles = pa.table(
        {"account_id": list(segments or {}), "segment": list((segments or {}).values())},
        schema=pa.schema([("account_id", pa.string()), ("segment", pa.string())]),
    )
    used = None if usage is None else table("usage_event", usage)
    found = facts_of(
        Events(
            table("billing_event", billing), table("ticket_event", tickets), table("customer_signal", signals),
            profiles, used,
        ),
        UTC_DAYS,
    )  # fmt: skip
    assert found is not None
    return found


def bill(account: str, kind: str, date: str, mrr: int | None = None, **more: Any) -> Row:
    return {
        "account_id": account,
        "type": kind,
        "occurred_at": at(date),
        "mrr_minor_after": mrr,
        "currency": "EUR",
        **more,
    }


def figure(
    portfolio: Portfolio, metric: str, month: str, segment: str | None = None, dimension: str | None = None
) -> Figure:
    (found,) = [
        each
        for each in portfolio.figures
        if each.metric == metric
        and each.period == "month"
        and each.starts_on == f"{month}-01"
        and each.segment == segment
        and each.dimension == dimension
    ]
    return found


@pytest.fixture(scope="module")
def year() -> Portfolio:
    """20 customers of 100.00 a month from January on; what happens in February is in the tests."""
    billing = [bill(f"c{n}", "subscription_started", "2026-01-05", 10_000, seats_after=10) for n in range(20)]
    billing += [
        bill("back", "subscription_started", "2026-01-05", 10_000),
        bill("back", "subscription_cancelled", "2026-01-20"),
    ]
    billing += [
        bill("c0", "subscription_cancelled", "2026-02-03"),
        bill("c1", "subscription_cancelled", "2026-02-27T23:00"),
        bill("c2", "subscription_changed", "2026-02-10", 5_000),
        bill("c3", "subscription_changed", "2026-02-10", 14_000, seats_after=16),
        bill("back", "subscription_reactivated", "2026-02-10"),
        bill("new", "subscription_started", "2026-02-11", 10_000),
        bill("new", "subscription_cancelled", "2026-02-20"),
        bill("won", "subscription_started", "2026-02-12", 30_000),
        bill("c4", "subscription_cancelled", "2026-02-05"),
        bill("c4", "subscription_reactivated", "2026-02-06", 10_000),
        bill("c5", "invoice_paid", "2026-03-31T12:00"),
    ]
    signals = [{"account_id": "c1", "type": "referral_given", "occurred_at": at("2026-02-14")}] * 3
    signals += [{"account_id": "c2", "type": "reference_given", "occurred_at": at("2026-02-15")}] * 2
    segments = {f"c{n}": "small" if n < 4 else "large" for n in range(20)}
    return measure(facts(billing, signals, segments=segments), UTC_DAYS)


def test_customers_won_in_the_month_are_not_in_its_churn(year: Portfolio) -> None:
    churn = figure(year, "logo_churn", "2026-02")
    assert (churn.value, churn.n) == (2 / 20, 20)
    assert figure(year, "customers", "2026-02").value == 20
    assert figure(year, "logo_retention", "2026-02").value == 18 / 20


def test_churned_and_contracted_revenue_is_gross_and_growth_makes_it_net(year: Portfolio) -> None:
    assert figure(year, "gross_mrr_churn", "2026-02").value == pytest.approx((20_000 + 5_000) / 200_000)
    assert figure(year, "expansion_mrr", "2026-02").value == pytest.approx(4_000 / 200_000)
    # Who is back has the revenue that was known before.
    assert figure(year, "net_mrr_churn", "2026-02").value == pytest.approx((25_000 - 4_000 - 10_000) / 200_000)
    assert figure(year, "net_revenue_retention", "2026-02").value == pytest.approx(1 - 11_000 / 200_000)


def test_mean_revenue_is_of_the_customers_at_the_end(year: Portfolio) -> None:
    total = 18 * 10_000 - 5_000 + 4_000 + 10_000 + 30_000
    assert figure(year, "mrr_minor", "2026-02").value == total
    assert figure(year, "arpa_minor", "2026-02").value == pytest.approx(total / 20)


def test_segments_have_their_own_figures(year: Portfolio) -> None:
    assert figure(year, "logo_churn", "2026-02", "small").value == 2 / 4
    assert figure(year, "logo_churn", "2026-02", "large").value == 0.0
    assert figure(year, "gross_mrr_churn", "2026-02", "small").value == pytest.approx(25_000 / 40_000)


def test_a_month_without_customers_at_its_start_has_no_churn(year: Portfolio) -> None:
    names = {each.metric for each in year.figures if each.period == "month" and each.starts_on == "2026-01-01"}
    assert "logo_churn" not in names
    assert figure(year, "customers", "2026-01").value == 20


def test_referrals_are_set_against_the_lost_and_the_same_event_counts_once(year: Portfolio) -> None:
    assert figure(year, "referral_ratio", "2026-02").value == 3 / 2
    twice = [{"account_id": "a", "type": "referral_given", "occurred_at": at("2026-02-14"), "event_id": "same"}] * 2
    found = facts([bill("a", "subscription_started", "2026-01-01", 1)], twice)
    assert len(found.referrals.at_ms) == 1


def test_accounts_move_between_tiers_of_value(year: Portfolio) -> None:
    moves = {
        each.dimension: (each.value, each.n)
        for each in year.figures
        if each.metric == "tier_moves" and each.starts_on == "2026-02-01"
    }
    assert moves == {"high to low": (1, 20), "high to high": (17, 20), "high to none": (2, 20), "none to high": (2, 2)}


def test_case_studies_and_references_are_counted_by_month(year: Portfolio) -> None:
    assert figure(year, "references", "2026-02").value == 2
    assert figure(year, "referrals", "2026-02").value == 3


def test_who_cancels_at_the_end_of_the_period_is_lost_when_that_ends() -> None:
    billing = [bill(name, "subscription_started", "2026-01-02", 100) for name in "abcd"]
    billing += [
        bill("a", "subscription_cancelled", "2026-02-03", due_at=at("2026-03-10")),
        bill("b", "subscription_cancelled", "2026-02-03", due_at=at("2026-02-01")),
        bill("c", "subscription_cancelled", "2026-02-04", due_at=at("2026-03-10")),
        bill("c", "subscription_changed", "2026-02-20", 200),
        bill("d", "invoice_paid", "2026-04-03"),
    ]
    found = measure(facts(billing), UTC_DAYS)
    assert [figure(found, "customers", month).value for month in ("2026-01", "2026-02", "2026-03")] == [4, 3, 2]
    assert figure(found, "logo_churn", "2026-02").value == 1 / 4
    assert figure(found, "logo_churn", "2026-03").value == 1 / 3
    assert figure(found, "gross_mrr_churn", "2026-03").value == pytest.approx(100 / 400)


def test_a_ticket_that_is_solved_tells_what_it_cost_the_customer() -> None:
    def event(ticket: str, kind: str, when: str, component: str | None = None) -> Row:
        return {"account_id": "a", "ticket_id": ticket, "type": kind, "occurred_at": at(when), "component": component}

    tickets = [
        event("t1", "opened", "2026-01-10T08:00", "export"), event("t1", "commented", "2026-01-10T10:00"),
        event("t1", "resolved", "2026-01-10T12:00"), event("t1", "reopened", "2026-01-11T08:00"),
        event("t1", "resolved", "2026-01-11T18:00"), event("t1", "closed", "2026-01-20"),
        event("t2", "opened", "2026-01-12T08:00", "login"), event("t2", "closed", "2026-01-12T10:00"),
        event("t3", "opened", "2026-01-30", "export"), event("t4", "closed", "2026-01-30"),
        event("t3", "resolved", "2026-02-01"), event("t5", "opened", "2026-02-03"),
    ]  # fmt: skip
    found = measure(facts([], [], tickets), UTC_DAYS)
    assert figure(found, "tickets_solved", "2026-01").value == 2
    assert figure(found, "ticket_touches", "2026-01").value == (3 + 1) / 2
    assert figure(found, "tickets_reopened", "2026-01").value == 1 / 2
    assert figure(found, "ticket_hours", "2026-01").value == (34 + 2) / 2
    export = [figure(found, "ticket_hours", "2026-01", dimension=name).value for name in ("export", "login")]
    assert export == [34, 2]
    assert figure(found, "tickets_reopened", "2026-01", dimension="export").value == 1


def test_rollout_is_the_share_of_seats_used_so_many_days_after_the_start_by_segment() -> None:
    billing = [bill(name, "subscription_started", "2026-01-02", 100, seats_after=4) for name in ("fast", "slow")]
    starts = {"fast": [0, 1, 2, 20, 40], "slow": [6, 29, 30]}
    usage = [
        {"account_id": name, "user_id": f"u{n}", "feature": "f", "occurred_at": at("2026-01-02") + day * DAY_MS}
        for name, days in starts.items()
        for n, day in enumerate(days)
    ]
    usage.append({"account_id": "fast", "user_id": "u0", "feature": "f", "occurred_at": at("2026-04-02")})
    found = measure(facts(billing, usage=usage, segments={"fast": "smb", "slow": "large"}), UTC_DAYS)
    assert figure(found, "rollout", "2026-01", dimension="day 7").value == (3 / 4 + 1 / 4) / 2
    assert figure(found, "rollout", "2026-01", "smb", "day 7").value == 3 / 4
    assert figure(found, "rollout", "2026-01", "large", "day 30").value == 2 / 4
    assert figure(found, "rollout", "2026-03", "smb", "day 60").value == 1


def test_a_touchpoint_is_compared_with_the_year_before_it() -> None:
    def answers(month: str, count: int, score: float, phase: str) -> list[Row]:
        row = {"account_id": "a", "type": "ces", "score": score, "phase": phase}
        return [{**row, "occurred_at": at(f"{month}-{1 + n % 28:02}")} for n in range(count)]

    signals = answers("2026-01", 60, 6, "onboarding") + answers("2026-06", 20, 2, "onboarding")
    signals += answers("2026-01", 60, 6, "support") + answers("2026-06", 20, 6, "support")
    changes = {
        each.dimension: each
        for each in measure(facts([], signals), UTC_DAYS).figures
        if each.metric == "ces_easy_change"
    }
    assert {phase: each.value for phase, each in changes.items()} == {None: -0.5, "onboarding": -1, "support": 0}
    assert {phase for phase, each in changes.items() if each.high is not None and each.high < 0} == {None, "onboarding"}


def test_only_months_that_are_over_are_reported(year: Portfolio) -> None:
    assert {each.starts_on for each in year.figures if each.period == "month"} == {"2026-01-01", "2026-02-01"}
    trailing = {(each.period, each.starts_on, each.ends_on) for each in year.figures if each.period != "month"}
    assert trailing == {("trailing_30d", "2026-03-01", "2026-03-30")}


def test_months_are_those_of_the_business_time_zone() -> None:
    # 23:30 UTC on 31 January is February in Berlin.
    billing = [
        bill("a", "subscription_started", "2026-01-02", 100),
        bill("b", "subscription_started", "2026-01-02", 100),
        bill("a", "subscription_cancelled", "2026-01-31T23:30"),
        bill("b", "invoice_paid", "2026-03-15"),
    ]
    berlin = measure(facts(billing), Days("Europe/Berlin"))
    assert figure(berlin, "logo_churn", "2026-02").value == 0.5
    assert figure(measure(facts(billing), UTC_DAYS), "customers", "2026-01").value == 1


def test_a_trial_is_a_customer_once_it_is_converted() -> None:
    billing = [
        bill("a", "trial_started", "2026-01-02", 100),
        bill("a", "subscription_changed", "2026-01-03", 200),
        bill("b", "trial_started", "2026-01-05", 100),
        bill("b", "trial_expired", "2026-01-25"),
        bill("a", "trial_converted", "2026-02-02"),
        bill("c", "trial_started", "2026-02-20"),
        bill("d", "subscription_started", "2026-03-02", 100),
    ]
    found = measure(facts(billing), UTC_DAYS)
    assert "customers" not in {each.metric for each in found.figures if each.starts_on == "2026-01-01" and each.n}
    assert figure(found, "mrr_minor", "2026-02").value == 200
    assert figure(found, "trial_to_paid", "2026-01").value == 0.5
    february = figure(found, "trial_to_paid", "2026-02")
    assert (february.value, february.n) == (None, 1)


def test_a_trial_that_is_never_ended_counts_as_lost_after_ninety_days() -> None:
    billing = [bill("a", "trial_started", "2026-01-02"), bill("b", "invoice_paid", "2026-04-20")]
    assert figure(measure(facts(billing), UTC_DAYS), "trial_to_paid", "2026-01").value == 0.0


def test_revenue_is_of_the_currency_that_most_accounts_pay_in() -> None:
    billing = [bill(name, "subscription_started", "2026-01-02", 100) for name in "ab"]
    billing += [
        bill("c", "subscription_started", "2026-01-02", 9_000, currency="JPY"),
        bill("b", "subscription_started", "2026-01-02", 7_000, subscription_id="yen", currency="jpy"),
        bill("b", "invoice_paid", "2026-01-03", currency="eur"),
        bill("a", "invoice_paid", "2026-02-02"),
    ]
    found = measure(facts(billing), UTC_DAYS)
    assert (found.currency, found.accounts_in_other_currencies) == ("EUR", 2)
    assert figure(found, "mrr_minor", "2026-01").value == 200
    assert figure(found, "customers", "2026-01").value == 3


def test_answers_count_by_phase_and_on_their_scale() -> None:
    def answer(kind: str, score: float, phase: str | None = None, scale: float | None = None) -> Row:
        return {
            "account_id": "a",
            "type": kind,
            "occurred_at": at("2026-01-10"),
            "score": score,
            "phase": phase,
            "scale": scale,
        }

    signals = [
        answer("nps", 10, "onboarding"), answer("nps", 9), answer("nps", 3, "support"), answer("nps", 7),
        answer("ces", 7, "onboarding"), answer("ces", 1, "onboarding"), answer("ces", 5, None, 5),
        answer("csat", 5), answer("csat", 9, None, 3),
    ]  # fmt: skip
    tickets = [
        {"account_id": "a", "ticket_id": "t", "type": "csat_given", "occurred_at": at("2026-01-11"), "csat": 3},
        {"account_id": "a", "ticket_id": "t", "type": "opened", "occurred_at": at("2026-02-03")},
    ]
    found = measure(facts([], signals, tickets), UTC_DAYS)
    nps = figure(found, "nps", "2026-01")
    assert (nps.value, nps.n) == (25.0, 4)
    assert nps.low is not None
    assert nps.low < 25
    assert figure(found, "nps", "2026-01", dimension="support").value == -100
    assert figure(found, "ces", "2026-01", dimension="onboarding").value == 4
    assert figure(found, "ces_easy", "2026-01", dimension="onboarding").value == 0.5
    assert figure(found, "csat", "2026-01", dimension="support").value == 0
    assert figure(found, "csat_above_3_5", "2026-01").value == 0.5
    assert figure(found, "ces", "2026-01").value == pytest.approx(5)
    csat = figure(found, "csat", "2026-01")
    assert (csat.value, csat.n) == (0.5, 2)


def test_stickiness_and_volume_are_of_the_four_weeks_before_the_end() -> None:
    def visit(user: str | None, day: int, number: int = 0) -> Row:
        return {
            "account_id": "a", "user_id": user, "feature": "f", "occurred_at": at("2026-02-01") + day * DAY_MS,
            "event_id": f"{user}-{day}-{number}", "quantity": 2.0, "duration_ms": 1_800_000,
        }  # fmt: skip

    usage = [visit("u1", day) for day in range(28)] + [visit("u2", day) for day in range(0, 28, 4)]
    usage += [visit("u2", 0, 1), visit("u2", 0, 1), visit(None, 3), visit("u9", -20), visit("u1", 30)]
    found = measure(facts(usage=usage), UTC_DAYS)
    dau = figure(found, "dau_mau", "2026-02")
    assert dau.value == pytest.approx((28 + 7) / 28 / 2)
    assert dau.n == 2
    assert figure(found, "visits_per_user", "2026-02").value == 35 / 2
    assert figure(found, "actions_per_user", "2026-02").value == 2.0 * 37 / 2
    assert figure(found, "active_hours_per_user", "2026-02").value == 0.5 * 37 / 2
    (histogram,) = [
        each for each in found.histograms if each["period"] == "month" and each["starts_on"] == "2026-02-01"
    ]
    counts = histogram["users_by_active_days"]
    assert isinstance(counts, list)
    assert (counts[27], counts[6], sum(counts)) == (1, 1, 2)


def test_bands_give_the_share_of_green_accounts_and_the_nine_boxes() -> None:
    billing = [bill(f"c{n}", "subscription_started", "2026-01-02", 100 * (n + 1)) for n in range(6)]
    billing += [bill("c0", "invoice_paid", "2026-02-20")]
    bands = {"c0": "green", "c1": "red", "c2": "green", "c3": "grey", "c5": "green"}
    found = measure(facts(billing), UTC_DAYS, bands=bands)
    (green,) = [each for each in found.figures if each.metric == "green"]
    assert (green.value, green.n) == (0.75, 4)
    (revenue,) = [each for each in found.figures if each.metric == "green_revenue"]
    assert revenue.value == pytest.approx(1000 / 1200)
    assert found.nine_box == {"low/green": 1, "low/red": 1, "mid/green": 1, "high/green": 1}


def test_nothing_at_all_has_no_facts() -> None:
    none = [table(name, []) for name in ("billing_event", "ticket_event", "customer_signal")]
    profiles = pa.table({"account_id": pa.array(["a"]), "segment": pa.array(["s"])})
    assert facts_of(Events(none[0], none[1], none[2], profiles), UTC_DAYS) is None


def test_periods_are_whole_months_and_full_windows() -> None:
    day = (datetime(2026, 1, 15, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    found = [(each.kind, each.starts_on, each.ends_on) for each in periods_of(day, day + 50)]
    assert found == [
        ("month", "2026-01-01", "2026-01-31"),
        ("month", "2026-02-01", "2026-02-28"),
        ("trailing_30d", "2026-02-04", "2026-03-05"),
    ]
    assert periods_of(day, day) == []


events_drawn = st.lists(
    st.builds(
        lambda account, sub, kind, hour, mrr, seats, due: {
            "account_id": f"a{account}", "subscription_id": sub, "type": kind,
            "occurred_at": at("2026-01-01") + hour * 3_600_000, "mrr_minor_after": mrr,
            "seats_after": seats, "currency": "EUR", "due_at": due and at("2026-01-01") + due * 3_600_000,
        },
        st.integers(0, 3),
        st.sampled_from([None, "s1", "s2"]),
        st.sampled_from([*sorted(SUBSCRIPTION_TYPES), "invoice_paid"]),
        st.integers(0, 24 * 20),
        st.none() | st.integers(0, 50).map(lambda amount: amount * 100),
        st.none() | st.integers(0, 20),
        st.none() | st.integers(0, 24 * 20),
    ),
    min_size=1,
    max_size=40,
)  # fmt: skip


def paid_until(rows: list[Row], until_ms: int) -> dict[str, tuple[int, int, int]]:
    """Revenue, seats and paying subscriptions of each account, one event after the other."""
    books: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["occurred_at"]):
        kind = row["type"]
        if row["occurred_at"] >= until_ms or kind == "invoice_paid":
            continue
        unknown = {"is": None, "mrr": 0, "seats": 0, "ends": None}
        book = books.setdefault((row["account_id"], row["subscription_id"] or ""), unknown)
        if book["ends"] is not None and book["ends"] <= row["occurred_at"]:
            book["is"] = "ended"
        book["ends"] = None
        if kind == "subscription_cancelled" and (row["due_at"] or 0) > row["occurred_at"]:
            book["ends"] = row["due_at"]
            continue
        if kind in ("subscription_cancelled", "trial_expired"):
            book["is"] = "ended"
            continue
        if kind == "trial_started":
            book["is"] = "trial"
        elif kind != "subscription_changed" or book["is"] != "trial":
            book["is"] = "paying"
        if row["mrr_minor_after"] is not None:
            book["mrr"] = row["mrr_minor_after"]
        if row["seats_after"] is not None:
            book["seats"] = row["seats_after"]
    out: dict[str, tuple[int, int, int]] = {}
    for (account, _), book in books.items():
        if book["is"] == "paying" and (book["ends"] is None or book["ends"] >= until_ms):
            mrr, seats, paying = out.get(account, (0, 0, 0))
            out[account] = (mrr + book["mrr"], seats + book["seats"], paying + 1)
    return out


@settings(max_examples=200, deadline=None)
@given(events_drawn, st.integers(0, 20), st.integers(0, 20))
def test_what_accounts_pay_is_what_a_plain_replay_says(rows: list[Row], first: int, length: int) -> None:
    found = facts(rows)
    first_ms = at("2026-01-01") + first * DAY_MS
    last_ms = first_ms + length * DAY_MS
    accounts = len(found.account_ids)
    start, end = (found.changes.of_accounts(accounts, until) for until in (first_ms, last_ms))
    before, after = paid_until(rows, first_ms), paid_until(rows, last_ms)
    for place, account in enumerate(found.account_ids):
        assert (end.mrr_minor[place], end.seats[place], end.paying[place]) == after.get(account, (0, 0, 0))
    moments = {min(row["occurred_at"] + 1, first_ms) for row in rows}
    ever = {account for moment in moments for account in paid_until(rows, moment)}
    was = first_paid_ms(found.changes, accounts) < first_ms
    (moved,) = movements(start, end, was, found.counted, found.segment * 0, 1)
    assert moved == naive_movement(before, after, ever)


def naive_movement(
    before: dict[str, tuple[int, int, int]], after: dict[str, tuple[int, int, int]], ever: set[str]
) -> Movement:
    names = before.keys() | after.keys()
    mrr = {name: (before.get(name, (0,))[0], after.get(name, (0,))[0]) for name in names}
    stayed = before.keys() & after.keys()
    return Movement(
        at_start=len(before),
        at_end=len(after),
        lost=len(before.keys() - after.keys()),
        mrr_at_start=sum(each[0] for each in mrr.values()),
        mrr_at_end=sum(each[1] for each in mrr.values()),
        churned=sum(mrr[name][0] for name in before.keys() - after.keys()),
        contraction=sum(max(0, mrr[name][0] - mrr[name][1]) for name in stayed),
        expansion=sum(max(0, mrr[name][1] - mrr[name][0]) for name in stayed),
        reactivation=sum(mrr[name][1] for name in (after.keys() - before.keys()) & ever),
        seats_at_end=sum(each[1] for each in after.values()),
    )
