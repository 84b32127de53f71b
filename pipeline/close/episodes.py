"""The episodes of one account on a close: in which order they open, go on and end."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.alerts.lifecycle import Figures, age, go_on
from pipeline.books.book import Episode
from pipeline.close.account import ClosingAccount
from pipeline.close.bands import follow_bands
from pipeline.close.deadlines import ended, overdue
from pipeline.close.inhibition import inhibitor, spoken_for
from pipeline.detectors import BEFORE_SCORE, DETECTORS, Dated, Detector, Graded
from pipeline.evidence.gaps import OUT_OF_SIGHT
from pipeline.evidence.view import Finding, View
from pipeline.kinds import KINDS
from pipeline.state.life import is_quiet
from pipeline.terms.kind import Kind
from pipeline.terms.records import Outcome

_NUMBER = {detector.KIND.name: number for number, detector in enumerate(DETECTORS)}
_DATED = {detector.KIND.name: detector for detector in DETECTORS if isinstance(detector, Dated)}
_GRADED = {detector.KIND.name: detector for detector in DETECTORS if isinstance(detector, Graded)}
_BEFORE, _AFTER = range(len(BEFORE_SCORE)), range(len(BEFORE_SCORE), len(DETECTORS))


def close_account(
    account: ClosingAccount, raised: Sequence[int], outcome: Outcome, *, has_news: bool, is_late: bool
) -> None:
    """Advance every kind that is raised or open, in the order of the detector tables.

    `raised` are the numbers in `DETECTORS` of the kinds that are raised; `has_news` tells whether a scorecard has
    moved, `is_late` whether a date has passed.
    """
    book = account.book
    view = account.judged.view
    for episode, reason in ended(book, account.life, view.day, view.days, account.state.config):
        account.resolve(episode, reason)
    _advance_all(account, _BEFORE, raised, outcome)
    for episode in spoken_for(book):
        account.resolve(episode, "inhibited")
    if is_late:
        _open_overdue(account)
    if has_news or any(KINDS[episode.kind].of_card for episode in book.episodes):
        follow_bands(account)
    _advance_all(account, _AFTER, raised, outcome)
    account.state.accounts.open_episodes[account.row] = len(book.episodes)
    account.state.accounts.quiet[account.row] = is_quiet(book)


def _advance_all(account: ClosingAccount, numbers: range, raised: Sequence[int], outcome: Outcome) -> None:
    """Advance the kinds that are raised or open, of these."""
    opened = {_NUMBER[episode.kind] for episode in account.book.episodes if episode.kind in _NUMBER}
    for number in sorted(opened.union(raised)) if opened else raised:
        if number in numbers:
            detector = DETECTORS[number]
            episode = account.book.episode(detector.KIND.name, detector.KIND.dimension)
            if episode is not None:
                _go_on(account, detector, episode)
            else:
                _open_detected(account, detector, outcome)


def _go_on(account: ClosingAccount, detector: Detector, episode: Episode) -> None:
    view, finding, place = account.judged.view, account.judged.findings[detector.KIND.name], account.place
    clear_days, raised = episode.clear_days, bool(finding.raised[place])
    clear = detector.cleared(view, finding, place, episode.expected)
    change = age(account.book, detector.KIND, episode, view.day, view.end_ms, clear=clear, raised=raised)
    if change is None and (raised or (detector.KIND.lasting and not clear)):
        figures = finding.values_at(place) if raised else _still(view, place, finding, episode)
        change = go_on(detector.KIND, episode, _severity(account, detector.KIND), figures, view.end_ms)
    if episode.clear_days != clear_days:
        account.state.accounts.dirty[account.row] = True
    account.take(episode, change)


def _still(view: View, place: int, finding: Finding, episode: Episode) -> Figures:
    """What holds of an open episode whose kind is neither raised nor clear: its reference is that of the opening."""
    observed = float(finding.observed[place])
    if episode.onset is not None and observed >= OUT_OF_SIGHT:
        observed = float(view.day - episode.onset[0] + 1)
    return observed, episode.expected, episode.evidence


def _open_detected(account: ClosingAccount, detector: Detector, outcome: Outcome) -> None:
    """Open what is raised, unless something holds it back."""
    kind, place = detector.KIND, account.place
    finding = account.judged.findings[kind.name]
    if not finding.raised[place] or _held_back(account, kind):
        return
    by = inhibitor(account.state, account.row, account.book, kind)
    if by is not None:
        outcome.suppressed[by] += 1
        return
    dated = _DATED.get(kind.name)
    onset = dated.onset(account.judged.view, place) if dated is not None else None
    account.open(kind, kind.dimension, _severity(account, kind), finding.values_at(place), onset=onset)


def _open_overdue(account: ClosingAccount) -> None:
    for late in overdue(account.book, account.judged.view.end_ms):
        if account.book.episode(late.kind, late.key) is None:
            kind, figures = KINDS[late.kind], (late.observed, 0.0, late.days)
            account.open(kind, late.key, kind.severity, figures, starts_at_ms=late.starts_at_ms)


def _severity(account: ClosingAccount, kind: Kind) -> str:
    graded = _GRADED.get(kind.name)
    return kind.severity if graded is None else graded.severity(account.judged.view, account.place)


def _held_back(account: ClosingAccount, kind: Kind) -> bool:
    """Whether the kind is for quiet times, and a risk of the account is open."""
    return kind.calm and any(KINDS[episode.kind].family == "risk" for episode in account.book.episodes)
