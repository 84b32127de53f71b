"""What every metric must keep. The tests go through the table: a new line in it is tested by being there."""

from __future__ import annotations

import re

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from schemas.reasons import Reason
from sinks.errors import Refusal
from sinks.metric_defs import METRICS, OTHER, SEGMENTS_SEEN, MetricSpec
from sinks.metrics import Metrics
from sinks.table import SINKS
from tests.support.repository import PACKAGES, ROOT

every_metric = pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.name)

UNITS = (
    "_seconds", "_bytes", "_records", "_total", "_info", "_accounts", "_blocked", "_ratio", "_enabled", "_open",
    "_users", "_worse", "_ready",
)  # fmt: skip
FORBIDDEN = {"account", "account_id", "user", "user_id", "alert_id", "event_type", "owner", "id"}
MOST_SERIES = 640


def samples(metrics: Metrics, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    text = generate_latest(metrics.registry).decode()
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in {name, f"{name}_count"}
    }


@every_metric
def test_its_name_has_the_prefix_and_ends_with_a_base_unit(spec: MetricSpec) -> None:
    assert re.fullmatch(r"foreshock(_[a-z]+)+", spec.name)
    assert spec.name.endswith(UNITS)
    assert spec.name.endswith("_total") == (spec.kind == "counter")
    assert not re.search(r"milli|micro|minute|hour|kilo|mega|percent", spec.name)


@every_metric
def test_its_help_is_a_sentence(spec: MetricSpec) -> None:
    assert spec.help[0].isupper() or spec.help[0].isdigit()
    assert spec.help.endswith(".")


@every_metric
def test_its_labels_are_bounded_and_name_nobody(spec: MetricSpec) -> None:
    names = [label.name for label in spec.labels]
    assert not FORBIDDEN & set(names)
    assert len(set(names)) == len(names)
    unbounded = {label.name for label in spec.labels if label.values is None}
    assert unbounded <= {"partition", "version"}
    for label in spec.labels:
        assert label.values is None or 0 < len(set(label.values)) == len(label.values)


@every_metric
def test_buckets_grow_and_only_histograms_have_them(spec: MetricSpec) -> None:
    assert bool(spec.buckets) == (spec.kind == "histogram")
    assert list(spec.buckets) == sorted(set(spec.buckets))


@every_metric
def test_every_known_series_is_there_from_the_start_and_zero(spec: MetricSpec) -> None:
    found = samples(Metrics(version="1"), spec.name)
    assert len(found) <= MOST_SERIES
    if spec.name == "foreshock_build_info":
        assert found == {(("version", "1"),): 1.0}
    elif spec.unknown_at_first or any(label.values is None for label in spec.labels):
        assert found == {}
    else:
        assert found
        assert set(found.values()) == {0.0}


def test_latency_histograms_have_the_objective_as_a_bucket() -> None:
    for spec in METRICS:
        if spec.name in {"foreshock_event_to_alert_seconds", "foreshock_detection_latency_seconds"}:
            assert {30, 60, 300} <= set(spec.buckets)


def test_names_are_unique_and_the_exposition_holds_exactly_the_table() -> None:
    names = [spec.name for spec in METRICS]
    assert len(set(names)) == len(names)
    metrics = Metrics()
    metrics.watermark(0, "usage.events", 1_000)
    metrics.day_closed(0, 1_000)
    metrics.lag("usage.events", 0, 1)
    metrics.state(0, 1, 1)
    metrics.fleet_alerts(0, {"fleet_dip": 1})
    metrics.outlook(0, "billing", "churn", learned=False)
    metrics.sink_lag("database", "usage.events", 0, 1)
    metrics.portfolio({("nps", None): 0.5}, {}, 1_000)
    families = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())
        if family.samples
    }
    assert families == set(names)


