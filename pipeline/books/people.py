"""People of the customer on an account's book: contacts and their roles, what they answer, meetings they keep."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from pipeline.books.book import Book, Contact, Meeting
from pipeline.books.facts import Fact
from pipeline.books.signals import PULSES, QUALITY, reading_of
from pipeline.terms.kind import Person

SPONSOR, CHAMPION = "sponsor", "champion"
KEY_ROLES = frozenset({CHAMPION, "decision_maker", "admin"})
"""Roles of which an account should have someone."""
LEAVING = {"contact_left": None, "sponsor_left": SPONSOR, "champion_left": CHAMPION}
"""Signal types that say somebody left, and the role that they imply."""
STAFFING = {**LEAVING, "contact_joined": None, "contact_changed": None, "sponsor_changed": SPONSOR}
HELD = frozenset({"meeting_held", "review_held"})
MEETINGS = HELD | {"meeting_missed"}
MAX_MEETINGS = 12
PROMOTER, DETRACTOR = 0.9, 0.6
"""On the scale 0…1: 9 and 10 of 10 promote, 0 to 6 detract."""
DISSATISFIED = 0.25
"""2 of 5."""
NEUTRAL_POINTS = {"nps": 7.0, "csat": 3.0, "pulse": 3.0}
"""The lowest answers that are not bad."""
POOR_QUALITY = 0.6
"""Reviews of support below it are poor."""


def apply_people(book: Book, event: Mapping[str, Any], limit: int) -> list[Fact]:
    """Bring contacts and meetings up to date with one signal; returns what immediate rules act on."""
    kind = event["type"]
    if kind in STAFFING:
        return _staffing(book, event, limit)
    if kind in MEETINGS:
        return _meeting(book, event)
    if kind == "training_completed":
        return _trained(book, event, limit)
    if kind == "nps":
        return _nps(book, event, limit)
    if kind in QUALITY | PULSES:
        return _pulse(event) if kind in PULSES else _quality(event)
    return _csat(book, event) if kind == "csat" else []


def contact_of(book: Book, event: Mapping[str, Any], limit: int) -> Contact:
    """The contact that an event names, or the nameless one; of too many the one not heard of for longest goes."""
    key = event["contact_id"] or ""
    contact = book.contacts.get(key)
    if contact is None:
        if len(book.contacts) >= limit:
            del book.contacts[min(book.contacts, key=lambda name: (book.contacts[name].touched_ms, name))]
        contact = book.contacts[key] = Contact()
    contact.touched_ms = max(contact.touched_ms, event["occurred_at"])
    return contact


def has_role(book: Book, *roles: str) -> bool:
    """Whether somebody who is there has one of the roles."""
    return any(contact.present and contact.role in roles for contact in book.contacts.values())


def roles_there(book: Book) -> set[str]:
    """Roles of the contacts who are there."""
    return {contact.role for contact in book.contacts.values() if contact.present and contact.role}


def holder(book: Book, role: str) -> str | None:
    """Id of the contact who is there with the role; of several the one of whom it was said last, by id if at once."""
    known = [(one.as_of_ms, key) for key, one in book.contacts.items() if one.present and one.role == role and key]
    return max(known)[1] if known else None


def person(book: Book, whom: Person) -> str:
    """Id of the contact whom a kind is about; empty where it is not known."""
    if whom == "delighted":
        return book.delighted
    if whom == "promoter":
        answers = [(one.nps_ms, key) for key, one in book.contacts.items() if (one.nps or 0.0) >= PROMOTER]
        return max(answers, default=(0, ""))[1]
    return holder(book, whom) or ""


def delight(book: Book, at_ms: int, who: str) -> None:
    """Note that somebody was delighted; of several at once the one who was told of last."""
    if at_ms >= book.delight_ms:
        book.delight_ms, book.delighted = at_ms, who


def _staffing(book: Book, event: Mapping[str, Any], limit: int) -> list[Fact]:
    kind, at_ms = event["type"], event["occurred_at"]
    contact = contact_of(book, event, limit)
    if at_ms < contact.as_of_ms:
        return []
    before = contact.role if contact.present else None
    contact.as_of_ms = at_ms
    contact.present = kind not in LEAVING
    contact.role = STAFFING[kind] or event["role"] or contact.role
    facts = []
    for role in (SPONSOR, CHAMPION):
        if contact.present and contact.role == role:
            facts.append(Fact(f"{role}_named", role, at_ms))
            if role not in book.held_roles:
                book.held_roles.append(role)
        elif (before == role or LEAVING.get(kind) == role) and not has_role(book, role):
            facts.append(Fact(f"{role}_lost", role, at_ms, who=event["contact_id"] or ""))
            if role not in book.held_roles:
                book.held_roles.append(role)
    return facts


def _trained(book: Book, event: Mapping[str, Any], limit: int) -> list[Fact]:
    contact = book.contacts.get(event["contact_id"] or "")
    role = event["role"] or (contact.role if contact else None)
    if role and role not in book.trained and len(book.trained) < limit:
        book.trained.append(role)
    return []


def _meeting(book: Book, event: Mapping[str, Any]) -> list[Fact]:
    at_ms, held = event["occurred_at"], event["type"] in HELD
    place = bisect_right(book.meetings, at_ms, key=lambda meeting: meeting.at_ms)
    book.meetings.insert(place, Meeting(at_ms, held))
    later = len(book.meetings) - 1 - place
    del book.meetings[:-MAX_MEETINGS]
    if event["type"] == "review_held":
        book.review_ms = max(book.review_ms, at_ms)
    if held:
        return [Fact("meeting_held", "meetings", at_ms)]
    missed = next((n for n, meeting in enumerate(reversed(book.meetings)) if meeting.held), len(book.meetings))
    if missed < 2 or later >= missed:
        return []
    return [Fact("meetings_missed", "meetings", at_ms, float(missed), 0.0, float(missed))]


def _nps(book: Book, event: Mapping[str, Any], limit: int) -> list[Fact]:
    """An answer newer than the contact's last: good, bad, or bad from one who used to promote."""
    reading = reading_of(event)
    if reading is None:
        return []
    key, at_ms, value = event["contact_id"] or "", event["occurred_at"], reading.value
    contact = contact_of(book, event, limit)
    if at_ms < contact.nps_ms:
        return []
    before, contact.nps, contact.nps_ms = contact.nps, value, at_ms
    if value >= PROMOTER:
        delight(book, at_ms, key)
    if value > DETRACTOR:
        contact.swung = False
        return [Fact("nps_fine", key, at_ms)]
    contact.swung = contact.swung or (key != "" and before is not None and before >= PROMOTER)
    name = "nps_swung" if contact.swung else "nps_low"
    return [_low(name, key, at_ms, 10.0 * value, NEUTRAL_POINTS["nps"], key)]


