"""A log of accounts that leave, shrink and grow, long enough for what became of them to be learned from."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from random import Random
from typing import TYPE_CHECKING, Any

from tests.oracle.model import BILLING, DAY_MS, HOUR_MS, TOPICS, USAGE, Record

if TYPE_CHECKING:
    from tests.oracle.streams import Log

DAYS = 345
FIRST_DAY = 91 * 220 + 90 - 329
"""A quarter ends when of the first cells of use is known what happened."""
FATES = ("left", "less", "more", "little")
"""The last of them was never used enough for a fall to count."""


def outcomes_log(accounts: int, seed: int) -> Log:
    """Half of the accounts have subscriptions; the others are used, and used no more, or more, or less."""
    random = Random(seed)
    log: Log = {topic: [] for topic in TOPICS}
    for number in range(accounts):
        name, pays, fate = f"a{number:02}", number % 2 == 0, FATES[number // 2 % len(FATES)]
        turn = random.randint(35, 110)
        for day in range(number % 5, DAYS):
            rate = 0.3 if fate == "little" else 0.5
            if day >= turn and not pays:
                rate = {"left": 0.0, "less": 0.1, "more": 1.0, "little": 0.05}[fate]
            if random.random() < rate:
                amount = 3.0 if fate == "more" and day >= turn else 1.0 if fate == "little" else 1.5
                user = random.choice((None, "u", "u", "v", "w"))
                what = {"user_id": user, "feature": "home", "action": "open", "quantity": amount}
                _add(log, USAGE, name, day, number, what)
        if pays:
            _add(log, BILLING, name, 0, number, _bill("subscription_started", 900, due=random.randint(20, 300)))
            for day, kind, mrr in _turns(random, turn, fate):
                due = day + 20 if kind == "subscription_cancelled" and random.random() < 0.5 else None
                _add(log, BILLING, name, day, number, _bill(kind, mrr, due))
    ticks = [(FIRST_DAY + day) * DAY_MS for day in range(DAYS + 1)]
    return {
        topic: [
            replace(each, offset=offset)
            for offset, each in enumerate(
                sorted([*records, *(Record(0, "tick", at_ms, at_ms) for at_ms in ticks)], key=attrgetter("seen_at_ms"))
            )
        ]
        for topic, records in log.items()
    }


def _turns(random: Random, turn: int, fate: str) -> list[tuple[int, str, int | None]]:
    if fate == "left":
        return [(turn, "subscription_cancelled", None)]
    changes = {"less": (400,), "more": (1_500,), "little": (400, 900)}[fate]
    return [(turn + random.randint(1, 30) + 60 * n, "subscription_changed", mrr) for n, mrr in enumerate(changes)]


def _bill(kind: str, mrr: int | None, due: int | None) -> dict[str, Any]:
    due_at = None if due is None else (FIRST_DAY + due) * DAY_MS
    return {"type": kind, "subscription_id": "s", "mrr_minor_after": mrr, "currency": "EUR", "due_at": due_at}


def _add(log: Log, topic: str, name: str, day: int, number: int, what: dict[str, Any]) -> None:
    at_ms = (FIRST_DAY + day) * DAY_MS + HOUR_MS * (2 + number)
    event = {"account_id": name, "event_id": f"{topic}-{name}-{day}", "occurred_at": at_ms, **what}
    log[topic].append(Record(0, "event", at_ms, at_ms, event))
