"""The labelled effects are really in the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.simulate import ACCOUNT_KINDS, SimulatedStream, SimulationSettings, simulate
from schemas.topics import DAY_MS

SETTINGS = SimulationSettings(seed=20, accounts=128, incidents_per_kind=4, kinds=ACCOUNT_KINDS)
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def stream() -> SimulatedStream:
    return simulate(SETTINGS)


def labels_of(stream: SimulatedStream, kind: str) -> list[dict[str, Any]]:
    labels = [row for row in stream.labels.to_pylist() if row["kind"] == kind]
    assert labels
    return labels


def rows_of(stream: SimulatedStream, name: str, account_id: str) -> list[dict[str, Any]]:
    return [row for row in getattr(stream, name).to_pylist() if row["account_id"] == account_id]


def day_of(label: dict[str, Any]) -> int:
    return int((label["at"] - SETTINGS.start_ms) // DAY_MS)


class Account:
    """One account's usage by day of the stream."""

    def __init__(self, stream: SimulatedStream, account_id: str) -> None:
        usage = stream.usage
        mask = np.asarray(usage["account_id"].to_numpy(zero_copy_only=False) == account_id)
        rows = usage.filter(mask)
        self.day = (rows["occurred_at"].to_numpy() - SETTINGS.start_ms) // DAY_MS
        self.quantity = rows["quantity"].to_numpy()
        self.user, self.role, self.feature = (
            np.array([value or "" for value in rows[name].to_pylist()]) for name in ("user_id", "role", "feature")
        )

    def actions(self, first: int, end: int) -> float:
        """Mean actions a day in `[first, end)`."""
        return float(self.quantity[(self.day >= first) & (self.day < end)].sum()) / (end - first)

    def user_days(self, first: int, end: int) -> set[tuple[str, int]]:
        """(user, day) pairs in `[first, end)`."""
        chosen = (self.day >= first) & (self.day < end) & (self.user != "")
        return set(zip(self.user[chosen].tolist(), self.day[chosen].tolist(), strict=True))

    def power_users(self, end: int) -> set[str]:
        """Users active in 6 of the 8 weeks and on 16 of the 56 days before `end`."""
        days: dict[str, set[int]] = {}
        for user, day in self.user_days(end - 56, end):
            days.setdefault(user, set()).add(day)
        return {user for user, own in days.items() if len(own) >= 16 and len({(end - 1 - d) // 7 for d in own}) >= 6}


def test_power_users_leave_while_the_total_of_user_days_stays_flat(stream: SimulatedStream) -> None:
    ratios = []
    for label in labels_of(stream, "power_user_decline"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        power = account.power_users(day)
        before, after = account.user_days(day - 56, day), account.user_days(day, day + 28)
        assert len(power) >= 3
        ratios.append((len(after) / 4) / (len(before) / 8))
        power_before = sum(user in power for user, _day in before) / 8
        power_after = sum(user in power for user, _day in after) / 4
        assert power_after <= 0.4 * power_before
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.12)


def test_the_users_of_a_role_leave_while_the_total_of_user_days_stays_flat(stream: SimulatedStream) -> None:
    ratios = []
    for label in labels_of(stream, "role_decline"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        editors = set(account.user[account.role == "editor"].tolist())
        before, after = account.user_days(day - 56, day), account.user_days(day, day + 28)
        ratios.append((len(after) / 4) / (len(before) / 8))
        assert sum(user in editors for user, _day in after) / 4 <= 0.4 * sum(u in editors for u, _day in before) / 8
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.12)


def test_a_silent_account_has_no_usage_from_its_day_on(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "silence"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        assert account.actions(day, SETTINGS.days) == 0
        assert account.actions(day - 28, day) > 0


def test_a_drop_takes_as_much_of_the_usage_as_its_label_says(stream: SimulatedStream) -> None:
    left = []
    for label in labels_of(stream, "usage_drop"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        left.append(100 + int(label["detail"].removeprefix("usage ").removesuffix(" %")))
        assert account.actions(day, day + 21) / account.actions(day - 56, day) == pytest.approx(left[-1] / 100, abs=0.2)
    assert set(left) <= {20, 40, 60}
    assert len(set(left)) > 1


def test_a_champion_who_leaves_is_heard_of_and_does_nothing_more(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "champion_loss"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        (left,) = [row for row in rows_of(stream, "signals", label["account_id"]) if row["type"] == "contact_left"]
        assert left["role"] == "champion"
        before = [user for user, _day in account.user_days(day - 56, day)]
        assert before.count(left["contact_id"]) >= 0.8 * max(before.count(user) for user in set(before))
        assert left["contact_id"] not in {user for user, _day in account.user_days(day, SETTINGS.days)}
        assert 0 < left["occurred_at"] - label["at"] < 7 * DAY_MS


def test_an_abandoned_feature_is_not_used_any_more_and_the_total_stays(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "feature_abandonment"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        before = account.feature[(account.day >= day - 56) & (account.day < day)].tolist()
        favourite = max(set(before), key=before.count)
        assert before.count(favourite) >= 0.15 * len(before)
        assert favourite not in account.feature[account.day >= day]
        assert 0.75 <= account.actions(day, day + 28) / account.actions(day - 56, day) <= 1.3


def test_a_new_team_brings_users_with_a_role_of_their_own(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "new_team"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        users = {user for user, _day in account.user_days(0, day)}
        joined = {user for user, _day in account.user_days(day, SETTINGS.days)} - users
        assert 0.45 * len(users) <= len(joined) <= 0.75 * len(users)
        roles = account.role[np.isin(account.user, list(joined))]
        assert set(roles.tolist()) == {"analyst"}
        assert "analyst" not in account.role[account.day < day]


def test_on_a_holiday_of_the_company_nobody_works_for_two_days(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "company_holiday"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        assert account.actions(day, day + 2) == 0
        assert min(account.actions(day - 7, day - 5), account.actions(day + 7, day + 9)) > 0


def test_a_reorganisation_renames_every_user_and_changes_nothing_else(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "reorganisation"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        before, after = account.user_days(day - 28, day), account.user_days(day, day + 28)
        assert not {user for user, _day in before} & {user for user, _day in after}
        assert len(after) == pytest.approx(len(before), rel=0.25)
        assert {f"m{user[1:]}" for user in account.power_users(day)} <= {user for user, _day in after}


def test_a_slow_decline_loses_a_little_in_its_first_week_and_most_after_four(stream: SimulatedStream) -> None:
    # Of all such accounts together: one week of one account is mostly noise.
    before, first, middle, last = 0.0, 0.0, 0.0, 0.0
    for label in labels_of(stream, "slow_decline"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        before += account.actions(day - 56, day)
        first += account.actions(day, day + 7)
        middle += account.actions(day + 14, day + 21)
        last += account.actions(day + 28, day + 35)
    assert first > 0.75 * before
    assert first > 1.2 * middle
    assert middle > 1.2 * last
    assert last < 0.4 * before


def test_growth_doubles_the_usage_and_lasts(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "sustained_growth"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        assert account.actions(day + 14, day + 35) >= 1.6 * account.actions(day - 28, day)


def test_users_fill_the_seats(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "seat_saturation"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        seats = rows_of(stream, "profiles", label["account_id"])[0]["seats"]
        users_before = {user for user, _day in account.user_days(day - 28, day)}
        users_after = {user for user, _day in account.user_days(SETTINGS.days - 28, SETTINGS.days)}
        assert len(users_before) < 0.8 * seats
        assert 0.9 * seats <= len(users_after) <= seats


def test_accounts_without_the_incident_do_not_fill_their_seats(stream: SimulatedStream) -> None:
    kinds = ("seat_saturation", "new_team", "reorganisation")
    saturated = {label["account_id"] for kind in kinds for label in labels_of(stream, kind)}
    seats = {row["account_id"]: row["seats"] for row in stream.profiles.to_pylist()}
    users: dict[str, set[str]] = {}
    for account_id, user_id in zip(
        stream.usage["account_id"].to_pylist(), stream.usage["user_id"].to_pylist(), strict=True
    ):
        if user_id is not None:
            users.setdefault(account_id, set()).add(user_id)
    assert all(len(users[a]) < 0.8 * seats[a] for a in seats if a not in saturated)


def test_the_failed_invoice_is_never_paid(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "payment_failed"):
        rows = rows_of(stream, "billing", label["account_id"])
        failed = [row for row in rows if row["type"] == "payment_failed"]
        paid = {row["invoice_id"] for row in rows if row["type"] == "invoice_paid"}
        assert failed[0]["occurred_at"] == label["at"]
        assert not {row["invoice_id"] for row in failed} & paid
        assert 1 <= len([r for r in failed if r["invoice_id"] == failed[0]["invoice_id"]]) <= 3


def test_a_surge_opens_far_more_tickets_in_a_week_than_before(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "ticket_surge"):
        opened = [
            row["occurred_at"] for row in rows_of(stream, "tickets", label["account_id"]) if row["type"] == "opened"
        ]
        surge = sum(label["at"] <= at < label["ends_at"] for at in opened)
        weekly = 7 * sum(at < label["at"] for at in opened) / day_of(label)
        assert surge >= max(7, weekly + 4 * weekly**0.5 + 1)


def test_a_p1_ticket_stays_open_for_days_and_no_other_p1_does(stream: SimulatedStream) -> None:
    labelled = {label["account_id"]: label for label in labels_of(stream, "p1_open")}
    opened: dict[str, dict[str, Any]] = {}
    long_ones: dict[str, int] = {}
    for row in stream.tickets.to_pylist():
        if row["priority"] != "p1":
            continue
        if row["type"] == "opened":
            opened[row["ticket_id"]] = row
        if row["type"] == "resolved":
            opening = opened.pop(row["ticket_id"])
            if row["occurred_at"] - opening["occurred_at"] >= 24 * HOUR_MS:
                long_ones[row["account_id"]] = opening["occurred_at"]
    assert long_ones == {account_id: label["at"] for account_id, label in labelled.items()}
    assert all(row["occurred_at"] > SETTINGS.end_ms - 24 * HOUR_MS for row in opened.values())


def test_a_renewal_at_risk_comes_within_ninety_days_of_the_drop(stream: SimulatedStream) -> None:
    for label in labels_of(stream, "renewal_at_risk"):
        account, day = Account(stream, label["account_id"]), day_of(label)
        renewal_at = rows_of(stream, "profiles", label["account_id"])[0]["renewal_at"]
        assert 30 <= (renewal_at - label["at"]) / DAY_MS <= 90
        assert account.actions(day, day + 21) <= 0.6 * account.actions(day - 56, day)
