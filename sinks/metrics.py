"""The metrics of one process: verbs of the domain outside, collectors on a registry of its own inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from pipeline.portfolio.answers import COMPARED
from sinks.metric_defs import ALERT_KINDS, ALL, METRICS, OTHER, SEGMENTS_SEEN, Label, MetricSpec

Collector = Counter | Gauge | Histogram

USUAL_STATUSES = ("firing", "resolved")
"""Alerts of these have their series from the start; of the rare others, once there is one."""


class Metrics:
    """Counts what happens; safe to call from any thread.

    Args:
        registry: where the collectors are registered; a new one by default, never the global one.
        kinds: family of each kind of alert; other kinds are counted as `other`.
        receivers: names of those that messages are sent to.
        version: of the program, for `foreshock_build_info`.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        kinds: Mapping[str, str] = ALERT_KINDS,
        receivers: Iterable[str] = (),
        version: str = "unknown",
    ) -> None:
        # A second series beside each counter and histogram, which no rule or panel uses.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # not annotated by its library
        self.registry = CollectorRegistry(auto_describe=True) if registry is None else registry
        self._kinds = dict(kinds)
        self._values = {
            ("kind", name): tuple(kinds) for name in ("foreshock_alerts_total", "foreshock_shadow_alerts_total")
        }
        named = (*receivers, OTHER)
        self._values |= {
            ("receiver", spec.name): named for spec in METRICS if spec.name.startswith("foreshock_notify_")
        }
        self._segments: list[str] = []
        self._specs = {spec.name: spec for spec in METRICS}
        self._collectors = {spec.name: _collector(spec, self.registry) for spec in METRICS}
        for spec in METRICS:
            self._initialise(spec)
        self._gauge("foreshock_build_info", version).set(1)

    def ready(self, check: Callable[[], str | None]) -> None:
        """Whether the process does its work, asked at each scrape; `check` says what is wrong."""
        self._gauge("foreshock_ready").set_function(lambda: float(check() is None))

    def rules_enabled(self, counts: Mapping[str, int]) -> None:
        """So many kinds of alert of each level are not switched off."""
        for level, count in counts.items():
            self._gauge("foreshock_rules_enabled", level).set(count)

    # What the worker tells.

    def records(self, topic: str, fate: str, count: int) -> None:
        """Input records of a topic met a fate."""
        self._counter("foreshock_records_total", topic, fate).inc(count)

    def ticks(self, topic: str, count: int) -> None:
        """So many of a topic's records only moved time."""
        self._counter("foreshock_ticks_total", topic).inc(count)

    def alert(self, record: Mapping[str, Any]) -> None:
        """An alert record was acknowledged by the broker."""
        kind = record["kind"] if record["kind"] in self._kinds else OTHER
        if record.get("shadow"):
            self._counter("foreshock_shadow_alerts_total", kind).inc()
            return
        family = self._kinds.get(kind, OTHER)
        self._counter("foreshock_alerts_total", family, kind, record["severity"], record["status"]).inc()

    def checkpoint(self, seconds: float, entries: int, size_bytes: int) -> None:
        """A checkpoint is durable."""
        self._histogram("foreshock_checkpoint_seconds").observe(seconds)
        self._counter("foreshock_checkpoint_entries_total").inc(entries)
        self._counter("foreshock_checkpoint_bytes_total").inc(size_bytes)

    def watermark(self, partition: int, topic: str, at_ms: int) -> None:
        """Own watermark of a topic in a partition."""
        self._gauge("foreshock_watermark_timestamp_seconds", topic, partition).set(at_ms / 1000)

    def lag(self, topic: str, partition: int, records: int) -> None:
        """Records of a partition not yet applied."""
        self._gauge("foreshock_consumer_lag_records", topic, partition).set(records)

    def rebalance(self) -> None:
        """The group is rebalancing."""
        self._counter("foreshock_rebalances_total").inc()

    def recovery(self, seconds: float, stale: int) -> None:
        """State was rebuilt; so many changelog records were left out as those of a fenced-off writer."""
        self._gauge("foreshock_recovery_seconds").set(seconds)
        self._counter("foreshock_recovery_stale_records_total").inc(stale)

    def invariant(self, kind: str) -> None:
        """Something was seen that must not happen."""
        self._counter("foreshock_state_invariant_violations_total", kind).inc()

    def suppressed(self, by: str, count: int) -> None:
        """Alerts stayed closed on a day while a wider one was open."""
        self._counter("foreshock_alerts_suppressed_total", by).inc(count)

    def dead_letter(self, topic: str, reason: str, count: int = 1) -> None:
        """A record of a topic was put into dead.letters."""
        self._counter("foreshock_dead_letters_total", topic, reason).inc(count)

    def batch(self, records: int) -> None:
        """A batch of so many records was applied."""
        self._histogram("foreshock_batch_records").observe(records)

    def day_closed(self, partition: int, end_ms: int) -> None:
        """A partition closed a day that ended then."""
        self._gauge("foreshock_day_closed_timestamp_seconds", partition).set(end_ms / 1000)

    def event_to_alert(self, seconds: float, alert_id: str | None = None) -> None:
        """An alert was acknowledged so long after the record that set it off had arrived.

        The id becomes an exemplar, never a label.
        """
        exemplar = None if alert_id is None else {"alert_id": alert_id}
        self._histogram("foreshock_event_to_alert_seconds").observe(seconds, exemplar)

    def detection_latency(self, seconds: float) -> None:
        """A batch's alerts were acknowledged so long after it was read."""
        self._histogram("foreshock_detection_latency_seconds").observe(seconds)

    def accounts(self, counts: Mapping[tuple[str, str | None], int]) -> None:
        """Accounts of all partitions here, by band and segment; segments beyond the first so many are one."""
        self._by_segment("foreshock_accounts", counts)

    def users(self, counts: Mapping[tuple[str, str | None], int]) -> None:
        """Users of all partitions here, by what they are counted over and segment."""
        self._by_segment("foreshock_users", counts)

    def portfolio(
        self, ratios: Mapping[tuple[str, str | None], float | None], fallen: Mapping[str, int], as_of_ms: int
    ) -> None:
        """Portfolio figures by name and segment, those of all accounts of the segment `all`; touchpoints that fell."""
        for survey in COMPARED:
            self._gauge("foreshock_touchpoints_worse", survey).set(fallen.get(survey, 0))
        self._see(segment for _, segment in ratios)
        for metric, segment in self._known(self._specs["foreshock_portfolio_ratio"]):
            value = ratios.get((metric, None if segment == ALL else segment))
            if value is not None:
                self._gauge("foreshock_portfolio_ratio", metric, segment).set(value)
            else:
                with suppress(KeyError):
                    self._collectors["foreshock_portfolio_ratio"].remove(metric, segment)
        self._gauge("foreshock_portfolio_as_of_timestamp_seconds").set(as_of_ms / 1000)

    def feedback(self, verdicts: Mapping[tuple[str, str | None], Mapping[str, int]]) -> None:
        """What people said of alerts: so many times each verdict, by kind and segment; None: all accounts."""
        self._see(segment for _, segment in verdicts)
        for (kind, segment), given in verdicts.items():
            if segment is not None and segment not in self._segments:
                continue
            for verdict, count in given.items():
                share = count / (sum(given.values()) or 1)
                self._gauge("foreshock_feedback_ratio", kind, verdict, segment or ALL).set(share)

    def open_cases(self, counts: Mapping[tuple[str, str], int]) -> None:
        """So many cases are not closed, by severity and status."""
        for labels in self._known(self._specs["foreshock_cases_open"]):
            self._gauge("foreshock_cases_open", *labels).set(counts.get((labels[0], labels[1]), 0))

    def state(self, partition: int, accounts: int, size_bytes: int) -> None:
        """A partition's state holds so many accounts in so many bytes."""
        self._gauge("foreshock_state_accounts", partition).set(accounts)
        self._gauge("foreshock_state_bytes", partition).set(size_bytes)

    def evictions(self, of: str, count: int) -> None:
        """Users or features were dropped from accounts that had too many."""
        self._counter("foreshock_state_evictions_total", of).inc(count)

    def unknown_country(self) -> None:
        """A profile named a country that is none."""
        self._counter("foreshock_unknown_countries_total").inc()

    def fleet_alerts(self, partition: int, counts: Mapping[str, int]) -> None:
        """As a partition knows it, so many alerts of the fleet and of segments are open, by kind."""
        for kind, count in counts.items():
            self._gauge("foreshock_fleet_alerts_open", partition, kind).set(count)

    def outlook(self, partition: int, basis: str, outcome: str, *, learned: bool) -> None:
        """As a partition knows it, what is learned of an outcome is in force, or not."""
        self._gauge("foreshock_learned_outlook_enabled", partition, basis, outcome).set(learned)

    def released(self, partition: int) -> None:
        """A partition is not ours any more: its series are those of its new owner."""
        for spec in METRICS:
            if any(label.name == "partition" for label in spec.labels):
                self._collectors[spec.name].remove_by_labels({"partition": str(partition)})

    # What the delivery tells.

    def sink_written(self, sink: str, projection: str, records: int) -> None:
        """A destination took records."""
        self._counter("foreshock_sink_records_total", sink, projection).inc(records)

    def sink_lag(self, sink: str, topic: str, partition: int, records: int) -> None:
        """Records of a partition not yet delivered to a destination."""
        self._gauge("foreshock_sink_lag_records", sink, topic, partition).set(records)

    def sink_committed(self, sink: str, seconds: float, at_s: float) -> None:
        """A batch took so long and was written at that time."""
        self._histogram("foreshock_sink_write_seconds", sink).observe(seconds)
        self._gauge("foreshock_sink_last_success_timestamp_seconds", sink).set(at_s)
        self._gauge("foreshock_sink_blocked", sink).set(0)

    def sink_failed(self, sink: str, kind: str) -> None:
        """A batch was not written."""
        self._counter("foreshock_sink_write_failures_total", sink, kind).inc()

    def sink_blocked(self, sink: str) -> None:
        """A destination takes no batch for now."""
        self._gauge("foreshock_sink_blocked", sink).set(1)

    # What the senders tell.

    def notified(self, receiver: str, result: str) -> None:
        """A message was sent, has to be tried again, or can never be sent."""
        self._counter("foreshock_notify_messages_total", receiver, result).inc()

    def notify_blocked(self, receiver: str, *, blocked: bool) -> None:
        """Whether a receiver takes no message for now."""
        self._gauge("foreshock_notify_blocked", receiver).set(blocked)

    def notify_backlog(self, receiver: str, waiting: int, late_s: float) -> None:
        """So many messages to a receiver are due, the oldest for so long."""
        self._gauge("foreshock_notify_waiting_records", receiver).set(waiting)
        self._gauge("foreshock_notify_late_seconds", receiver).set(late_s)

    def _by_segment(self, name: str, counts: Mapping[tuple[str, str | None], int]) -> None:
        self._see(segment for _, segment in counts)
        totals = dict.fromkeys(self._known(self._specs[name]), 0)
        for (of, segment), count in counts.items():
            labels = (of, segment or OTHER)
            totals[labels if labels in totals else (of, OTHER)] += count
        for known, total in totals.items():
            self._gauge(name, *known).set(total)

    def _see(self, segments: Iterable[str | None]) -> None:
        """Take in segments not seen before, as long as there is room."""
        new = {each for each in segments if each is not None} - {ALL, OTHER, *self._segments}
        self._segments += sorted(new)[: SEGMENTS_SEEN - len(self._segments)]

    def _initialise(self, spec: MetricSpec) -> None:
        if spec.unknown_at_first or not spec.labels or any(label.values is None for label in spec.labels):
            return
        for values in self._known(spec):
            self._collectors[spec.name].labels(*values)

    def _known(self, spec: MetricSpec) -> Iterator[tuple[str, ...]]:
        if spec.name == "foreshock_alerts_total":
            _family, _kind, severity, _status = (label.values or () for label in spec.labels)
            for (kind, family), *rest in product(self._kinds.items(), severity, USUAL_STATUSES):
                yield (family, kind, *rest)
            return
        yield from product(*(self._allowed(spec, label) or () for label in spec.labels))

    def _allowed(self, spec: MetricSpec, label: Label) -> tuple[str, ...] | None:
        if label.seen:
            return (*(label.values or ()), *self._segments)
        return self._values.get((label.name, spec.name), label.values)

    def _labelled(self, name: str, values: tuple[str | int, ...]) -> Any:
        collector = self._collectors[name]
        if not values:
            return collector
        spec = self._specs[name]
        bounded = []
        for label, value in zip(spec.labels, values, strict=True):
            allowed = self._allowed(spec, label)
            bounded.append(str(value) if allowed is None or value in allowed else OTHER)
        return collector.labels(*bounded)

    def _counter(self, name: str, *values: str | int) -> Counter:
        counter: Counter = self._labelled(name, values)
        return counter

    def _gauge(self, name: str, *values: str | int) -> Gauge:
        gauge: Gauge = self._labelled(name, values)
        return gauge

    def _histogram(self, name: str, *values: str | int) -> Histogram:
        histogram: Histogram = self._labelled(name, values)
        return histogram


def _collector(spec: MetricSpec, registry: CollectorRegistry) -> Collector:
    labels = [label.name for label in spec.labels]
    if spec.kind == "counter":
        return Counter(spec.name, spec.help, labels, registry=registry)
    if spec.kind == "gauge":
        return Gauge(spec.name, spec.help, labels, registry=registry)
    return Histogram(spec.name, spec.help, labels, registry=registry, buckets=spec.buckets)
