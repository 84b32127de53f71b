"""Months of a few accounts' lives, from a short plan for each and a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from tests.oracle.model import BILLING, DAY_MS, HOUR_MS, PROFILES, SIGNALS, TICKETS, TOPICS, USAGE, Record

OUTAGE_DAY = 65
CHANGES = (
    "drop", "handover", "rollout", "abandonment", "growth", "silence", "recovering drop", "departure", "dormancy",
    "desertion", "renaming", "machines", "none",
)  # fmt: skip


@dataclass(frozen=True)
class AccountPlan:
    """What happens to one account; days count from the beginning of the log."""

    power_users: int
    other_users: int
    quantity: float
    first_day: int
    change: str
    """One of CHANGES; in a handover power users leave and others come, in a desertion the editors leave for 25 days,
    in a renaming users get other ids, one in three each week; for 25 days machines take over from users.
    """
    change_day: int
    outage_hours: int
    """How long the account's records are kept back, from OUTAGE_DAY on."""
    ticket_burst_day: int | None
    seats: int | None
    renewal_day: int | None
    pays: bool
    opinion: float | None
    segment: str | None = None
    country: str | None = None
    parent: str | None = None
    shutdown_day: int | None = None
    """The first of five days that a signal has announced."""
    stage: str | None = None
    quota: float | None = None
    joiners: str | None = None
    """Domain of four users who come with the change and use a feature of their own."""
    roles: str | None = None
    """How roles are told: "always", "seldom", "renamed" with the change, "mixed up" now and then, or never."""
    status: str | None = None
    """What the profile calls the account for some weeks from the change on."""
    people: bool = False
    """Whether contacts, plans, reviews and prices are known and change."""


@dataclass(frozen=True)
class Dip:
    """Days on which all accounts do less; of one segment, if it names one."""

    first_day: int
    days: int
    left: float
    segment: str | None = None

    def factor(self, plan: AccountPlan, day: int) -> float:
        """What is left of an account's usual activity."""
        concerned = self.segment in (None, plan.segment)
        return self.left if concerned and 0 <= day - self.first_day < self.days else 1.0


NO_DIP = Dip(0, 0, 1.0)


@dataclass(frozen=True)
class Noise:
    """Shares of records that come late, come twice, or cannot be read."""

    seed: int
    late: float
    doubled: float
    damaged: float


@dataclass(frozen=True)
class _Sent:
    topic: str
    arrives_at_ms: int
    record: Record
    """Its offset is given when all are in order."""


