"""What a change of settings would change: alerts and cases gained, lost and moved, and what that costs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.backtest.report import day_of
from agents.backtest.run import told
from pipeline.scoring.labels import Label, MatchReport, match
from schemas.errors import UsageError
from schemas.topics import DAY_MS

MOVED_DAYS = 28
"""An alert of the same account, kind and dimension within so many days is the same, moved."""
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """What a replay gave with the settings of one file."""

    name: str
    config_hash: str
    alerts: Sequence[Record]
    """Every revision."""
    cases: Sequence[Record]
    """Every revision."""
    outcomes: Mapping[str, Any] | None
    """Of `outcomes.outcome_report`, if there are labels with outcomes."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An alert or a case, and when it opened; `key` says what it is about: account, kind and more."""

    key: tuple[str, ...]
    at_ms: int
    record: Record


@dataclass(frozen=True, slots=True)
class Changes:
    """Openings of two replays that belong together, and those that do not."""

    same: int
    moved: list[tuple[Opening, Opening]]
    lost: list[Opening]
    gained: list[Opening]


def compare(before: Side, after: Side, *, version: str, labels: Sequence[Label] | None) -> dict[str, Any]:
    """The difference in JSON types.

    Args:
        before: with the settings of the first file.
        after: with those of the second.
        version: of this release.
        labels: what is known to have happened.
    """
    sides = (before, after)
    return {
        "version": version,
        "settings": [{"name": side.name, "config_hash": side.config_hash} for side in sides],
        "alerts": _document(_alert_openings, _described_alert, before, after),
        "cases": _document(_case_openings, _described_case, before, after),
        "labels": None if labels is None else _labels(*(match(labels, told(side.alerts)) for side in sides)),
        "outcomes": None if before.outcomes is None or after.outcomes is None else _outcomes(*sides),
    }


def changes_of(before: Iterable[Opening], after: Iterable[Opening]) -> Changes:
    """Pair openings about the same that are at most `MOVED_DAYS` apart, the nearest first."""
    same, moved, lost, gained = 0, list[tuple[Opening, Opening]](), list[Opening](), list[Opening]()
    for olds, news in _by_key(before, after).values():
        pairs = sorted(
            (abs(new.at_ms - old.at_ms), place, other)
            for place, old in enumerate(olds)
            for other, new in enumerate(news)
            if abs(new.at_ms - old.at_ms) <= MOVED_DAYS * DAY_MS
        )
        left, right = dict(enumerate(olds)), dict(enumerate(news))
        for _, place, other in pairs:
            if place in left and other in right:
                old, new = left.pop(place), right.pop(other)
                if day_of(old.at_ms) == day_of(new.at_ms):
                    same += 1
                else:
                    moved.append((old, new))
        lost += left.values()
        gained += right.values()
    moved.sort(key=lambda pair: _in_order(pair[1]))
    return Changes(same, moved, sorted(lost, key=_in_order), sorted(gained, key=_in_order))


def _in_order(opening: Opening) -> tuple[int, tuple[str, ...]]:
    return opening.at_ms, opening.key


def _by_key(
    before: Iterable[Opening], after: Iterable[Opening]
) -> Mapping[tuple[str, ...], tuple[list[Opening], list[Opening]]]:
    found: defaultdict[tuple[str, ...], tuple[list[Opening], list[Opening]]] = defaultdict(lambda: ([], []))
    for number, openings in enumerate((before, after)):
        for each in openings:
            found[each.key][number].append(each)
    return found


def _alert_openings(side: Side) -> list[Opening]:
    return [
        Opening((alert["account_id"], alert["kind"], alert["dimension"]), alert["detected_at"], alert)
        for alert in told(side.alerts)
        if alert["revision"] == 1
    ]


def _case_openings(side: Side) -> list[Opening]:
    return [
        Opening((case["account_id"], case["subject"]), case["opened_at"], case)
        for case in told(side.cases)
        if case["revision"] == 1
    ]


