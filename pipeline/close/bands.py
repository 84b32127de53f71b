"""Alerts on the band of a scorecard: a move for the worse opens or worsens, one for the better eases or resolves."""

from __future__ import annotations

from pipeline.alerts.lifecycle import expire, update
from pipeline.alerts.records import CARD_KINDS
from pipeline.close.account import ClosingAccount
from pipeline.health.judging import Verdict
from pipeline.scorecards import bands

_SEVERITY_OF_BAND = {bands.RED: "error", bands.YELLOW: "warning"}


def follow_bands(account: ClosingAccount) -> None:
    """Follow the scorecards that apply to an account, and end what was said by those that do not any more."""
    verdicts = [verdict for verdict in account.judged.judgement.verdicts if verdict.applies[account.place]]
    applied = {verdict.card.id for verdict in verdicts}
    for episode in list(account.book.episodes):
        if episode.kind in CARD_KINDS and episode.dimension not in applied:
            account.resolve(episode, "expired")
    for verdict in verdicts:
        if account.place in verdict.switches:
            _end_by_switch(account, verdict)
        elif verdict.moved[account.place]:
            _follow_move(account, verdict)
        else:
            _expire(account, verdict)


def _end_by_switch(account: ClosingAccount, verdict: Verdict) -> None:
    """Another definition of a scorecard opens nothing; it ends what it does not confirm."""
    band, _ = verdict.bands_at(account.state, account.row, account.place)
    changed, unknown = (account.book.episode(kind, verdict.card.id) for kind in CARD_KINDS)
    if changed is not None and band in (bands.GREEN, bands.GREY):
        account.resolve(changed, "config_change")
    if unknown is not None and band != bands.GREY:
        account.resolve(unknown, "config_change")


def _expire(account: ClosingAccount, verdict: Verdict) -> None:
    view = account.judged.view
    for kind in CARD_KINDS:
        episode = account.book.episode(kind, verdict.card.id)
        if episode is not None:
            account.take(episode, expire(account.book, episode, view.day, view.end_ms))


def _follow_move(account: ClosingAccount, verdict: Verdict) -> None:
    card = verdict.card.id
    band, before = verdict.bands_at(account.state, account.row, account.place)
    figures = verdict.scores_at(account.state, account.row, account.place)
    changed, unknown = (account.book.episode(kind, card) for kind in CARD_KINDS)
    if unknown is not None:
        account.resolve(unknown, "recovered")
    if changed is not None and band in (bands.GREEN, bands.GREY):
        account.resolve(changed, "recovered" if band == bands.GREEN else "expired")
    elif changed is not None:
        reason = "worsened" if band < before else "recovered"
        end_ms = account.judged.view.end_ms
        account.take(changed, update(changed, _SEVERITY_OF_BAND[band], figures, reason, end_ms))
    if before == bands.GREY:
        return
    if band == bands.GREY:
        account.open("health_unknown", card, "info", figures)
    elif changed is None and band < before:
        account.open("health_changed", card, _SEVERITY_OF_BAND[band], figures)
