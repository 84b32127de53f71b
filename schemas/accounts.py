"""Account ids that no customer may have: alerts of the whole fleet and of its segments stand under them."""

from __future__ import annotations

FLEET = "fleet"
"""A segment's name follows a colon."""
RESERVED = f"{FLEET} and what begins with {FLEET}: stand for all accounts and for segments"

TAKES_NO_COMMANDS = "what is of all accounts or of a segment takes no commands; it ends by itself"


def of_fleet(account_id: str) -> bool:
    """Whether alerts under this id are those of the fleet or of a segment."""
    return account_id.partition(":")[0] == FLEET


_SUBJECTS = {"risk": "risk", "expansion": "growth", "advocacy": "growth", "data_quality": "data", "system": "fleet"}
"""What cases are about, by the family of their alerts."""


def subject_of(family: str, account_id: str) -> str:
    """What the case is about that an alert belongs to."""
    subject = _SUBJECTS[family]
    return "feed" if subject == "data" and of_fleet(account_id) else subject
