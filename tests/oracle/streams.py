"""Hypothesis strategies for logs of one partition, and what is needed to feed them in other orders.

`short_cases` draws every record: days around midnights, books, fates. `long_cases` draws what happens to each
account over months and leaves the noise to a seeded generator: baselines, detectors, episodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.oracle.batches import to_batches
from tests.oracle.days import EPOCH, Days
from tests.oracle.events import EVENTS
from tests.oracle.model import (
    COMMANDS,
    DAY_MS,
    HOUR_MS,
    PROFILES,
    TOPICS,
    Account,
    Kind,
    OracleConfig,
    Record,
)
from tests.oracle.scenarios import CHANGES, AccountPlan, Dip, Noise, play
from tests.oracle.work import identity

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["Case", "Log", "gapped_cases", "interleavings", "long_cases", "short_cases", "to_batches"]

MINUTE_MS = 60_000
Log = dict[str, list[Record]]

ZONES_AND_DATES = (
    ("UTC", date(2023, 12, 29)),
    ("Asia/Kathmandu", date(2024, 12, 30)),
    ("America/New_York", date(2024, 3, 8)),
    ("Europe/Berlin", date(2024, 10, 25)),
    ("America/Havana", date(2024, 11, 1)),
    ("America/Santiago", date(2024, 9, 6)),
    ("Africa/Cairo", date(2024, 4, 24)),
    ("Australia/Lord_Howe", date(2024, 4, 5)),
)
"""Year ends, clocks that change by 30 or 60 minutes, at midnight too."""


_FIRST = (date(2024, 3, 4) - EPOCH).days
PLANNED = (_FIRST, _FIRST + 60, "smb", "US")
"""A shutdown in some of the logs."""


@dataclass(frozen=True)
class Case:
    """A log and the settings to read it with."""

    config: OracleConfig
    log: Log


def interleavings(log: Log) -> SearchStrategy[list[str]]:
    """Orders in which the topics' records may be read: one topic name per record."""
    return st.permutations([topic for topic in TOPICS for _ in log.get(topic, ())])


_ACCOUNTS = st.sampled_from(["acme", "böll", "c"])
_OTHERS: list[Kind] = ["tick", "bad", "rerouted"]
_EVENTS: list[Kind] = ["event"]
_KINDS: dict[str, list[Kind]] = dict.fromkeys(TOPICS, _EVENTS * 18 + _OTHERS)
_KINDS[PROFILES] = [*_EVENTS * 12, *_OTHERS, "tombstone"]


@dataclass(frozen=True)
class _Step:
    """One record, relative to the ones before it."""

    kind: Kind
    account: str
    event: dict[str, Any]
    event_id: int | None
    """None for an id of its own; else one of a few ids, so that duplicates happen."""
    forward_min: int
    back_min: int
    ahead_min: int
    """Minutes by which the record's clock is ahead of the broker's."""
    hole: int


def _steps(topic: str, most: int) -> SearchStrategy[list[_Step]]:
    step = st.builds(
        _Step,
        kind=st.sampled_from(_KINDS[topic]),
        account=_ACCOUNTS,
        event=EVENTS[topic],
        event_id=st.none() | st.integers(0, 3),
        forward_min=st.sampled_from([0, 1, 30, 61, 400, 1440, 3000]),
        back_min=st.sampled_from([0, 0, 0, 0, 1, 59, 61, 700, 1500, 4400, 6000]),
        ahead_min=st.sampled_from([0] * 18 + [10, 11]),
        hole=st.sampled_from([0, 0, 0, 1]),
    )
    return st.sampled_from([most, 5, 0]).flatmap(lambda size: st.lists(step, min_size=size, max_size=size))