class _Player:
    def __init__(self, noise: Noise, start_ms: int) -> None:
        self._noise = noise
        self._random = Random(noise.seed)
        self._start_ms = start_ms
        self._sent: list[_Sent] = []
        self._count = 0
        self.outage_ms = range(0)

    def at(self, day: int) -> int:
        """Return some time of a day."""
        return self._start_ms + day * DAY_MS + self._random.randrange(DAY_MS)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def pick(self, items: list[Any]) -> Any:
        return self._random.choice(items)

    def send(self, topic: str, account: str, occurred_at_ms: int, **fields: Any) -> None:
        """Send one event with the delays and faults of the plan."""
        self._count += 1
        event = {"account_id": account, **fields}
        if topic == PROFILES:
            event["updated_at"] = occurred_at_ms
        else:
            event |= {"event_id": f"n{self._count}", "occurred_at": occurred_at_ms}
        delay = self._random.randrange(HOUR_MS // 2)
        if self.chance(self._noise.late):
            delay = self.pick([2, 20, 30, 50, 80, 120]) * HOUR_MS
        arrives_at = occurred_at_ms + delay
        if occurred_at_ms in self.outage_ms:
            arrives_at = self.outage_ms.stop + delay
        seen_at = arrives_at
        if self.chance(self._noise.damaged):
            seen_at = occurred_at_ms - 11 * 60_000
        self._sent.append(_Sent(topic, arrives_at, Record(0, "event", seen_at, occurred_at_ms, event)))
        if self.chance(self._noise.doubled):
            again = arrives_at + self.pick([0, 1, 30, 60, 90, 100]) * HOUR_MS
            self._sent.append(_Sent(topic, again, Record(0, "event", again, occurred_at_ms, event)))
        if self.chance(self._noise.damaged):
            self._sent.append(_Sent(topic, arrives_at, Record(0, "bad", arrives_at, 0)))

    def tick(self, topic: str, day: int) -> None:
        """Send the tick of a day's end."""
        at_ms = self._start_ms + (day + 1) * DAY_MS + 2 * HOUR_MS
        self._sent.append(_Sent(topic, at_ms, Record(0, "tick", at_ms, at_ms)))

    def log(self) -> dict[str, list[Record]]:
        """Return the records of each topic in order of arrival."""
        log: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
        for sent in sorted(self._sent, key=lambda each: each.arrives_at_ms):
            old, records = sent.record, log[sent.topic]
            records.append(Record(len(records), old.kind, old.seen_at_ms, old.occurred_at_ms, old.event))
        return log


def play(
    plans: list[AccountPlan], noise: Noise, start_ms: int, days: int, dip: Dip = NO_DIP
) -> dict[str, list[Record]]:
    """Return the log of a partition with one account per plan."""
    player = _Player(noise, start_ms)
    for number, plan in enumerate(plans):
        account = f"account-{number}"
        outage_ms = start_ms + OUTAGE_DAY * DAY_MS
        player.outage_ms = range(outage_ms, outage_ms + plan.outage_hours * HOUR_MS)
        _profile(player, account, plan)
        for day in range(plan.first_day, days):
            _usage(player, account, plan, day, dip.factor(plan, day))
            _tickets(player, account, plan, day)
            _signals(player, account, plan, day)
            _billing(player, account, plan, day)
            _people(player, account, plan, day)
    for topic in TOPICS:
        for day in range(days):
            player.tick(topic, day)
    return player.log()


def _usage(player: _Player, account: str, plan: AccountPlan, day: int, left: float) -> None:
    power, other, quantity = 0.85, 0.3, plan.quantity
    changed = day >= plan.change_day
    if changed and plan.change == "silence":
        return
    if plan.change == "dormancy":
        if changed or day % 7 != 1:
            return
        quantity *= 0.1
    if changed and plan.change == "growth":
        quantity *= 2
    elif (changed and plan.change == "drop") or (
        changed and plan.change == "recovering drop" and day < plan.change_day + 14
    ):
        power = other = 0.1
    users = [(f"p{i}", power) for i in range(plan.power_users)]
    users += [(f"o{i}", other) for i in range(plan.other_users)]
    if changed and plan.change == "handover":
        users = [(f"p{i}", 0.05) for i in range(plan.power_users)]
        users += [(f"n{i}", 0.7) for i in range(plan.power_users + plan.other_users)]
    elif changed and plan.change == "rollout":
        users = [(f"p{i}", 0.3) for i in range(plan.power_users)]
        users += [(f"n{i}", 0.7) for i in range(2 * plan.power_users + plan.other_users)]
    elif changed and plan.change == "desertion" and day < plan.change_day + 25:
        users = [(f"p{i}", (0.95, 0.05)[i % 2]) for i in range(plan.power_users)]
        users += [(f"o{i}", 0.8) for i in range(plan.other_users)]
    if changed and plan.change == "departure" and day < plan.change_day + 40:
        users = [(user, share) for user, share in users if user not in ("p1", "p4")]
    if plan.change == "renaming":
        weeks = (day - plan.change_day) // 7
        users = [(_renamed(user) if int(user[1:]) % 3 <= weeks else user, share) for user, share in users]
    if changed and plan.joiners:
        users += [(f"j{i}@{plan.joiners}", 0.9) for i in range(4)]
    features = ["home", "export", "share", "api"]
    if changed and plan.change == "abandonment":
        features = ["home", "share"]
    weekend = left * (0.3 if (day % 7) >= 5 else 1.0)
    for user, share in users:
        if player.chance(share * weekend):
            feature = "lab" if "@" in user else player.pick(features)
            role = _role(player, plan, user, changed=changed)
            machines = changed and plan.change == "machines" and day < plan.change_day + 25
            user_id = None if player.chance(0.85 if machines else 0.02) else user
            if user_id == "o0" or user_id == "p0":
                user_id += "@here"
            player.send(
                USAGE,
                account,
                player.at(day),
                user_id=user_id,
                feature=feature,
                quantity=quantity,
                duration_ms=70,
                role=role,
            )


def _renamed(user: str) -> str:
    return f"{user[0]}{100 + int(user[1:])}"


def _role(player: _Player, plan: AccountPlan, user: str, *, changed: bool) -> str | None:
    """What an event tells of its user's role."""
    if plan.roles is None or (plan.roles == "seldom" and not player.chance(0.1)):
        return None
    if plan.roles == "mixed up" and player.chance(0.1):
        return str(player.pick(["admin", "editor", "viewer", ""]))
    role = "viewer" if user[0] != "p" else ("admin", "editor")[int(user[1:]) % 2]
    return f"new {role}" if plan.roles == "renamed" and changed else role


def _tickets(player: _Player, account: str, plan: AccountPlan, day: int) -> None:
    burst = plan.ticket_burst_day is not None and 0 <= day - plan.ticket_burst_day < 4
    for number in range(4 if burst else 1):
        if not burst and not player.chance(0.05):
            continue
        ticket = {"ticket_id": f"t{day}-{number}", "priority": player.pick(["p1", "p2", "p3"])}
        opened_at = player.at(day)
        player.send(TICKETS, account, opened_at, type="opened", **ticket)
        if player.chance(0.2):
            later = opened_at + player.pick([1, 5, 60]) * HOUR_MS
            step = player.pick(["reopened", "reopened", "escalated", "sla_breached", "csat_given"])
            for _ in range(player.pick([1, 2, 3])):
                player.send(TICKETS, account, later, type=step, csat=player.pick([1, 2, 4]), **ticket)
                later += 2 * HOUR_MS
        if burst:
            player.send(TICKETS, account, player.at(day), type="commented", sentiment=-0.4, **ticket)
        if player.chance(0.8):
            closed_at = opened_at + player.pick([1, 10, 40, 100]) * HOUR_MS
            player.send(TICKETS, account, closed_at, type="closed", **ticket)


def _signals(player: _Player, account: str, plan: AccountPlan, day: int) -> None:
    if player.chance(0.04):
        player.send(SIGNALS, account, player.at(day), type="meeting_held")
    if plan.shutdown_day is not None and day == plan.shutdown_day - 2:
        from_ms, to_ms = player.at(plan.shutdown_day), player.at(plan.shutdown_day + 4)
        player.send(SIGNALS, account, player.at(day), type="shutdown", due_at=from_ms, expires_at=to_ms)
    if plan.opinion is not None and player.chance(0.03):
        kind = player.pick(["pulse", "csat"])
        score = plan.opinion if day < plan.change_day else 6.0 - plan.opinion
        expires_at = player.at(day + 20) if player.chance(0.3) else None
        player.send(SIGNALS, account, player.at(day), type=kind, score=score, expires_at=expires_at)


def _people(player: _Player, account: str, plan: AccountPlan, day: int) -> None:
    if not plan.people:
        return
    for share, kind in (
        (0.01, "contact_joined"), (0.01, "contact_changed"), (0.005, "contact_left"), (0.005, "sponsor_changed"),
        (0.005, "sponsor_left"), (0.015, "milestone_planned"), (0.01, "milestone_reached"), (0.003, "milestone_missed"),
        (0.01, "outcome_planned"), (0.01, "outcome_reached"), (0.008 if day < 50 else 0.002, "review_held"),
        (0.03, "meeting_missed"),
        (0.005, "integration_disconnected"), (0.005, "integration_connected"), (0.004, "risk_raised"),
        (0.01, "risk_cleared"), (0.003, "referral_given"),
    ):  # fmt: skip
        if player.chance(share):
            player.send(
                SIGNALS,
                account,
                player.at(day),
                type=kind,
                contact_id=player.pick(["ida", "jo", "p1", "p1"]),
                role=player.pick([None, "sponsor", "champion", "admin"]),
                subject=player.pick(["launch", "crm"]),
                due_at=player.at(day + player.pick([2, 10, 30])),
            )
    if player.chance(0.03):
        score = player.pick([10.0, 9.0, 9.0, 8.0, 3.0])
        player.send(SIGNALS, account, player.at(day), type="nps", contact_id=player.pick(["ida", "jo"]), score=score)
    if player.chance(0.015):
        price = player.pick([4000, 5000, 5000, 6000, 8000])
        fields = {"type": "subscription_changed", "mrr_minor_after": price, "currency": "EUR"}
        player.send(BILLING, account, player.at(day), subscription_id="s", **fields)
    if player.chance(0.004):
        kind = player.pick(["subscription_cancelled", "subscription_reactivated"])
        due_at = player.pick([None, player.at(day + 12)])
        player.send(BILLING, account, player.at(day), type=kind, subscription_id="s", currency="EUR", due_at=due_at)


def _billing(player: _Player, account: str, plan: AccountPlan, day: int) -> None:
    subscription = {"subscription_id": "s", "currency": "EUR"}
    if day == plan.first_day:
        player.send(
            BILLING,
            account,
            player.at(day),
            type="subscription_started",
            mrr_minor_after=5000,
            seats_after=plan.seats,
            **subscription,
        )
    if day % 30 != 10:
        return
    invoice = {**subscription, "invoice_id": f"i{day}", "amount_minor": 5000}
    due_at = player.at(day + 7)
    player.send(BILLING, account, player.at(day), type="invoice_issued", due_at=due_at, **invoice)
    for attempt in range(0 if plan.pays else player.pick([0, 1, 2, 4])):
        player.send(BILLING, account, player.at(day + 5 + 2 * attempt), type="payment_failed", **invoice)
    if plan.pays or player.chance(0.7):
        paid_at = player.at(day + (6 if plan.pays else 16))
        player.send(BILLING, account, paid_at, type="invoice_paid", **invoice)
    elif player.chance(0.3):
        player.send(BILLING, account, player.at(day + 9), type="invoice_overdue", **invoice)


def _profile(player: _Player, account: str, plan: AccountPlan) -> None:
    renewal_at = None if plan.renewal_day is None else player.at(plan.renewal_day)
    statuses = {plan.first_day: "active", plan.change_day: plan.status or "active", plan.change_day + 24: "active"}
    for day, status in statuses.items():
        player.send(
            PROFILES,
            account,
            player.at(day),
            name=account.title(),
            seats=plan.seats,
            arr_minor=1_000_000,
            currency="EUR",
            owner="ann",
            touch_model=("digital", "high_touch", None)[plan.power_users % 3],
            renewal_at=renewal_at,
            status=status,
            segment=plan.segment,
            country=plan.country,
            parent_account_id=plan.parent,
            lifecycle_stage=plan.stage,
            quota_actions=plan.quota,
            entitled_features=None if plan.quota is None else ["home", "export", "share", "api"],
        )
