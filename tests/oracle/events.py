"""Hypothesis strategies for single events of each topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from schemas.event_types import (
    BILLING_TYPES,
    CASE_OUTCOMES,
    COMMAND_ACTIONS,
    FEEDBACK_VERDICTS,
    SIGNAL_TYPES,
    TICKET_TYPES,
)
from tests.oracle.model import (
    BILLING,
    COMMANDS,
    PROFILES,
    SIGNALS,
    TICKETS,
    USAGE,
)

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_DAYS_OFF = st.none() | st.integers(-12, 120)


def _usage() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "user_id": st.none() | st.sampled_from(["u1", "u2", "u3", "u4"]),
            "feature": st.sampled_from(["home", "export", "share"]),
            "quantity": st.sampled_from([1.0, 0.0, 0.0005, 0.0015, 2.5, 12.3456, 1e6]),
            "duration_ms": st.none() | st.integers(0, 5000),
            "role": st.sampled_from([None, None, "", "admin", "editor", "viewer"]),
        }
    )


_BILLING_TYPES = [*sorted(BILLING_TYPES), "invoice_paid", "payment_failed", "payment_failed", "subscription_changed"]
_MRR = st.sampled_from([0, 4_000, 5_000, 9_000])


def _billing() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "type": st.sampled_from(_BILLING_TYPES),
            "subscription_id": st.sampled_from([None, "s1", "s2"]),
            "invoice_id": st.sampled_from([None, "i1", "i2"]),
            "mrr_minor_before": st.none() | _MRR,
            "mrr_minor_after": st.none() | _MRR,
            "seats_after": st.none() | st.integers(0, 5),
            "amount_minor": st.none() | st.integers(-500, 90_000),
            "currency": st.sampled_from(["EUR", "EUR", "eur", "JPY"]),
            "due_at": _DAYS_OFF,
        }
    )


_TICKET_TYPES = [*sorted(TICKET_TYPES), "opened", "reopened", "reopened", "reopened", "csat_given", "csat_given"]


def _ticket() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "ticket_id": st.sampled_from(["t1", "t1", "t1", "t2", "t3", "t4", "t5"]),
            "type": st.sampled_from(_TICKET_TYPES),
            "priority": st.sampled_from(["p1", "p1", "p2", "p3", "p4"]),
            "component": st.sampled_from([None, "", "login", "login", "api"]),
            "sentiment": st.sampled_from([None, None, -0.5, 0.0, 0.7]),
            "csat": st.sampled_from([None, 1, 2, 2, 3, 5]),
            "requester_id": st.sampled_from([None, "jo"]),
        }
    )


_SIGNAL_TYPES = [*sorted(SIGNAL_TYPES), "meeting_missed", "meeting_missed", "nps", "nps", "nps", "milestone_planned"]


def _signal() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "type": st.sampled_from(_SIGNAL_TYPES),
            "score": st.none() | st.sampled_from([0.0, 1.0, 2.0, 3.5, 5.0, 7.0, 9.0, 10.0, 60.0]),
            "scale": st.sampled_from([None, None, 10.0, 5.0, 7.0, 100.0, 4.0]),
            "expires_at": _DAYS_OFF,
            "due_at": _DAYS_OFF,
            "contact_id": st.sampled_from([None, "ida", "jo"]),
            "role": st.sampled_from([None, "sponsor", "champion", "admin"]),
            "subject": st.sampled_from([None, "launch", "crm"]),
        }
    )


def _profile() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "updated_at": st.sampled_from(["now", "now", "now", None]),
            "name": st.sampled_from(["Acme", "Böll & Söhne"]),
            "segment": st.sampled_from([None, "smb", "large"]),
            "lifecycle_stage": st.sampled_from([None, "onboarding", "onboarding", "adoption"]),
            "touch_model": st.sampled_from([None, "digital", "high_touch", "strategic", "other"]),
            "entitled_features": st.sampled_from([None, None, ["home"], ["home", "export", "audit"]]),
            "seats": st.none() | st.integers(0, 6),
            "arr_minor": st.none() | st.integers(0, 10**9),
            "currency": st.just("EUR"),
            "owner": st.sampled_from([None, "ann"]),
            "country": st.sampled_from([None, "US", " de", "nowhere"]),
            "parent_account_id": st.sampled_from([None, "acme"]),
            "renewal_at": _DAYS_OFF,
            "status": st.sampled_from([None, "active", "active", " Active", "trial", "paused", "churned", "test"]),
            "quota_actions": st.sampled_from([None, 0.0, 3.0, 2000.0]),
        }
    )


_DAYS = st.integers(0, 14)


def _command() -> SearchStrategy[dict[str, Any]]:
    """`case_id` is a subject and the number of days since the case was opened."""
    return st.fixed_dictionaries(
        {
            "action": st.sampled_from(sorted(COMMAND_ACTIONS)),
            "author": st.sampled_from(["ann", "bob"]),
            "case_id": st.none() | st.tuples(st.sampled_from(["risk", "risk", "risk", "growth", "data"]), _DAYS),
            "alert_id": st.none() | st.just("unknown"),
            "until": _DAYS_OFF,
            "since": _DAYS_OFF,
            "note": st.sampled_from([None, "", "on holiday"]),
            "verdict": st.none() | st.sampled_from(sorted(FEEDBACK_VERDICTS)),
            "assignee": st.sampled_from([None, "", "bob"]),
            "outcome": st.none() | st.sampled_from(sorted(CASE_OUTCOMES)),
            "kind": st.sampled_from([None, "payment_failed", "csat_low", "invoice_overdue", "nonsense"]),
            "play_id": st.sampled_from([None, "dunning", "x"]),
        }
    )


EVENTS = {
    USAGE: _usage(),
    BILLING: _billing(),
    TICKETS: _ticket(),
    SIGNALS: _signal(),
    PROFILES: _profile(),
    COMMANDS: _command(),
}
