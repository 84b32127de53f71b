"""Alerts of the whole fleet or of a segment: one for all, instead of one for each account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from pipeline.alerts.lifecycle import Change, Figures, age, begin, resolve, worsen
from pipeline.alerts.records import Alerting, Explanation
from pipeline.books.book import Book, Context, Episode
from pipeline.cases.follow import follow_cases
from pipeline.cases.records import Desk
from pipeline.fleet.merged import Fleet, MergedDay
from pipeline.terms.days import Days
from pipeline.terms.kind import Kind, Play
from schemas.accounts import FLEET

FEED_STOPPED = Kind(
    name="usage_feed_stopped",
    dimension="total_usage",
    scope="fleet",
    family="data_quality",
    severity="critical",
    level="basic",
    unit="actions",
    direction="down",
    method="fleet-sum",
    play=Play("feed-check", "Restart the usage feed and load what is missing", 1),
    summary="{name}: {observed:.0f} actions on a day, {expected:.0f} expected: the usage feed has stopped",
    condition="hardly any usage arrives from all accounts together",
    resolution="half of the expected usage arrives",
)
FLEET_DIP = Kind(
    name="fleet_dip",
    dimension="total_usage",
    scope="fleet",
    family="system",
    severity="warning",
    level="advanced",
    unit="share",
    direction="down",
    method="fleet-median",
    play=Play("release-check", "Look for a release, an outage or a holiday that explains it", 1),
    summary="{name}: half of the accounts did less than {observed:.0%} of what is usual for the day",
    condition="all accounts, or all of a segment, use the product less at once",
    resolution="nine tenths of the expected are back",
)
FLEET_RENAMED = Kind(
    name="fleet_identity_changed",
    dimension="user_ids",
    scope="fleet",
    family="system",
    severity="info",
    level="intermediate",
    unit="accounts",
    direction="up",
    method="fleet-share",
    play=Play("id-check", "Look for a change of sign-on or of user ids that explains it", 5),
    summary="{name}: in {observed:.0f} of {expected:.0f} accounts people go on under other user ids",
    condition="in a tenth of the accounts people go on under other user ids at once",
    resolution="it is less than a twentieth",
)
TICKET_PATTERN = Kind(
    name="ticket_pattern",
    dimension="component",
    scope="fleet",
    family="system",
    severity="warning",
    level="intermediate",
    unit="accounts",
    direction="up",
    method="fleet-count",
    play=Play("pattern-check", "Look with product and support for what these tickets have in common", 1),
    summary="{name}: {observed:.0f} accounts opened tickets about {dimension} in a week, {expected:.1f} usually do",
    condition="far more accounts than usual open tickets about the same component in a week",
    resolution="a week is as usual, or that many have become usual",
)
FLEET_KINDS = (FEED_STOPPED, FLEET_DIP, FLEET_RENAMED, TICKET_PATTERN)
_KIND_OF = {kind.name: kind for kind in FLEET_KINDS}
STOPPED_SHARE, FLOWING_SHARE = 0.1, 0.5
DIP_FACTOR, DEEP_FACTOR, OVER_FACTOR = 0.8, 0.5, 0.9
RENAMED_SHARE, SETTLED_SHARE = 0.1, 0.05
"""Of the accounts with enough people to tell."""


PATTERN_RATIO, PATTERN_DEVIATIONS = 2.0, 5.0
"""How far a week is above a usual one, and above one account more, where tickets are a pattern."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a day says of a kind."""

    raised: bool
    cleared: bool
    severity: str
    figures: Figures


