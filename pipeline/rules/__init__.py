"""The immediate rules: facts of one topic that alert with the record that brought them.

Each row of `billing`, `tickets` and `signals` is one kind of alert. `opened_by` and `ended_by` are names of facts; the
books of `pipeline.books` say when there is one. Rules read their own topic's state and the context of the last closed
day, nothing of another topic, so the order in which topics are read changes no alert.
"""

from __future__ import annotations

from pipeline.rules import billing, signals, tickets
from pipeline.rules.rule import Rule

RULES: tuple[Rule, ...] = (*billing.RULES, *tickets.RULES, *signals.RULES)
"""Every immediate rule."""


def by_fact(names: str) -> dict[str, tuple[Rule, ...]]:
    """Rules by the facts that open them (`opened_by`) or end them (`ended_by`)."""
    table: dict[str, tuple[Rule, ...]] = {}
    for rule in RULES:
        value = getattr(rule, names)
        for name in (value,) if isinstance(value, str) else value:
            table[name] = (*table.get(name, ()), rule)
    return table


OPENED_BY = by_fact("opened_by")
ENDED_BY = by_fact("ended_by")
