"""The events that everything here is measured with: seeded, as columns, sized by accounts, events and days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from agents.eventfiles.files import EventFiles
from pipeline.simulate.tables import BILLING, PROFILES, SIGNALS, TICKETS, USAGE, arrow_schema, pick, table_of
from pipeline.terms.arrays import I64
from schemas.topics import DAY_MS

FIRST_DAY_MS = 20_000 * DAY_MS
HOUR_MS = 3_600_000
FEATURES = (
    "dashboard", "reports", "export", "search", "api", "import", "alerts", "sharing", "audit", "billing",
    "integrations", "automation",
)  # fmt: skip
ROLES = ("viewer", "analyst", "editor", "admin")
ACTIONS = ("open", "edit", "create", "delete", "download")
_JITTER_MS = 120_000


@dataclass(frozen=True, slots=True)
class Workload:
    """How many events of whom.

    Of all events 98 % are usage; the others are billing, tickets and signals in equal parts. Arrival is by event
    time but for a jitter of two minutes; 0.2 % of the usage events come twice.
    """

    accounts: int = 10_000
    users: int = 20
    """Of each account."""
    usage_events: int = 1_000_000
    days: int = 2
    seed: int = 1
    payment_failures: float = 0.05
    """Share of the billing events."""
    first_account: int = 0
    """Number of the first account; ids are made of these numbers."""
    roles: bool = False
    """Whether usage events tell of their user's role."""
    everyone_first: bool = False
    """A day on which every user is seen once comes before the others."""

    @property
    def events(self) -> int:
        """All events; a profile for each account comes on top."""
        return self.first_events + self.usage_events + 3 * self._others

    @property
    def _others(self) -> int:
        return max(1, round(self.usage_events * 0.02 / 0.98 / 3))

    def make(self) -> EventFiles:
        """The events."""
        rng = np.random.default_rng(self.seed)
        return EventFiles(
            usage=self._usage(rng),
            billing=self._billing(rng),
            tickets=self._tickets(rng),
            signals=self._signals(rng),
            profiles=self._profiles(),
            commands=arrow_schema("alert_command").empty_table(),
        )

    def account_ids(self) -> pa.Array:
        """One id for each account."""
        return pa.array([f"acct-{number:06d}" for number in self._numbers], pa.string())

    @property
    def _numbers(self) -> range:
        return range(self.first_account, self.first_account + self.accounts)

    @property
    def first_events(self) -> int:
        """Usage events of the day on which everyone is seen, if there is one."""
        return self.accounts * self.users if self.everyone_first else 0

    def _times(self, rng: np.random.Generator, count: int) -> I64:
        """Event times in order of arrival, after the day on which everyone is seen."""
        times = np.sort(rng.integers(0, self.days * DAY_MS, count)) + rng.integers(-_JITTER_MS, 1, count)
        start_ms = FIRST_DAY_MS + (DAY_MS if self.everyone_first else 0)
        return np.asarray(start_ms + np.maximum(times, 0), dtype=np.int64)

    def _usage(self, rng: np.random.Generator) -> pa.Table:
        first, count = self.first_events, self.usage_events
        everyone = rng.permutation(first)
        person = np.concatenate([everyone, rng.integers(0, self.accounts * self.users, count)])
        opening = FIRST_DAY_MS + np.sort(rng.integers(0, DAY_MS, first))
        total = first + count
        columns = {
            "event_id": event_ids(rng, total),
            "account_id": self.account_ids().take(pa.array(person // self.users)),
            "user_id": self._user_ids().take(pa.array(person)),
            "feature": pick(FEATURES, rng.integers(0, len(FEATURES), total)),
            "action": pick(ACTIONS, rng.integers(0, len(ACTIONS), total)),
            "occurred_at": pa.array(np.concatenate([opening, self._times(rng, count)])),
            "quantity": pa.array(np.ones(total)),
            "duration_ms": pa.array(rng.integers(100, 60_000, total)),
            "source": pick(("web", "mobile"), rng.integers(0, 2, total)),
        }
        if self.roles:
            columns["role"] = pick(ROLES, person % len(ROLES))
        order = np.arange(total)
        again = first + rng.choice(max(count - 1, 1), count // 500, replace=False)
        order[again + 1] = again
        return table_of(columns, USAGE, total).take(pa.array(order))

    def _user_ids(self) -> pa.Array:
        names = [f"user-{account:06d}-{user:03d}" for account in self._numbers for user in range(self.users)]
        return pa.array(names, pa.string())

    def _common(self, rng: np.random.Generator) -> tuple[int, dict[str, pa.Array]]:
        count = self._others
        return count, {
            "event_id": event_ids(rng, count),
            "account_id": self.account_ids().take(pa.array(rng.integers(0, self.accounts, count))),
            "occurred_at": pa.array(self._times(rng, count)),
        }

    def _billing(self, rng: np.random.Generator) -> pa.Table:
        count, columns = self._common(rng)
        kind = np.where(rng.random(count) < self.payment_failures, 0, rng.integers(1, 3, count))
        columns |= {
            "type": pick(("payment_failed", "invoice_issued", "invoice_paid"), kind),
            "invoice_id": _numbered("inv", rng.integers(0, 3, count)),
            "amount_minor": pa.array(rng.integers(1_000, 100_000, count)),
            "currency": pick(("EUR",), np.zeros(count, dtype=np.int64)),
        }
        return table_of(columns, BILLING, count)

    def _tickets(self, rng: np.random.Generator) -> pa.Table:
        count, columns = self._common(rng)
        columns |= {
            "ticket_id": _numbered("t", rng.integers(0, 5, count)),
            "type": pick(("opened", "commented", "resolved"), rng.integers(0, 3, count)),
            "priority": pick(("p1", "p2", "p3", "p4"), rng.integers(0, 4, count)),
        }
        return table_of(columns, TICKETS, count)

    def _signals(self, rng: np.random.Generator) -> pa.Table:
        count, columns = self._common(rng)
        kind, score = rng.integers(0, 3, count), rng.integers(0, 11, count)
        columns |= {
            "type": pick(("nps", "pulse", "meeting_held"), kind),
            "score": pa.array(np.where(kind == 1, 1 + score % 5, score).astype(np.float64), mask=kind == 2),
        }
        return table_of(columns, SIGNALS, count)

    def _profiles(self) -> pa.Table:
        count = self.accounts
        none = np.zeros(count, dtype=np.int64)
        columns = {
            "account_id": self.account_ids(),
            "updated_at": pa.array(np.full(count, FIRST_DAY_MS)),
            "name": pa.array([f"Account {number}" for number in range(count)], pa.string()),
            "segment": pick(("mid-market",), none),
            "plan": pick(("pro",), none),
            "seats": pa.array(np.full(count, self.users + 5)),
            "arr_minor": pa.array(np.full(count, 1_200_000)),
            "currency": pick(("EUR",), none),
            "owner": pick(("owner-1",), none),
            "renewal_at": pa.array(np.full(count, FIRST_DAY_MS + 400 * DAY_MS)),
        }
        return table_of(columns, PROFILES, count)


def event_ids(rng: np.random.Generator, count: int) -> pa.Array:
    """Random ids of 32 hexadecimal digits, as most producers send."""
    digits = rng.bytes(16 * count).hex()
    return pa.array([digits[at : at + 32] for at in range(0, 32 * count, 32)], pa.string())


def _numbered(prefix: str, numbers: I64) -> pa.Array:
    names: Sequence[str] = [f"{prefix}-{number}" for number in range(int(numbers.max()) + 1)]
    return pick(names, numbers)
