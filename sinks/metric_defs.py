"""Every metric the processes export. The table is the documentation: name, kind, labels and their values.

Labels are bounded: each has a fixed set of values, or is a partition number; of the segments, the first so many that
are seen have series of their own, of the receivers those of the settings. Anything else becomes `other`. No metric has
an account or a user as a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.fleet.alerts import FLEET_KINDS
from pipeline.fleet.traits import BASES, OUTCOMES
from pipeline.kinds import KINDS, LEVELS
from pipeline.portfolio.answers import COMPARED
from schemas.event_types import FEEDBACK_VERDICTS, OPEN_CASES
from schemas.reasons import Reason
from schemas.topics import INPUT_TOPICS
from sinks.delivery import PROJECTIONS, Projection
from sinks.errors import Refusal
from sinks.table import SINKS

Kind = Literal["counter", "gauge", "histogram"]
OTHER = "other"
ALL = "all"
"""The segment of what is of all accounts."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label and the values it can have; None: small numbers, such as partitions."""

    name: str
    values: tuple[str, ...] | None
    seen: bool = False
    """The first `SEGMENTS_SEEN` other values that occur are taken in."""


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric as it is exported; a histogram has `buckets`, in the unit that ends its name."""

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    unknown_at_first: bool = False
    """No series until a value is known, where 0 would be an answer."""


ALERT_KINDS: dict[str, str] = {name: kind.family for name, kind in KINDS.items()}
"""Family of each kind of alert."""

SEGMENTS_SEEN = 32
REASONS: tuple[str, ...] = (*(reason.value for reason in Reason), *(refusal.value for refusal in Refusal))
"""Of the dead letters of workers, and of those of deliveries."""
INVARIANTS = (
    "offset_regression",
    "gap",
    "stale_writer",
    "nonfinite",
    "alert_conflict",
    "delivery_gap",
    "stuck",
)

PORTFOLIO_RATIOS = (
    "logo_churn",
    "logo_churn_per_year",
    "logo_retention",
    "gross_mrr_churn",
    "gross_revenue_retention",
    "net_mrr_churn",
    "net_revenue_retention",
    "expansion_mrr",
    "trial_to_paid",
    "referral_ratio",
    "nps",
    "csat",
    "csat_above_3_5",
    "ces_easy",
    "green",
    "green_revenue",
)
"""Portfolio figures that are exported; the database has all."""

_INPUT = Label("topic", INPUT_TOPICS)
_READ = Label("topic", tuple(dict.fromkeys((*INPUT_TOPICS, *PROJECTIONS))))
_PARTITION = Label("partition", None)
_FATE = Label("fate", ("applied", "duplicate", "late_applied", "too_late", "dead_lettered", "rerouted"))
_REASON = Label("reason", REASONS)
_FAMILY = Label("family", ("risk", "expansion", "advocacy", "data_quality", "system"))
_KIND = Label("kind", tuple(ALERT_KINDS))
_LEVEL = Label("level", LEVELS)
_SEVERITY = Label("severity", ("critical", "error", "warning", "info"))
_STATUS = Label("status", ("firing", "acknowledged", "snoozed", "resolved", "suppressed", "retracted"))
_BAND = Label("band", ("green", "yellow", "red", "grey"))
_SEGMENT = Label("segment", (OTHER,), seen=True)
_SINK = Label("sink", tuple(SINKS))
_FAILURE = Label("kind", ("unavailable", "rejected", "conflict", "commit_unknown"))
_WRITTEN = Label("projection", tuple(each.value for each in Projection))
_RECEIVER = Label("receiver", (OTHER,))
"""Those of the settings."""
_RATIO = Label("metric", PORTFOLIO_RATIOS)
_GROUP = Label("segment", (ALL,), seen=True)

_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LATENCY = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_SIZES = (1, 10, 100, 500, 1000, 2000, 5000, 10000, 50000)

METRICS: tuple[MetricSpec, ...] = (
    # Input
    MetricSpec("foreshock_records_total", "counter", "Input records by what became of them.", (_INPUT, _FATE)),
    MetricSpec("foreshock_ticks_total", "counter", "Input records that only moved time; applied, too.", (_INPUT,)),
    MetricSpec("foreshock_dead_letters_total", "counter", "Records put into dead.letters.", (_READ, _REASON)),
    MetricSpec("foreshock_batch_records", "histogram", "Records in a batch that was applied.", (), _SIZES),
    MetricSpec(
        "foreshock_consumer_lag_records",
        "gauge",
        "Records of a partition that are not yet applied.",
        (_INPUT, _PARTITION),
    ),
    # Time
    MetricSpec(
        "foreshock_watermark_timestamp_seconds",
        "gauge",
        "Own watermark of a topic in a partition, as event time.",
        (_INPUT, _PARTITION),
    ),
    MetricSpec(
        "foreshock_day_closed_timestamp_seconds",
        "gauge",
        "End of the last closed day of a partition, as event time.",
        (_PARTITION,),
    ),
    # Output
    MetricSpec(
        "foreshock_alerts_total",
        "counter",
        "Alert records acknowledged by the broker.",
        (_FAMILY, _KIND, _SEVERITY, _STATUS),
    ),
    MetricSpec(
        "foreshock_portfolio_ratio",
        "gauge",
        "Portfolio figure of the last 30 days, as a fraction (NPS from -1 to 1); absent when it has no value.",
        (_RATIO, _GROUP),
        unknown_at_first=True,
    ),
    MetricSpec(
        "foreshock_touchpoints_worse",
        "gauge",
        "Touchpoints whose answers of the last 90 days are surely worse than in the year before.",
        (Label("survey", COMPARED),),
    ),
    MetricSpec(
        "foreshock_portfolio_as_of_timestamp_seconds",
        "gauge",
        "Event time up to which portfolio figures were computed.",
    ),
    MetricSpec(
        "foreshock_alerts_suppressed_total",
        "counter",
        "Alerts that stayed closed while a wider one was open or a person expected it, once for each closed day.",
        (Label("by", ("feed", "fleet", "parent", "account", "expected")),),
    ),
    MetricSpec(
        "foreshock_fleet_alerts_open",
        "gauge",
        "Alerts of the fleet and of segments that are open as of the last closed day; every partition knows all.",
        (_PARTITION, Label("kind", tuple(kind.name for kind in FLEET_KINDS))),
    ),
    MetricSpec(
        "foreshock_feedback_ratio",
        "gauge",
        "Share of a verdict in all that people gave on alerts of a kind; 0 until there is one.",
        (_KIND, Label("verdict", tuple(sorted(FEEDBACK_VERDICTS))), _GROUP),
    ),
    MetricSpec(
        "foreshock_cases_open",
        "gauge",
        "Cases that are not closed, by severity and status.",
        (_SEVERITY, Label("status", OPEN_CASES)),
    ),
    MetricSpec(
        "foreshock_learned_outlook_enabled",
        "gauge",
        "1 where probabilities of an outcome rest on the fleet's own outcomes, 0 while that is in shadow.",
        (_PARTITION, Label("basis", BASES), Label("outcome", OUTCOMES)),
    ),
    MetricSpec("foreshock_rules_enabled", "gauge", "Kinds of alert that are not switched off.", (_LEVEL,)),
    MetricSpec(
        "foreshock_shadow_alerts_total",
        "counter",
        "Alert records of kinds and scorecards in shadow; not in foreshock_alerts_total.",
        (_KIND,),
    ),
    MetricSpec("foreshock_accounts", "gauge", "Accounts by band and segment.", (_BAND, _SEGMENT)),
    MetricSpec(
        "foreshock_users",
        "gauge",
        "Users of the last closed day, users of the 28 days that end with it, and paid seats, by segment.",
        (Label("of", ("day", "month", "seats")), _SEGMENT),
    ),
    MetricSpec(
        "foreshock_event_to_alert_seconds",
        "histogram",
        "From the arrival of the record that set an alert off to the acknowledgement of the alert.",
        (),
        _LATENCY,
    ),
    MetricSpec(
        "foreshock_detection_latency_seconds",
        "histogram",
        "From reading a batch to the acknowledgement of its alerts.",
        (),
        _LATENCY,
    ),
    # State
    MetricSpec("foreshock_checkpoint_seconds", "histogram", "Time until a checkpoint is durable.", (), _QUICK),
    MetricSpec("foreshock_checkpoint_entries_total", "counter", "Changelog records written by checkpoints."),
    MetricSpec("foreshock_checkpoint_bytes_total", "counter", "Changelog bytes written by checkpoints."),
    MetricSpec("foreshock_state_accounts", "gauge", "Accounts held in memory by partition.", (_PARTITION,)),
    MetricSpec("foreshock_state_bytes", "gauge", "Memory of the columnar state by partition.", (_PARTITION,)),
    MetricSpec(
        "foreshock_unknown_countries_total",
        "counter",
        "Names of countries in profiles that are none with known holidays.",
    ),
    MetricSpec(
        "foreshock_state_evictions_total",
        "counter",
        "Users and features that an account had too many of, and ids forgotten before their time.",
        (Label("of", ("users", "features", "event_ids")),),
    ),
    MetricSpec(
        "foreshock_state_invariant_violations_total",
        "counter",
        "Things that must not happen; each is a page.",
        (Label("kind", INVARIANTS),),
    ),
    MetricSpec("foreshock_recovery_seconds", "gauge", "How long the last recovery of state took."),
    MetricSpec("foreshock_recovery_stale_records_total", "counter", "Changelog records of a fenced-off writer."),
    MetricSpec("foreshock_rebalances_total", "counter", "Rebalances of the consumer group seen by this process."),
    # Destinations
    MetricSpec("foreshock_sink_records_total", "counter", "Records that a destination took.", (_SINK, _WRITTEN)),
    MetricSpec(
        "foreshock_sink_lag_records",
        "gauge",
        "Records of a partition that are not yet delivered.",
        (_SINK, _READ, _PARTITION),
    ),
    MetricSpec("foreshock_sink_write_seconds", "histogram", "Time of writing one batch.", (_SINK,), _QUICK),
    MetricSpec("foreshock_sink_write_failures_total", "counter", "Batches that were not written.", (_SINK, _FAILURE)),
    MetricSpec("foreshock_sink_blocked", "gauge", "1 while a destination takes no batch, else 0.", (_SINK,)),
    MetricSpec("foreshock_sink_last_success_timestamp_seconds", "gauge", "When a batch was last written.", (_SINK,)),
    # Receivers
    MetricSpec(
        "foreshock_notify_messages_total",
        "counter",
        "Messages by what became of a try to send them.",
        (_RECEIVER, Label("result", ("sent", "retried", "failed"))),
    ),
    MetricSpec("foreshock_notify_waiting_records", "gauge", "Messages that are due and not sent.", (_RECEIVER,)),
    MetricSpec("foreshock_notify_late_seconds", "gauge", "How long the oldest of them has been due.", (_RECEIVER,)),
    MetricSpec("foreshock_notify_blocked", "gauge", "1 while a receiver takes no message, else 0.", (_RECEIVER,)),
    # Process
    MetricSpec("foreshock_ready", "gauge", "1 while the process does its work, as /-/ready says."),
    MetricSpec("foreshock_build_info", "gauge", "1; the label names the version.", (Label("version", None),)),
)
