"""Alerts on a band by score: a move for the worse opens or worsens, one for the better eases or resolves."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.alerts.lifecycle import update
from pipeline.books.book import Episode
from pipeline.close.account import ClosingAccount
from pipeline.close.inhibition import speaks_for_use
from pipeline.health.dimensions import USAGE, dimension_of
from pipeline.health.judging import Verdict
from pipeline.health.kinds import HEALTH_CHANGED, HEALTH_UNKNOWN
from pipeline.kinds import KNOWN
from pipeline.scorecards import bands

USE_SHARE = 0.45
"""Part of a score's fall from which on, if it is that of criteria on usage, it follows from an alert about use."""
_SEVERITY_OF_BAND = {bands.RED: "error", bands.YELLOW: "warning"}


def follow_bands(account: ClosingAccount) -> None:
    """Follow the scorecards that apply to an account, and end what was said by those that do not any more."""
    verdicts = [verdict for verdict in account.judged.judgement.verdicts if verdict.applies[account.place]]
    applied = {verdict.card.id for verdict in verdicts}
    for episode in list(account.book.episodes):
        if KNOWN[episode.kind].of_card and episode.dimension not in applied:
            account.resolve(episode, "expired")
    for verdict in verdicts:
        if account.place in verdict.switches:
            _end_by_switch(account, verdict)
        elif verdict.moved[account.place]:
            _follow_move(account, verdict)


def _end_by_switch(account: ClosingAccount, verdict: Verdict) -> None:
    """Another definition of a scorecard opens nothing; it ends what it does not confirm."""
    band, _ = verdict.scored_at(account.state, account.row, account.place)
    changed, unknown = _open_of(account, verdict)
    if changed is not None and band in (bands.GREEN, bands.GREY):
        account.resolve(changed, "config_change")
    if unknown is not None and band != bands.GREY:
        account.resolve(unknown, "config_change")


def _follow_move(account: ClosingAccount, verdict: Verdict) -> None:
    card = verdict.card.id
    band, before = verdict.scored_at(account.state, account.row, account.place)
    figures = verdict.scores_at(account.state, account.row, account.place)
    changed, unknown = _open_of(account, verdict)
    if unknown is not None:
        account.resolve(unknown, "recovered")
    if changed is not None and band in (bands.GREEN, bands.GREY):
        account.resolve(changed, "recovered" if band == bands.GREEN else "expired")
    elif changed is not None:
        reason = "worsened" if band < before else "recovered"
        end_ms = account.judged.view.end_ms
        changed.points = verdict.points_at(account.place)
        account.take(changed, update(changed, _SEVERITY_OF_BAND[band], figures, reason, end_ms))
    if before == bands.GREY:
        return
    if band == bands.GREY:
        account.open(HEALTH_UNKNOWN, card, HEALTH_UNKNOWN.severity, figures)
    elif changed is None and band < before and not speaks_for_use(account.book):
        points = verdict.points_at(account.place)
        follows = is_of_use(points, figures[2]) and not verdict.card.shadow
        account.open(HEALTH_CHANGED, card, _SEVERITY_OF_BAND[band], figures, points=points, follows=follows)


def is_of_use(points: Sequence[tuple[str, float]], change: float) -> bool:
    """Whether so much of a score's fall is that of criteria on usage."""
    return sum(part for name, part in points if dimension_of(name).source == USAGE) <= USE_SHARE * change


def _open_of(account: ClosingAccount, verdict: Verdict) -> tuple[Episode | None, Episode | None]:
    """The open episodes on a scorecard: of its band, and of its band being unknown."""
    changed, unknown = (account.book.episode(kind.name, verdict.card.id) for kind in (HEALTH_CHANGED, HEALTH_UNKNOWN))
    return changed, unknown
