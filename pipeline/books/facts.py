"""Facts: what one record says has happened to an account, in the words that rules refer to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened at `at_ms` to the invoice, ticket or contact `key`."""

    name: str
    key: str
    at_ms: int
    observed: float = 1.0
    expected: float = 0.0
    evidence: float = 1.0
    due_ms: int | None = None
    """When it takes effect, if that is later."""
    who: str = ""
    """The contact who said or did it, if that is known."""
