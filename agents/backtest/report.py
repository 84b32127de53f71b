"""What a backtest found, as one JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from agents.backtest.feedback import feedback_of
from agents.backtest.notifications import notifications
from agents.backtest.run import Alert, Replayed, told
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.kinds import enabled_by_level
from pipeline.scoring.labels import LABEL_RULES, Finding, Label, MatchReport, match
from schemas.topics import INPUT_TOPICS, TOPICS
from schemas.validation import EVENT_TIME

_MAX_BARS = 120
_FIELDS = ("alert_id", "account_id", "kind", "severity", "detected_at", "summary")


def write_lines(records: Iterable[Mapping[str, Any]], target: Path) -> None:
    """One JSON object a line in the given order; the same records make the same bytes."""
    encoder = msgspec.json.Encoder()
    with target.open("wb") as file:
        for record in records:
            file.write(encoder.encode(record) + b"\n")


def report(
    files: EventFiles,
    replayed: Replayed,
    config: EngineConfig,
    *,
    version: str,
    labels: Sequence[Label] | None = None,
    outcomes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that is worth knowing of a replay; JSON types only.

    Args:
        files: what was replayed.
        replayed: what came out.
        config: of the core.
        version: of this release.
        labels: what is known to have happened.
        outcomes: of `backtest_outcomes`, when the labels have outcomes.
    """
    alerts = told(replayed.alerts)
    openings = [alert for alert in alerts if alert["revision"] == 1]
    on_trial = [alert for alert in replayed.alerts if alert["shadow"] and alert["revision"] == 1]
    first_ms, last_ms = _span(files)
    account_days = replayed.accounts * replayed.days_closed
    return {
        "version": version,
        "config_hash": config.config_hash,
        "kinds_enabled": enabled_by_level(config),
        "config": {name: getattr(config, name) for name in config.__slots__},
        "input": {
            "events": files.rows,
            "rejected_rows": len({(one.file, one.row) for one in files.rejected}),
            "ticks": replayed.ticks * len(INPUT_TOPICS),
            "first_at": first_ms,
            "last_at": last_ms,
            "days_closed": replayed.days_closed,
            "topics": _topics(files, replayed),
            "dead_letters": [
                {"topic": topic, "reason": reason, "records": count}
                for (topic, reason), count in sorted(replayed.dead_letters.items())
            ],
        },
        "accounts": {"total": replayed.accounts, "by_band": replayed.bands},
        "alerts": {
            "total": len(openings),
            "revisions": len(alerts),
            "by_kind": _counts(openings, "kind"),
            "by_family": _counts(openings, "family"),
            "by_severity": _counts(openings, "severity"),
            "by_status": _counts(_latest(alerts), "status"),
            "per_account_year": round(len(openings) / account_days * 365.25, 4) if account_days else None,
            "over_time": over_time(openings),
            "shadow": {"total": len(on_trial), "by_kind": _counts(on_trial, "kind")},
        },
        "cases": case_report(replayed.cases, account_days),
        "notifications": notifications(replayed.alerts, replayed.cases, config.timezone, replayed.days_closed),
        "suppressed": dict(sorted(replayed.suppressed.items())),
        "speed": {
            "elapsed_s": round(replayed.elapsed_s, 3),
            "events_per_s": round(files.rows / replayed.elapsed_s),
        },
        "labels": None if labels is None else label_report(match(labels, alerts)),
        "outcomes": outcomes,
        "feedback": feedback_of(files.commands, replayed.alerts, replayed.cases),
    }


def case_report(records: Sequence[Alert], account_days: int) -> dict[str, Any]:
    """How many cases there were, and how they stand at the end; those in shadow left out."""
    cases = list({case["case_id"]: case for case in told(records)}.values())
    open_now = [case for case in cases if case["status"] != "closed"]
    return {
        "total": len(cases),
        "revisions": len(told(records)),
        "by_subject": _counts(cases, "subject"),
        "by_status": _counts(cases, "status"),
        "open_accounts": len({case["account_id"] for case in open_now}),
        "overdue": sum(case["overdue"] for case in open_now),
        "per_account_year": round(len(cases) / account_days * 365.25, 4) if account_days else None,
    }


