"""Alert records: identity and content.

An alert's content is a function of the account's state and of event time, so the same id and revision always carry
the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, log
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pipeline.alerts.case_ids import case_key, current_id
from pipeline.alerts.lifecycle import Change
from pipeline.books.book import Book, Context, Episode
from pipeline.config import EngineConfig
from pipeline.terms.days import Days
from pipeline.terms.kind import Kind
from pipeline.terms.money import MINOR_UNITS, money
from schemas.topics import DAY_MS

NAMESPACE = uuid5(NAMESPACE_URL, "https://foreshock.example/alerts")
MAX_SUMMARY = 140
TIME = frozenset({"days", "hours"})
"""Units of kinds whose figures are spans of time: no percentage of them says anything."""
MAX_CAUSES = 3
MAX_CONTRIBUTORS = 5
AWAY_DAYS = 3
"""Who was not active for so long is named with the last day."""


def contact(who: str) -> dict[str, Any]:
    """A contact as alerts name one, without what is known of their use."""
    return {"kind": "contact", "ref": who, "change": None, "last_active_at": None}


def alert_id(account_id: str, kind: str, dimension: str, starts_at_ms: int) -> UUID:
    """Identity of an episode's alert."""
    return uuid5(NAMESPACE, f"{account_id}|{kind}|{dimension}|{starts_at_ms}")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What surrounds an alert: figures of the account that explain it, as of the decision."""

    window_start_ms: int
    window_end_ms: int
    dimensions: Sequence[dict[str, Any]] = ()
    contributors: Sequence[dict[str, Any]] = ()
    joined: Sequence[str] = ()
    """What has followed, in words."""
    health: dict[str, Any] | None = None
    baseline_days: int = 0
    provisional: bool = False
    benchmark: dict[str, Any] | None = None


@dataclass(slots=True)
class Alerting:
    """Turns changes of episodes into alert records."""

    config: EngineConfig
    shadow_cards: frozenset[str] = frozenset()
    """Scorecards whose alerts go to `alerts.shadow` only."""
    config_hash: str = field(init=False)
    days: Days = field(init=False)
    _threshold: float = field(init=False)

    def __post_init__(self) -> None:
        self.config_hash = self.config.config_hash
        self.days = Days(self.config.timezone)
        self._threshold = log(self.config.run_length_days)

    def record(
        self,
        kind: Kind,
        account_id: str,
        book: Book,
        episode: Episode,
        change: Change,
        explanation: Explanation,
        day: int,
    ) -> dict[str, Any]:
        """The alert record of one change of an episode of the kind, as in schemas/alert.avsc.

        `day` is the one that is judged. The book keeps what the alert says.
        """
        context, shadow = book.context, self.in_shadow(kind, episode)
        texts = self._texts(kind, account_id, book, episode, change, explanation)
        summary = next((text for text in texts if len(text) <= MAX_SUMMARY), texts[-1])[:MAX_SUMMARY]
        if (live := book.episode(kind.name, episode.dimension)) is not None:
            live.summary = summary
        return {
            "alert_id": str(alert_id(account_id, kind.name, episode.dimension, episode.starts_at_ms)),
            "revision": episode.revision,
            "status": change.status,
            "transition_reason": change.reason,
            "account_id": account_id,
            "parent_account_id": context.parent_account_id,
            "family": kind.family,
            "kind": kind.name,
            "dimension": episode.dimension,
            "level": kind.level,
            "severity": episode.severity,
            "score": kind.score(episode.severity, episode.evidence),
            "starts_at": episode.starts_at_ms,
            "ends_at": change.ends_at_ms,
            "detected_at": episode.detected_at_ms,
            "updated_at": change.at_ms,
            "onset": self._onset(episode),
            "signal": _signal(kind, book, episode, explanation),
            "dimensions": list(explanation.dimensions),
            "evidence": self._evidence(kind, episode, explanation),
            "top_contributors": list(explanation.contributors),
            "health": explanation.health,
            "context": context_record(context, change.at_ms, at_risk=kind.family == "risk"),
            "owner": context.owner,
            "due_at": episode.due_ms,
            "play": {
                "id": kind.play.id,
                "title": kind.play.title,
                "due_at": episode.detected_at_ms + kind.play.days * DAY_MS,
            },
            "summary": summary,
            "description": f"{texts[0]}. {kind.play.title}.",
            "config_hash": self.config_hash,
            "shadow": shadow,
            "benchmark": explanation.benchmark,
            "joined": list(episode.joined),
            "case_id": current_id(account_id, book, case_key(kind.family, account_id, shadow=shadow), day),
            "points": [{"criterion": name, "points": points} for name, points in episode.points or ()],
        }

    def _onset(self, episode: Episode) -> dict[str, int] | None:
        if episode.onset is None:
            return None
        estimate, low, high = (self.days.start_ms(day) for day in episode.onset)
        return {"estimate": estimate, "low": low, "high": high}

    def _due(self, episode: Episode) -> str:
        return "" if episode.due_ms is None else f" as of {self.days.date_of(episode.due_ms)}"

    def _texts(
        self, kind: Kind, account_id: str, book: Book, episode: Episode, change: Change, explanation: Explanation
    ) -> list[str]:
        """What the alert says in a sentence: all of it, and less and less."""
        # Whoever is about when it ends is not whom it was about; the contact is remembered.
        goes_on = change.status == "firing"
        named = [each for each in explanation.contributors if goes_on or each["kind"] == "contact"]
        following = f"; {', '.join(explanation.joined)}" if explanation.joined else ""
        words = [self._words(named, most, explanation) for most in range(MAX_CONTRIBUTORS, -1, -1)]
        due = {"due": self._due(episode)}
        *full, plain = [_summary(kind, account_id, book, episode, each | due) for each in words]
        # Who it is tells more than what has followed.
        return [*(text + following for text in full), *full, plain + following, plain]

    def _words(self, named: Sequence[dict[str, Any]], most: int, explanation: Explanation) -> dict[str, str]:
        """Who it is, by kind of contributor, in brackets: so many of each, those who stay away with their last day."""
        by_kind: dict[str, list[str]] = {"contact": [], "role": [], "team": [], "user": [], "quiet": []}
        for each in named:
            last_ms, words = each["last_active_at"], each["ref"]
            if last_ms is not None and last_ms < explanation.window_end_ms - AWAY_DAYS * DAY_MS:
                words = f"{words}, last on {self.days.date_of(last_ms)}"
            if last_ms is not None and last_ms < explanation.window_start_ms:
                by_kind["quiet"].append(words)
            by_kind.setdefault(each["kind"], []).append(words)
        return {kind: _in_brackets(words, most) for kind, words in by_kind.items()}

    def in_shadow(self, kind: Kind, episode: Episode) -> bool:
        """Whether nobody is told of an alert of the kind."""
        card = episode.dimension if kind.of_card else ""
        return kind.name in self.config.shadow_kinds or card in self.shadow_cards

    def _evidence(self, kind: Kind, episode: Episode, explanation: Explanation) -> dict[str, Any]:
        statistical = kind.evidence == "log"
        return {
            "method": kind.method,
            "method_version": 1,
            "value": _plain(episode.evidence),
            "threshold": round(self._threshold, 6) if statistical else None,
            "arl_days": round(self.config.run_length_days, 6) if statistical else None,
            "expected_false_alerts_per_owner_week": (
                round(self.config.expected_false_per_owner_week, 6) if statistical else None
            ),
            "baseline_days": explanation.baseline_days,
            "provisional": explanation.provisional,
        }


def _signal(kind: Kind, book: Book, episode: Episode, explanation: Explanation) -> dict[str, Any]:
    return {
        "metric": episode.dimension if not kind.immediate else kind.name,
        "unit": kind.unit,
        "direction": kind.direction,
        "observed": _plain(episode.observed),
        "expected": _plain(episode.expected),
        "change_pct": None if kind.unit in TIME else change_pct(episode.observed, episode.expected),
        "window_start": explanation.window_start_ms,
        "window_end": explanation.window_end_ms,
        "currency": _currency(kind, book, episode),
    }


def _currency(kind: Kind, book: Book, episode: Episode) -> str | None:
    """Of the figures, if they are the money of a subscription whose currency is known."""
    subscription = book.subscriptions.get(episode.dimension) if kind.unit == MINOR_UNITS else None
    return (subscription.currency or None) if subscription is not None else None


def causes(episode: Episode) -> str:
    """What moved a score, the first three in whole points; all else is "other", so that they add up."""
    if not episode.points:
        return ""
    left = round(episode.observed) - round(episode.expected)
    sign, parts = (-1 if left < 0 else 1), []
    for criterion, points in episode.points[:MAX_CAUSES]:
        whole = round(points)
        if sign * whole > 0:
            parts.append(f"{_in_words(criterion)} {whole:+d}")
            left -= whole
    if left and parts:
        parts.append(f"other {left:+d}")
    return f": {', '.join(parts)}" if parts else ""


def _in_words(criterion: str) -> str:
    return criterion.rpartition(":")[2].replace("_", " ")


def _in_brackets(words: Sequence[str], most: int) -> str:
    """The first of several, and how many more there are; nothing without any."""
    shown, more = words[:most], len(words) - most
    if not shown:
        return ""
    return f" ({'; '.join([*shown, f'{more} more'] if more > 0 else shown)})"


def _summary(kind: Kind, account_id: str, book: Book, episode: Episode, words: dict[str, str]) -> str:
    figures: dict[str, float | str] = {"observed": episode.observed, "expected": episode.expected}
    if kind.unit == MINOR_UNITS:
        currency = _currency(kind, book, episode)
        figures = {name: money(float(figure), currency) for name, figure in figures.items()}
    return kind.summary.format(
        name=book.context.name or account_id,
        **figures,
        dimension=episode.dimension or "the account",
        moved="fell" if episode.observed < episode.expected else "rose",
        causes=causes(episode),
        **words,
    )


def context_record(context: Context, at_ms: int, *, at_risk: bool) -> dict[str, Any]:
    """What the account is worth and when it renews."""
    renewal = context.renewal_at_ms
    return {
        "segment": context.segment,
        "lifecycle_stage": context.lifecycle_stage,
        "stage_since": context.stage_since_ms,
        "touch_model": context.touch_model,
        "plan": context.plan,
        "arr_minor": context.arr_minor,
        "currency": context.currency,
        "renewal_at": renewal,
        "days_to_renewal": (renewal - at_ms) // DAY_MS if renewal is not None else None,
        "arr_at_risk_minor": context.arr_minor if at_risk else None,
        "arr_by_currency": context.arr_by_currency,
    }


def _plain(value: float) -> float:
    """A finite figure without noise in its last digits."""
    return round(float(value), 6) if isfinite(value) else 0.0


def optional(value: float) -> float | None:
    """A figure, or nothing when it is not finite."""
    return round(float(value), 6) if isfinite(value) else None


def change_pct(observed: float, expected: float) -> float | None:
    """Relative change in percent; nothing against an expectation of zero."""
    if not (isfinite(observed) and isfinite(expected)) or expected == 0:
        return None
    return round(100.0 * (float(observed) - float(expected)) / float(expected), 2)


def state_of(observed: float, expected: float) -> str:
    """Whether a dimension is down, flat (within 15 %) or up; unknown without an expectation."""
    change = change_pct(observed, expected)
    if change is None:
        return "unknown"
    return "down" if change < -15 else "up" if change > 15 else "flat"
