"""One partition's input: topics aligned at day barriers, every record given its fate.

Records of a topic are applied up to the first that would carry the topic's own watermark past the end of the open
day; it and all behind it wait until every other topic has come as far and the day is closed. So what a close sees is
a function of each topic's prefix, whatever the order in which topics are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.close.day import close_day
from pipeline.config import EngineConfig
from pipeline.health.check import require
from pipeline.intake.apply import Accepted, apply_records, clear_profile, rows_at
from pipeline.intake.ledger import ledger_entry
from pipeline.intake.topic import Pending, Topic
from pipeline.kinds import require_known
from pipeline.state.state import State
from pipeline.terms.arrays import I64, Bools, Places
from pipeline.terms.fleet_day import FleetDay
from pipeline.terms.hashing import combine, hash64
from pipeline.terms.records import BadRecord, Batch, DeadLetter, Fate, Outcome, RecordKind
from schemas.errors import BrokenError
from schemas.reasons import Reason
from schemas.topics import INPUT_TOPICS, TOPICS
from schemas.validation import EVENT_ID

SPEAKER = 0
"""The partition that publishes the alerts of the fleet; all of them know these."""


class OffsetGapError(BrokenError):
    """Records were skipped between the transport and the feed; continuing would lose them."""


class Feed:
    """Applies batches to a partition's state; the only entry to it.

    Called by one thread. After any exception the feed must be thrown away: its state is between two records.
    """

    def __init__(self, config: EngineConfig, number: int, partitions: int | None = None) -> None:
        """`partitions`: of each topic; without it this one is alone and its fleet updates need not come back.

        Raises `ScorecardError` when the configuration's scorecards cannot be used, `ValueError` when there are no
        kinds of alert that it names.
        """
        require(config)
        of_profiles = (name for profile in config.profiles for name in profile.disabled_kinds)
        require_known((*config.enabled_kinds, *config.disabled_kinds, *config.shadow_kinds, *of_profiles))
        self.config = config
        self.number = number
        self.state = State(config, number if partitions else 0, partitions or 1)
        self._alone = partitions is None
        self.topics = {name: Topic(name, place) for place, name in enumerate(INPUT_TOPICS)}

    @property
    def positions(self) -> dict[str, int]:
        """Next offset to apply of each topic."""
        return {name: topic.ledger.position for name, topic in self.topics.items()}

    @property
    def fates(self) -> dict[str, dict[str, int]]:
        """How many records of each topic met each fate."""
        return {name: topic.ledger.fates for name, topic in self.topics.items()}

    @property
    def open_day(self) -> int:
        """The first day not yet closed."""
        return self.state.open_day

    def queued(self, topic: str) -> int:
        """Records pushed and not yet applied."""
        return sum(len(pending.batch) - pending.cursor for pending in self.topics[topic].queue)

    def next_offset(self, topic: str) -> int:
        """Where the next batch of the topic must begin."""
        return self.topics[topic].end

    def watermarks(self) -> dict[str, int]:
        """Own watermark of each topic, epoch ms; before all time until the topic was heard of."""
        return {name: topic.head_ms - self.config.out_of_orderness_ms for name, topic in self.topics.items()}

    def told_ms(self) -> int:
        """End of the last day of which any partition has told; 0 before."""
        day = self.state.fleet.newest
        return self.state.days.end_ms(day) if day > 0 else 0

    def ledger_entry(self) -> dict[str, Any]:
        """What became of every offset so far, as in schemas/ledger_entry.avsc."""
        at_ms = min(self.watermarks().values())
        topics = {name: topic.ledger for name, topic in self.topics.items()}
        return ledger_entry(self.number, at_ms if at_ms > 0 else None, self.open_day, topics)

    def start_at(self, positions: Mapping[str, int]) -> None:
        """Begin a partition without any state at these offsets instead of 0."""
        for name, position in positions.items():
            topic = self.topics[name]
            if topic.ledger.start is None:
                topic.ledger.start = topic.ledger.position = topic.end = position

    def push(self, batch: Batch) -> Outcome:
        """Take a batch and apply all that the barriers permit, of every topic.

        Offsets that were pushed before are ignored. Raises `OffsetGapError` when the batch begins beyond the next
        offset.
        """
        outcome = Outcome()
        topic = self.topics[batch.topic]
        if topic.ledger.start is None:
            topic.ledger.start = 0
        if batch.begin > topic.end:
            raise OffsetGapError(
                f"{batch.topic}[{self.number}] continues at {batch.begin}, expected {topic.end}: restart from there"
            )
        if batch.end > topic.end:
            topic.take(batch, self.config.max_skew_ms)
        self._drain(outcome)
        return outcome

    def learn(self, records: Iterable[FleetDay]) -> Outcome:
        """Take fleet updates of any partition, in the order of their log; those known already are ignored."""
        outcome = Outcome()
        for record in records:
            self.state.fleet.take(record)
        self._drain(outcome)
        return outcome

    def _drain(self, outcome: Outcome) -> None:
        moved = True
        while moved:
            moved = False
            for topic in self.topics.values():
                while topic.queue and self._advance(topic, outcome):
                    moved = True
            moved |= self._close_days(outcome)

    def _advance(self, topic: Topic, outcome: Outcome) -> bool:
        """Apply the head batch up to the barrier; tells whether anything was applied."""
        pending = topic.queue[0]
        barrier_ms = self.state.days.end_ms(self.state.open_day) + self.config.out_of_orderness_ms
        stop = int(np.searchsorted(pending.reached_ms, barrier_ms))
        count = len(pending.batch)
        progress = stop > pending.cursor or pending.cursor >= count
        if stop > pending.cursor:
            self._apply(topic, pending, stop, outcome)
            topic.reached_ms = max(topic.reached_ms, int(pending.reached_ms[stop - 1]))
            pending.cursor = stop
        if pending.cursor >= count:
            topic.queue.popleft()
            self._move(topic, pending.batch.end)
        else:
            topic.head_ms = max(topic.head_ms, int(pending.reached_ms[pending.cursor]))
            if pending.cursor:
                self._move(topic, int(pending.batch.offsets[pending.cursor - 1]) + 1)
        topic.head_ms = max(topic.head_ms, topic.reached_ms)
        return progress

    def _move(self, topic: Topic, position: int) -> None:
        """Set the position; offsets passed without a record are holes."""
        ledger = topic.ledger
        ledger.position = max(position, ledger.position)
        ledger.holes = ledger.position - (ledger.start or 0) - sum(ledger.fates.values())

    def _close_days(self, outcome: Outcome) -> bool:
        """Close the days that the watermark has passed, each once all partitions have closed the one before it."""
        state = self.state
        watermark = min(topic.head_ms for topic in self.topics.values()) - self.config.out_of_orderness_ms
        moved = False
        while watermark >= state.days.end_ms(state.open_day):
            told = len(outcome.fleet_days)
            # On the first day of its rest an account is closed for the last time.
            if not state.open_day or not state.accounts.awake(state.open_day - 1).any():
                self._skip_to(state.days.of_one(watermark), outcome)
            elif self._merge(outcome):
                close_day(state, outcome)
            else:
                break
            moved = True
            if self._alone:
                for record in outcome.fleet_days[told:]:
                    state.fleet.take(record)
        self._merge(outcome)
        if moved:
            self._drop_ahead()
        return moved

    def _skip_to(self, day: int, outcome: Outcome) -> None:
        """Open a later day; there was no account, or none awake, to close the days before it for."""
        outcome.fleet_days.append(FleetDay(self.state.number, self.state.open_day, day - 1))
        # Of those who rest the weeks are longer ago than anything that is looked at.
        accounts = self.state.accounts
        accounts.weeks[: accounts.size][~accounts.awake(day)] = 0
        self.state.enter_day(day)

    def _merge(self, outcome: Outcome) -> bool:
        """Merge what all partitions told of days before the open one; tells whether it is all of them."""
        state = self.state
        if not state.open_day:
            return False
        for merged in state.fleet.merge_through(state.open_day - 1):
            alerts, cases = state.fleet_alerts.advance(merged, state.fleet)
            if self.state.number == SPEAKER:
                outcome.alerts += alerts
                outcome.cases += cases
        return state.fleet.through >= state.open_day - 1

    def _drop_ahead(self) -> None:
        ahead = self.state.ahead
        if ahead is None or (ahead.closed_day >= self.state.open_day).any():
            return
        reached = np.array([topic.ledger.position for topic in self.topics.values()])
        if (ahead.positions.max(axis=1) <= reached).all():
            self.state.ahead = None

    def _apply(self, topic: Topic, pending: Pending, stop: int, outcome: Outcome) -> None:
        batch, start = pending.batch, pending.cursor
        kinds = batch.kind[start:stop]
        fates = topic.ledger.fates
        dead = np.flatnonzero((kinds == RecordKind.BAD) | pending.future[start:stop]) + start
        if len(dead):
            self._bury(topic, pending, dead, outcome)
        fates[Fate.APPLIED] += int(((kinds == RecordKind.TICK) & ~pending.future[start:stop]).sum())
        fates[Fate.REROUTED] += int((kinds == RecordKind.REROUTED).sum())
        chosen = np.flatnonzero((kinds == RecordKind.EVENT) & ~pending.future[start:stop]) + start
        for place in (np.flatnonzero(kinds == RecordKind.TOMBSTONE) + start).tolist():
            before = int(np.searchsorted(chosen, place))
            if before:
                self._apply_events(topic, pending, chosen[:before], outcome)
            chosen = chosen[before:]
            self._clear_profile(topic, batch, place)
            fates[Fate.APPLIED] += 1
        if len(chosen):
            self._apply_events(topic, pending, chosen, outcome)

    def _clear_profile(self, topic: Topic, batch: Batch, place: int) -> None:
        key = batch.keys[place]
        row = self.state.accounts.row_of(key.decode()) if key is not None else -1
        if row > 0 and not self._covered(topic, np.array([row]), batch.offsets[place : place + 1])[0]:
            self.state.accounts.awaken(np.array([row], dtype=np.int32), self.state.open_day)
            clear_profile(self.state, row)

    def _covered(self, topic: Topic, rows: npt.NDArray[np.integer], offsets: I64) -> Bools:
        """Which records an account holds already, from a checkpoint that a crash cut in two."""
        ahead = self.state.ahead
        if ahead is None:
            return np.zeros(len(rows), dtype=np.bool_)
        known = rows < ahead.positions.shape[1]
        return np.asarray(known & (offsets < ahead.positions[topic.number][np.where(known, rows, 0)]))

    def _bury(self, topic: Topic, pending: Pending, places: Places, outcome: Outcome) -> None:
        reasons = {bad.index: bad for bad in pending.batch.bad}
        for place in places.tolist():
            bad = reasons.get(place)
            if bad is None:
                bad = BadRecord(place, Reason.FUTURE_DATED, f"occurred_at {int(pending.batch.occurred_at_ms[place])}")
            outcome.dead_letters.append(self._letter(pending.batch, place, bad))
            topic.ledger.fates[Fate.DEAD_LETTERED] += 1

    def _letter(self, batch: Batch, place: int, bad: BadRecord) -> DeadLetter:
        return DeadLetter(
            topic=batch.topic,
            partition=self.number,
            offset=int(batch.offsets[place]),
            reason=bad.reason,
            detail=bad.detail,
            key=batch.keys[place] if len(batch.keys) else None,
            value=batch.raw[place] if len(batch.raw) else None,
            seen_at_ms=int(batch.seen_at_ms[place]),
        )

    def _apply_events(self, topic: Topic, pending: Pending, chosen: Places, outcome: Outcome) -> None:
        """Give each valid event its fate and apply those that count; `chosen` are places in the batch."""
        state, batch, fates = self.state, pending.batch, topic.ledger.fates
        events = rows_at(batch.events, pending.events_before[chosen])
        days = state.days.of(batch.occurred_at_ms[chosen])
        if topic.name in state.seen:
            old = days < state.first_amendable_day
            if old.any():
                self._quarantine(topic, batch, chosen[old], outcome)
                events, chosen, days = rows_at(events, np.flatnonzero(~old)), chosen[~old], days[~old]
        hashes = hash64(events.column("account_id"))
        if topic.name in state.seen:
            ids = combine(hashes, hash64(events.column(EVENT_ID[TOPICS[topic.name].schema])))
            new = state.seen[topic.name].add(ids, np.maximum(days, state.open_day))
            if not new.all():
                fates[Fate.DUPLICATE] += int((~new).sum())
                kept = np.flatnonzero(new)
                events, chosen, days, hashes = rows_at(events, kept), chosen[kept], days[kept], hashes[kept]
            late = int((days < state.open_day).sum())
            fates[Fate.LATE_APPLIED] += late
            fates[Fate.APPLIED] += len(days) - late
        else:
            fates[Fate.APPLIED] += len(days)
        self._apply_accepted(
            topic, batch.offsets[chosen], Accepted(events, np.empty(0, np.int32), hashes, days), outcome
        )

    def _apply_accepted(self, topic: Topic, offsets: I64, accepted: Accepted, outcome: Outcome) -> None:
        if not len(offsets):
            return
        state = self.state
        accepted.rows = state.accounts.rows_of(accepted.events.column("account_id"), accepted.account_hashes)
        state.users.fit_accounts(state.accounts.capacity)
        state.features.fit_accounts(state.accounts.capacity)
        covered = self._covered(topic, accepted.rows, offsets)
        if covered.any():
            kept = np.flatnonzero(~covered)
            if not len(kept):
                return
            accepted = Accepted(
                rows_at(accepted.events, kept), accepted.rows[kept], accepted.account_hashes[kept], accepted.days[kept]
            )
        state.accounts.awaken(accepted.rows, state.open_day)
        apply_records(state, topic.name, accepted, outcome)

    def _quarantine(self, topic: Topic, batch: Batch, places: Places, outcome: Outcome) -> None:
        for place in places.tolist():
            detail = f"occurred_at {int(batch.occurred_at_ms[place])}, open day {self.state.open_day}"
            outcome.dead_letters.append(self._letter(batch, place, BadRecord(place, Reason.TOO_LATE, detail)))
        topic.ledger.fates[Fate.TOO_LATE] += len(places)