def label_report(matched: MatchReport) -> dict[str, Any]:
    """Which labels were found, how late, and which openings no label explains."""
    kinds = [kind for kind in LABEL_RULES if matched.of_kind(kind)]
    return {
        "total": len(matched.findings),
        "found": matched.found,
        "recall": None if matched.recall is None else round(matched.recall, 4),
        "by_kind": {kind: _kind(matched.of_kind(kind)) for kind in kinds},
        "findings": [_finding(finding) for finding in matched.findings],
        "quiet": [
            {
                "account_id": check.label.account_id,
                "kind": check.label.kind,
                "at": check.label.at_ms,
                "unexplained_alerts": len(check.alerts),
                "system_alerts": len(check.system),
            }
            for check in matched.quiet
        ],
        "consequences": len(matched.consequences),
        "improvements": len(matched.improvements),
        "facts": _counts(matched.facts, "kind"),
        "unmatched": [{name: alert[name] for name in _FIELDS} for alert in matched.unmatched],
        "unmatched_by_kind": _counts(matched.unmatched, "kind"),
    }


def over_time(openings: Sequence[Alert]) -> dict[str, Any]:
    """Openings by kind in equal spans of whole weeks that begin on Mondays (UTC)."""
    if not openings:
        return {"weeks_per_bar": 1, "starts": [], "by_kind": {}}
    days = [datetime.fromtimestamp(alert["detected_at"] / 1000, UTC).date() for alert in openings]
    first = min(days) - timedelta(days=min(days).weekday())
    weeks = (max(days) - first).days // 7 + 1
    width = -(-weeks // _MAX_BARS)
    bars = -(-weeks // width)
    by_kind: dict[str, list[int]] = {kind: [0] * bars for kind in _counts(openings, "kind")}
    for day, alert in zip(days, openings, strict=True):
        by_kind[alert["kind"]][(day - first).days // 7 // width] += 1
    starts = [(first + timedelta(weeks=width * bar)).isoformat() for bar in range(bars)]
    return {"weeks_per_bar": width, "starts": starts, "by_kind": by_kind}


def _span(files: EventFiles) -> tuple[int | None, int | None]:
    times = []
    for topic, table in files.by_topic().items():
        column = table.column(EVENT_TIME[TOPICS[topic].schema])
        known = column.drop_null().to_numpy()
        times += [int(known.min()), int(known.max())] if len(known) else []
    return (min(times), max(times)) if times else (None, None)


def _topics(files: EventFiles, replayed: Replayed) -> dict[str, dict[str, Any]]:
    return {
        topic: {"events": table.num_rows, "ticks": replayed.ticks, "fates": replayed.fates[topic]}
        for topic, table in files.by_topic().items()
    }


def _counts(alerts: Iterable[Alert], field: str) -> dict[str, int]:
    return dict(Counter(alert[field] for alert in alerts).most_common())


def _latest(alerts: Iterable[Alert]) -> list[Alert]:
    latest: dict[str, Alert] = {}
    for alert in alerts:
        if alert["alert_id"] not in latest or latest[alert["alert_id"]]["revision"] < alert["revision"]:
            latest[alert["alert_id"]] = alert
    return list(latest.values())


def _kind(findings: Sequence[Finding]) -> dict[str, Any]:
    delays = [finding.delay_days for finding in findings if finding.delay_days is not None]
    return {
        "labels": len(findings),
        "found": len(delays),
        "missed": len(findings) - len(delays),
        "median_delay_days": round(median(delays), 2) if delays else None,
        "longest_delay_days": round(max(delays), 2) if delays else None,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    label, first = finding.label, finding.first
    delay_days = finding.delay_days
    return {
        "account_id": label.account_id,
        "kind": label.kind,
        "at": label.at_ms,
        "detail": label.detail,
        "found": finding.found,
        "delay_days": None if delay_days is None else round(delay_days, 2),
        "alert_id": None if first is None else first["alert_id"],
        "alert_kind": None if first is None else first["kind"],
    }


def day_of(at_ms: int) -> date:
    """The date (UTC) of an instant."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


def summary_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without its long lists, for the terminal."""
    labels = document["labels"]
    short = None
    if labels is not None:
        short = {name: value for name, value in labels.items() if name not in {"findings", "unmatched"}}
        short["unmatched"] = len(labels["unmatched"])
    alerts = {name: value for name, value in document["alerts"].items() if name != "over_time"}
    outcomes = document["outcomes"]
    if outcomes is not None:
        outcomes = {name: value for name, value in outcomes.items() if not name.startswith("worst_")}
    return {**document, "alerts": alerts, "labels": short, "outcomes": outcomes}
