"""What is known to have happened to accounts, and which alerts found it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.health.kinds import HEALTH_CHANGED
from pipeline.kinds import KINDS
from schemas.errors import UsageError
from schemas.topics import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa


FLEET = "*"
"""The account id of a label that concerns every account."""

RISK_KINDS, EXPANSION_KINDS = (
    frozenset(name for name, kind in KINDS.items() if kind.family == family) for family in ("risk", "expansion")
)

CONSEQUENCE_KINDS = frozenset(name for name, kind in KINDS.items() if kind.consequence)
"""Kinds that judge an account as a whole: they follow from an incident of the account, but do not name it."""

FACT_KINDS = frozenset(name for name, kind in KINDS.items() if kind.immediate)
"""Kinds that say what an event said: true, whatever the labels tell."""


@dataclass(frozen=True, slots=True)
class Label:
    """One incident or outcome; `account_id` is `FLEET` when it concerns everybody."""

    account_id: str
    kind: str
    at_ms: int
    ends_at_ms: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LabelRule:
    """Which alert kinds find a label of one kind, and in which time around it.

    An alert counts when it was detected in `[at - before_days, (ends_at or at) + after_days]`. No kinds at
    all: the label is quiet, it is expected to raise nothing about an account.
    """

    alert_kinds: frozenset[str]
    before_days: int = 1
    after_days: int = 35
    system_kinds: frozenset[str] = frozenset()
    """Kinds of which one alert, of the fleet or a segment, tells of a quiet label."""


def _kinds(*names: str) -> LabelRule:
    return LabelRule(frozenset(names))


ACCOUNT_INCIDENTS: Mapping[str, LabelRule] = {
    "power_user_decline": _kinds("power_user_decline"),
    # A drop is seen within days; the silence is certain only after a week of it.
    "silence": _kinds("silence", "usage_drop"),
    "usage_drop": _kinds("usage_drop", "silence"),
    "slow_decline": _kinds("usage_drop", "power_user_decline", "silence"),
    "payment_failed": _kinds("payment_failed", "invoice_overdue"),
    "ticket_surge": _kinds("ticket_surge"),
    "p1_open": _kinds("p1_open"),
    "renewal_at_risk": _kinds("renewal_at_risk", "usage_drop", "health_changed"),
    # New users bring new activity, so either side of the same growth may be seen first.
    "seat_saturation": _kinds("seat_saturation", "sustained_growth"),
    "sustained_growth": _kinds("sustained_growth", "seat_saturation"),
    # The person who did most of the work and spoke for the product leaves.
    "champion_loss": _kinds("champion_left", "champion_silent", "power_user_silent", "power_user_decline"),
    "feature_abandonment": _kinds("feature_abandonment"),
    # A role has a small part of an account, of which 15 weeks must be known first.
    "role_decline": LabelRule(frozenset({"role_decline"}), after_days=42),
    "new_team": _kinds("sustained_growth", "seat_saturation"),
}
QUIET_INCIDENTS: Mapping[str, LabelRule] = {
    # Two days off that nobody announced.
    "company_holiday": LabelRule(frozenset(), after_days=7),
    # Every user has a new id; what they do stays the same.
    "reorganisation": LabelRule(frozenset(), after_days=35),
}
"""What happens to an account and is no reason to alert."""
FLEET_INCIDENTS: Mapping[str, LabelRule] = {
    "holiday": LabelRule(frozenset(), after_days=7),
    "feed_outage": LabelRule(frozenset(), after_days=7, system_kinds=frozenset({"usage_feed_stopped", "fleet_dip"})),
    "duplicates_replay": LabelRule(frozenset(), after_days=7),
    "late_data": LabelRule(frozenset(), after_days=7),
    "release_dip": LabelRule(frozenset(), after_days=7, system_kinds=frozenset({"fleet_dip"})),
}
OUTCOMES: Mapping[str, LabelRule] = {
    # A warning is worth something a quarter before the loss; after a month everybody knows.
    "churned": LabelRule(RISK_KINDS, before_days=91, after_days=28),
    "contracted": LabelRule(RISK_KINDS, before_days=28, after_days=42),
    "expanded": LabelRule(EXPANSION_KINDS, before_days=28, after_days=42),
}
LABEL_RULES: Mapping[str, LabelRule] = {**ACCOUNT_INCIDENTS, **QUIET_INCIDENTS, **FLEET_INCIDENTS, **OUTCOMES}

_CLAIMS = (RISK_KINDS | EXPANSION_KINDS).union(*(rule.alert_kinds | rule.system_kinds for rule in LABEL_RULES.values()))
"""Kinds that say something of what happens to an account, or that a label asks for."""


class UnknownLabelKindError(UsageError):
    """A label names a kind that no rule knows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One label of one account and the alerts that found it in order of detection; none: it was missed."""

    label: Label
    alerts: tuple[Mapping[str, Any], ...]

    @property
    def found(self) -> bool:
        """Whether any alert of a fitting kind came in time."""
        return bool(self.alerts)

    @property
    def first(self) -> Mapping[str, Any] | None:
        """The alert that found it first."""
        return self.alerts[0] if self.alerts else None

    @property
    def delay_days(self) -> float | None:
        """Days from the label's time to the first detection; negative when the alert came before."""
        return (self.alerts[0]["detected_at"] - self.label.at_ms) / DAY_MS if self.alerts else None


@dataclass(frozen=True, slots=True)
class QuietCheck:
    """A label that should raise nothing, and the unexplained alerts of those it concerns detected around it."""

    label: Label
    alerts: tuple[Mapping[str, Any], ...]
    system: tuple[Mapping[str, Any], ...]
    """What told of it instead."""


