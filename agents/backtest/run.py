"""Replaying event files through the core in this process, at full speed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.backtest.stream import Stream, Window
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.scorecards.bands import NAMES
from pipeline.scoring.foretold import Foretold
from pipeline.terms.fleet_day import FleetDay
from pipeline.terms.records import Inhibitor, Outcome
from schemas.topics import INPUT_TOPICS

Alert = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay produced."""

    alerts: tuple[Alert, ...]
    """Every revision in order of detection, those in shadow among them."""
    cases: tuple[Alert, ...]
    """Every revision of every case, in the same order."""
    suppressed: Counter[Inhibitor]
    """Alerts that did not open, by what kept them from it; once for each day."""
    fates: dict[str, dict[str, int]]
    """Records of each topic by fate, ticks included."""
    ticks: int
    """Of each topic, over all partitions."""
    dead_letters: Counter[tuple[str, str]]
    """By topic and reason."""
    foretold: tuple[Foretold, ...]
    """What was told of accounts' outlook, in order of time."""
    band_of: dict[str, str]
    """Band of each account at the end."""
    accounts: int
    days_closed: int
    """Business days that ended, counted once."""
    elapsed_s: float
    """Without reading files."""

    @property
    def bands(self) -> dict[str, int]:
        """Accounts by band at the end, best first."""
        counts = Counter(self.band_of.values())
        return {name: counts[name] for name in reversed(NAMES)}


def replay(
    files: EventFiles,
    config: EngineConfig,
    *,
    partitions: int = 1,
    seen_at_ms: int | None = None,
    on_window: Callable[[Window], None] = lambda _window: None,
    on_outcome: Callable[[Outcome], None] = lambda _outcome: None,
) -> Replayed:
    """Replay event files; what comes out does not depend on the number of partitions.

    Args:
        files: what to replay.
        config: of the core.
        partitions: a feed each.
        seen_at_ms: when the records arrived, against which a future date is judged; by default now.
        on_window: told after every few days.
        on_outcome: told what a batch has produced.
    """
    if seen_at_ms is None:
        seen_at_ms = time.time_ns() // 1_000_000
    began_s = time.perf_counter()
    stream = Stream(files, config, partitions, seen_at_ms)
    feeds = [Feed(config, number, partitions) for number in range(partitions)]
    alerts: list[Alert] = []
    cases: list[Alert] = []
    suppressed: Counter[Inhibitor] = Counter()
    dead_letters: Counter[tuple[str, str]] = Counter()
    days_closed = [0] * partitions
    told: list[FleetDay] = []
    foretold: list[Foretold] = []

    def keep(partition: int, outcome: Outcome) -> None:
        alerts.extend(outcome.alerts)
        cases.extend(outcome.cases)
        suppressed.update(outcome.suppressed)
        foretold.extend(Foretold.of(outcome.health))
        dead_letters.update((letter.topic, letter.reason) for letter in outcome.dead_letters)
        days_closed[partition] += outcome.days_closed
        told.extend(outcome.fleet_days)
        on_outcome(outcome)

    def tell() -> None:
        """Let all partitions know what each has told, until none has more to tell."""
        while told:
            records = tuple(told)
            told.clear()
            for feed in feeds:
                keep(feed.number, feed.learn(records))

    for window in stream.windows():
        for partition, batch in window.batches:
            keep(partition, feeds[partition].push(batch))
            tell()
        on_window(window)
    return Replayed(
        alerts=tuple(sorted(alerts, key=in_order_of_detection)),
        cases=tuple(sorted(cases, key=_in_order_of_cases)),
        suppressed=suppressed,
        fates=_fates(feeds),
        ticks=stream.days * partitions,
        dead_letters=dead_letters,
        foretold=tuple(sorted(foretold, key=lambda each: (each.at_ms, each.account_id))),
        band_of=_band_of(feeds),
        accounts=sum(len(feed.state.accounts) for feed in feeds),
        days_closed=max(days_closed),
        elapsed_s=time.perf_counter() - began_s,
    )


def told(alerts: Iterable[Alert]) -> list[Alert]:
    """Those that somebody is told of, which are not in shadow."""
    return [alert for alert in alerts if not alert["shadow"]]


def in_order_of_detection(alert: Alert) -> tuple[int, str, str, int]:
    """The place of a revision in a file of alerts."""
    return alert["updated_at"], alert["account_id"], alert["alert_id"], alert["revision"]


def _in_order_of_cases(case: Alert) -> tuple[int, str, str, int]:
    return case["updated_at"], case["account_id"], case["case_id"], case["revision"]


def _fates(feeds: list[Feed]) -> dict[str, dict[str, int]]:
    total: dict[str, Counter[str]] = {topic: Counter() for topic in INPUT_TOPICS}
    for feed in feeds:
        for topic, fates in feed.fates.items():
            total[topic].update({str(fate): count for fate, count in fates.items()})
    return {topic: dict(fates) for topic, fates in total.items()}


def _band_of(feeds: list[Feed]) -> dict[str, str]:
    return {
        accounts.ids[row]: NAMES[accounts.band[row]]
        for accounts in (feed.state.accounts for feed in feeds)
        for row in accounts.judged().tolist()
    }
