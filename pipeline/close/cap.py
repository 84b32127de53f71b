"""The cap: health that agrees with its alerts. An open alert of a risk bounds the bands of its account."""

from __future__ import annotations

from pipeline.alerts.records import alert_id
from pipeline.books.book import Episode
from pipeline.close.account import ClosingAccount
from pipeline.close.inhibition import by_gravity
from pipeline.health.judging import Cap
from pipeline.kinds import KNOWN
from pipeline.scorecards import bands

_BAND = {"error": bands.YELLOW, "critical": bands.RED}


def cap_of(account: ClosingAccount) -> Cap | None:
    """By the most severe of the account's open risks, of several by the one that began first.

    What follows from health itself bounds nothing, nor does what nobody is told of.
    """
    shadow = account.state.config.shadow_kinds
    capping = [each for each in account.book.episodes if _caps(each) and each.kind not in shadow]
    if not capping:
        return None
    worst = min(capping, key=by_gravity)
    known_as = alert_id(account.state.accounts.ids[account.row], worst.kind, worst.dimension, worst.starts_at_ms)
    return Cap(_BAND[worst.severity], worst.kind, worst.dimension, worst.severity, known_as)


def _caps(episode: Episode) -> bool:
    kind = KNOWN[episode.kind]
    return not episode.muted and episode.severity in _BAND and kind.family == "risk" and not kind.consequence
