"""The symbols that type-like fields may carry; anything else makes a bad record (`invalid_type`)."""

from __future__ import annotations

BILLING_TYPES = frozenset(
    {
        "subscription_started",
        "subscription_changed",
        "subscription_cancelled",
        "subscription_reactivated",
        "invoice_issued",
        "invoice_paid",
        "payment_failed",
        "invoice_overdue",
        "trial_started",
        "trial_converted",
        "trial_expired",
        "refund_issued",
        "invoice_voided",
    }
)

TICKET_TYPES = frozenset(
    {
        "opened",
        "commented",
        "priority_changed",
        "escalated",
        "sla_breached",
        "reopened",
        "resolved",
        "closed",
        "csat_given",
    }
)

TICKET_PRIORITIES = frozenset({"p1", "p2", "p3", "p4"})

SURVEY_TYPES = frozenset({"nps", "csat", "ces"})
"""Answers of the customer; `score` and `scale` say what."""

SIGNAL_TYPES = SURVEY_TYPES | {
    "pulse",
    "meeting_held",
    "meeting_missed",
    "review_held",
    "sponsor_changed",
    "sponsor_left",
    "champion_left",
    "contact_joined",
    "contact_changed",
    "contact_left",
    "milestone_planned",
    "milestone_reached",
    "milestone_missed",
    "outcome_planned",
    "outcome_reached",
    "outcome_missed",
    "integration_connected",
    "integration_disconnected",
    "training_completed",
    "risk_raised",
    "risk_cleared",
    "reference_given",
    "referral_given",
    "shutdown",
    "qa_scored",
}

ALERT_STATUSES = frozenset({"firing", "acknowledged", "snoozed", "resolved", "suppressed", "retracted"})
ALERT_FAMILIES = frozenset({"risk", "expansion", "advocacy", "data_quality", "system"})
ALERT_SEVERITIES = ("info", "warning", "error", "critical")
"""In rising order."""
TRANSITION_REASONS = frozenset(
    {
        "detected",
        "worsened",
        "recovered",
        "late_data",
        "config_change",
        "human",
        "inhibited",
        "expired",
        "realised",
        "ended",
        "closed",
    }
)
BANDS = ("red", "yellow", "green", "grey")
COMMAND_ACTIONS = frozenset(
    {
        "acknowledge",
        "unacknowledge",
        "snooze",
        "wake",
        "assign",
        "comment",
        "resolve",
        "reopen",
        "expected",
        "feedback",
        "step_done",
    }
)
CASE_OUTCOMES = frozenset({"saved", "churned", "no_action", "false_alarm"})
OPEN_CASES = ("open", "acknowledged", "snoozed")
CASE_STATUSES = (*OPEN_CASES, "closed")
CASE_SUBJECTS = ("risk", "growth", "data", "fleet", "feed")
COMMAND_RESULTS = ("applied", "refused", "unchanged")
FEEDBACK_VERDICTS = frozenset({"useful", "false_alarm", "known", "late"})
