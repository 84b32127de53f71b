"""Immediate alerts, spelled out event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.alerts import SEVERITIES, Alerts, Finding, Opening
from tests.oracle.life import FOLLOWING, NOBODYS, OF_USE
from tests.oracle.model import DAY_MS

if TYPE_CHECKING:
    from tests.oracle.days import Days
    from tests.oracle.model import Account, Subscription

FAMILIES = {"expansion_realised": "expansion", "referral_given": "advocacy"}
ENDS_BY_ITSELF = {
    "subscription_downgraded": 84,
    "subscription_cancelled": 84,
    "trial_expired": 84,
    "expansion_realised": 28,
    "ticket_escalated": 84,
    "ticket_reopened": 84,
    "sla_breached": 84,
    "ticket_dissatisfied": 28,
    "champion_left": 84,
    "meetings_missed": 84,
    "survey_detractor": 84,
    "promoter_lost": 84,
    "csat_low": 84,
    "support_quality_low": 84,
    "risk_opened": 180,
    "integration_disconnected": 84,
    "referral_given": 28,
}
"""Days after which an immediate alert expires."""


class Rules:
    """Opens, repeats and ends immediate alerts of an account."""

    def __init__(self, alerts: Alerts, days: Days) -> None:
        self._alerts = alerts
        self._days = days

    def begin(self, account: Account, kind: str, key: str, finding: Finding, at_ms: int, *, again: bool) -> None:
        """Raise, unless it ended at that time or later; while it is open, `again` updates it."""
        if account.life in NOBODYS or at_ms < account.back_ms:
            return
        if at_ms <= account.ended_at_ms.get((kind, key), -1):
            return
        episode = account.episodes.get((kind, key))
        if episode is None:
            family = FAMILIES.get(kind, "risk")
            opening = Opening(kind, key, family, at_ms, at_ms, self._days.of(at_ms))
            self._alerts.open(account, opening, finding)
        elif again:
            rises = SEVERITIES.index(finding.severity) > SEVERITIES.index(episode.severity)
            self._alerts.update(account, episode, finding, "worsened" if rises else "detected", at_ms)

    def end(self, account: Account, kind: str, key: str, at_ms: int, *, backdated: bool = False) -> None:
        """Resolve what began by then, and hold that against older events that are still to come.

        `backdated`: what began later, at a deadline, ends as it began.
        """
        episode = account.episodes.get((kind, key))
        ends_at_ms = max(at_ms, episode.starts_at_ms) if episode and backdated else at_ms
        account.ended_at_ms[kind, key] = max(ends_at_ms, account.ended_at_ms.get((kind, key), -1))
        if episode and episode.starts_at_ms <= ends_at_ms:
            self._alerts.resolve(account, episode, "recovered", at_ms, ends_at_ms)

    def open_at_close(
        self, account: Account, kind: str, key: str, starts_at_ms: int, finding: Finding, day: int, end_ms: int
    ) -> None:
        """Raise at the close of a day."""
        self._alerts.open(account, Opening(kind, key, FAMILIES.get(kind, "risk"), starts_at_ms, end_ms, day), finding)

    def expire(self, account: Account, day: int, at_ms: int) -> None:
        """Resolve what has been open for too long at the close of a day."""
        for episode in list(account.episodes.values()):
            if account.life in NOBODYS:
                self._alerts.resolve(account, episode, "ended", at_ms)
                continue
            bought = account.expanded_ms is not None and episode.starts_at_ms <= account.expanded_ms
            if bought and episode.family == "expansion" and episode.kind != "expansion_realised":
                self._alerts.resolve(account, episode, "realised", at_ms)
                continue
            if account.life == "paused" and episode.kind in OF_USE and episode.kind not in FOLLOWING:
                self._alerts.resolve(account, episode, "inhibited", at_ms)
                continue
            most = ENDS_BY_ITSELF.get(episode.kind)
            from_day = episode.opened_day
            if episode.due_at_ms is not None:
                from_day = max(from_day, self._days.of(episode.due_at_ms))
            if most is not None and day - from_day >= most:
                self._alerts.resolve(account, episode, "expired", at_ms)

    # Billing

    def subscription(self, account: Account, event: dict[str, Any], known: Subscription, at_ms: int) -> None:
        """React to a subscription event; `known` is the subscription as it was before."""
        key = event.get("subscription_id") or ""
        before = event.get("mrr_minor_before")
        ends = event["type"] in {"subscription_cancelled", "trial_expired"}
        if before is None and (ends or str(known.currency).lower() == event["currency"].lower()):
            before = known.mrr_minor
        others = [(name, each) for name, each in sorted(account.subscriptions.items()) if name != key]
        if event["type"] == "subscription_cancelled":
            if any(each.active and _within_a_day(each.began_at_ms, at_ms) for _, each in others):
                # The plan was changed.
                self._goes_on(account, key, at_ms)
                return
            date = event.get("due_at")
            date = date if date is not None and date > at_ms else None
            finding = Finding("critical", 0.0, float(before or 0), 1.0, due_at_ms=date)
            self.begin(account, "subscription_cancelled", key, finding, at_ms, again=False)
        elif event["type"] == "trial_expired":
            self._begin_once(account, "trial_expired", key, ("warning", 0.0, float(before or 0), 1.0), at_ms)
        else:
            self._goes_on(account, key, at_ms)
            if event["type"] in {"subscription_started", "subscription_reactivated", "trial_converted"}:
                for name, each in others:
                    if each.last_type != "subscription_cancelled" or each.stops_at_ms is None:
                        continue
                    if each.as_of_ms - DAY_MS <= at_ms <= each.stops_at_ms + DAY_MS:
                        self._goes_on(account, name, max(at_ms, each.as_of_ms))
            if event.get("mrr_minor_after") is not None:
                comparable = known.fall is not None and known.currency == event["currency"].upper()
                self._revenue(account, key, before, event["mrr_minor_after"], at_ms, comparable=comparable)

    def _goes_on(self, account: Account, key: str, at_ms: int) -> None:
        self.end(account, "subscription_cancelled", key, at_ms)
        self.end(account, "trial_expired", key, at_ms)

    def _revenue(
        self, account: Account, key: str, before: int | None, after: int, at_ms: int, *, comparable: bool
    ) -> None:
        lowered = account.episodes.get(("subscription_downgraded", key))
        if lowered and comparable and lowered.starts_at_ms <= at_ms and after >= lowered.expected:
            self.end(account, "subscription_downgraded", key, at_ms)
        if before is None or before <= 0 or before == after:
            return
        share = abs(after - before) / before
        if after > before:
            account.expanded_ms = max(at_ms, account.expanded_ms or at_ms)
        kind, severity = ("expansion_realised", "info") if after > before else ("subscription_downgraded", "error")
        self.begin(account, kind, key, Finding(severity, float(after), float(before), share), at_ms, again=True)

    def _begin_once(
        self, account: Account, kind: str, key: str, finding: tuple[str, float, float, float], at_ms: int
    ) -> None:
        self.begin(account, kind, key, Finding(*finding), at_ms, again=False)

    # Tickets

    def ticket(self, account: Account, event: dict[str, Any], at_ms: int) -> None:
        """React to an event of a ticket that was not closed at that time or later."""
        key, kind = event["ticket_id"], event["type"]
        if kind in {"resolved", "closed"}:
            for each in ("ticket_escalated", "ticket_reopened", "sla_breached"):
                episode = account.episodes.get((each, key))
                if episode and episode.starts_at_ms <= at_ms:
                    self._alerts.resolve(account, episode, "recovered", at_ms)
        elif kind == "escalated":
            self._begin_once(account, "ticket_escalated", key, ("error", 1.0, 0.0, 1.0), at_ms)
        elif kind == "sla_breached":
            self._begin_once(account, "sla_breached", key, ("error", 1.0, 0.0, 1.0), at_ms)
        elif kind == "reopened":
            count = self._reopenings(account, key, at_ms)
            if count >= 2:
                finding = Finding("error" if count >= 3 else "warning", float(count), 1.0, float(count))
                self.begin(account, "ticket_reopened", key, finding, at_ms, again=True)

    def _reopenings(self, account: Account, key: str, at_ms: int) -> int:
        run = account.reopenings.setdefault(key, [])
        if run and at_ms - max(run) > 84 * DAY_MS:
            run.clear()
        run.append(at_ms)
        return len(run)

    def rating(self, account: Account, event: dict[str, Any], at_ms: int) -> None:
        """React to the rating of a ticket, open or not."""
        key, points = event["ticket_id"], event.get("csat")
        if points is None:
            return
        if points > 2:
            self.end(account, "ticket_dissatisfied", key, at_ms)
            return
        finding = ("warning", float(points), 3.0, 3.0 - points)
        self._begin_once(account, "ticket_dissatisfied", key, finding, at_ms)


def _within_a_day(one_ms: int | None, other_ms: int) -> bool:
    return one_ms is not None and abs(one_ms - other_ms) <= DAY_MS
