"""How often each kind of alert is raised, and what people say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from pipeline.kinds import KNOWN
from schemas.topics import DAY_MS
from sinks.database import tables
from sinks.database.account import OPEN

DAYS = 28
_FEEDBACK = text("SELECT kind, segment, useful, false_alarm, known, late FROM v_feedback")
VERDICTS = ("useful", "false_alarm", "known", "late")
_SILENCE = dict.fromkeys(VERDICTS, 0)


@dataclass(frozen=True, slots=True)
class KindUse:
    """What became of one kind."""

    open: int
    """Alerts that are open now."""
    raised: int
    """Alerts of the last `DAYS` days before the last close."""
    useful: int
    false_alarm: int
    known: int
    late: int

    @property
    def judged(self) -> int:
        """How many were judged by people."""
        return self.useful + self.false_alarm + self.known + self.late


Feedback = Mapping[str, Mapping[str, int]]
"""How often people gave each verdict, by kind."""


def kinds(connection: Connection, last_close_ms: int, told: Feedback | None = None) -> dict[str, KindUse]:
    """By name of the kind; those that were never raised are left out. `told`: as `feedback` said lately."""
    told = feedback(connection) if told is None else told
    of = tables.alerts.c
    lately = of.detected_at_ms >= last_close_ms - DAYS * DAY_MS
    raised = select(of.kind, func.count()).where(of.kind.in_(sorted(KNOWN)), lately).group_by(of.kind)
    standing = select(of.kind, func.count()).where(of.status.in_(OPEN), ~of.shadow).group_by(of.kind)
    counts: list[dict[str, int]] = [dict(connection.execute(query).all()) for query in (raised, standing)]
    found = {}
    for kind in sorted({*counts[0], *counts[1], *told}):
        found[kind] = KindUse(counts[1].get(kind, 0), counts[0].get(kind, 0), **told.get(kind, _SILENCE))
    return found


def feedback(connection: Connection) -> dict[str, dict[str, int]]:
    """How often people gave each verdict, by kind; without those of which nobody said anything."""
    return {kind: said for (kind, segment), said in feedback_by_segment(connection).items() if segment is None}


def feedback_by_segment(connection: Connection) -> dict[tuple[str, str | None], dict[str, int]]:
    """The same by kind and segment; that of all accounts is of the segment None."""
    found: dict[tuple[str, str | None], dict[str, int]] = {}
    for row in connection.execute(_FEEDBACK).mappings():
        for segment in {None, row["segment"]}:
            said = found.setdefault((row["kind"], segment), dict(_SILENCE))
            for verdict in VERDICTS:
                said[verdict] += int(row[verdict] or 0)
    return found
