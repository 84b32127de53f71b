"""Whole simulated streams through the whole core: what finds each labelled incident, and what stays quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from agents.backtest.run import Alert, replay
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.kinds import KINDS
from pipeline.scoring.labels import (
    ACCOUNT_INCIDENTS,
    FLEET,
    FLEET_INCIDENTS,
    QUIET_INCIDENTS,
    Label,
    labels_from_table,
    match,
)
from pipeline.simulate import ACCOUNT_KINDS, SimulatedStream, SimulationSettings, simulate
from pipeline.terms.arrays import I64, Bools
from schemas.topics import DAY_MS
from tests.evaluation.budget import YEAR_DAYS
from tests.evaluation.others import METHODS, openings
from tests.evaluation.steps import OURS

_FLEET_DAYS = 115
"""Of a stream with an incident of everybody."""
_SAME_DAYS = 14
"""An alert that the stream without the incident has within so many days of it has another cause."""
SEEN_AT_MS = 2_000_000_000_000
"""Later than any event: nothing is refused as future-dated."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated."""

    seeds: int
    accounts: int
    days: int
    incidents_per_kind: int


@dataclass(frozen=True, slots=True)
class Found:
    """How a method did on the labels of one kind and effect."""

    kind: str
    detail: str
    method: str
    labels: int
    found: int
    median_days: float | None
    """Of those found."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Alerts around incidents that are no reason to alert anybody about an account."""

    kind: str
    method: str
    incidents: int
    account_alerts: int
    system_alerts: int
    by_kind: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Calm:
    """Alerts of risk on accounts to which nothing was done, beyond facts such as a failed payment."""

    method: str
    account_years: float
    by_kind: Mapping[str, int]


@dataclass(slots=True)
class Streams:
    """Everything measured on whole streams."""

    found: list[Found] = field(default_factory=list)
    quiet: list[Quiet] = field(default_factory=list)
    calm: list[Calm] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Run:
    """One stream, what the product said about it, and its daily counts for the other methods."""

    settings: SimulationSettings
    labels: Sequence[Label]
    alerts: Sequence[Alert]
    account_ids: Sequence[str]
    opened: Mapping[str, Bools]
    """Where each other method would open an alert, by day and account."""
    twin: Sequence[Alert] = ()
    """What the product said about the same stream without its incident."""


def measure(size: Size, seed: int, tell: Callable[[str], None] = print) -> Streams:
    """Simulate, replay and compare."""
    runs, quiet = [], list[_Run]()
    for number in range(size.seeds):
        tell(f"stream {number + 1} of {size.seeds}: incidents of accounts, {size.accounts} accounts, {size.days} days")
        runs.append(_run(size, seed + number, ACCOUNT_KINDS, size.days))
        calm = _run(size, seed + number, (), _FLEET_DAYS)
        for kind in FLEET_INCIDENTS:
            tell(f"stream {number + 1} of {size.seeds}: {kind}")
            quiet.append(replace(_run(size, seed + number, (kind,), _FLEET_DAYS), twin=calm.alerts))
    return Streams([*_found(runs)], [*_quiet([*runs, *quiet])], [*_calm(runs)])


def _run(size: Size, seed: int, kinds: Sequence[str], days: int) -> _Run:
    settings = SimulationSettings(
        seed=seed, accounts=size.accounts, days=days, incidents_per_kind=size.incidents_per_kind, kinds=tuple(kinds)
    )
    stream = simulate(settings)
    alerts = replay(EventFiles.of(stream), EngineConfig(), seen_at_ms=SEEN_AT_MS).alerts
    account_ids = stream.profiles["account_id"].unique().to_pylist()
    counts = _daily(stream, settings, account_ids)
    opened = {name: openings(method(counts)) for name, method in METHODS.items()}
    return _Run(settings, labels_from_table(stream.labels), alerts, account_ids, opened)


def _daily(stream: SimulatedStream, settings: SimulationSettings, account_ids: Sequence[str]) -> I64:
    """Actions by day and account, the way a rule on a dashboard would count them."""
    usage = stream.usage
    place = {account_id: number for number, account_id in enumerate(account_ids)}
    codes = usage["account_id"].combine_chunks().dictionary_encode()
    accounts = np.array([place[name] for name in codes.dictionary.to_pylist()])[codes.indices.to_numpy()]
    days = (usage["occurred_at"].to_numpy() - settings.start_ms) // DAY_MS
    cells = np.bincount(days * len(account_ids) + accounts, minlength=settings.days * len(account_ids))
    return np.asarray(cells.reshape(settings.days, len(account_ids)).astype(np.int64))


