"""What a demo found, from its database: alerts, incidents, and where every record went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from agents.backtest.report import label_report
from agents.demo.run import DemoRun
from pipeline.kinds import KINDS
from pipeline.scorecards.bands import NAMES
from pipeline.scoring.labels import match
from pipeline.terms.records import Fate
from schemas.event_types import ALERT_SEVERITIES
from schemas.topics import INPUT_TOPICS
from sinks.database import tables
from sinks.database.engine import open_engine


def result_of(run: DemoRun) -> dict[str, Any]:
    """Everything that the demo tells at its end; JSON types only."""
    revisions = stored_alerts(run.folder.database_url)
    records = accounting(run)
    return {
        "folder": str(run.folder.path),
        "events": str(run.folder.events),
        "database": str(run.folder.database),
        "settings": str(run.folder.settings),
        "accounts": run.settings.accounts,
        "days": run.settings.days,
        "elapsed_s": round(run.elapsed_s, 2),
        "records_per_s": round(run.emitted.records / run.elapsed_s),
        "records": records,
        "accounted_for": all(row["accounted_for"] for row in records),
        "by_band": _bands(run.folder.database_url),
        "alerts": _latest(revisions),
        "revisions": len(revisions),
        "incidents": label_report(match(run.labels, revisions)),
    }


def accounting(run: DemoRun) -> list[dict[str, Any]]:
    """For each topic what was produced and what became of it."""
    rows = []
    for topic in INPUT_TOPICS:
        fates = {str(fate): run.fates[topic].get(fate, 0) for fate in Fate}
        produced = run.emitted.by_topic[topic]
        rows.append(
            {
                "topic": topic,
                "produced": produced,
                **fates,
                "sum": sum(fates.values()),
                "accounted_for": sum(fates.values()) == produced,
            }
        )
    return rows


def stored_alerts(database_url: str) -> list[dict[str, Any]]:
    """Every revision of every alert in the database, in order of detection."""
    table = tables.alert_revisions
    query = select(table.c.payload).order_by(
        table.c.updated_at_ms, table.c.account_id, table.c.alert_id, table.c.revision
    )
    engine = open_engine(database_url)
    try:
        with engine.connect() as connection:
            return [json.loads(payload) for payload in connection.execute(query).scalars()]
    finally:
        engine.dispose()


def _bands(database_url: str) -> dict[str, int]:
    accounts = tables.accounts
    engine = open_engine(database_url)
    try:
        with engine.connect() as connection:
            query = select(accounts.c.band, func.count().label("accounts")).group_by(accounts.c.band)
            counts = {row.band: row.accounts for row in connection.execute(query)}
    finally:
        engine.dispose()
    return {name: counts.get(name, 0) for name in reversed(NAMES)}


def _latest(revisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last revision of each alert, kind by kind, worst and surest first."""
    latest: dict[str, dict[str, Any]] = {}
    for alert in revisions:
        known = latest.get(alert["alert_id"])
        if known is None or known["revision"] < alert["revision"]:
            latest[alert["alert_id"]] = alert
    return sorted(latest.values(), key=_importance)


def _importance(alert: Mapping[str, Any]) -> tuple[int, int, float, int]:
    place = list(KINDS).index(alert["kind"])
    return place, -ALERT_SEVERITIES.index(alert["severity"]), -alert["score"], alert["detected_at"]
