"""Immediate rules on support tickets."""

from __future__ import annotations

from pipeline.rules.rule import TICKETS, Rule
from pipeline.terms.kind import Play

RULES: tuple[Rule, ...] = (
    Rule(
        name="ticket_escalated",
        topic=TICKETS,
        severity="error",
        opened_by="escalated",
        condition="an open ticket is escalated",
        dimension="ticket",
        ended_by=("ticket_closed",),
        resolution="the ticket is resolved or closed, or 84 days pass",
        play=Play("escalation", "Name one person who answers for the escalation", 1),
        summary="{name}: ticket {dimension} was escalated",
        remembered=False,
    ),
    Rule(
        name="ticket_reopened",
        topic=TICKETS,
        severity="warning",
        opened_by="ticket_reopened",
        condition="a ticket is reopened for the second time within 84 days; error at the third",
        dimension="ticket",
        ended_by=("ticket_closed",),
        resolution="the ticket is resolved or closed, or 84 days pass",
        play=Play("support-sync", "Find out with support why the ticket does not stay closed", 2),
        summary="{name}: ticket {dimension} was reopened {observed:.0f} times",
        level="intermediate",
        unit="reopenings",
        ladder=((3, "error"),),
        repeats=True,
        remembered=False,
    ),
    Rule(
        name="sla_breached",
        topic=TICKETS,
        severity="error",
        opened_by="sla_breached",
        condition="the help desk reports that an open ticket missed its service level",
        dimension="ticket",
        ended_by=("ticket_closed",),
        resolution="the ticket is resolved or closed, or 84 days pass",
        play=Play("support-sync", "Agree with support on an answer today", 1),
        summary="{name}: ticket {dimension} missed its service level",
        remembered=False,
    ),
    Rule(
        name="ticket_dissatisfied",
        topic=TICKETS,
        severity="warning",
        opened_by="ticket_rated_low",
        condition="a ticket is rated 1 or 2 of 5",
        dimension="ticket",
        ended_by=("ticket_rated_fine",),
        resolution="the ticket is rated 3 or better, or 28 days pass",
        play=Play("support-apology", "Call the person who was not helped", 2),
        summary="{name}: ticket {dimension} was rated {observed:.0f} of 5{contact}",
        unit="points",
        direction="down",
        days=28,
    ),
)
