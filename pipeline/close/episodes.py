"""The episodes of one account on a close: in which order they open, go on and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.alerts.lifecycle import Figures, age, go_on
from pipeline.books.book import Episode
from pipeline.close.account import ClosingAccount
from pipeline.close.bands import follow_bands
from pipeline.close.deadlines import ended, overdue
from pipeline.close.inhibition import inhibitor, spoken_for
from pipeline.close.people import heed_people
from pipeline.detectors import AFTER_SCORE, BEFORE_SCORE, DETECTORS, Dated, Detector, Graded
from pipeline.evidence.gaps import OUT_OF_SIGHT
from pipeline.evidence.view import Finding, View
from pipeline.kinds import KNOWN
from pipeline.state.accounts import is_unseen
from pipeline.state.life import is_quiet
from pipeline.terms.kind import Kind

_PLACE = {detector.KIND.name: place for place, detector in enumerate(DETECTORS)}
_BEFORE, _AFTER = ({each.KIND.name: each for each in group} for group in (BEFORE_SCORE, AFTER_SCORE))
_DATED = {detector.KIND.name: detector for detector in DETECTORS if isinstance(detector, Dated)}
_GRADED = {detector.KIND.name: detector for detector in DETECTORS if isinstance(detector, Graded)}


def go_before_score(account: ClosingAccount, raised: Sequence[Detector], *, is_late: bool) -> None:
    """End what ends with the day, advance the kinds of the first group that are raised or open, and what is overdue.

    `is_late` tells whether a date has passed.
    """
    book, view = account.book, account.judged.view
    for episode, reason in ended(book, account.life, view.day, view.days, account.is_off):
        account.resolve(episode, reason)
    heed_people(account)
    _advance_all(account, _BEFORE, raised)
    for episode in spoken_for(book):
        account.resolve(episode, "inhibited")
    if is_late:
        _open_overdue(account)
    account.state.accounts.open_episodes[account.row] = len(book.episodes)
    account.state.accounts.quiet[account.row] = is_quiet(book)
    account.state.accounts.unseen[account.row] = is_unseen(book)


def follow_score(account: ClosingAccount, raised: Sequence[Detector], *, has_news: bool) -> None:
    """Follow the bands by score, and advance the kinds of the second group that are raised or open.

    `has_news` tells whether a scorecard has moved.
    """
    book = account.book
    if has_news or any(KNOWN[episode.kind].of_card for episode in book.episodes):
        follow_bands(account)
    _advance_all(account, _AFTER, raised)
    account.state.accounts.open_episodes[account.row] = len(book.episodes)


def _advance_all(account: ClosingAccount, group: Mapping[str, Detector], raised: Sequence[Detector]) -> None:
    """Advance the kinds of a group that are raised or open, in the order of the table."""
    opened = [group[episode.kind] for episode in account.book.episodes if episode.kind in group]
    found = {detector.KIND.name: detector for detector in (*opened, *raised)}
    for name in sorted(found, key=_PLACE.__getitem__):
        detector = found[name]
        episode = account.book.episode(name, detector.KIND.dimension)
        if episode is not None:
            _go_on(account, detector, episode)
        else:
            _open_detected(account, detector)


def _go_on(account: ClosingAccount, detector: Detector, episode: Episode) -> None:
    kind, view, place = detector.KIND, account.judged.view, account.place
    finding, clear_days = account.judged.findings[kind.name], episode.clear_days
    clear, raised = detector.cleared(view, finding, place, episode.expected), bool(finding.raised[place])
    change = age(account.book, kind, episode, view.day, view.end_ms, clear=clear, raised=raised)
    if change is None and (raised or (kind.lasting and not clear)):
        figures = finding.values_at(place) if raised else _still(view, place, finding, episode)
        change = go_on(kind, episode, _severity(account, kind), figures, view.end_ms)
    if episode.clear_days != clear_days:
        account.state.accounts.dirty[account.row] = True
    account.take(episode, change)


def _still(view: View, place: int, finding: Finding, episode: Episode) -> Figures:
    """What holds of an open episode whose kind is neither raised nor clear: its reference is that of the opening."""
    observed = float(finding.observed[place])
    if episode.onset is not None and observed >= OUT_OF_SIGHT:
        observed = float(view.day - episode.onset[0] + 1)
    return observed, episode.expected, episode.evidence


def _open_detected(account: ClosingAccount, detector: Detector) -> None:
    """Open what is raised, unless something holds it back."""
    kind, place = detector.KIND, account.place
    finding = account.judged.findings[kind.name]
    if not finding.raised[place] or _held_back(account, kind):
        return
    by = inhibitor(account.state, account.row, account.book, kind)
    if by is not None:
        account.suppress(kind, *by)
        return
    dated = _DATED.get(kind.name)
    onset = dated.onset(account.judged.view, place) if dated is not None else None
    account.open(kind, kind.dimension, _severity(account, kind), finding.values_at(place), onset=onset)


def _open_overdue(account: ClosingAccount) -> None:
    for late in overdue(account.book, account.judged.view.end_ms):
        if account.book.episode(late.kind, late.key) is None:
            kind, figures = KNOWN[late.kind], (late.observed, 0.0, late.days)
            account.open(kind, late.key, kind.severity, figures, starts_at_ms=late.starts_at_ms)


def _severity(account: ClosingAccount, kind: Kind) -> str:
    graded = _GRADED.get(kind.name)
    return kind.severity if graded is None else graded.severity(account.judged.view, account.place)


def _held_back(account: ClosingAccount, kind: Kind) -> bool:
    """Whether the kind is for quiet times, and a risk of the account is open."""
    return kind.calm and any(KNOWN[episode.kind].family == "risk" for episode in account.book.episodes)