class FleetAlerts:
    """The open episodes of the fleet's scopes, advanced with each merged day."""

    def __init__(self, alerting: Alerting, days: Days) -> None:
        self.books: dict[str | None, Book] = {}
        """Of scopes with open episodes, or with a case."""
        self._alerting = alerting
        self._days = days

    @property
    def stopped(self) -> bool:
        """Whether the usage feed is said to have stopped."""
        return self._open(None, FEED_STOPPED) is not None

    def dipped(self, scope: str | None) -> bool:
        """Whether a dip of the scope is open."""
        return self._open(scope, FLEET_DIP) is not None

    @property
    def renamed(self) -> bool:
        """Whether people of the whole fleet are said to change their ids."""
        return self._open(None, FLEET_RENAMED) is not None

    def open_by_kind(self) -> dict[str, int]:
        """How many are open of each kind."""
        kinds = [episode.kind for book in self.books.values() for episode in book.episodes]
        return {kind.name: kinds.count(kind.name) for kind in FLEET_KINDS}

    def _open(self, scope: str | None, kind: Kind) -> Episode | None:
        book = self.books.get(scope)
        return book.episode(kind.name, kind.dimension) if book is not None else None

    def _patterns(self) -> list[str]:
        episodes = self.books[None].episodes if None in self.books else []
        return [episode.dimension for episode in episodes if episode.kind == TICKET_PATTERN.name]

    def advance(self, merged: MergedDay, fleet: Fleet) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Records of alerts and of cases of one more merged day: the feed, the fleet, its segments, ids, components."""
        day = _Day(self.books, merged.day, self._days, self._alerting)
        stopped = self.stopped
        day.run(None, FEED_STOPPED, _feed(merged), inhibited=False)
        if self.stopped and not stopped:
            day.inhibit(lambda _scope: True)
        dipped = self.dipped(None)
        day.run(None, FLEET_DIP, _dip(merged, fleet, None), inhibited=self.stopped)
        if self.dipped(None) and not dipped:
            day.inhibit(lambda scope: scope is not None)
        segments = {scope for scope in (*self.books, *merged.tallies) if scope is not None}
        for scope in sorted(segments):
            day.run(scope, FLEET_DIP, _dip(merged, fleet, scope), inhibited=self.stopped or self.dipped(None))
        day.run(None, FLEET_RENAMED, _renamed(merged, fleet), inhibited=False)
        for component in sorted({*fleet.components, *self._patterns()}):
            day.run(None, TICKET_PATTERN, _pattern(fleet, component), inhibited=False, dimension=component)
        desk, cases = Desk(self._alerting, _KIND_OF), []
        for place, book in self.books.items():
            cases += follow_cases(desk, _account_id(place), book, merged.day)
        self.books = {scope: book for scope, book in self.books.items() if book.episodes or book.cases}
        return day.records, cases


def _feed(merged: MergedDay) -> Judgement:
    tally = merged.tallies.get(None)
    if tally is None:
        return Judgement(False, True, "critical", (0.0, 0.0, 0.0))
    figures = (tally.actions / 1000.0, tally.expected / 1000.0, float(tally.accounts))
    raised, flowing = (tally.actions < share * tally.expected for share in (STOPPED_SHARE, FLOWING_SHARE))
    return Judgement(raised, not flowing, "critical", figures)


def _dip(merged: MergedDay, fleet: Fleet, scope: str | None) -> Judgement:
    tally, ring = merged.tallies.get(scope), fleet.rings.get(scope)
    if tally is None or ring is None:
        return Judgement(False, True, "warning", (1.0, 1.0, 0.0))
    factor = ring.dips.get(merged.day, 1.0)
    severity = "error" if factor < DEEP_FACTOR else "warning"
    return Judgement(factor < DIP_FACTOR, factor >= OVER_FACTOR, severity, (factor, 1.0, float(tally.accounts)))


def _renamed(merged: MergedDay, fleet: Fleet) -> Judgement:
    renamed, peopled = merged.renamed, merged.peopled
    if peopled < fleet.min_accounts:
        return Judgement(False, True, "info", (0.0, 0.0, 0.0))
    figures = (float(renamed), float(peopled), renamed / peopled)
    return Judgement(renamed >= RENAMED_SHARE * peopled, renamed < SETTLED_SHARE * peopled, "info", figures)


def _pattern(fleet: Fleet, component: str) -> Judgement:
    told = fleet.ticketed(component)
    if told is None:
        return Judgement(False, True, "warning", (0.0, 0.0, 0.0))
    now, usual = told
    # Four weeks tell little of what is rare.
    deviations = (now - usual - 1.0) / sqrt(usual + 1.0)
    raised = now >= PATTERN_RATIO * usual and deviations >= PATTERN_DEVIATIONS
    return Judgement(raised, not raised, "warning", (float(now), usual, deviations))


@dataclass(slots=True)
class _Day:
    """One merged day of all scopes."""

    books: dict[str | None, Book]
    number: int
    days: Days
    alerting: Alerting
    records: list[dict[str, Any]] = field(default_factory=list)

    def run(
        self, scope: str | None, kind: Kind, today: Judgement, *, inhibited: bool, dimension: str | None = None
    ) -> None:
        """Advance one episode; of the kind's own dimension unless told otherwise."""
        book, dimension = self.books.get(scope), dimension or kind.dimension
        episode = book.episode(kind.name, dimension) if book is not None else None
        if book is None or episode is None:
            if today.raised and not inhibited:
                self._open(scope, kind, dimension, today)
            return
        end_ms = self.days.end_ms(self.number)
        change = age(book, kind, episode, self.number, end_ms, clear=today.cleared, raised=today.raised)
        if change is None and today.raised:
            change = worsen(episode, today.severity, today.figures, end_ms)
        self._record(scope, book, episode, change)

    def inhibit(self, chosen: Callable[[str | None], bool]) -> None:
        """End the dips of some scopes: what opened today says it for them too."""
        for scope in sorted(filter(chosen, self.books), key=lambda name: name or ""):
            book = self.books[scope]
            episode = book.episode(FLEET_DIP.name, FLEET_DIP.dimension)
            if episode is not None:
                change = resolve(book, episode, "inhibited", self.days.end_ms(self.number))
                self._record(scope, book, episode, change)

    def _open(self, scope: str | None, kind: Kind, dimension: str, today: Judgement) -> None:
        name = "The fleet" if scope is None else f"Segment {scope}"
        book = self.books.setdefault(scope, Book(context=Context(name=name, segment=scope)))
        starts_at_ms, end_ms = self.days.start_ms(self.number), self.days.end_ms(self.number)
        episode = Episode(kind.name, dimension, self.number, starts_at_ms, end_ms, today.severity, *today.figures)
        self._record(scope, book, episode, begin(book, episode))

    def _record(self, scope: str | None, book: Book, episode: Episode, change: Change | None) -> None:
        if change is None:
            return
        window = Explanation(self.days.start_ms(self.number), self.days.end_ms(self.number))
        kind = _KIND_OF[episode.kind]
        self.records.append(self.alerting.record(kind, _account_id(scope), book, episode, change, window, self.number))


def _account_id(scope: str | None) -> str:
    return FLEET if scope is None else f"{FLEET}:{scope}"
