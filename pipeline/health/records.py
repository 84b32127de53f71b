"""The records of account.health: where an account stands on each of its scorecards after a close."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.alerts.records import context_record
from pipeline.books.book import Book, Context
from pipeline.evidence.esr import smallest_visible_drops
from pipeline.health.activity import activity_records, power_user_records
from pipeline.health.dimensions import dimension_of
from pipeline.health.judging import Cap, JudgedView, Verdict
from pipeline.health.outlook import outlook_records
from pipeline.health.score import Score
from pipeline.scorecards.bands import NAMES
from pipeline.state.accounts import until_ms
from pipeline.state.life import NAMES as NAMES_OF_LIFE
from pipeline.state.state import State
from pipeline.terms.arrays import F64, Bools, Places

Record = dict[str, Any]
PUBLISH_POINTS = 3.0
"""A score that has moved by so much is published again."""
PUBLISH_DAYS = 14
"""No record is older when a day has closed; each day has its share of the accounts."""
NO_CONTEXT = Context()


def publish_health(state: State, judged: JudgedView, rows: slice, live: Bools) -> list[Record]:
    """Records of the accounts whose health is news."""
    accounts, standings = state.accounts, state.accounts.standings
    due = ~accounts.published[rows] | (accounts.primary[rows] != judged.previous_primary)
    due |= judged.view.life != judged.view.former_life
    for verdict in judged.judgement.verdicts:
        score, shown = standings.score[verdict.slot, rows], standings.published_score[verdict.slot, rows]
        due |= verdict.fresh | (np.abs(score - shown) >= PUBLISH_POINTS) | (np.isnan(score) != np.isnan(shown))
    hashes = accounts.hashes[rows]
    due |= (hashes + np.uint64(judged.view.day)) % np.uint64(PUBLISH_DAYS) == 0
    # One account tells of every close, so that readers know how far days are closed.
    awake = accounts.hashes[: accounts.size][accounts.awake(judged.view.day)]
    due |= hashes == awake.min(initial=np.iinfo(np.uint64).max)
    places = np.flatnonzero(due & live)
    if not len(places):
        return []
    published = places + rows.start
    accounts.published[published] = True
    standings.published_score[:, published] = standings.score[:, published]
    accounts.dirty[published] = True
    return _records(state, judged, places, rows.start)


def _records(state: State, judged: JudgedView, places: Places, first_row: int) -> list[Record]:
    accounts, level = state.accounts, judged.view.level
    rows = places + first_row
    cards = [_card_records(state, judged, verdict, places, rows) for verdict in judged.judgement.verdicts]
    primary = judged.judgement.primary[places].tolist()
    drops = _drops(judged, places)
    provisional = level.provisional[places].tolist()
    outlooks = outlook_records(state, judged.view, places)
    activity, power_users = activity_records(judged.view, places, PUBLISH_DAYS), power_user_records(judged.view, rows)
    records = []
    for number, row in enumerate(rows.tolist()):
        book = accounts.books.get(row)
        context = book.context if book is not None else NO_CONTEXT
        found = [card[number] for card in cards]
        main = found.pop(primary[number]) or {}
        records.append(
            {
                "account_id": accounts.ids[row],
                "as_of": judged.view.end_ms,
                "day": judged.view.day,
                "life": NAMES_OF_LIFE[judged.view.life[places[number]]],
                **main,
                "monitorability": {name: cells[number] for name, cells in drops.items()},
                "provisional": provisional[number],
                "context": context_record(context, judged.view.end_ms, at_risk=main["band"] == "red"),
                "owner": context.owner,
                "parent_account_id": context.parent_account_id,
                "pulse": _pulse(book, judged.view.end_ms),
                "outlook": outlooks.get(int(places[number])),
                "activity": activity[number],
                "power_users": power_users[number],
                "other_scorecards": [other for other in found if other is not None],
            }
        )
    return records


def _pulse(book: Book | None, end_ms: int) -> Record | None:
    """What the account's owner said last, while it counts; it stands beside the scores and changes none of them."""
    if book is None or book.pulse is None or until_ms(book.pulse) <= end_ms:
        return None
    said = book.pulse
    return {
        "value": round(said.value, 6),
        "at": said.at_ms,
        "author": said.author,
        "reason_codes": said.reasons or [],
        "expires_at": said.expires_at_ms,
    }