@st.composite
def short_cases(draw: DrawFn, most: int = 20) -> Case:
    """Up to `most` records a topic over a few weeks, and a quiet time after them."""
    zone, first_date = draw(st.sampled_from(ZONES_AND_DATES))
    config = OracleConfig(
        timezone=zone,
        out_of_orderness_ms=draw(st.sampled_from([0, HOUR_MS, 6 * HOUR_MS])),
        allowed_lateness_ms=draw(st.sampled_from([0, DAY_MS, 3 * DAY_MS])),
        max_users=draw(st.sampled_from([2, 500])),
        max_features=draw(st.sampled_from([2, 64])),
        p1_sla_hours=draw(st.sampled_from([24, 1, 100])),
        stage_days=draw(st.sampled_from([(), (("onboarding", 1), ("adoption", 3))])),
        enabled_kinds=draw(st.sampled_from([("advocacy_moment",), ("advocacy_moment",), ()])),
        disabled_kinds=draw(st.sampled_from([(), (), (), ("payment_failed", "p1_open", "health_changed")])),
    )
    start_ms = Days(zone).start((first_date - EPOCH).days)
    quiet_days = draw(st.sampled_from([0, 3, 8, 40, 100]))
    log: Log = {}
    for topic in TOPICS:
        steps = draw(_steps(topic, most))
        log[topic] = _records(topic, start_ms, steps, Days(zone))
        last_tick = max([start_ms] + [record.occurred_at_ms for record in log[topic]]) + quiet_days * DAY_MS
        if draw(st.integers(0, 9)):
            offset = log[topic][-1].offset + 1 if log[topic] else 0
            log[topic].append(Record(offset, "tick", last_tick, last_tick))
    return Case(config, log)


@st.composite
def gapped_cases(draw: DrawFn, most: int = 8) -> Case:
    """A short log, and the same again after a long time in which only ticks were heard, if anything."""
    case = draw(short_cases(most))
    gap_ms = draw(st.sampled_from([380, 399, 400, 401, 402, 410, 500, 6_000])) * DAY_MS
    names = draw(st.sampled_from(["", "again-"]))
    chosen = draw(st.sets(st.sampled_from(TOPICS)))
    log: Log = {}
    for topic, records in case.log.items():
        again = [_later(each, gap_ms, names) for each in records if topic in chosen or each.kind == "tick"]
        first = records[-1].offset + 1 if records else 0
        log[topic] = [*records, *(replace(each, offset=first + each.offset) for each in again)]
    return Case(case.config, log)


def _later(record: Record, by_ms: int, names: str) -> Record:
    """The record with all its times so much later."""
    event = None if record.event is None else dict(record.event)
    if event is not None:
        for name in ("occurred_at", "updated_at", "due_at", "expires_at", "renewal_at", "issued_at", "until", "since"):
            if event.get(name) is not None:
                event[name] += by_ms
        for name in {"event_id", "command_id"} & event.keys():
            event[name] = names + event[name]
    occurred_at_ms = record.occurred_at_ms + by_ms if record.occurred_at_ms else 0
    return replace(record, seen_at_ms=record.seen_at_ms + by_ms, occurred_at_ms=occurred_at_ms, event=event)


def _records(topic: str, start_ms: int, steps: list[_Step], days: Days) -> list[Record]:
    now_ms, offset = start_ms, 0
    records = []
    for number, step in enumerate(steps):
        now_ms += step.forward_min * MINUTE_MS
        occurred_at = max(start_ms - 5 * DAY_MS, now_ms - step.back_min * MINUTE_MS)
        seen_at = occurred_at - step.ahead_min * MINUTE_MS if step.ahead_min else now_ms
        offset += step.hole
        if step.kind == "tick":
            record = Record(offset, "tick", seen_at, occurred_at)
        elif step.kind in {"bad", "rerouted"}:
            record = Record(offset, step.kind, seen_at, 0)
        elif step.kind == "tombstone":
            record = Record(offset, "tombstone", seen_at, 0, {"account_id": step.account})
        else:
            event = _event(topic, step, number, occurred_at, days)
            at_ms = event["updated_at"] or 0 if topic == PROFILES else occurred_at
            record = Record(offset, "event", seen_at, at_ms, event)
        records.append(record)
        offset += 1
    return records


