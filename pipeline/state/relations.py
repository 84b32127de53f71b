"""What the close of a day reads of an account's people and plans, as columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.books.book import Book, Profile
from pipeline.books.people import CHAMPION, DETRACTOR, KEY_ROLES, PROMOTER, SPONSOR, has_role, holder
from pipeline.books.plans import NO_DUE_MS, next_due_ms
from pipeline.terms.hashing import hash_text
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

NO_PROFILE = Profile()
NO_CONTACTS = (False, False, False, -1, -1, 0, 0)
"""What an account without any contact has."""


def relations_of(book: Book) -> tuple[Any, ...]:
    """The figures of one account, in the order of `RELATIONS`."""
    profile = book.profile or NO_PROFILE
    roles, sponsor_known, key_contact, promoter_until_ms, detractor_until_ms, champion, sponsor = (
        _of_contacts(book) if book.contacts else NO_CONTACTS
    )
    reached = [goal.reached_ms for goal in book.milestones.values()]
    return (
        next_due_ms(book),
        profile.lifecycle_stage == ONBOARDING,
        None in reached,
        max((at_ms for at_ms in reached if at_ms is not None), default=-1),
        roles,
        sponsor_known,
        key_contact,
        book.review_ms,
        promoter_until_ms,
        detractor_until_ms,
        book.delight_ms,
        book.expanded_ms,
        np.nan if profile.quota_actions is None else profile.quota_actions,
        champion,
        sponsor,
    )


def _of_contacts(book: Book) -> tuple[bool, bool, bool, int, int, int, int]:
    promoters, detractors, roles = [], [], set()
    for contact in book.contacts.values():
        if contact.nps is not None:
            if contact.nps >= PROMOTER:
                promoters.append(contact.nps_ms)
            elif contact.nps <= DETRACTOR:
                detractors.append(contact.nps_ms)
        if contact.role is not None:
            roles.add(contact.role)
    answers = _until_ms(promoters), _until_ms(detractors)
    if not roles:
        return (False, False, False, *answers, 0, 0)
    champion, sponsor = _user_hash(holder(book, CHAMPION)), _user_hash(holder(book, SPONSOR))
    return (True, SPONSOR in roles, has_role(book, *KEY_ROLES), *answers, champion, sponsor)


def _user_hash(contact_id: str | None) -> int:
    """The key of a contact among the account's users, whose ids are the contacts'; 0 for nobody."""
    return hash_text(contact_id) if contact_id else 0


def _until_ms(answered_ms: list[int]) -> int:
    return max(answered_ms) + ANSWER_DAYS * DAY_MS if answered_ms else -1