def _document(
    openings: Callable[[Side], list[Opening]], described: Callable[[Opening], dict[str, Any]], *sides: Side
) -> dict[str, Any]:
    before, after = map(openings, sides)
    changes = changes_of(before, after)
    moved = [
        {**described(new), "day": str(day_of(old.at_ms)), "moved_to": str(day_of(new.at_ms))}
        for old, new in changes.moved
    ]
    counts = {
        "before": Counter(each.key[1] for each in before),
        "after": Counter(each.key[1] for each in after),
        "gained": Counter(each.key[1] for each in changes.gained),
        "lost": Counter(each.key[1] for each in changes.lost),
        "moved": Counter(new.key[1] for _, new in changes.moved),
    }
    kinds = sorted(counts["before"] | counts["after"])
    return {
        "before": len(before),
        "after": len(after),
        "same": changes.same,
        "by_kind": [{"kind": kind, **{name: count[kind] for name, count in counts.items()}} for kind in kinds],
        "gained": [described(each) for each in changes.gained],
        "lost": [described(each) for each in changes.lost],
        "moved": moved,
    }


def _described_alert(opening: Opening) -> dict[str, Any]:
    names = ("account_id", "kind", "dimension", "severity", "summary", "alert_id")
    return {"day": str(day_of(opening.at_ms)), **{name: opening.record[name] for name in names}}


def _described_case(opening: Opening) -> dict[str, Any]:
    names = ("account_id", "subject", "lead_kind", "severity", "summary", "case_id")
    return {"day": str(day_of(opening.at_ms)), **{name: opening.record[name] for name in names}}


def _labels(before: MatchReport, after: MatchReport) -> dict[str, Any]:
    found = [{finding.label for finding in side.findings if finding.found} for side in (before, after)]
    return {
        "total": len(before.findings),
        "found": [before.found, after.found],
        "recall": [_rounded(before.recall), _rounded(after.recall)],
        "unexplained": [len(before.unmatched), len(after.unmatched)],
        "missed_now": [_label(each) for each in sorted(found[0] - found[1], key=_label_order)],
        "found_now": [_label(each) for each in sorted(found[1] - found[0], key=_label_order)],
    }


def _label_order(label: Label) -> tuple[int, str, str]:
    return label.at_ms, label.account_id, label.kind


def _label(label: Label) -> dict[str, str]:
    return {"account_id": label.account_id, "kind": label.kind, "day": str(day_of(label.at_ms))}


def _outcomes(*sides: Side) -> dict[str, Any]:
    told_of = [side.outcomes or {} for side in sides]
    return {
        "recall": {
            str(row["lead_days"]): [row["recall"], other["recall"]]
            for row, other in zip(*(each["leads"] for each in told_of), strict=True)
        },
        "false_alarms": [each["down"]["false_alarms"] for each in told_of],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


GATES: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "gained": lambda found: len(found["alerts"]["gained"]),
    "lost": lambda found: len(found["alerts"]["lost"]),
    "moved": lambda found: len(found["alerts"]["moved"]),
    "cases_gained": lambda found: len(found["cases"]["gained"]),
    "cases_lost": lambda found: len(found["cases"]["lost"]),
    "recall_lost": lambda found: _fall(found["labels"], "recall"),
    "labels_missed": lambda found: None if found["labels"] is None else len(found["labels"]["missed_now"]),
    "unexplained": lambda found: _rise(found["labels"], "unexplained"),
    "false_alarms": lambda found: _rise(found["outcomes"], "false_alarms"),
}
"""What a change may cost at most: alerts and cases by count, recall as a share of labels, others as a rise."""


def gates_of(texts: Iterable[str]) -> dict[str, float]:
    """Limits by name, of texts like `lost=5`. Raises UsageError."""
    limits = {}
    for text in texts:
        name, equals, limit = text.partition("=")
        try:
            limits[name.strip()] = float(limit)
        except ValueError:
            equals = ""
        if not equals or name.strip() not in GATES:
            message = f"--gate {text}: write NAME=LIMIT with one of {', '.join(GATES)}"
            raise UsageError(message)
    return limits


def held_against(found: Mapping[str, Any], limits: Mapping[str, float]) -> list[dict[str, Any]]:
    """Each limit with what was found, and whether it is kept.

    Raises:
        UsageError: a limit is about labels or outcomes, and there are none.
    """
    gates = []
    for name, limit in limits.items():
        value = GATES[name](found)
        if value is None:
            message = f"--gate {name} needs --labels" + (" with outcomes" if name == "false_alarms" else "")
            raise UsageError(message)
        gates.append({"gate": name, "limit": limit, "value": value, "ok": value <= limit})
    return gates


def _rise(part: Mapping[str, Any] | None, name: str) -> float | None:
    if part is None or None in part[name]:
        return None
    before, after = part[name]
    return float(after - before)


def _fall(part: Mapping[str, Any] | None, name: str) -> float | None:
    rise = _rise(part, name)
    return None if rise is None else round(-rise, 4)
