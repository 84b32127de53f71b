"""The measurements, one after another, each several times and in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from confluent_kafka import KafkaException

from agents.replay.emit import EmitError
from tests.benchmarks import broker, latency
from tests.benchmarks.plan import Sizes
from tests.benchmarks.process import MIB, MeasurementError, measure
from tests.benchmarks.results import Results, collect
from tests.benchmarks.workload import Workload
from tests.servers.errors import ServerUnavailableError
from tests.servers.postgres import PostgresServer
from tests.support.crowded import Crowd, copy, fill
from tests.support.producers import TEAMS
from tests.support.topics import delete_topics

Say = Callable[[str], None]
_TIMEOUT_S = 600.0
_CLOSE_TIMEOUT_S = 3_600.0
_ONE_PARTITION = 100_000
"""Accounts of a partition at most; more are spread over several, which are closed one after another."""
_RATE = "records/s"
_PARTS = {"PostgreSQL": 1, "SQLite": 10}
"""Databases behind the console's pages, and by how much the crowd is smaller there."""
_CONTESTANTS = {
    "foreshock": "foreshock, the full job in one worker",
    "stockfaust": "stock Faust agent, event by event",
    "handloop": "loop by hand: consume(500), fastavro, dictionaries",
    "ceiling": "ceiling: consume(5000) and columnar decoding alone",
}
_PRODUCERS = {
    "murmur2": "events by murmur2, Avro",
    "librdkafka": "events by librdkafka's default partitioner, Avro",
    "json": "events by librdkafka's default partitioner, JSON",
}
_EMITTED = {
    "client": "an event by the client: checked, encoded, acknowledged; CPU",
    "bare": "an event by a bare producer, from bytes made before; CPU",
}
_RATIOS = (
    ("stockfaust", "foreshock ÷ stock Faust", "times", 20.0),
    ("handloop", "foreshock ÷ loop by hand", "times", 1.0),
    ("ceiling", "foreshock's share of the ceiling", "share", None),
)


