"""Time, fates and state, in cases small enough to be worked out by hand."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pytest

from tests.oracle import BILLING, PROFILES, TICKETS, TOPICS, USAGE, Oracle, OracleConfig, Record
from tests.oracle.days import EPOCH, Days
from tests.oracle.model import DAY_MS, HOUR_MS
from tests.oracle.story import ACCOUNT, FIRST_DAY, Story
from tests.oracle.view import View


def _day(year: int, month: int, day: int) -> int:
    return (date(year, month, day) - EPOCH).days


def _ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]  # year to minute


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("UTC", _day(2024, 2, 29), _ms(2024, 2, 29), 24),
        ("America/New_York", _day(2024, 3, 10), _ms(2024, 3, 10, 5), 23),
        ("Europe/Berlin", _day(2024, 10, 27), _ms(2024, 10, 26, 22), 25),
        # Midnight does not exist: clocks go from 24:00 to 1:00.
        ("America/Santiago", _day(2024, 9, 8), _ms(2024, 9, 8, 4), 23),
        # Midnight comes twice: the first one begins the day.
        ("America/Havana", _day(2024, 11, 3), _ms(2024, 11, 3, 4), 25),
    ],
)
def test_a_day_lasts_from_local_midnight_to_local_midnight(zone: str, day: int, start: int, hours: int) -> None:
    days = Days(zone)
    assert days.start(day) == start
    assert days.end(day) - start == hours * HOUR_MS
    assert [days.of(start - 1), days.of(start), days.of(days.end(day) - 1)] == [day - 1, day, day]


def test_a_record_past_the_end_of_the_open_day_is_held_until_every_topic_gets_there() -> None:
    story = Story()
    story.use(0)
    story.use(1, hour=2)  # own watermark 1:00 of the next day: past the barrier
    assert story.oracle.fates[USAGE] == Counter(applied=2)
    assert story.oracle.positions[USAGE] == 2
    for topic in TOPICS[1:]:
        assert story.oracle.open_day == FIRST_DAY
        story.tick(topic, story.start(1) + HOUR_MS)
    assert story.oracle.open_day == FIRST_DAY + 1
    assert story.oracle.fates[USAGE] == Counter(applied=3)


def test_a_tick_exactly_at_the_barrier_closes_the_day_and_one_millisecond_less_does_not() -> None:
    story = Story()
    for topic in TOPICS:
        story.tick(topic, story.start(1) + HOUR_MS - 1)
    assert story.oracle.open_day == FIRST_DAY
    story.close(0)
    assert story.oracle.open_day == FIRST_DAY + 1


def test_the_open_day_stays_zero_until_every_topic_has_a_time() -> None:
    oracle = Oracle()
    for topic in set(TOPICS) - {PROFILES}:
        oracle.offer(topic, Record(0, "tick", DAY_MS * 9, DAY_MS * 9))
    assert oracle.open_day == 0
    oracle.offer(PROFILES, Record(0, "event", DAY_MS * 9, 0, {"account_id": "a", "updated_at": None}))
    assert (oracle.open_day, oracle.fates[PROFILES]) == (0, Counter(applied=1))
    oracle.offer(PROFILES, Record(1, "tick", DAY_MS * 9, DAY_MS * 9))
    assert oracle.open_day == 8
    assert oracle.health["a"] == []


def test_an_event_may_be_ahead_of_the_broker_by_the_skew_and_no_more() -> None:
    story = Story()
    noon = story.start(0) + DAY_MS // 2
    event = {"account_id": ACCOUNT, "event_id": "x", "occurred_at": noon, "type": "refund_issued"}
    story.offer(BILLING, "event", noon, event, seen_at_ms=noon - 600_001)
    assert story.oracle.fates[BILLING]["dead_lettered"] == 1
    story.offer(BILLING, "event", noon, event, seen_at_ms=noon - 600_000)
    assert story.oracle.fates[BILLING] == Counter(applied=2, dead_lettered=1)


def test_a_future_dated_event_does_not_move_the_watermark() -> None:
    story = Story()
    at_ms = story.start(500)
    story.offer(USAGE, "event", at_ms, {"account_id": "a", "event_id": "x"}, seen_at_ms=story.start(0))
    story.use(0)
    assert story.oracle.fates[USAGE] == Counter(applied=2, dead_lettered=1)


def test_an_event_is_late_for_three_days_and_then_too_late() -> None:
    story = Story()
    story.use(0)
    story.close(3)
    story.use(0)
    story.use(1)
    assert story.oracle.fates[USAGE]["too_late"] == 1
    assert story.oracle.fates[USAGE]["late_applied"] == 1
    assert dict(story.account.actions) == {FIRST_DAY: 1000, FIRST_DAY + 1: 1000}


def test_an_id_is_a_duplicate_within_its_topic_and_account_only() -> None:
    story = Story()
    story.use(0, event_id="same")
    story.use(0, event_id="same")
    story.use(0, event_id="same", account_id="other")
    story.bill(0, "refund_issued", event_id="same")
    assert story.oracle.fates[USAGE] == Counter(applied=3, duplicate=1)
    assert story.oracle.fates[BILLING] == Counter(applied=2)
    assert story.account.actions[FIRST_DAY] == 1000


def test_an_id_is_forgotten_when_the_day_of_its_application_is_too_late() -> None:
    story = Story()
    story.use(0, event_id="same")
    story.close(2)
    story.use(3, event_id="same")
    assert story.oracle.fates[USAGE]["duplicate"] == 1
    story.close(3)
    story.use(4, event_id="same")
    assert story.oracle.fates[USAGE]["duplicate"] == 1
    assert story.account.actions[FIRST_DAY + 4] == 1000


def test_an_id_of_tomorrow_is_remembered_as_long_as_tomorrow_can_be_late() -> None:
    story = Story()
    story.use(1, hour=0.5, event_id="early")  # applied while day 0 is open
    story.close(3)
    story.use(1, hour=0.5, event_id="early")
    assert story.oracle.fates[USAGE]["duplicate"] == 1


def test_thousandths_are_rounded_half_to_even_per_event() -> None:
    story = Story()
    for quantity in (0.0005, 0.0015, 0.0025, 1.0):
        story.use(0, quantity=quantity)
    assert story.account.actions[FIRST_DAY] == 0 + 2 + 2 + 1000


def test_when_a_day_closes_the_users_who_were_away_longest_are_evicted() -> None:
    story = Story(OracleConfig(max_users=2, id_hash=len))
    for day, user in enumerate(["old", "mid", "old", "new"]):
        story.close(day - 1)
        story.use(day, user=user)
    assert set(story.account.users) == {"old", "mid", "new"}
    story.close(3)
    assert set(story.account.users) == {"old", "new"}
    story.use(2, user="late")
    story.use(4, user="x")
    story.use(4, user="yy")  # twice the limit is reached
    assert set(story.account.users) == {"old", "new", "late", "x"}
    assert story.account.untracked_users == 1
    story.close(4)
    assert set(story.account.users) == {"new", "x"}
    for user in ("x", "four", "yy"):
        story.use(5, user=user)
    story.close(5)
    assert set(story.account.users) == {"four", "yy"}  # of three on one day, the smallest hash goes


def test_a_subscription_ignores_events_older_than_the_last_one_applied() -> None:
    story = Story()
    story.bill(2, "subscription_started", seats_after=10)
    story.close(1)
    story.bill(1, "subscription_cancelled")
    assert story.account.subscriptions[""].active
    story.bill(2, "subscription_changed", mrr_minor_after=7)
    story.close(2)
    assert View(story.account, FIRST_DAY + 2, story.oracle.days, story.oracle.config).seats == 10
    assert story.dimension("billing") == 1.0
    story.bill(3, "subscription_cancelled")
    story.close(3)
    assert story.dimension("billing") == 0.0


def test_a_ticket_leaves_the_book_and_older_events_do_not_bring_it_back() -> None:
    story = Story()
    story.ticket(0, "opened", hour=1, priority="p2")
    story.ticket(0, "priority_changed", hour=2, priority="p1")
    assert story.account.tickets["t"].priority == "p1"
    story.ticket(0, "closed", hour=5)
    story.ticket(0, "opened", hour=5)
    assert story.account.tickets == {}
    assert story.account.tickets_opened[FIRST_DAY] == 2
    story.ticket(0, "reopened", hour=6, priority="p4")
    assert story.account.tickets["t"].opened_at_ms == story.start(0) + 6 * HOUR_MS


def test_a_tombstone_clears_the_profile_and_an_older_profile_does_not_replace_a_newer_one() -> None:
    story = Story()
    story.profile(0, seats=5)
    story.profile(0, seats=6, updated_at=story.start(0))
    story.profile(0, seats=7, updated_at=None)
    assert story.account.profile is not None
    assert story.account.profile["seats"] == 5
    story.offer(PROFILES, "tombstone", 0, {"account_id": ACCOUNT})
    assert story.account.profile is None
    story.profile(0, seats=7, updated_at=None)
    assert story.account.profile["seats"] == 7


def test_tickets_of_one_account_do_not_touch_another() -> None:
    story = Story()
    story.ticket(0, "opened")
    story.ticket(0, "opened", account_id="other")
    story.ticket(0, "closed", account_id="other")
    assert set(story.account.tickets) == {"t"}
    assert story.oracle.fates[TICKETS] == Counter(applied=4)