@dataclass(frozen=True, slots=True)
class MatchReport:
    """Labels against alerts.

    Every opening that is looked at is in findings, tells of a quiet label, or is in one of the last four.
    """

    findings: tuple[Finding, ...]
    """One for each label that should be found, in the order of the labels."""
    quiet: tuple[QuietCheck, ...]
    consequences: tuple[Mapping[str, Any], ...]
    """Openings of `CONSEQUENCE_KINDS` on an account in the time of an incident that they do not name."""
    improvements: tuple[Mapping[str, Any], ...]
    """Openings of `health_changed` that say an account became healthy: no alarm, so no false one."""
    facts: tuple[Mapping[str, Any], ...]
    """Openings of `FACT_KINDS` that no label names."""
    unmatched: tuple[Mapping[str, Any], ...]
    """Openings that no label explains: false alarms as far as the labels tell."""

    @property
    def found(self) -> int:
        """Number of labels found."""
        return sum(finding.found for finding in self.findings)

    @property
    def recall(self) -> float | None:
        """Share of the labels found; None without labels."""
        return self.found / len(self.findings) if self.findings else None

    def of_kind(self, kind: str) -> list[Finding]:
        """Findings of the labels of one kind."""
        return [finding for finding in self.findings if finding.label.kind == kind]


def match(labels: Sequence[Label], alerts: Iterable[Mapping[str, Any]]) -> MatchReport:
    """Match labels with the openings (revision 1, status firing) among `alerts`, whose order does not matter.

    Only kinds of the families risk and expansion are looked at, and those that labels ask for: others, such as
    that an account cannot be judged, say nothing of what happens to it.

    Alerts are records of alert.avsc; read are `alert_id`, `account_id`, `kind`, `severity`, `revision`,
    `status` and `detected_at` (ms).

    Raises:
        UnknownLabelKindError: a label's kind is not in `LABEL_RULES`.
    """
    unknown = sorted({label.kind for label in labels} - LABEL_RULES.keys())
    if unknown:
        msg = f"unknown label kinds {', '.join(unknown)}; known are {', '.join(LABEL_RULES)}"
        raise UnknownLabelKindError(msg)
    openings = sorted(
        (a for a in alerts if a["revision"] == 1 and a["status"] == "firing" and a["kind"] in _CLAIMS),
        key=lambda a: (a["detected_at"], a["alert_id"]),
    )
    by_account: dict[str, list[Mapping[str, Any]]] = {}
    for alert in openings:
        by_account.setdefault(alert["account_id"], []).append(alert)
    own = [label for label in labels if LABEL_RULES[label.kind].alert_kinds]
    findings = tuple(_find(label, by_account.get(label.account_id, [])) for label in own)
    quiet = [label for label in labels if not LABEL_RULES[label.kind].alert_kinds]
    told = [tuple(alert for alert in openings if _tells_of(label, alert)) for label in quiet]
    explained = {alert["alert_id"] for finding in findings for alert in finding.alerts}
    explained |= {alert["alert_id"] for alerts in told for alert in alerts}
    rest = [alert for alert in openings if alert["alert_id"] not in explained]
    follows = _consequence_ids(own, by_account)
    unexplained = [alert for alert in rest if alert["alert_id"] not in follows and alert["kind"] not in FACT_KINDS]
    unmatched = tuple(alert for alert in unexplained if not _is_improvement(alert))
    return MatchReport(
        findings=findings,
        quiet=tuple(
            QuietCheck(label, tuple(a for a in unmatched if _concerns(label, a) and _in_time(label, a)), system)
            for label, system in zip(quiet, told, strict=True)
        ),
        consequences=tuple(alert for alert in rest if alert["alert_id"] in follows),
        improvements=tuple(alert for alert in unexplained if _is_improvement(alert)),
        facts=tuple(alert for alert in rest if alert["kind"] in FACT_KINDS),
        unmatched=unmatched,
    )


def labels_from_table(table: pa.Table) -> list[Label]:
    """Labels of a table with `account_id`, `kind`, `at`, `ends_at` (ms, null when open) and `detail`."""
    return [
        Label(row["account_id"], row["kind"], row["at"], row["ends_at"], row["detail"] or "")
        for row in table.to_pylist()
    ]


def _in_time(label: Label, alert: Mapping[str, Any]) -> bool:
    rule = LABEL_RULES[label.kind]
    end_ms = label.at_ms if label.ends_at_ms is None else label.ends_at_ms
    first_ms, last_ms = label.at_ms - rule.before_days * DAY_MS, end_ms + rule.after_days * DAY_MS
    return bool(first_ms <= alert["detected_at"] <= last_ms)


def _tells_of(label: Label, alert: Mapping[str, Any]) -> bool:
    return alert["kind"] in LABEL_RULES[label.kind].system_kinds and _in_time(label, alert)


def _concerns(label: Label, alert: Mapping[str, Any]) -> bool:
    return label.account_id in (FLEET, alert["account_id"])


def _is_improvement(alert: Mapping[str, Any]) -> bool:
    return bool(alert["kind"] == HEALTH_CHANGED.name and alert["severity"] == "info")


def _find(label: Label, alerts: Sequence[Mapping[str, Any]]) -> Finding:
    kinds = LABEL_RULES[label.kind].alert_kinds
    return Finding(label, tuple(a for a in alerts if a["kind"] in kinds and _in_time(label, a)))


def _consequence_ids(labels: Sequence[Label], by_account: Mapping[str, Sequence[Mapping[str, Any]]]) -> set[str]:
    return {
        alert["alert_id"]
        for label in labels
        if LABEL_RULES[label.kind].alert_kinds & RISK_KINDS
        for alert in by_account.get(label.account_id, [])
        if alert["kind"] in CONSEQUENCE_KINDS and _in_time(label, alert)
    }