class Suite:
    """Runs sections and collects their figures."""

    def __init__(self, sizes: Sizes, say: Say) -> None:
        self.results = Results()
        self.failures: dict[str, str] = {}
        """Why a section could not be measured, by its name; the others go on."""
        self._sizes = sizes
        self._say = say
        self._stack = ExitStack()
        self._bootstrap: str | None = None

    def run(self, sections: Iterable[str]) -> None:
        """Run sections by name, in the given order; the servers that they needed are gone afterwards."""
        with self._stack:
            for name in sections:
                self._say(f"== {name}")
                try:
                    getattr(self, f"_{name}")()
                except (MeasurementError, ServerUnavailableError, EmitError, KafkaException) as error:
                    self.failures[name] = str(error)
                    self._say(f"{name} failed: {error}")

    def _kafka(self) -> str:
        """The one broker of all sections, started when first needed."""
        if self._bootstrap is None:
            self._bootstrap = self._stack.enter_context(broker.kafka()).bootstrap
        return self._bootstrap

    def _rounds(self, function: str, **arguments: Any) -> list[dict[str, Any]]:
        runs = []
        for number in range(1, self._sizes.rounds + 1):
            runs.append(measure(function, _TIMEOUT_S, **arguments))
            self._say(f"{function} {arguments}: round {number} of {self._sizes.rounds}")
        return runs

    # In process.

    def _backtest(self) -> None:
        sizes = self._sizes
        runs = self._rounds(
            "core:backtest",
            accounts=sizes.backtest_accounts,
            usage_events=sizes.backtest_events,
            days=sizes.backtest_days,
        )
        self.results.add(
            "backtest", "backtest, one core", collect(runs, "usage_per_s"), "usage events/s",
            f"{sizes.backtest_events:,} usage events of {sizes.backtest_accounts:,} accounts over "
            f"{sizes.backtest_days} days with all detectors; reading files is not included.",
            at_least=500_000,
        )  # fmt: skip

    def _close(self) -> None:
        for accounts in self._sizes.close_accounts:
            partitions = -(-accounts // _ONE_PARTITION)
            run = measure(
                "core:closing", _CLOSE_TIMEOUT_S,
                accounts=accounts, repeats=self._sizes.close_repeats, partitions=partitions,
            )  # fmt: skip
            self._say(f"closing {accounts:,} accounts: {run}")
            where = f" in {partitions} partitions" if partitions > 1 else ""
            self.results.add(
                f"close.{accounts}", f"closing a day, {accounts:,} accounts{where}, every detector", run["seconds"],
                "s",
                f"{run['cpu_s']:.2f} s of one core, {1e6 * run['cpu_s'] / accounts:.1f} µs an account; "
                f"{run['alerts']:.0f} alerts and {run['health']:.0f} health records a day; the first close, which "
                f"publishes every account's health, took {run['first_s']:.2f} s; "
                f"{run['state_mib'] * MIB / accounts:,.0f} bytes of state an account.",
                at_most=2.0 if accounts == 100_000 else None,
            )  # fmt: skip

    # On Kafka.

    def _drain(self) -> None:
        sizes = self._sizes
        workload = Workload(accounts=sizes.accounts, usage_events=sizes.usage_events, days=sizes.days)
        bootstrap = self._kafka()
        backlog = broker.fill(bootstrap, workload, self._say)
        everyone: dict[str, dict[str, Any]] = {name: {"records": backlog.records} for name in _CONTESTANTS}
        everyone["stockfaust"] = {
            "records": min(sizes.stock_records, backlog.records),
            "partitions": broker.PARTITIONS,
        }
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in everyone}
        for number in range(sizes.rounds):
            for name in _rotated(list(everyone), number):
                group = broker.new_group(bootstrap)
                run = measure(
                    f"contestants.{name}:drain", _TIMEOUT_S,
                    bootstrap=bootstrap, group=group, **everyone[name],
                )  # fmt: skip
                self._say(f"round {number + 1} of {sizes.rounds}, {name}: {run['per_s']:,.0f} records/s")
                runs[name].append(run)
        self._add_drain(runs, backlog)

    def _add_drain(self, runs: dict[str, list[dict[str, Any]]], backlog: broker.Backlog) -> None:
        ours = runs["foreshock"]
        first = ours[0]
        notes = {
            "foreshock": f"{backlog.records:,} records of {self._sizes.accounts:,} accounts, from the first record "
            f"applied to the last; up to the last checkpoint {median(collect(ours, 'durable_per_s')):,.0f} records/s. "
            f"{first['checkpoints']} checkpoints, {first['changelog_mib']:,.0f} MiB of changelog, "
            f"{first['alerts']:,} alerts.",
            "stockfaust": f"the first {runs['stockfaust'][0]['records']:,} records: daily count in a table, dedup, "
            "one rule.",
            "handloop": "daily count per account and user, one rule; no dedup, nothing durable.",
        }
        for name, what in _CONTESTANTS.items():
            per_cpu_s = median(collect(runs[name], "per_cpu_s"))
            note = f"{notes.get(name, '')} {per_cpu_s:,.0f} records per CPU-second of its process.".strip()
            self.results.add(f"drain.{name}", what, collect(runs[name], "per_s"), _RATE, note)
        for name, what, unit, bound in _RATIOS:
            pairs = zip(collect(ours, "per_s"), collect(runs[name], "per_s"), strict=True)
            self.results.add(f"ratio.{name}", what, [a / b for a, b in pairs], unit, at_least=bound)

    def _producers(self) -> None:
        sizes = self._sizes
        workload = Workload(accounts=sizes.accounts, usage_events=sizes.usage_events, days=sizes.days)
        bootstrap = self._kafka()
        rates: dict[str, list[float]] = {}
        for name, team in TEAMS.items():
            backlog, runs = broker.fill(bootstrap, workload, self._say, team), []
            for number in range(sizes.rounds):
                if number and backlog.strays:
                    # What a worker has sent on stays in the topics.
                    backlog = broker.fill(bootstrap, workload, self._say, team)
                run = measure(
                    "contestants.foreshock:drain", _TIMEOUT_S,
                    bootstrap=bootstrap, group=broker.new_group(bootstrap), records=backlog.records + backlog.strays,
                )  # fmt: skip
                self._say(f"{name}: {run}")
                runs.append(run)
            share = backlog.records / (backlog.records + backlog.strays)
            rates[name] = [share * rate for rate in collect(runs, "per_s")]
            self.results.add(
                f"producers.{name}", _PRODUCERS[name], rates[name], _RATE,
                f"{backlog.strays / backlog.records:.0%} of {backlog.records:,} records had to be sent on."
                if backlog.strays else "",
            )  # fmt: skip
        for name in ("librdkafka", "json"):
            pairs = zip(rates[name], rates["murmur2"], strict=True)
            self.results.add(
                f"ratio.producers.{name}", f"{_PRODUCERS[name]}, against the right partitioner",
                [a / b for a, b in pairs], "share",
            )  # fmt: skip

    def _client(self) -> None:
        bootstrap, events = self._kafka(), self._sizes.client_events
        delete_topics(bootstrap)
        broker.new_group(bootstrap)
        runs: dict[str, list[dict[str, Any]]] = {by: [] for by in _EMITTED}
        for number in range(self._sizes.rounds):
            for by in _rotated(list(_EMITTED), number):
                run = measure("client:emit", _TIMEOUT_S, bootstrap=bootstrap, events=events, by=by)
                self._say(f"round {number + 1} of {self._sizes.rounds}, {by}: {run}")
                runs[by].append(run)
        for by, what in _EMITTED.items():
            note = f"{events:,} usage events; {median(collect(runs[by], 'per_s')):,.0f} events/s until all are there."
            self.results.add(f"client.{by}", what, collect(runs[by], "cpu_us"), "µs", note)
        pairs = zip(collect(runs["client"], "cpu_us"), collect(runs["bare"], "cpu_us"), strict=True)
        ratios = [client / bare for client, bare in pairs]
        self.results.add("client.ratio", "an event by the client ÷ by a bare producer", ratios, "times")

    def _memory(self) -> None:
        accounts = self._sizes.memory_accounts
        what = f"{accounts:,} accounts with 20 users"
        is_full = accounts == 100_000
        runs = self._rounds("core:restoring", accounts=accounts, partitions=broker.PARTITIONS)
        self.results.add("restore.memory", f"{what}, restored from memory", collect(runs, "restore_s"), "s")
        self.results.add("checkpoint", f"{what}, all in one checkpoint", collect(runs, "checkpoint_s"), "s")
        self.results.add(
            "state", "state of an account with 20 users", collect(runs, "grown_bytes"), "bytes",
            f"as it grew: day values, users, features, books; {runs[0]['state_bytes']:,.0f} bytes restored, "
            f"{runs[0]['changelog_mib'] * MIB / accounts:,.0f} bytes stored.",
            at_most=6_000.0,
        )  # fmt: skip
        where = {"bootstrap": self._kafka(), "group": broker.new_group(self._kafka())}
        saved = measure("changelog:save", _TIMEOUT_S, **where, accounts=accounts)
        reads = self._rounds("changelog:restore", **where)
        self.results.add(
            "restore.kafka", f"{what}, restored from Kafka", collect(reads, "seconds"), "s",
            f"{saved['mib']:,.0f} MiB of compacted changelog, {saved['mib'] * MIB / accounts:,.0f} bytes an account.",
            at_most=15.0 if is_full else None,
        )  # fmt: skip
        self.results.add(
            "resident", f"{what}, resident memory", [run["resident_mib"] / 1024 for run in reads], "GiB",
            f"a process that has just restored them; {reads[0]['before_mib']:,.0f} MiB of it are libraries, "
            f"the highest during the restore was {max(collect(reads, 'peak_mib')):,.0f} MiB.",
            at_most=1.5 if is_full else None,
        )  # fmt: skip

    def _scale(self) -> None:
        few, many = self._sizes.scale_accounts
        core: dict[int, list[float]] = {}
        kafka: dict[int, list[float]] = {}
        for accounts in (few, many):
            runs = self._rounds("core:applying", accounts=accounts, usage_events=self._sizes.scale_events)
            core[accounts] = collect(runs, "per_s")
            workers = self._scale_on_kafka(accounts)
            kafka[accounts] = collect(workers, "per_s")
            if accounts == 100_000:
                self._add_worker_memory(workers)
        for name, what, found in (("core", "core in process", core), ("kafka", "one worker on Kafka", kafka)):
            for accounts in (few, many):
                self.results.add(
                    f"scale.{name}.{accounts}", f"{what}, {accounts:,} accounts known before", found[accounts], _RATE
                )  # fmt: skip
            ratios = [b / a for a, b in zip(found[few], found[many], strict=True)]
            self.results.add(
                f"scale.{name}", f"{what}, {many:,} accounts against {few:,}", ratios, "share", at_least=0.8
            )  # fmt: skip

    def _add_worker_memory(self, runs: list[dict[str, Any]]) -> None:
        self.results.add(
            "resident.worker", "100,000 accounts with 20 users in a worker at work, resident memory",
            [run["resident_mib"] / 1024 for run in runs], "GiB",
            f"after its last checkpoint; highest ever {max(collect(runs, 'peak_mib')) / 1024:.2f} GiB.",
            at_most=1.5,
        )  # fmt: skip

    def _scale_on_kafka(self, accounts: int) -> list[dict[str, Any]]:
        workload = Workload(accounts=accounts, usage_events=self._sizes.scale_events, days=1, everyone_first=True)
        runs = []
        bootstrap = self._kafka()
        backlog = broker.fill(bootstrap, workload, self._say)
        for _ in range(self._sizes.rounds):
            run = measure(
                "contestants.foreshock:drain", _TIMEOUT_S, bootstrap=bootstrap,
                group=broker.new_group(bootstrap), records=backlog.records, skip=backlog.warm_up,
            )  # fmt: skip
            self._say(f"{accounts:,} accounts on Kafka: {run}")
            runs.append(run)
        return runs

    def _latency(self) -> None:
        if self.results.middle("drain.foreshock") is None:
            self._drain()
        rate = (self.results.middle("drain.foreshock") or 0.0) / 2
        for database, url in self._databases().items():
            delete_topics(self._kafka())
            run = latency.run(self._kafka(), rate, self._sizes.latency_s, self._sizes.accounts, url)
            self._say(f"{database}: {run}")
            self._add_latency(database, run, rate)

    def _console(self) -> None:
        server = self._stack.enter_context(PostgresServer({"shared_buffers": "512MB"}))
        for database, part in _PARTS.items():
            crowd = Crowd(self._sizes.console_accounts // part, self._sizes.console_alerts // part)
            url = server.create_database(database.casefold())
            fill(url, crowd)
            if database == "SQLite":
                folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-console-")))
                source, url = url, f"sqlite:///{folder / 'bench.db'}"
                copy(source, url)
            self._say(f"{crowd.accounts:,} accounts and {crowd.alerts:,} alerts are in {database}")
            self._pages(database, url, crowd)

    def _pages(self, database: str, url: str, crowd: Crowd) -> None:
        run = measure(
            "console:pages", _TIMEOUT_S,
            url=url, accounts=crowd.accounts, alerts=crowd.alerts, requests=self._sizes.console_requests,
        )  # fmt: skip
        self.results.add(
            f"console.{database}.overview", f"console: figures of all accounts, once a close ({database})",
            run.pop("overview"), "s",
            f"{crowd.accounts:,} accounts with a year of weekly health and {crowd.alerts:,} alerts in {database}.",
        )  # fmt: skip
        for page, seconds in run.items():
            self.results.add(
                f"console.{database}.{page}.p95", f"console: {page}, p95 ({database})",
                float(np.quantile(seconds, 0.95)), "s",
                f"median {median(seconds):.3f} s of {len(seconds)} requests, one after another.", at_most=0.2,
            )  # fmt: skip

    def _databases(self) -> dict[str, str]:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-sqlite-")))
        databases = {"SQLite": f"sqlite:///{folder / 'bench.db'}"}
        if "PostgreSQL" in self._sizes.databases:
            try:
                databases["PostgreSQL"] = self._stack.enter_context(PostgresServer()).create_database("bench")
            except ServerUnavailableError as error:
                self._say(f"without PostgreSQL: {error}")
        return databases

    def _add_latency(self, database: str, run: dict[str, Any], rate: float) -> None:
        note = (
            f"{run['alert_count']} failures while {run['rate']:,.0f} usage events/s flowed (half of the maximum: "
            f"{rate:,.0f})"
        )
        for name, what, bound in (
            ("alert", "payment failure to alert topic", 1.0),
            ("row", f"payment failure to {database} row", 3.0),
            ("command", f"command to its answer in {database}", 2.0),
        ):
            missing = run[f"{name}_missing"]
            for percentile in (50, 99):
                value = run.get(f"{name}_p{percentile}_s", float("inf")) if not missing else float("inf")
                self.results.add(
                    f"latency.{database}.{name}.p{percentile}",
                    f"{what}, p{percentile} (with {database})", value, "s",
                    f"{note}; {missing} never arrived." if percentile == 99 and name == "alert" else "",
                    at_most=bound if percentile == 99 else None,
                )  # fmt: skip


def _rotated(names: list[str], by: int) -> list[str]:
    at = by % len(names)
    return names[at:] + names[:at]
