"""Good events of some weeks with hostile records between them, and what must become of the good ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.intake.feed import Feed
from schemas.codec.encode import TickEncoder
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY
from tests.support.hostile import Hostile, good_value

DAY_MS = 86_400_000
FIRST_DAY = 19_783
"""2024-03-01."""
DAYS = 12
ACCOUNTS = 60
PER_DAY = 10
_AFTER_MIDNIGHT_MS = 4_000_000
"""A little more than records may be out of order: a tick at that time closes the day before."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One record; a tick goes to every partition of its topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    hostile: bool = False

    @property
    def is_tick(self) -> bool:
        """Whether it is a good tick."""
        return self.key == TICK_KEY and not self.hostile


@dataclass(slots=True)
class Mixture:
    """Records in the order in which they are sent, and what the good ones add up to."""

    records: list[Sent] = field(default_factory=list)
    actions: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Thousandths by account and day."""
    payment_failed: set[str] = field(default_factory=set)
    """Accounts with a payment that failed."""


def mix(hostile: Iterable[Hostile], number: int = 7) -> Mixture:
    """Spread hostile records evenly among good ones; the same for the same number."""
    chance = random.Random(number)
    mixture = Mixture()
    for day in range(FIRST_DAY, FIRST_DAY + DAYS):
        mixture.records += _ticks(day * DAY_MS + _AFTER_MIDNIGHT_MS)
        mixture.records += _good_day(mixture, day, chance)
    mixture.records += _ticks((FIRST_DAY + DAYS) * DAY_MS + _AFTER_MIDNIGHT_MS)
    good, bad = mixture.records, [Sent(each.topic, each.key, each.value, hostile=True) for each in hostile]
    chance.shuffle(bad)
    places = sorted(chance.randrange(len(good) + 1) for _ in bad)
    for place, each in zip(reversed(places), bad, strict=True):
        good.insert(place, each)
    return mixture


def actions_of(feeds: Iterable[Feed]) -> Counter[tuple[str, int]]:
    """Thousandths by account and day, as the core holds them."""
    found: Counter[tuple[str, int]] = Counter()
    for feed in feeds:
        accounts = feed.state.accounts
        panes = accounts.panes["actions"]
        for row in range(1, accounts.size):
            for day in range(FIRST_DAY, FIRST_DAY + DAYS):
                found[accounts.ids[row], day] += int(panes[day % len(panes), row])
    return found


def accounts_of(feeds: Iterable[Feed]) -> set[str]:
    """Every account that the core has heard of."""
    return {account for feed in feeds for account in feed.state.accounts.ids[1:]}


def opened(alerts: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, str]]:
    """Kind and account of the alerts that were opened."""
    return Counter((alert["kind"], alert["account_id"]) for alert in alerts if alert["revision"] == 1)


def _good_day(mixture: Mixture, day: int, chance: random.Random) -> Iterator[Sent]:
    for number in range(ACCOUNTS * PER_DAY):
        account = f"acct-{number % ACCOUNTS:03}"
        quantity = chance.choice([1.0, 0.5, 2.25])
        at_ms = day * DAY_MS + _AFTER_MIDNIGHT_MS + number * 60_000
        value = good_value(
            "usage.events",
            event_id=f"{day}-{number}",
            account_id=account,
            user_id=f"user-{number % 7}",
            occurred_at=at_ms,
            quantity=quantity,
        )
        mixture.actions[account, day] += round(quantity * 1_000)
        yield Sent("usage.events", account.encode(), value)
        if number % 97 == 0:
            mixture.payment_failed.add(account)
            failed = {"type": "payment_failed", "invoice_id": f"{day}", "occurred_at": at_ms}
            failure = good_value("billing.events", event_id=f"{day}-{number}", account_id=account, **failed)
            yield Sent("billing.events", account.encode(), failure)


def _ticks(at_ms: int) -> Iterator[Sent]:
    tick = TickEncoder(FileRegistry()).encode(at_ms, "/foreshock/test")
    return (Sent(topic, TICK_KEY, tick) for topic in INPUT_TOPICS)