def test_what_is_told_is_what_is_exported() -> None:
    metrics = Metrics()
    metrics.records("usage.events", "applied", 41)
    metrics.records("usage.events", "applied", 1)
    metrics.alert({"kind": "silence", "severity": "error", "status": "firing", "account_id": "acme"})
    metrics.watermark(3, "usage.events", 1_500)
    metrics.checkpoint(0.2, 10, 4_096)
    metrics.recovery(1.5, 2)
    metrics.dead_letter("usage.events", "malformed")
    metrics.accounts({("red", "smb"): 7})
    metrics.fleet_alerts(2, {"fleet_dip": 3, "usage_feed_stopped": 0})
    metrics.outlook(2, "use", "churn", learned=True)
    value = metrics.registry.get_sample_value
    assert value("foreshock_records_total", {"topic": "usage.events", "fate": "applied"}) == 42
    alert = {"family": "risk", "kind": "silence", "severity": "error", "status": "firing"}
    assert value("foreshock_alerts_total", alert) == 1
    watermark = {"topic": "usage.events", "partition": "3"}
    assert value("foreshock_watermark_timestamp_seconds", watermark) == 1.5
    assert value("foreshock_checkpoint_seconds_bucket", {"le": "0.25"}) == 1
    assert value("foreshock_checkpoint_seconds_bucket", {"le": "0.1"}) == 0
    assert value("foreshock_checkpoint_bytes_total") == 4_096
    assert value("foreshock_recovery_stale_records_total") == 2
    assert value("foreshock_dead_letters_total", {"topic": "usage.events", "reason": "malformed"}) == 1
    assert value("foreshock_accounts", {"band": "red", "segment": "smb"}) == 7
    assert value("foreshock_fleet_alerts_open", {"partition": "2", "kind": "fleet_dip"}) == 3
    assert value("foreshock_fleet_alerts_open", {"partition": "2", "kind": "usage_feed_stopped"}) == 0
    assert value("foreshock_learned_outlook_enabled", {"partition": "2", "basis": "use", "outcome": "churn"}) == 1


def test_what_people_say_of_a_kind_is_exported_as_shares() -> None:
    metrics = Metrics()
    said, smb = {"useful": 3, "false_alarm": 1, "known": 0, "late": 0}, {"useful": 0, "false_alarm": 1}
    metrics.feedback({("silence", None): said, ("silence", "smb"): smb})
    found = samples(metrics, "foreshock_feedback_ratio")
    assert found[("kind", "silence"), ("segment", "all"), ("verdict", "useful")] == 0.75
    assert found[("kind", "silence"), ("segment", "all"), ("verdict", "false_alarm")] == 0.25
    assert found[("kind", "silence"), ("segment", "smb"), ("verdict", "false_alarm")] == 1.0
    metrics.feedback({("silence", f"s{n:03}"): smb for n in range(SEGMENTS_SEEN + 10)})
    segments = {dict(labels)["segment"] for labels in samples(metrics, "foreshock_feedback_ratio")}
    assert len(segments) == SEGMENTS_SEEN + 1


def test_cases_that_are_closed_are_not_counted_any_more() -> None:
    metrics = Metrics()
    metrics.open_cases({("error", "open"): 3, ("warning", "snoozed"): 1})
    metrics.open_cases({("error", "open"): 2})
    found = samples(metrics, "foreshock_cases_open")
    assert found[("severity", "error"), ("status", "open")] == sum(found.values()) == 2


def test_text_from_outside_makes_few_more_series_however_much_there_is() -> None:
    metrics = Metrics()
    before = len(generate_latest(metrics.registry).splitlines())
    for n in range(1_000):
        evil = f'x{n}"}} 1\nfake 2'
        metrics.records(evil, evil, 1)
        metrics.dead_letter("usage.events", evil)
        metrics.alert({"kind": evil, "severity": evil, "status": evil, "family": evil})
        metrics.accounts({("red", evil): 1})
        metrics.invariant(evil)
    text = generate_latest(metrics.registry).decode()
    assert len(text.splitlines()) == before + 4 + 4 * SEGMENTS_SEEN
    assert not [line for line in text.splitlines() if line.startswith("fake")]
    other = {"topic": OTHER, "fate": OTHER}
    assert metrics.registry.get_sample_value("foreshock_records_total", other) == 1_000