def _csat(book: Book, event: Mapping[str, Any]) -> list[Fact]:
    reading = reading_of(event)
    if reading is None:
        return []
    key, at_ms = event["contact_id"] or "", event["occurred_at"]
    if reading.value >= 1.0:
        delight(book, at_ms, key)
    if reading.value > DISSATISFIED:
        return [Fact("csat_fine", key, at_ms)]
    return [_low("csat_low", key, at_ms, 1.0 + 4.0 * reading.value, NEUTRAL_POINTS["csat"], key)]


def _quality(event: Mapping[str, Any]) -> list[Fact]:
    reading = reading_of(event)
    if reading is None:
        return []
    at_ms, points = event["occurred_at"], 100.0 * reading.value
    if reading.value >= POOR_QUALITY:
        return [Fact("quality_fine", "support", at_ms)]
    return [_low("quality_low", "support", at_ms, points, 100.0 * POOR_QUALITY)]


def _pulse(event: Mapping[str, Any]) -> list[Fact]:
    reading = reading_of(event)
    if reading is None:
        return []
    at_ms = event["occurred_at"]
    if reading.value > DISSATISFIED:
        return [Fact("pulse_fine", "pulse", at_ms)]
    return [_low("pulse_low", "pulse", at_ms, 1.0 + 4.0 * reading.value, NEUTRAL_POINTS["pulse"])]


def _low(name: str, key: str, at_ms: int, points: float, neutral: float, who: str = "") -> Fact:
    return Fact(name, key, at_ms, points, neutral, neutral - points, who=who)
