"""How often owners are told: of every alert at once, and of cases as messages and digests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agents.backtest.run import Alert, told
from pipeline.notify.deciding import DROPPED, Message, Told, alert_messages, messages
from pipeline.notify.routing import Route, Routing, owner_of

_TO = "owner"


def notifications(alerts: Sequence[Alert], cases: Sequence[Alert], timezone: str, days: int) -> dict[str, Any]:
    """Messages per owner and week; without an owner counts as one owner.

    Args:
        alerts: every revision, in order; who subscribes to their topics is told each of them.
        cases: every revision, in order; by default what cannot wait is told at once, the rest in one digest a day.
        timezone: of the business.
        days: that were closed.
    """
    alerts, cases = told(alerts), told(cases)
    owners = {alert["owner"] for alert in alerts} | {owner_of(case) for case in cases}
    box = _Box(timezone)
    changes = [(each["updated_at"], False, each) for each in alerts if each["status"] == "firing" and each["case_id"]]
    changes += [(each["updated_at"], True, each) for each in cases]
    for now_ms, is_case, record in sorted(changes, key=lambda change: change[:2]):
        box.put(record, now_ms, is_case=is_case)
    box.tell_until(None)
    owner_weeks = len(owners) * days / 7
    sent = box.at_once + len(box.digests)
    return {
        "owners": len(owners),
        "alerts": len(alerts),
        "cases_at_once": box.at_once,
        "digests": len(box.digests),
        "of_cases": dict(box.events.most_common()),
        "per_owner_week": {
            "alerts_at_once": round(len(alerts) / owner_weeks, 2) if owner_weeks else None,
            "cases_and_digests": round(sent / owner_weeks, 2) if owner_weeks else None,
        },
    }


class _Box:
    """The outbox of one route that takes everything, where each message is sent when it is due."""

    def __init__(self, timezone: str) -> None:
        self._routing = Routing(routes=(Route(receiver=_TO),), channels={_TO: "email"}, timezone=timezone)
        self._cases: dict[str, Mapping[str, Any]] = {}
        self._told: dict[str, Told] = {}
        self._waiting: dict[str, Message] = {}
        self.at_once = 0
        self.digests: set[tuple[str, int]] = set()
        """Of whom, and when."""
        self.events: Counter[str] = Counter()
        """What they tell of cases."""

    def put(self, record: Mapping[str, Any], now_ms: int, *, is_case: bool) -> None:
        """A case has changed, or an alert of the open day."""
        self.tell_until(now_ms)
        case_id = record["case_id"]
        known = {_TO: self._told[case_id]} if case_id in self._told else {}
        if is_case:
            self._cases[case_id] = record
            self._waiting.pop(case_id, None)
            due = messages(self._routing, record, known, now_ms)
        else:
            due = alert_messages(self._routing, self._cases.get(case_id), record, known, now_ms)
        for message in due:
            if message.digest is not None and message.state != DROPPED:
                self._waiting[case_id] = message
                continue
            self._told[case_id] = message.told()
            if message.state != DROPPED:
                self.at_once += 1
                self.events[message.event] += 1

    def tell_until(self, now_ms: int | None) -> None:
        """Send the digests that are due; None: all."""
        for case_id, message in list(self._waiting.items()):
            if now_ms is None or message.not_before_ms <= now_ms:
                self.digests.add((str(message.digest), message.not_before_ms))
                self.events[message.event] += 1
                self._told[case_id] = self._waiting.pop(case_id).told()
