"""What the close of a day reads of an account's people and plans, as columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.books import Book, Profile
from pipeline.hashing import hash_text
from pipeline.people import CHAMPION, DETRACTOR, KEY_ROLES, PROMOTER, SPONSOR, has_role, holder
from pipeline.plans import NO_DUE_MS, next_due_ms
from schemas.topics import DAY_MS

ANSWER_DAYS = 180
"""An NPS answer speaks for its contact for so long."""
ONBOARDING = "onboarding"
"""The lifecycle stage in which progress is expected."""

RELATIONS: dict[str, tuple[str, Any]] = {
    "next_goal_ms": ("i8", NO_DUE_MS),
    "onboarding": ("?", False),
    "milestones_left": ("?", False),
    "progress_ms": ("i8", -1),
    "roles_known": ("?", False),
    "sponsor_known": ("?", False),
    "key_contact": ("?", False),
    "review_ms": ("i8", -1),
    "promoter_until_ms": ("i8", -1),
    "detractor_until_ms": ("i8", -1),
    "delight_ms": ("i8", -1),
    "expanded_ms": ("i8", -1),
    "quota": ("f8", np.nan),
    "champion": ("u8", 0),
    "sponsor_user": ("u8", 0),
}
"""Columns derived from books: type and default."""


def relations_of(book: Book) -> tuple[Any, ...]:
    """The figures of one account, in the order of `RELATIONS`."""
    profile, contacts = book.profile or Profile(), book.contacts.values()
    reached = [goal.reached_ms for goal in book.milestones.values() if goal.reached_ms is not None]
    roles = {contact.role for contact in contacts} - {None}
    promoters = [contact.nps_ms for contact in contacts if contact.nps is not None and contact.nps >= PROMOTER]
    detractors = [contact.nps_ms for contact in contacts if contact.nps is not None and contact.nps <= DETRACTOR]
    return (
        next_due_ms(book),
        profile.lifecycle_stage == ONBOARDING,
        any(goal.reached_ms is None for goal in book.milestones.values()),
        max(reached, default=-1),
        bool(roles),
        SPONSOR in roles,
        has_role(book, *KEY_ROLES),
        book.review_ms,
        _until_ms(promoters),
        _until_ms(detractors),
        book.delight_ms,
        book.expanded_ms,
        np.nan if profile.quota_actions is None else profile.quota_actions,
        _user_hash(holder(book, CHAMPION)),
        _user_hash(holder(book, SPONSOR)),
    )


def _user_hash(contact_id: str | None) -> int:
    """The key of a contact among the account's users, whose ids are the contacts'; 0 for nobody."""
    return hash_text(contact_id) if contact_id else 0


def _until_ms(answered_ms: list[int]) -> int:
    return max(answered_ms) + ANSWER_DAYS * DAY_MS if answered_ms else -1