def _delays(run: _Run, label: Label) -> Iterator[tuple[str, float | None]]:
    """The delay of each other method on a label, as an alert at the close of the day of its opening."""
    account = run.account_ids.index(label.account_id)
    first = int((label.at_ms - run.settings.start_ms) // DAY_MS)
    for name, days in run.opened.items():
        after = np.flatnonzero(days[first:, account])
        within = len(after) and after[0] <= 35
        yield name, float(after[0]) + 1.0 if within else None


def _found(runs: Sequence[_Run]) -> Iterator[Found]:
    delays: dict[tuple[str, str, str], list[float | None]] = {}
    for run in runs:
        for finding in match(run.labels, run.alerts).findings:
            label = finding.label
            delays.setdefault((label.kind, _effect(label), OURS), []).append(finding.delay_days)
            for name, delay in _delays(run, label):
                delays.setdefault((label.kind, _effect(label), name), []).append(delay)
    order = list(ACCOUNT_INCIDENTS)
    for (kind, detail, method), all_delays in sorted(
        delays.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
    ):
        known = [delay for delay in all_delays if delay is not None]
        yield Found(kind, detail, method, len(all_delays), len(known), median(known) if known else None)


def _effect(label: Label) -> str:
    """The detail of a label, but for what is drawn anew for each."""
    return "" if label.kind in ("power_user_decline", "role_decline") else label.detail


def _quiet(runs: Sequence[_Run]) -> Iterator[Quiet]:
    for kind in (*QUIET_INCIDENTS, *FLEET_INCIDENTS):
        concerned = [(run, label) for run in runs for label in run.labels if label.kind == kind]
        alerts = [alert for run, label in concerned for alert in _around(run, label)]
        system = [alert for alert in alerts if _is_system(alert)]
        by_kind = Counter(alert["kind"] for alert in alerts if alert not in system)
        yield Quiet(kind, OURS, len(concerned), by_kind.total(), len(system), dict(by_kind))
        for name in METHODS:
            count = sum(_others_around(run, label, run.opened[name]) for run, label in concerned)
            yield Quiet(kind, name, len(concerned), count, 0, {})


def _around(run: _Run, label: Label) -> list[Alert]:
    """Openings of risks that the incident has caused to those it concerns, facts aside, until a week after its end."""
    end_ms = (label.ends_at_ms or label.at_ms) + 7 * DAY_MS
    return [
        alert
        for alert in run.alerts
        if alert["revision"] == 1
        and label.at_ms <= alert["detected_at"] <= end_ms
        and (_is_system(alert) or (alert["family"] == "risk" and KINDS[alert["kind"]].evidence != "fact"))
        and label.account_id in (FLEET, alert["account_id"])
        and not any(_same(alert, other) for other in run.twin)
    ]


def _is_system(alert: Alert) -> bool:
    return bool(KINDS[alert["kind"]].family in ("system", "data_quality") and alert["account_id"].startswith("fleet"))


def _same(alert: Alert, other: Alert) -> bool:
    same = (alert["account_id"], alert["kind"]) == (other["account_id"], other["kind"])
    return same and abs(alert["detected_at"] - other["detected_at"]) <= _SAME_DAYS * DAY_MS


def _others_around(run: _Run, label: Label, opened: Bools) -> int:
    first = int((label.at_ms - run.settings.start_ms) // DAY_MS)
    last = int(((label.ends_at_ms or label.at_ms) - run.settings.start_ms) // DAY_MS) + 7
    accounts = slice(None) if label.account_id == FLEET else run.account_ids.index(label.account_id)
    return int(opened[first : last + 1, accounts].sum())


def _calm(runs: Sequence[_Run]) -> Iterator[Calm]:
    years, ours, others = 0.0, Counter[str](), Counter[str]()
    for run in runs:
        labelled = {label.account_id for label in run.labels}
        calm = [place for place, account_id in enumerate(run.account_ids) if account_id not in labelled]
        years += len(calm) * run.settings.days / YEAR_DAYS
        ours.update(
            alert["kind"]
            for alert in run.alerts
            if alert["revision"] == 1
            and alert["family"] == "risk"
            and alert["account_id"] not in labelled
            and KINDS[alert["kind"]].evidence != "fact"
        )
        others.update({name: int(opened[:, calm].sum()) for name, opened in run.opened.items()})
    yield Calm(OURS, years, dict(ours))
    for name in METHODS:
        yield Calm(name, years, {"any": others[name]})
