"""What the methods of the client take, generated from the schemas: FORESHOCK_TEST_GOLDEN=write writes it again."""

from datetime import datetime
from typing import Literal, Required, TypedDict


class Usage(TypedDict, total=False):
    """Somebody or something used a feature of the product."""

    event_id: str
    """Unique per account and topic; the same id twice is the same event."""
    account_id: Required[str]
    """Account of the customer; also the record's key. 1 to 128 bytes, no NUL."""
    user_id: str | None
    """May be a pseudonym; null for machine activity."""
    feature: Required[str]
    """Part of the product that was used."""
    action: str | None
    """What was done with it."""
    occurred_at: datetime | int
    """When it happened, UTC."""
    quantity: float
    """How many actions; finite, 0 to 1e9."""
    duration_ms: int | None
    """How long it took."""
    source: str | None
    """Client or service that saw it."""
    role: str | None
    """Role of the user in the account."""
    properties: dict[str, str] | None
    """For subscribers; not read by detectors."""


class Billing(TypedDict, total=False):
    """A subscription, an invoice or a payment changed."""

    event_id: str
    """Unique per account and topic; the same id twice is the same event."""
    account_id: Required[str]
    """Account of the customer; also the record's key. 1 to 128 bytes, no NUL."""
    type: Required[
        Literal[
            "invoice_issued",
            "invoice_overdue",
            "invoice_paid",
            "invoice_voided",
            "payment_failed",
            "refund_issued",
            "subscription_cancelled",
            "subscription_changed",
            "subscription_reactivated",
            "subscription_started",
            "trial_converted",
            "trial_expired",
            "trial_started",
        ]
    ]
    """subscription_started, subscription_changed, subscription_cancelled, subscription_reactivated, invoice_issued,
    invoice_paid, payment_failed, invoice_overdue, trial_started, trial_converted, trial_expired, refund_issued
    or invoice_voided."""
    occurred_at: datetime | int
    """When it happened, UTC."""
    subscription_id: str | None
    invoice_id: str | None
    mrr_minor_before: int | None
    """Monthly recurring revenue in minor units of the currency."""
    mrr_minor_after: int | None
    """Monthly recurring revenue in minor units of the currency."""
    amount_minor: int | None
    """Minor units of the currency; negative for a credit."""
    currency: Required[str]
    """ISO 4217 code."""
    seats_before: int | None
    seats_after: int | None
    due_at: datetime | int | None
    """When the invoice is due, the cancelled subscription ends if that is later, or the term of a subscription that
    begins or goes on does."""
    reason: str | None


class Ticket(TypedDict, total=False):
    """A support ticket changed. Never carries ticket text."""

    event_id: str
    """Unique per account and topic; the same id twice is the same event."""
    account_id: Required[str]
    """Account of the customer; also the record's key. 1 to 128 bytes, no NUL."""
    ticket_id: Required[str]
    type: Required[
        Literal[
            "closed",
            "commented",
            "csat_given",
            "escalated",
            "opened",
            "priority_changed",
            "reopened",
            "resolved",
            "sla_breached",
        ]
    ]
    """opened, commented, priority_changed, escalated, sla_breached, reopened, resolved, closed or csat_given."""
    occurred_at: datetime | int
    """When it happened, UTC."""
    priority: Required[Literal["p1", "p2", "p3", "p4"]]
    """p1 (highest), p2, p3 or p4."""
    channel: str | None
    component: str | None
    requester_id: str | None
    sentiment: float | None
    """-1 (bad) to 1 (good)."""
    csat: int | None
    """1 to 5."""


class Signals(TypedDict, total=False):
    """Something people learned about the customer: a survey, a meeting, a change of sponsor."""

    event_id: str
    """Unique per account and topic; the same id twice is the same event."""
    account_id: Required[str]
    """Account of the customer; also the record's key. 1 to 128 bytes, no NUL."""
    type: Required[
        Literal[
            "ces",
            "champion_left",
            "contact_changed",
            "contact_joined",
            "contact_left",
            "csat",
            "integration_connected",
            "integration_disconnected",
            "meeting_held",
            "meeting_missed",
            "milestone_missed",
            "milestone_planned",
            "milestone_reached",
            "nps",
            "outcome_missed",
            "outcome_planned",
            "outcome_reached",
            "pulse",
            "qa_scored",
            "reference_given",
            "referral_given",
            "review_held",
            "risk_cleared",
            "risk_raised",
            "shutdown",
            "sponsor_changed",
            "sponsor_left",
            "training_completed",
        ]
    ]
    """nps, csat, ces, pulse, meeting_held, meeting_missed, review_held, sponsor_changed, sponsor_left, champion_left,
    contact_joined, contact_changed, contact_left, milestone_planned, milestone_reached, milestone_missed,
    outcome_planned, outcome_reached, outcome_missed, integration_connected, integration_disconnected,
    training_completed, risk_raised, risk_cleared, reference_given, referral_given, shutdown or qa_scored."""
    occurred_at: datetime | int
    """When it happened, UTC."""
    contact_id: str | None
    score: float | None
    """Answer of a survey or pulse."""
    scale: float | None
    """Best possible score."""
    phase: str | None
    """Occasion of a survey: relationship, transactional, in_product, or a phase such as onboarding."""
    author: str | None
    reason_codes: list[str] | None
    expires_at: datetime | int | None
    """When the signal stops to count."""
    due_at: datetime | int | None
    """Of a plan: by when."""
    attributes: dict[str, str] | None
    """For subscribers; not read by detectors."""
    role: str | None
    """Role of the contact: sponsor, champion, decision_maker, admin or another."""
    subject: str | None
    """Which milestone, outcome, integration, risk or referral it is about."""


class Profile(TypedDict, total=False):
    """What is known about an account. The latest by updated_at counts; a null value removes the profile."""

    account_id: Required[str]
    """Account of the customer; also the record's key. 1 to 128 bytes, no NUL."""
    updated_at: datetime | int | None
    """Version of the profile; null counts as before everything."""
    name: str | None
    segment: str | None
    touch_model: str | None
    lifecycle_stage: str | None
    plan: str | None
    seats: int | None
    entitled_features: list[str] | None
    arr_minor: int | None
    """Annual recurring revenue in minor units of the currency."""
    currency: str | None
    """ISO 4217 code."""
    owner: str | None
    """The one person who is told."""
    parent_account_id: str | None
    timezone: str | None
    """IANA name; for display only."""
    country: str | None
    """ISO 3166-1 alpha-2 code."""
    renewal_at: datetime | int | None
    status: str | None
    """trial, active, paused, churned, test or internal; another one says nothing."""
    quota_actions: float | None
    """Actions that the plan includes for 30 days."""
