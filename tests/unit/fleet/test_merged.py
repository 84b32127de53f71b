"""The merged view of the fleet: which records count, and what the days say."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import ref

import numpy as np
import pytest

from pipeline.config import EngineConfig
from pipeline.fleet.merged import Fleet
from pipeline.intake.feed import Feed
from pipeline.terms.fleet_day import BUCKETS, DRIFTS, SCOPES, USUAL, FleetDay, Tally, smallest
from tests.oracle.batches import to_batches
from tests.oracle.model import DAY_MS, TOPICS, USAGE, Record

ACCOUNTS = 400
MIN = 20


def tally(bucket: int, accounts: int = ACCOUNTS) -> Tally:
    counts = [0] * BUCKETS
    counts[bucket] = accounts
    return Tally(tuple(counts), 20 * bucket * accounts, 20 * USUAL * accounts)


def told(partition: int, day: int, *buckets: int, since: int | None = None, segment: str | None = None) -> FleetDay:
    scopes = [None] if segment is None else [None, segment]
    tallies = {scope: tally(bucket) for scope, bucket in zip(scopes, buckets, strict=False)}
    return FleetDay(partition, day if since is None else since, day, tallies)


def fleet_of(*records: FleetDay, partitions: int = 1) -> Fleet:
    fleet = Fleet(partitions, MIN)
    for record in records:
        fleet.take(record)
    return fleet


def merge(fleet: Fleet, day: int) -> list[int]:
    return [merged.day for merged in fleet.merge_through(day)]


def ordinary(days: Iterable[int], partition: int = 0) -> list[FleetDay]:
    return [told(partition, day, USUAL) for day in days]


def test_a_day_is_merged_when_all_partitions_have_told_of_it() -> None:
    fleet = fleet_of(told(0, 9, since=0), told(1, 9, since=0), told(0, 10, USUAL), partitions=2)
    assert merge(fleet, 10) == []
    assert fleet.through == 9
    fleet.take(told(1, 10, USUAL))
    assert merge(fleet, 10) == [10]


def test_no_later_day_is_merged_than_asked_for() -> None:
    fleet = fleet_of(told(0, 9, since=0), *ordinary(range(10, 14)))
    assert merge(fleet, 11) == [10, 11]
    assert fleet.through == 11


def test_a_partition_without_accounts_is_covered_by_its_empty_records() -> None:
    fleet = fleet_of(told(0, 9, since=0), told(1, 30, since=0), *ordinary(range(10, 12)), partitions=2)
    assert merge(fleet, 20) == [10, 11]


def test_the_first_record_of_a_day_counts() -> None:
    fleet = fleet_of(told(0, 9, since=0), told(0, 10, 10), told(0, 10, USUAL))
    merge(fleet, 10)
    assert fleet.factor(None, 10) == pytest.approx(0.2)


def test_a_day_behind_a_gap_waits_for_what_is_missing() -> None:
    fleet = fleet_of(told(0, 9, since=0), told(0, 10, USUAL), told(0, 12, USUAL))
    assert merge(fleet, 12) == [10]
    fleet.take(told(0, 11, 10))
    assert merge(fleet, 12) == [11, 12]
    assert fleet.factor(None, 11) == pytest.approx(0.2)


def test_records_of_partitions_that_do_not_exist_are_ignored() -> None:
    fleet = fleet_of(told(0, 9, since=0), told(0, 10, USUAL), told(7, 10, 10))
    assert merge(fleet, 10) == [10]
    assert fleet.factor(None, 10) == 1.0


@pytest.mark.parametrize(("bucket", "factor"), [(USUAL, 1.0), (46, 1.0), (45, 1.0), (44, 0.88), (10, 0.2), (0, 0.0)])
def test_a_day_that_is_almost_usual_is_usual(bucket: int, factor: float) -> None:
    fleet = fleet_of(told(0, 9, since=0), *ordinary(range(10, 20)), told(0, 20, bucket))
    merge(fleet, 20)
    assert fleet.factor(None, 20) == pytest.approx(factor)
    assert fleet.factor(None, 19) == 1.0


@pytest.mark.parametrize(("accounts", "dips"), [(MIN - 1, False), (MIN, False), (4 * MIN, True)])
def test_few_accounts_must_be_further_below(accounts: int, dips: bool) -> None:
    day = FleetDay(0, 10, 10, {None: tally(30, accounts)})
    fleet = fleet_of(told(0, 9, since=0), day)
    merge(fleet, 10)
    assert (fleet.factor(None, 10) < 1.0) == dips


def test_what_is_usual_is_learnt_from_the_days_before() -> None:
    low = [told(0, day, 40) for day in range(10, 50)]
    fleet = fleet_of(told(0, 9, since=0), *ordinary(range(10, 17)), *low[7:], told(0, 50, 20))
    merge(fleet, 50)
    assert fleet.factor(None, 17) == pytest.approx(0.8)
    assert fleet.factor(None, 50) == pytest.approx(0.4)
    high = fleet_of(told(0, 9, since=0), *[told(0, day, 80) for day in range(10, 30)], told(0, 30, USUAL))
    merge(high, 30)
    assert high.factor(None, 30) == 1.0


def test_a_segment_has_its_own_factor_where_it_has_enough_accounts() -> None:
    few = FleetDay(0, 11, 11, {None: tally(25), "smb": tally(5, MIN - 1)})
    fleet = fleet_of(told(0, 9, since=0), told(0, 10, USUAL, 25, segment="smb"), few)
    merge(fleet, 11)
    assert [fleet.factor("smb", day) for day in (10, 11)] == [0.5, 0.5]
    assert [fleet.factor("other", day) for day in (10, 11)] == [1.0, 0.5]
    assert fleet.factor(None, 12) == 1.0


def test_partitions_together_give_what_one_alone_would() -> None:
    names = [f"s{number:02}" for number in range(SCOPES + 8)]
    halves = [FleetDay(n, 10, 10, {None: tally(20 * n + 10), **{s: tally(30) for s in names[n::2]}}) for n in range(2)]
    fleet = fleet_of(told(0, 9, since=0), told(1, 9, since=0), *halves, partitions=2)
    [merged] = fleet.merge_through(10)
    assert merged.tallies[None] == halves[0].tallies[None].plus(halves[1].tallies[None])
    assert set(merged.tallies) == {None, *names[:SCOPES]}


def test_alarmed_accounts_are_those_of_the_last_merged_day() -> None:
    fleet = fleet_of(told(0, 9, since=0), FleetDay(0, 10, 10, {}, (5, 7)), told(0, 11), told(0, 12))
    assert merge(fleet, 10) == [10]
    assert fleet.alarmed == {5, 7}
    again = Fleet(1, MIN)
    again.restore(fleet.save())
    assert again.alarmed == {5, 7}
    merge(fleet, 11)
    assert fleet.alarmed == frozenset()


def test_what_is_restored_goes_on_as_if_nothing_had_happened() -> None:
    records = [told(0, 9, since=0), *ordinary(range(10, 60)), told(0, 60, 20, 10, segment="smb"), *ordinary([61, 62])]
    whole, cut = fleet_of(*records), fleet_of(*records)
    merge(cut, 60)
    again = Fleet(1, MIN)
    again.restore(cut.save())
    for record in records:
        again.take(record)
    assert merge(again, 62) == [61, 62]
    merge(whole, 62)
    assert again.save() == whole.save()
    assert again.factor("smb", 60) == pytest.approx(0.2)


class Kept(FleetDay):
    """A record that shows whether anybody holds it."""


def test_nothing_is_kept_of_a_record_once_its_day_is_merged_or_known() -> None:
    fleet, kept = fleet_of(told(0, 9, since=0), told(1, 9, since=0), partitions=2), []

    def take(partition: int, day: int, since: int | None = None) -> None:
        record = Kept(partition, day if since is None else since, day, {None: tally(USUAL)}, (day,))
        kept.append((partition, day, ref(record)))
        fleet.take(record)

    def held() -> list[tuple[int, int]]:
        return [(partition, day) for partition, day, record in kept if record() is not None]

    for day in range(10, 14):
        take(0, day)
    take(1, 10)
    assert held() == [(0, 10), (0, 11), (0, 12), (0, 13), (1, 10)]
    assert merge(fleet, 20) == [10]
    assert held() == [(0, 11), (0, 12), (0, 13)]
    # The log once more, from its beginning: what waits, waits once.
    for day in range(10, 14):
        take(0, day)
    take(1, 10)
    take(1, 13)
    take(1, 13)
    assert held() == [(0, 11), (0, 12), (0, 13), (1, 13)]
    take(1, 12, since=11)
    assert merge(fleet, 20) == [11, 12, 13]
    assert held() == []


def test_the_smallest_hashes_are_told() -> None:
    assert smallest(np.array([9, 2**63, 4], dtype=np.uint64)) == (4, 9, 2**63)


def test_a_day_closes_when_all_partitions_have_told_of_the_one_before() -> None:
    feed, first, offsets = Feed(EngineConfig(), 0, 2), 20_000, dict.fromkeys(TOPICS, 0)

    def push(topic: str, record: Record) -> None:
        offsets[topic] += 1
        for batch in to_batches({topic: [record]}, topic, [1]):
            hear(*feed.push(batch).fleet_days)

    def hear(*records: FleetDay) -> None:
        if records:
            hear(*feed.learn(records).fleet_days)

    def pass_time(day: int) -> None:
        at_ms = day * DAY_MS + 3_600_000
        for topic in TOPICS:
            push(topic, Record(offsets[topic], "tick", at_ms, at_ms))

    pass_time(first)
    used = {"account_id": "acme", "event_id": "e", "occurred_at": first * DAY_MS, "feature": "home", "quantity": 1.0}
    push(USAGE, Record(offsets[USAGE], "event", first * DAY_MS, first * DAY_MS, used))
    pass_time(first + 5)
    assert feed.open_day == first
    for told in range(first - 1, first + 4):
        hear(FleetDay(1, 0 if told < first else told, told))
        assert feed.open_day == told + 2
    hear(FleetDay(1, first + 4, first + 9))
    assert feed.open_day == first + 5


def came(counts: list[int], first: int = 10, partition: int = 0) -> list[FleetDay]:
    return [FleetDay(partition, day, day, used=used) for day, used in enumerate(counts, first)]


def quiet_days(counts: list[int], least: int = MIN) -> list[int]:
    fleet = Fleet(1, least)
    for record in [FleetDay(0, 0, 9), *came(counts)]:
        fleet.take(record)
    merge(fleet, 9 + len(counts))
    return [day - 10 for day in sorted(fleet.quiet)]


def test_a_week_in_which_hardly_anybody_came_ends_with_a_quiet_day() -> None:
    assert quiet_days([40, *[0] * 13, 40, 0]) == list(range(7, 14))
    assert quiet_days([40, *[4] * 13, 40, 0]) == []
    assert quiet_days([41, *[4] * 13, 41, 0]) == list(range(7, 14))


@pytest.mark.parametrize("counts", [[40, *[0] * 6] * 5, [19, *[0] * 27] * 5, [40] * 5 + [0] * 6])
def test_feeds_of_every_week_and_few_accounts_have_no_quiet_days(counts: list[int]) -> None:
    assert quiet_days(counts) == []


def test_a_feed_that_has_stopped_for_a_quarter_is_what_comes_now() -> None:
    assert quiet_days([40, *[0] * 120]) == list(range(7, 98))


def test_the_day_that_closes_is_quiet_until_somebody_has_come() -> None:
    fleet = fleet_of(FleetDay(0, 0, 9), *came([40, *[0] * 7]))
    merge(fleet, 16)
    assert [fleet.is_quiet(day) for day in (15, 16, 17)] == [False, False, True]
    again = Fleet(1, MIN)
    again.restore(fleet.save())
    assert again.is_quiet(17)


def test_partitions_add_up_who_came_and_how_levels_wander() -> None:
    drifts = tuple(20 if bucket == 10 else 0 for bucket in range(DRIFTS))
    fleet = fleet_of(partitions=2)
    for number in range(2):
        fleet.take(FleetDay(number, 0, 9))
        fleet.take(FleetDay(number, 10, 10, used=15, drifts=drifts if number else ()))
    merge(fleet, 10)
    assert fleet.used[10] == 30
    assert fleet.drift == pytest.approx(1.8 * 10 / 2000)
    for number in range(2):
        fleet.take(FleetDay(number, 11, 11, used=15))
    merge(fleet, 11)
    assert fleet.drift == pytest.approx(1.8 * 10 / 2000)
