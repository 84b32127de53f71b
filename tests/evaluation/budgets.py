"""Whole simulated streams through the whole core, at five budgets: what is found of each labelled incident, how soon,
and how many false alarms the other accounts have; at the default beside other methods with as many false alarms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import numpy as np

from agents.backtest.run import Alert, replay, told
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.kinds import KINDS
from pipeline.scoring.detection import WEEKS_PER_QUARTER
from pipeline.scoring.labels import ACCOUNT_INCIDENTS, Label, labels_from_table, match
from pipeline.simulate import ACCOUNT_KINDS, SimulatedStream, SimulationSettings, simulate
from pipeline.terms.arrays import F64
from schemas.topics import DAY_MS
from tests.evaluation.others import METHODS, Method, openings, tuned
from tests.evaluation.steps import OURS
from tests.evaluation.task import Size, Task

DAYS = 250
"""Of a stream."""
SEEN_AT_MS = 2_000_000_000_000
"""Later than any event: nothing is refused as future-dated."""
MADE = "made streams"
_WITHIN_DAYS = 35


@dataclass(frozen=True, slots=True)
class Budget:
    """What was asked for at one budget, and what came; rates are of an account and quarter."""

    where: str
    per_owner_week: float
    """False alarms that an owner accepts a week."""
    asked: float
    got: float
    """Of statistical kinds."""
    facts: float
    """Alerts of facts that no loss or incident followed from."""
    account_quarters: float
    labels: int
    found: int
    by_kind: Mapping[str, int]
    """The false ones, facts included."""


@dataclass(frozen=True, slots=True)
class Found:
    """How a method did on the labels of one kind and effect, at the default budget."""

    kind: str
    detail: str
    method: str
    labels: int
    found: int
    median_days: float | None
    """Of those found."""


@dataclass(frozen=True, slots=True)
class Calm:
    """False alarms of a method, per account-year, on the accounts to which nothing was done."""

    method: str
    setting: float | None
    per_year: float


def asked(per_owner_week: float) -> float:
    """False alarms of an account and quarter that an owner's budget comes to."""
    return per_owner_week * WEEKS_PER_QUARTER / EngineConfig().accounts_per_owner


def is_fact(kind: str) -> bool:
    """Whether a kind says what is certain, and cannot be a false alarm."""
    return KINDS[kind].evidence == "fact"


def is_lead(alert: Alert) -> bool:
    """Whether an alert opens, and asks somebody to act on a risk or a chance."""
    return alert["revision"] == 1 and alert["family"] in ("risk", "expansion")


@dataclass(slots=True)
class _Runs:
    """Streams of several seeds at one budget."""

    labels: list[Label] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    counts: list[F64] = field(default_factory=list)
    """Of each stream, actions by day and account."""
    account_ids: list[str] = field(default_factory=list)
    """Of all streams."""
    start_ms: int = 0

    def add(self, stream: SimulatedStream, settings: SimulationSettings, config: EngineConfig) -> None:
        """Replay one more; its accounts get names of their own."""
        name = f"{settings.seed}/"
        self.start_ms = settings.start_ms
        labels = labels_from_table(stream.labels)
        self.labels += [Label(name + one.account_id, one.kind, one.at_ms, one.ends_at_ms, one.detail) for one in labels]
        replayed = replay(EventFiles.of(stream), config, seen_at_ms=SEEN_AT_MS)
        self.alerts += [{**alert, "account_id": name + alert["account_id"]} for alert in told(replayed.alerts)]
        account_ids = stream.profiles["account_id"].unique().to_pylist()
        self.account_ids += [name + account_id for account_id in account_ids]
        self.counts.append(_daily(stream, settings, account_ids))

    @property
    def quarters(self) -> float:
        """Account-quarters of the accounts to which nothing was done."""
        return len(self.calm) * DAYS / 7.0 / WEEKS_PER_QUARTER

    @property
    def calm(self) -> set[str]:
        """Those accounts."""
        return set(self.account_ids) - {label.account_id for label in self.labels}


