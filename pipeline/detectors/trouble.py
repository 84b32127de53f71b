"""More trouble than usual with tickets and payments, and a ticket of the highest priority open for too long."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition
from pipeline.detectors.levels import LevelDetector
from pipeline.evidence.view import Finding, View
from pipeline.terms.kind import Kind, Play

HOUR_MS = 3_600_000

ticket_surge = LevelDetector(
    Kind(
        name="ticket_surge",
        dimension="tickets",
        scope="other",
        family="risk",
        severity="warning",
        level="intermediate",
        unit="tickets",
        direction="up",
        method="nb-esr",
        evidence="log",
        stream=True,
        weight=3,
        amended=True,
        play=Play("support-sync", "Review the open tickets with support", 2),
        summary="{name}: {observed:.0f} tickets opened in 7 days, {expected:.1f} expected",
        condition="surely more tickets are opened than usual",
        resolution="a week is as usual again",
    ),
    pane="tickets_opened",
    ratio=1.5,
    least=4,
)
severity_surge = LevelDetector(
    Kind(
        name="severity_surge",
        dimension="ticket_severity",
        scope="other",
        yields_to=("ticket_surge",),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="points",
        direction="up",
        method="nb-esr",
        evidence="log",
        stream=True,
        weight=3,
        amended=True,
        play=Play("support-sync", "Review the open tickets with support", 2),
        summary="{name}: tickets weigh {observed:.0f} severity points in 7 days, {expected:.1f} expected",
        condition="tickets surely weigh more than usual, though there are not more of them",
        resolution="a week is as usual again",
    ),
    pane="severity_points",
    ratio=1.5,
    least=8,
)
negative_sentiment = LevelDetector(
    Kind(
        name="negative_sentiment",
        dimension="ticket_sentiment",
        scope="other",
        yields_to=("ticket_surge",),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="complaints",
        direction="up",
        method="nb-esr",
        evidence="log",
        stream=True,
        weight=3,
        amended=True,
        play=Play("support-sync", "Read the complaints and answer them", 2),
        summary="{name}: {observed:.0f} complaints in tickets in 7 days, {expected:.1f} expected",
        condition="there are surely more complaints in tickets than usual",
        resolution="a week is as usual again",
    ),
    pane="complaints",
    ratio=1.5,
    least=3,
)
payment_trouble = LevelDetector(
    Kind(
        name="payment_trouble",
        dimension="payments",
        scope="other",
        family="risk",
        severity="error",
        level="intermediate",
        unit="troubles",
        direction="up",
        method="nb-esr",
        evidence="log",
        stream=True,
        weight=4,
        amended=True,
        play=Play("payment-contact", "Contact the billing owner about the payments", 2),
        summary="{name}: {observed:.0f} payment troubles in 7 days, {expected:.1f} expected",
        condition="there is surely more trouble with payments than usual",
        resolution="a week is as usual again",
    ),
    pane="payment_troubles",
    ratio=1.5,
    least=2,
)


def _open_too_long(view: View) -> Finding:
    """The oldest open P1 passed the limit by the end of the day."""
    limit = view.config.p1_sla_hours
    age_ms = view.end_ms - view.accounts.oldest_p1_ms[view.rows]
    raised = (view.accounts.open_p1[view.rows] > 0) & (age_ms >= limit * HOUR_MS)
    hours = np.where(raised, age_ms / HOUR_MS, 0.0)
    return Finding(raised, hours, np.full(len(view), float(limit)), hours / limit)


p1_open = Condition(
    Kind(
        name="p1_open",
        dimension="tickets",
        scope="other",
        family="risk",
        severity="error",
        level="basic",
        unit="hours",
        direction="up",
        method="limit",
        play=Play("escalation", "Escalate the oldest P1 ticket", 1),
        summary="{name}: a P1 ticket has been open for {observed:.0f} hours",
        condition="a P1 ticket is open for longer than its service level allows",
        resolution="no such ticket is open",
    ),
    _open_too_long,
)