def test_segments_are_those_that_are_seen() -> None:
    metrics = Metrics()
    metrics.accounts({("green", "gold"): 3, ("green", "x y"): 4, ("green", None): 5, ("green", "other"): 6})
    value = metrics.registry.get_sample_value
    assert value("foreshock_accounts", {"band": "green", "segment": "gold"}) == 3
    assert value("foreshock_accounts", {"band": "green", "segment": "x y"}) == 4
    assert value("foreshock_accounts", {"band": "green", "segment": OTHER}) == 11
    metrics.accounts({("green", "x y"): 1})
    assert value("foreshock_accounts", {"band": "green", "segment": "gold"}) == 0
    assert value("foreshock_accounts", {"band": "green", "segment": OTHER}) == 0
    metrics.portfolio({("csat", None): 0.5, ("csat", "gold"): 0.25, ("csat", "all"): 0.75}, {"nps": 2}, 1_000)
    assert value("foreshock_portfolio_ratio", {"metric": "csat", "segment": "gold"}) == 0.25
    assert value("foreshock_portfolio_ratio", {"metric": "csat", "segment": "all"}) == 0.5
    assert value("foreshock_touchpoints_worse", {"survey": "nps"}) == 2
    assert value("foreshock_touchpoints_worse", {"survey": "csat"}) == 0


def test_segments_beyond_the_first_so_many_are_counted_together() -> None:
    metrics = Metrics()
    metrics.accounts({("red", f"s{n:03}"): 1 for n in range(SEGMENTS_SEEN + 10)})
    metrics.accounts({("red", "late"): 1, ("red", "s000"): 2})
    found = samples(metrics, "foreshock_accounts")
    red = {dict(labels)["segment"]: value for labels, value in found.items() if dict(labels)["band"] == "red"}
    assert len(red) == SEGMENTS_SEEN + 1
    assert (red["s000"], red[OTHER]) == (2, 1)


def test_every_sink_has_its_own_series() -> None:
    metrics = Metrics()
    for number, sink in enumerate(SINKS, 1):
        metrics.sink_written(sink, "alert", number)
        metrics.sink_lag(sink, "alerts.health", 3, number)
        metrics.sink_blocked(sink)
        metrics.sink_failed(sink, "unavailable")
        metrics.sink_committed(sink, 0.1, number)
    for name in [spec.name for spec in METRICS if spec.name.startswith("foreshock_sink_")]:
        assert {dict(labels)["sink"] for labels in samples(metrics, name)} == set(SINKS)
    value = metrics.registry.get_sample_value
    for number, sink in enumerate(SINKS, 1):
        assert value("foreshock_sink_records_total", {"sink": sink, "projection": "alert"}) == number
        assert value("foreshock_sink_last_success_timestamp_seconds", {"sink": sink}) == number


def test_a_partition_that_is_not_ours_any_more_has_no_series() -> None:
    metrics = Metrics()
    for partition in (1, 11):
        metrics.state(partition, 5, 500)
        metrics.day_closed(partition, 1_000)
        metrics.fleet_alerts(partition, {"fleet_dip": 1, "usage_feed_stopped": 0})
        for topic in ("usage.events", "billing.events"):
            metrics.watermark(partition, topic, 1_000)
            metrics.lag(topic, partition, 3)
    metrics.released(1)
    metrics.released(2)
    text = generate_latest(metrics.registry).decode()
    assert 'partition="1"' not in text
    assert text.count('partition="11"') == 9


def test_the_global_registry_is_left_alone_and_two_processes_worth_fit_into_one() -> None:
    before = set(REGISTRY._names_to_collectors)
    Metrics()
    Metrics(CollectorRegistry())
    assert set(REGISTRY._names_to_collectors) == before


def test_the_reasons_are_those_of_workers_and_of_deliveries_and_no_others() -> None:
    (dead_letters,) = [spec for spec in METRICS if spec.name == "foreshock_dead_letters_total"]
    (reason,) = [label for label in dead_letters.labels if label.name == "reason"]
    assert set(reason.values or ()) == set(Reason) | set(Refusal)


def test_every_reason_is_given_somewhere_and_only_by_its_name() -> None:
    code = {path: path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    for each in (*Reason, *Refusal):
        name = f"{type(each).__name__}.{each.name}"
        assert any(name in source for source in code.values()), f"nobody gives {name}"
        if each.value != "too_late":  # also a fate
            assert sum(f'"{each.value}"' in source for source in code.values()) == 1, each.value
