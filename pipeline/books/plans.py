"""What was agreed with the customer, on an account's book: milestones, outcomes, integrations, risks, referrals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.books.book import Book, Goal, Link
from pipeline.books.facts import Fact
from pipeline.books.people import delight
from schemas.topics import DAY_MS

GOALS = ("milestone", "outcome")
_SIMPLE = {
    "risk_raised": "risk_raised",
    "risk_cleared": "risk_cleared",
    "reference_given": "referral_given",
    "referral_given": "referral_given",
}
NO_DUE_MS = 2**62


def apply_plans(book: Book, event: Mapping[str, Any], limit: int) -> list[Fact]:
    """Bring goals and integrations up to date with one signal; returns what immediate rules act on."""
    kind, key, at_ms = event["type"], event["subject"] or "", event["occurred_at"]
    goal, _, step = kind.partition("_")
    if goal in GOALS:
        facts = _goal(goals_of(book, goal), goal, step, event, limit)
        if facts and kind == "outcome_reached":
            delight(book, at_ms, event["contact_id"] or "")
        return facts
    if goal == "integration":
        return _integration(book, key, at_ms, connected=step == "connected", limit=limit)
    return [Fact(_SIMPLE[kind], key, at_ms, who=event["contact_id"] or "")] if kind in _SIMPLE else []


def goals_of(book: Book, goal: str) -> dict[str, Goal]:
    """The milestones or the outcomes."""
    return book.milestones if goal == "milestone" else book.outcomes


def _goal(goals: dict[str, Goal], goal: str, step: str, event: Mapping[str, Any], limit: int) -> list[Fact]:
    key, at_ms = event["subject"] or "", event["occurred_at"]
    known = goals.get(key)
    if known is None:
        if len(goals) >= limit:
            reached = [name for name, each in goals.items() if each.reached_ms is not None]
            del goals[min(reached or goals, key=lambda name: (goals[name].state_ms, name))]
        known = goals[key] = Goal()
    if step == "planned":
        return _planned(known, goal, key, at_ms, event["due_at"])
    if at_ms < known.state_ms:
        return []
    known.state_ms = at_ms
    known.reached_ms = at_ms if step == "reached" else None
    if step == "reached":
        return [Fact(f"{goal}_reached", key, at_ms)]
    return [Fact(f"{goal}_missed", key, at_ms, 0.0, 0.0, 0.0)]


def _planned(goal: Goal, name: str, key: str, at_ms: int, due_ms: int | None) -> list[Fact]:
    """A date agreed on; one in the future replaces what was missed before."""
    if at_ms < goal.planned_ms:
        return []
    goal.planned_ms, goal.due_ms = at_ms, due_ms
    if at_ms < goal.state_ms or (due_ms is not None and due_ms <= at_ms):
        return []
    return [Fact(f"{name}_planned", key, at_ms)]


def _integration(book: Book, key: str, at_ms: int, *, connected: bool, limit: int) -> list[Fact]:
    link = book.integrations.get(key)
    if link is None:
        if len(book.integrations) >= limit:
            del book.integrations[min(book.integrations, key=lambda name: (book.integrations[name].as_of_ms, name))]
        link = book.integrations[key] = Link()
    if at_ms < link.as_of_ms:
        return []
    link.connected, link.as_of_ms = connected, at_ms
    return [Fact("integration_connected" if connected else "integration_lost", key, at_ms)]


def next_due_ms(book: Book) -> int:
    """When the first unreached goal is due."""
    goals = (*book.milestones.values(), *book.outcomes.values())
    due = [goal.due_ms for goal in goals if goal.due_ms is not None and goal.reached_ms is None]
    return min(due, default=NO_DUE_MS)


def overdue_goals(book: Book, end_ms: int) -> Iterator[tuple[str, str, int, float]]:
    """Kind, key, beginning and days overdue of each goal that was not reached by its date."""
    for goal in GOALS:
        kind = f"{goal}_overdue"
        for key, each in sorted(goals_of(book, goal).items()):
            if each.due_ms is None or each.reached_ms is not None or each.due_ms > end_ms:
                continue
            ended_ms = book.settled.get(f"{kind}|{key}", -1)
            yield kind, key, max(each.due_ms, each.planned_ms, ended_ms + 1), (end_ms - each.due_ms) / DAY_MS