def _event(topic: str, step: _Step, number: int, occurred_at: int, days: Days) -> dict[str, Any]:
    event = {"account_id": step.account, **step.event}
    for name in ("due_at", "expires_at", "renewal_at", "since", "until"):
        if event.get(name) is not None:
            event[name] = occurred_at + event[name] * DAY_MS
    if topic == PROFILES:
        event["updated_at"] = occurred_at if event["updated_at"] else None
        return event
    if topic == COMMANDS:
        event["command_id"] = f"n{number}" if step.event_id is None else f"e{step.event_id}"
        event["issued_at"] = occurred_at
        if event["case_id"] is not None:
            subject, ago = event["case_id"]
            event["case_id"] = identity(Account(step.account), (subject, False), days.of(occurred_at) - ago)
        return event
    event["event_id"] = f"n{number}" if step.event_id is None else f"e{step.event_id}"
    event["occurred_at"] = occurred_at
    return event


_PLANS = st.builds(
    AccountPlan,
    power_users=st.sampled_from([6, 5, 4, 3, 2, 0]),
    other_users=st.sampled_from([4, 5, 2, 0]),
    quantity=st.sampled_from([3.0, 5.5, 1.0]),
    first_day=st.sampled_from([0, 0, 0, 0, 25, 60]),
    change=st.sampled_from(CHANGES),
    change_day=st.sampled_from([90, 100, 112, 120, 70, 50]),
    outage_hours=st.sampled_from([0, 80, 70, 30]),
    ticket_burst_day=st.none() | st.integers(20, 140),
    seats=st.sampled_from([None, 12, 8, 3]),
    renewal_day=st.none() | st.integers(60, 220),
    pays=st.booleans(),
    opinion=st.sampled_from([None, 1.0, 3.0, 5.0]),
    segment=st.sampled_from([None, "smb", "enterprise"]),
    country=st.sampled_from([None, "US", "DE"]),
    parent=st.sampled_from([None, "account-0"]),
    shutdown_day=st.sampled_from([None, None, 95, 100]),
    stage=st.sampled_from([None, "onboarding"]),
    quota=st.sampled_from([None, 100.0, 400.0, 1000.0]),
    people=st.booleans(),
    status=st.sampled_from([None, None, None, None, "paused", "churned", "internal"]),
    roles=st.sampled_from(["always", "always", "seldom", "renamed", "mixed up", None]),
    joiners=st.sampled_from([None, "here", "there"]),
)
_DIPS = st.builds(
    Dip,
    first_day=st.sampled_from([70, 95, 100]),
    days=st.sampled_from([0, 1, 3, 8, 25]),
    left=st.sampled_from([0.5, 0.2, 0.0]),
    segment=st.sampled_from([None, None, "smb"]),
)


@st.composite
def long_cases(draw: DrawFn, accounts: int = 3, days: int = 150) -> Case:
    """Up to `accounts` accounts over `days` days with few events a day, late, doubled and damaged."""
    zone, first_date = draw(st.sampled_from(ZONES_AND_DATES))
    config = OracleConfig(
        timezone=zone,
        allowed_lateness_ms=draw(st.sampled_from([DAY_MS, 3 * DAY_MS])),
        arl_days=draw(st.sampled_from([30.0, 300.0, 2800.0])),
        max_users=draw(st.sampled_from([4, 500])),
        fleet_min_accounts=draw(st.sampled_from([1, 2, 20])),
        shutdowns=draw(st.sampled_from([(), (PLANNED,)])),
        basic_drop_pct=draw(st.sampled_from([0.0, 35.0])),
        basic_min_actions=draw(st.sampled_from([0.0, 20.0])),
        test_accounts=draw(st.booleans()),
    )
    plans = draw(st.lists(_PLANS, min_size=1, max_size=accounts))
    noise = Noise(
        seed=draw(st.integers(0, 2**32 - 1)),
        late=draw(st.sampled_from([0.0, 0.01, 0.1])),
        doubled=draw(st.sampled_from([0.0, 0.02])),
        damaged=draw(st.sampled_from([0.0, 0.01])),
    )
    start_ms = Days(zone).start((first_date - EPOCH).days)
    return Case(config, play(plans, noise, start_ms, days, draw(_DIPS)))