def _card_records(
    state: State, judged: JudgedView, verdict: Verdict, places: Places, rows: Places
) -> list[Record | None]:
    """One scorecard's part of the records; nothing for the accounts that it does not judge."""
    standings, slot, card = state.accounts.standings, verdict.slot, verdict.card
    dimensions = _dimension_columns(verdict.score, places)
    scores, coverage = cells(standings.score[slot, rows], 1), cells(verdict.score.coverage[places], 4)
    groups = _group_columns(verdict.score, places)
    figures = zip(
        verdict.applies[places].tolist(), standings.band[slot, rows].tolist(), standings.scored[slot, rows].tolist(),
        verdict.previous_band[places].tolist(), standings.since_day[slot, rows].tolist(), scores, coverage, strict=True,
    )  # fmt: skip
    return [
        {
            "scorecard": card.id,
            "version": card.version,
            "shadow": card.shadow,
            "score": score,
            "band": NAMES[band],
            "previous_band": NAMES[previous],
            "band_since": state.days.end_ms(since_day) if since_day >= 0 else None,
            "coverage": covered,
            "groups": [
                {"name": name, "score": column[number]} for name, column in groups.items() if column[number] is not None
            ],
            "dimensions": [column[number] for column in dimensions if column[number] is not None],
            "config_change": _config_change(verdict, int(places[number]), score),
            "band_reason": _band_reason(judged.caps[int(places[number])], scored) if scored != band else None,
        }
        if applies
        else None
        for number, (applies, band, scored, previous, since_day, score, covered) in enumerate(figures)
    ]


def _band_reason(cap: Cap, scored: int) -> Record:
    """The open alert that keeps the band from being the score's."""
    return {
        "kind": cap.kind,
        "dimension": cap.dimension,
        "severity": cap.severity,
        "alert_id": str(cap.alert_id),
        "band_by_score": NAMES[scored],
    }


def _config_change(verdict: Verdict, place: int, score: float | None) -> Record | None:
    switch = verdict.switches.get(place)
    if switch is None:
        return None
    before = switch.score_before
    return {
        "from_version": switch.from_version,
        "to_version": verdict.card.version,
        "score_before": round(before, 1) if np.isfinite(before) else None,
        "score_after": score,
    }


def _group_columns(score: Score, places: Places) -> dict[str, list[float | None]]:
    """Sub-score of each group, by its own criteria."""
    sums: dict[str, tuple[F64, F64]] = {}
    for criterion, reading in zip(score.card.criteria, score.readings, strict=True):
        value = reading.value[places]
        present = ~np.isnan(value)
        group = criterion.group or dimension_of(criterion.dimension).group
        points, weights = sums.get(group, (np.zeros(len(places)), np.zeros(len(places))))
        points = points + np.where(present, criterion.weight * value, 0.0)
        sums[group] = points, weights + criterion.weight * present
    return {
        group: cells(np.where(weights > 0, 100.0 * points / np.where(weights > 0, weights, 1.0), np.nan), 1)
        for group, (points, weights) in sums.items()
    }


def _dimension_columns(score: Score, places: Places) -> list[list[Record | None]]:
    """What each criterion says of the accounts; nothing where it is missing."""
    weights = score.weights[places]
    columns = []
    for criterion, reading in zip(score.card.criteria, score.readings, strict=True):
        value = reading.value[places]
        missing = np.isnan(value)
        name, weight = criterion.dimension, criterion.weight
        group = criterion.group or dimension_of(name).group
        figures = zip(
            cells(value, 6),
            cells(reading.observed[places], 6),
            cells(reading.expected[places], 6),
            cells(100.0 * weight * value / np.where(missing, 1.0, weights), 4),
            strict=True,
        )
        columns.append([
            None if known is None else
            {"name": name, "group": group, "weight": weight, "value": known,
             "observed": observed, "expected": expected, "contribution": contribution}
            for known, observed, expected, contribution in figures
        ])  # fmt: skip
    return columns


def _drops(judged: JudgedView, places: Places) -> dict[str, list[float | None]]:
    level = judged.view.level
    information = 7.0 * level.mean[places] * level.safe[places] / level.dispersion[places]
    return {
        f"min_drop_{7 * weeks}d": cells(smallest_visible_drops(information, weeks, judged.view.threshold), 4)
        for weeks in (1, 2, 4)
    }


def cells(values: F64, digits: int) -> list[float | None]:
    """Rounded figures; nothing for what is not finite."""
    rounded = np.round(values, digits).astype(object)
    rounded[~np.isfinite(values)] = None
    return list(rounded)
