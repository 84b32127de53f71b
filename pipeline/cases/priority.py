"""What to look at first: how sure, how much is at stake, how soon; the same scale for all accounts."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.books.book import Context
from pipeline.books.cases import Seen
from pipeline.terms.money import major
from schemas.topics import DAY_MS

MOST_SCORE = 20.0
HALF_STAKE = 100_000.0
"""Annual revenue, in whole units of its currency, at which half of what money can add to the stake is reached."""
LEAST_STAKE, UNKNOWN_STAKE = 0.2, 0.5
_GRAVITY = {"info": 0.2, "warning": 0.4, "error": 0.6, "critical": 0.8}
_SOON = ((30, 0.2), (90, 0.1))
"""Days to the renewal, and what they add."""
_LATE = 0.1
"""What a step that was due adds."""


class Priority(NamedTuple):
    """0 to 1 each; the product in percent is the priority."""

    sureness: float
    stake: float
    urgency: float

    @property
    def value(self) -> int:
        """0 to 100."""
        return round(100.0 * self.sureness * self.stake * self.urgency)


NOTHING = Priority(0.0, 0.0, 0.0)


def priority(lead: Seen, context: Context, now_ms: int, *, overdue: bool, of_all: bool) -> Priority:
    """Of a case with this lead as of a time; what is `of_all` accounts has everything at stake."""
    urgency = _GRAVITY[lead.severity] + (_LATE if overdue else 0.0)
    renewal_ms = context.renewal_at_ms
    if renewal_ms is not None and renewal_ms >= now_ms:
        urgency += next((adds for days, adds in _SOON if renewal_ms - now_ms <= days * DAY_MS), 0.0)
    stake = 1.0 if of_all else _stake(context)
    return Priority(round(lead.score / MOST_SCORE, 2), stake, round(min(1.0, urgency), 2))


def _stake(context: Context) -> float:
    if context.arr_minor is None:
        return UNKNOWN_STAKE
    arr = max(0.0, major(context.arr_minor, context.currency))
    return round(LEAST_STAKE + (1.0 - LEAST_STAKE) * arr / (arr + HALF_STAKE), 2)