def tasks(size: Size) -> list[Task]:
    """The streams at each budget, the default with all methods."""
    return [
        Task(
            f"{size.streams} streams of {size.stream_accounts} accounts at a budget of {each:g}",
            partial(_at, size, each),
        )
        for each in sorted(size.budgets, key=lambda budget: budget != EngineConfig().false_per_owner_per_week)
    ]


def _at(size: Size, per_owner_week: float) -> Iterator[object]:
    config, runs = EngineConfig(false_per_owner_per_week=per_owner_week), _Runs()
    for number in range(size.streams):
        settings = SimulationSettings(
            seed=size.seed + number,
            accounts=size.stream_accounts,
            days=DAYS,
            incidents_per_kind=size.stream_accounts // 33,
            kinds=ACCOUNT_KINDS,
        )
        runs.add(simulate(settings), settings, config)
    delays = [(finding.label, finding.delay_days) for finding in match(runs.labels, runs.alerts).findings]
    calm = runs.calm
    false = Counter(alert["kind"] for alert in runs.alerts if is_lead(alert) and alert["account_id"] in calm)
    facts = sum(count for kind, count in false.items() if is_fact(kind))
    yield Budget(
        MADE,
        per_owner_week,
        asked(per_owner_week),
        (false.total() - facts) / runs.quarters,
        facts / runs.quarters,
        runs.quarters,
        len(delays),
        sum(delay is not None for _label, delay in delays),
        dict(false.most_common()),
    )
    if config == EngineConfig():
        yield from _found(OURS, delays)
        yield from _others(runs, false.total() - facts)


def _others(runs: _Runs, allowed: int) -> Iterator[object]:
    counts = np.hstack(runs.counts)
    place = {account_id: number for number, account_id in enumerate(runs.account_ids)}
    calm = counts[:, [place[account_id] for account_id in sorted(runs.calm)]]
    years = runs.quarters / 4.0
    yield Calm(OURS, None, allowed / years)
    for name, method in METHODS.items():

        def alarms(setting: float, method: Method = method) -> float:
            return float(openings(method.raised(calm, setting)).sum())

        setting = tuned(method.quiet, method.loud, alarms, allowed)
        yield Calm(name, setting, alarms(setting) / years)
        opened = openings(method.raised(counts, setting))
        delays = []
        for label in runs.labels:
            if ACCOUNT_INCIDENTS.get(label.kind):
                first = int((label.at_ms - runs.start_ms) // DAY_MS)
                after = np.flatnonzero(opened[first:, place[label.account_id]])
                # An alert at the close of the day of its opening.
                delays.append((label, float(after[0]) + 1.0 if len(after) and after[0] <= _WITHIN_DAYS else None))
        yield from _found(name, delays)


def _daily(stream: SimulatedStream, settings: SimulationSettings, account_ids: Sequence[str]) -> F64:
    """Actions by day and account, the way a rule on a dashboard would count them."""
    usage = stream.usage
    place = {account_id: number for number, account_id in enumerate(account_ids)}
    codes = usage["account_id"].combine_chunks().dictionary_encode()
    accounts = np.array([place[name] for name in codes.dictionary.to_pylist()])[codes.indices.to_numpy()]
    days = (usage["occurred_at"].to_numpy() - settings.start_ms) // DAY_MS
    cells = np.bincount(days * len(account_ids) + accounts, minlength=settings.days * len(account_ids))
    return np.asarray(cells.reshape(settings.days, len(account_ids)).astype(np.float64))


def _found(method: str, delays: Sequence[tuple[Label, float | None]]) -> Iterator[Found]:
    by_effect: dict[tuple[str, str], list[float | None]] = {}
    for label, delay in delays:
        by_effect.setdefault((label.kind, _effect(label)), []).append(delay)
    order = list(ACCOUNT_INCIDENTS)
    for (kind, detail), own in sorted(by_effect.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
        known = [delay for delay in own if delay is not None]
        yield Found(kind, detail, method, len(own), len(known), median(known) if known else None)


def _effect(label: Label) -> str:
    """The detail of a label, but for what is drawn anew for each."""
    return "" if label.kind in ("power_user_decline", "role_decline") else label.detail
