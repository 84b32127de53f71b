"""What a message says, as plain values that each channel lays out in its own way.

A body has `title`, `text`, `facts` (pairs of label and value), `items` (of a digest), `url`, `severity`, `addressee`,
and `case`: what the receiver knows of the case from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.notify.clock import date_of
from pipeline.notify.routing import Case, Routing, owner_of
from pipeline.terms.money import money
from schemas.accounts import of_fleet
from schemas.event_types import ALERT_SEVERITIES

Body = dict[str, Any]
MOST_ITEMS = 20
"""Cases that a digest lists; the others are counted."""
_EVENTS = {
    "opened": "New",
    "worsened": "Worse",
    "reopened": "Open again",
    "assigned": "Assigned",
    "overdue": "Overdue",
    "acknowledged": "Acknowledged",
    "snoozed": "Snoozed",
    "closed": "Closed",
    "escalated": "Not acknowledged",
}
_KNOWN = ("case_id", "account_id", "account_name", "subject", "status", "severity", "overdue", "lead_kind", "segment",
          "priority", "opened_at", "closed_at", "revision")  # fmt: skip


def case_body(routing: Routing, case: Case, event: str, addressee: str | None) -> Body:
    """The message of a case to a person."""
    return {
        "title": f"{_EVENTS[event]}: {account_of(case)}",
        "text": case.get("summary") or "",
        "facts": [[label, value] for label, value in _facts(routing, case, event) if value],
        "items": [],
        "url": _url(routing, f"/cases/{case['case_id']}"),
        "severity": case["severity"],
        "addressee": _addressee(routing, addressee),
        "case": {name: case.get(name) for name in _KNOWN} | {"owner": owner_of(case)},
    }


def digest_body(routing: Routing, owner: str | None, day: str, told: Sequence[tuple[str, Body]]) -> Body:
    """One message of several: events and bodies, the gravest first."""
    ranked = sorted(
        told,
        key=lambda each: (-ALERT_SEVERITIES.index(each[1]["severity"]), -(each[1]["case"].get("priority") or 0)),
    )
    rest = len(ranked) - MOST_ITEMS
    return {
        "title": f"{len(ranked)} case{'s' if len(ranked) > 1 else ''} for {owner or 'nobody yet'}, {day}",
        "text": f"and {rest} more" if rest > 0 else "",
        "facts": [],
        "items": [
            {"title": f"{body['title']} ({body['severity']})", "text": body["text"], "url": body["url"]}
            for _, body in ranked[:MOST_ITEMS]
        ],
        "url": _url(routing, "/"),
        "severity": ranked[0][1]["severity"],
        "addressee": _addressee(routing, owner),
        "case": {},
    }


def trial_body(routing: Routing) -> Body:
    """A message that says that messages arrive."""
    return {
        "title": "Test of foreshock",
        "text": "Messages of cases will look like this one.",
        "facts": [["Severity", "info"]],
        "items": [],
        "url": _url(routing, "/"),
        "severity": "info",
        "addressee": _addressee(routing, None),
        "case": {},
    }


def account_of(case: Case) -> str:
    """The account as people know it."""
    account: str = case.get("account_name") or case["account_id"]
    return "all accounts" if account == "fleet" else account.partition(":")[2] if of_fleet(account) else account


def _facts(routing: Routing, case: Case, event: str) -> list[tuple[str, str | None]]:
    step = case.get("step") or {}
    currency = case.get("currency")

    def amount(name: str) -> str | None:
        return None if case.get(name) is None else money(case[name], currency)

    def day(at_ms: int | None) -> str | None:
        return None if at_ms is None else date_of(at_ms, routing.timezone)

    due = f", due {day(step['due_at'])}" if step.get("due_at") else ""
    return [
        ("Severity", case["severity"]),
        ("Alert", (case.get("lead_kind") or "").replace("_", " ")),
        ("Open alerts", str(case["alert_count"]) if (case.get("alert_count") or 0) > 1 else None),
        ("At stake", amount("arr_at_risk_minor")),
        ("ARR", amount("arr_minor")),
        ("Renewal", day(case.get("renewal_at"))),
        ("Next step", f"{step['title']}{due}" if step else None),
        ("Owner", owner_of(case)),
        ("Acknowledged by", case.get("acknowledged_by") if event == "acknowledged" else None),
        ("Snoozed until", day(case.get("snoozed_until")) if event == "snoozed" else None),
        ("Because", case.get("snooze_reason") if event == "snoozed" else None),
        ("Closed by", case.get("closed_by") if event == "closed" else None),
        ("Outcome", (case.get("outcome") or "").replace("_", " ") if event == "closed" else None),
    ]


def _addressee(routing: Routing, owner: str | None) -> Mapping[str, str | None]:
    person = routing.people.get(owner or "")
    address = person.email if person is not None and person.email else owner if owner and "@" in owner else None
    return {"owner": owner, "email": address}


def _url(routing: Routing, path: str) -> str | None:
    return f"{routing.console_url.rstrip('/')}{path}" if routing.console_url else None
