"""The alert log: every revision of every alert, and the episodes that are open."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.oracle.life import JOINING, OF_USE
from tests.oracle.model import Account, Episode, OracleConfig
from tests.oracle.work import identity, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://foreshock.example/alerts")
SEVERITIES = ("info", "warning", "error", "critical")


@dataclass(frozen=True)
class Finding:
    """What a detector says when it raises."""

    severity: str
    observed: float
    expected: float
    evidence: float
    onset: tuple[int, int, int] | None = None
    due_at_ms: int | None = None
    points: tuple[tuple[str, float], ...] = ()
    who: str = ""


@dataclass(frozen=True)
class Opening:
    """What identifies an episode and when it was decided."""

    kind: str
    dimension: str
    family: str
    starts_at_ms: int
    detected_at_ms: int
    day: int


def profile_of(account: Account, config: OracleConfig) -> dict[str, Any]:
    """Return the first health profile that matches an account, or an empty one."""
    for profile in config.profiles:
        wanted = {key: profile.get(f"{key}s") for key in ("segment", "lifecycle_stage", "touch_model")}
        if all(not values or account.context.get(key) in values for key, values in wanted.items()):
            return profile
    return {}


def is_off(kind: str, account: Account, config: OracleConfig) -> bool:
    """Tell whether a kind is switched off for an account, or waits for a setting."""
    waits = {
        "advocacy_moment": kind not in config.enabled_kinds,
        "weekly_drop": config.basic_drop_pct == 0,
        "stage_stalled": not config.stage_days,
    }
    disabled = (*config.disabled_kinds, *profile_of(account, config).get("disabled_kinds", ()))
    return kind in disabled or waits.get(kind, False)


class Alerts:
    """Opens, updates and ends episodes and writes down each revision."""

    def __init__(self, config: Callable[[], OracleConfig]) -> None:
        self._config = config
        self.records: dict[tuple[str, int], dict[str, Any]] = {}
        self.benchmark: dict[str, Any] | None = None
        """Of the account whose day is being closed."""
        self.day = 0
        """The one that is judged, or is open."""
        self.closing = False
        self.heeded = (-1, 0)
        """The last day whose commands are heeded, and the time that their end is compared with."""
        self.suppressed: list[tuple[str, str, str | None]] = []
        """Of the account whose day is being closed: kind, by what, by which alert."""

    def is_off(self, account: Account, kind: str) -> bool:
        """Tell whether a kind opens nothing for an account."""
        return is_off(kind, account, self._config())

    def open(self, account: Account, opening: Opening, finding: Finding, *, follows: bool = True) -> None:
        """Start an episode with revision 1, unless its kind is switched off or it joins the one it follows from."""
        if self.is_off(account, opening.kind):
            return
        last, now_ms = self.heeded
        if any(kind == opening.kind and day <= last and until > now_ms for _, until, kind, _, day in account.expected):
            if self.closing:
                self.suppressed.append((opening.kind, "expected", None))
            return
        name = f"{account.account_id}|{opening.kind}|{opening.dimension}|{opening.starts_at_ms}"
        episode = Episode(
            alert_id=str(uuid.uuid5(NAMESPACE, name)),
            kind=opening.kind,
            dimension=opening.dimension,
            family=opening.family,
            severity=finding.severity,
            starts_at_ms=opening.starts_at_ms,
            detected_at_ms=opening.detected_at_ms,
            opened_day=opening.day,
            observed=finding.observed,
            expected=finding.expected,
            evidence=finding.evidence,
            onset=finding.onset,
            due_at_ms=finding.due_at_ms,
            points=dict(finding.points),
            who=finding.who,
        )
        leader = self._leader(account, episode) if follows else None
        if leader is not None:
            self._join(account, leader, opening)
            return
        account.episodes[opening.kind, opening.dimension] = episode
        self._write(account, episode, "firing", "detected", opening.detected_at_ms, None)

    def _leader(self, account: Account, new: Episode) -> Episode | None:
        """Find the worst open alert about use that is no less severe, for what follows from such."""
        shadow = self._config().shadow_kinds
        if new.kind not in JOINING or new.kind in shadow:
            return None
        for severity in reversed(SEVERITIES[SEVERITIES.index(new.severity) :]):
            found = [
                each
                for each in account.episodes.values()
                if each.family == "risk" and each.kind in OF_USE and each.severity == severity
                if each.kind not in JOINING and each.kind not in shadow
            ]
            if found:
                return min(found, key=lambda each: (each.starts_at_ms, each.kind, each.dimension))
        return None

    def _join(self, account: Account, leader: Episode, following: Opening) -> None:
        if following.kind in leader.joined:
            return
        leader.joined.append(following.kind)
        if leader.muted:
            return
        last, at_ms = self.records[leader.alert_id, leader.revision], following.detected_at_ms
        if last["updated_at"] == at_ms and last["transition_reason"] != "late_data":
            last["joined"] = list(leader.joined)
            return
        leader.revision += 1
        self._write(account, leader, "firing", "detected", at_ms, None)

    def update(
        self, account: Account, episode: Episode, finding: Finding, reason: str, at_ms: int, *, falls: bool = False
    ) -> None:
        """Replace the values of an open episode; its severity never falls, unless told so. A rise wakes a muted one."""
        before = episode.severity
        episode.severity = finding.severity if falls else max(before, finding.severity, key=SEVERITIES.index)
        episode.observed = finding.observed
        episode.expected = finding.expected
        episode.evidence = finding.evidence
        episode.points = dict(finding.points)
        if not episode.muted:
            episode.revision += 1
            self._write(account, episode, "firing", reason, at_ms, None)
        elif SEVERITIES.index(episode.severity) > SEVERITIES.index(before):
            self.wake(account, episode, reason, at_ms)

    def wake(self, account: Account, episode: Episode, reason: str, at_ms: int) -> None:
        """Tell of a muted one again, as of another alert."""
        episode.muted, episode.revision = False, 1
        episode.starts_at_ms, episode.detected_at_ms = at_ms - 1, at_ms
        name = f"{account.account_id}|{episode.kind}|{episode.dimension}|{episode.starts_at_ms}"
        episode.alert_id = str(uuid.uuid5(NAMESPACE, name))
        self._write(account, episode, "firing", reason, at_ms, None)

    def mute(self, account: Account, episode: Episode, at_ms: int) -> None:
        """Tell the end of one whose condition may go on."""
        episode.revision += 1
        self._write(account, episode, "resolved", "closed", at_ms, at_ms)
        episode.muted = True

    def resolve(
        self, account: Account, episode: Episode, reason: str, at_ms: int, ends_at_ms: int | None = None
    ) -> None:
        """End an episode at `at_ms`, as of then or of `ends_at_ms`."""
        episode.revision += 1
        del account.episodes[episode.kind, episode.dimension]
        self._write(account, episode, "resolved", reason, at_ms, at_ms if ends_at_ms is None else ends_at_ms)

    def retract(self, account: Account, episode: Episode, at_ms: int) -> None:
        """Withdraw an episode that should not have been opened."""
        episode.revision += 1
        del account.episodes[episode.kind, episode.dimension]
        self._write(account, episode, "retracted", "late_data", at_ms, None)

    def _write(
        self, account: Account, episode: Episode, status: str, reason: str, at_ms: int, ends_at_ms: int | None
    ) -> None:
        if episode.muted:
            return
        key = (episode.alert_id, episode.revision)
        if key in self.records:
            message = f"{key} was written before: {self.records[key]}"
            raise AssertionError(message)
        self.records[key] = {
            "alert_id": episode.alert_id,
            "revision": episode.revision,
            "account_id": account.account_id,
            "family": episode.family,
            "kind": episode.kind,
            "dimension": episode.dimension,
            "severity": episode.severity,
            "status": status,
            "transition_reason": reason,
            "starts_at": episode.starts_at_ms,
            "ends_at": ends_at_ms,
            "detected_at": episode.detected_at_ms,
            "updated_at": at_ms,
            "observed": episode.observed,
            "expected": episode.expected,
            "evidence": episode.evidence,
            "onset": episode.onset,
            "due_at": episode.due_at_ms,
            "points": dict(episode.points),
            "who": episode.who,
            "joined": list(episode.joined),
            "shadow": self._in_shadow(episode),
            "case_id": identity(account, name_of(account, episode, self._config()), self.day),
            "benchmark": self.benchmark,
        }

    def _in_shadow(self, episode: Episode) -> bool:
        config = self._config()
        cards = [card["id"] for card in config.cards if card.get("shadow")]
        of_a_card = episode.kind in {"health_changed", "health_unknown"} and episode.dimension in cards
        return of_a_card or episode.kind in config.shadow_kinds
