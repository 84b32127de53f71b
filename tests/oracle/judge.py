"""Judging an account: its scorecards, their bands, and the alerts on a move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.alerts import Alerts, Finding, Opening
from tests.oracle.life import NOBODYS, speaks_alone
from tests.oracle.model import Account, Episode, HealthDay, OracleConfig, Standing
from tests.oracle.score import ON_USAGE, Total, candidate_band, definition, judged_by, move_band, parts_of_change, total
from tests.oracle.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

FOLLOW_HEALTH = {"health_changed", "health_unknown", "renewal_at_risk"}
HEALTH_KINDS = ("health_changed", "health_unknown")
PINNED = {"gone_quiet": "red", "paused": None, "ended": "grey", "test": "grey"}
"""Bands that do not follow the score; none: the present one."""


def worst_risk(account: Account, config: OracleConfig) -> Episode | None:
    """Return the open alert that bounds the bands: critical before error, then the oldest."""
    for severity in ("critical", "error"):
        found = [
            each
            for each in account.episodes.values()
            if each.family == "risk"
            and each.severity == severity
            and each.kind not in FOLLOW_HEALTH
            and each.kind not in config.shadow_kinds
            and not each.muted
        ]
        if found:
            return min(found, key=lambda each: (each.starts_at_ms, each.kind, each.dimension))
    return None


def capped(band: str, alert: Episode | None) -> str:
    """Return what an open alert leaves of a band."""
    if alert is None:
        return band
    if alert.severity == "critical":
        return "red"
    return "red" if band == "red" else "yellow"


class Judge:
    """Judges accounts at the close of a day, and remembers every verdict."""

    def __init__(self, config: Callable[[], OracleConfig], log: Alerts) -> None:
        self._config = config
        self._log = log
        self.health: dict[str, list[HealthDay]] = {}
        """Of the primary scorecards."""
        self.verdicts: dict[tuple[str, int, str], HealthDay] = {}
        """By account, day and scorecard."""

    def judge(self, view: View) -> None:
        """Score an account by all scorecards of its profile."""
        account = view.account
        names, expects = judged_by(account, self._config())
        for episode in list(account.episodes.values()):
            if episode.kind in HEALTH_KINDS and episode.dimension not in names:
                self._log.resolve(account, episode, "expired", view.end_ms)
        account.standings = {name: account.standings[name] for name in account.standings if name in names}
        for name in names:
            entry = self._judge_by(view, name, definition(name, self._config(), expects))
            self.verdicts[account.account_id, view.day, name] = entry
            if name == names[0]:
                self.health[account.account_id].append(entry)
                account.band, account.score = entry.band, entry.score

    def _judge_by(self, view: View, name: str, by: dict[str, Any]) -> HealthDay:
        standing = view.account.standings.setdefault(name, Standing(by))
        found = total(view, by)
        band_before, held_before, change = standing.band, standing.held, None
        life = view.account.life
        score = None if life in NOBODYS else found.score
        if view.account.former_life == "gone_quiet":
            standing.band = "yellow"
        if standing.by != by:
            change = (standing.by["version"], by["version"], total(view, standing.by).score, score)
            standing.by, standing.band, standing.candidate_days = by, "grey", 0
        if life in PINNED:
            standing.band, standing.candidate_days = PINNED[life] or standing.band, 0
        else:
            move_band(standing, candidate_band(standing.band, found, by["bands"]))
        moved = change is None and life not in NOBODYS and standing.band != band_before
        standing.score = score
        if change or standing.band == candidate_band("grey", found, by["bands"]):
            standing.held = found
        told_before, alert = standing.told, worst_risk(view.account, self._config()) if by["bands"]["cap"] else None
        standing.told = capped(standing.band, alert)
        if change:
            self._follow_switch(view, name, standing.band)
        else:
            self._follow_band(view, name, moved, band_before, (held_before, found))
        return HealthDay(
            day=view.day,
            score=score,
            band=standing.told,
            coverage=found.coverage,
            dimensions=found.dimensions,
            version=by["version"],
            previous_band=told_before,
            capped_by=(alert.kind, alert.dimension) if alert and standing.told != standing.band else None,
            config_change=change,
        )

    def _follow_switch(self, view: View, name: str, band: str) -> None:
        changed = view.account.episodes.get(("health_changed", name))
        unknown = view.account.episodes.get(("health_unknown", name))
        if changed and band in {"green", "grey"}:
            self._log.resolve(view.account, changed, "config_change", view.end_ms)
        if unknown and band != "grey":
            self._log.resolve(view.account, unknown, "config_change", view.end_ms)

    def _follow_band(
        self, view: View, name: str, moved: bool, band_before: str, scores: tuple[Total | None, Total]
    ) -> None:
        account, log, at_ms = view.account, self._log, view.end_ms
        standing = account.standings[name]
        changed = account.episodes.get(("health_changed", name))
        unknown = account.episodes.get(("health_unknown", name))
        if not moved:
            return
        order = ("red", "yellow", "green")
        band = standing.band
        worse = band in order and band_before in order and order.index(band) < order.index(band_before)
        held, found = scores
        score, score_held = found.score or 0.0, (held.score if held else None) or 0.0
        severity = {"red": "error", "yellow": "warning"}.get(band, "info")
        points = parts_of_change(held, found, standing.by["criteria"]) if band != "grey" and held else ()
        finding = Finding(severity, score, score_held, score - score_held, points=points)
        if unknown:
            log.resolve(account, unknown, "recovered", at_ms)
        if changed:
            if band == "green":
                log.resolve(account, changed, "recovered", at_ms)
            elif band == "grey":
                log.resolve(account, changed, "expired", at_ms)
            else:
                log.update(account, changed, finding, "worsened" if worse else "recovered", at_ms, falls=True)
        if band_before == "grey":
            return
        if band == "grey":
            self._open(view, "health_unknown", name, "data_quality", finding)
        elif worse and not changed and not speaks_alone(account):
            of_use = sum(part for criterion, part in points if criterion in ON_USAGE)
            shadows = {card["id"] for card in self._config().cards if card.get("shadow")}
            follows = of_use <= 0.45 * finding.evidence and name not in shadows
            self._open(view, "health_changed", name, "risk", finding, follows=follows)

    def _open(
        self, view: View, kind: str, dimension: str, family: str, finding: Finding, *, follows: bool = False
    ) -> None:
        opening = Opening(kind, dimension, family, view.days.start(view.day), view.end_ms, view.day)
        self._log.open(view.account, opening, finding, follows=follows)
