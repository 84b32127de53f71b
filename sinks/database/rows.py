"""Records as rows: plain functions from an output record to the parameters of the statements.

What databases treat differently (NUL, unpaired surrogates, non-finite numbers) is found here, before a
transaction is open.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.accounts import subject_of
from schemas.errors import ForeshockError
from sinks.database import tables
from sinks.errors import Refusal

Row = dict[str, Any]
Record = Mapping[str, Any]

_SINGLE = frozenset({str, int, float, bool, type(None)})
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_CONTEXT = ("segment", "lifecycle_stage", "touch_model", "plan", "arr_minor", "currency")


class UnstorableError(ForeshockError):
    """A record holds something that no database can keep, or lacks what every record has."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason as a code and the detail as a sentence."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def canonical(record: Record) -> str:
    """Return the record as JSON that is the same for the same content.

    Raises:
        UnstorableError: it cannot be stored.
    """
    try:
        text = _ENCODER.encode(record)
        text.encode()
    except UnicodeEncodeError as error:
        raise UnstorableError(Refusal.BAD_TEXT, "text with an unpaired surrogate") from error
    except (TypeError, ValueError) as error:
        raise UnstorableError(Refusal.BAD_VALUE, str(error)) from error
    # A look at the text is cheap and may be wrong (an escaped backslash before u0000); a walk is neither.
    if "\\u0000" in text and _holds_nul(record):
        raise UnstorableError(Refusal.NUL_CHARACTER, "text with a NUL character")
    return text


def alert_rows(record: Record) -> tuple[Row, Row, list[Row], Row]:
    """Return the rows of an alert: alerts, alert_revisions, alert_evidence, accounts.

    Raises:
        UnstorableError: it cannot be stored.
    """
    payload = canonical(record)
    try:
        alert = _alert(record)
        revision = _revision(record, payload)
        evidence = [_evidence(record, dimension) for dimension in record["dimensions"]]
        account = _account(record) | _NO_HEALTH
    except (KeyError, TypeError, AttributeError) as error:
        raise UnstorableError(Refusal.BAD_RECORD, f"{type(error).__name__}: {error}") from error
    _require(alert, alert_id=str, revision=int, account_id=str)
    for row in (alert, revision, *evidence):
        _check(row)
    return alert, revision, evidence, account


def stub_row(alert: Row) -> Row:
    """Return what a case is until its first revision comes: open, with the alert that says that there is one."""
    same = ("account_id", "severity", "summary", "arr_minor", "currency", "arr_at_risk_minor", "renewal_at_ms")
    return dict.fromkeys(tables.cases.columns.keys()) | {
        **{name: alert[name] for name in (*same, "segment", "owner", "config_hash", "shadow", "case_id")},
        "revision": 0,
        "subject": subject_of(alert["family"], alert["account_id"]),
        "status": "open",
        "opened_at_ms": alert["detected_at_ms"],
        "updated_at_ms": alert["updated_at_ms"],
        "lead_alert_id": alert["alert_id"],
        "lead_kind": alert["kind"],
        "alert_count": 1,
        "priority": round(min(100.0, max(0.0, 5.0 * alert["score"]))),
        **{f"step_{name}": alert[f"play_{name}"] for name in ("id", "title", "due_at_ms")},
        "overdue": False,
    }


def case_rows(record: Record) -> tuple[Row, Row]:
    """Return the rows of a case: cases, case_revisions; raises UnstorableError."""
    payload = canonical(record)
    try:
        step, command = record.get("step") or {}, record.get("last_command") or {}
        by = command if record["cause"] == "command" else {}
        of_step = {f"step_{name}": step.get(name) for name in ("id", "title")} | {"step_due_at_ms": step.get("due_at")}
        plain = [column.name for column in tables.cases.columns if column.name not in (*of_step, "payload")]
        case = {name: record.get(name.removesuffix("_ms")) for name in plain} | of_step | {"payload": payload}
        revision = {
            **{name: case[name] for name in ("case_id", "revision", "account_id", "status", "updated_at_ms")},
            "author": by.get("author"),
            "action": by.get("action"),
            "payload": payload,
            "payload_sha256": hashlib.sha256(payload.encode()).hexdigest(),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UnstorableError(Refusal.BAD_RECORD, f"{type(error).__name__}: {error}") from error
    _require(case, case_id=str, revision=int, account_id=str, status=str, severity=str, summary=str)
    _check(case)
    return case, revision


def health_rows(record: Record) -> tuple[list[tuple[Row, Row]], Row]:
    """Return the rows of an account's health: account_health and health_history of each scorecard, accounts.

    Raises:
        UnstorableError: it cannot be stored.
    """
    canonical(record)
    try:
        parts = [_part(record, card) for card in (record, *record.get("other_scorecards", ()))]
        cards = [(health, _history(part, health)) for part, health in parts]
        account = _account(record) | {name: cards[0][0].get(name) for name in _NO_HEALTH} | {"life": record["life"]}
        account |= _outlook(record.get("outlook") or {})
    except (KeyError, TypeError, AttributeError) as error:
        raise UnstorableError(Refusal.BAD_RECORD, f"{type(error).__name__}: {error}") from error
    for health, history in cards:
        _require(health, account_id=str, scorecard=str, day=int, as_of_ms=int)
        _check(health)
        _check(history)
    _check(account)
    return cards, account


def _part(record: Record, card: Record) -> tuple[Record, Row]:
    """One scorecard's share of a record, as if it were the only one, and its row."""
    part = {name: value for name, value in {**record, **card}.items() if name != "other_scorecards"}
    return part, _health(part, canonical(part)) | {"is_primary": card is record}


_WHO = ("account_id", "action", "author", "issued_at_ms")
COMMAND_COLUMNS = (
    *_WHO, "alert_id", "until_ms", "verdict", "note", "case_id", "since_ms", "assignee", "outcome", "kind", "play_id",
)  # fmt: skip
"""What a command says of its row."""
RESULT_COLUMNS = (*_WHO, "result", "result_reason", "case_revision", "applied_at_ms")
"""What its result does."""


def command_row(record: Record) -> Row:
    """Return the row of what a person did with a case or an alert; raises UnstorableError."""
    return _filled(record, COMMAND_COLUMNS, {})


def result_row(record: Record) -> Row:
    """Return what the result of a command says of its row; raises UnstorableError."""
    return _filled(record, RESULT_COLUMNS, {"issued_at_ms": "at", "applied_at_ms": "at", "result_reason": "reason"})


def _filled(record: Record, columns: Sequence[str], fields: Mapping[str, str]) -> Row:
    canonical(record)
    try:
        row = {name: record.get(fields.get(name, name.removesuffix("_ms"))) for name in ("command_id", *columns)}
    except (TypeError, AttributeError) as error:
        raise UnstorableError(Refusal.BAD_RECORD, f"{type(error).__name__}: {error}") from error
    _require(row, command_id=str, account_id=str, action=str, author=str, issued_at_ms=int)
    _check(row)
    return row


_NO_HEALTH: Row = dict.fromkeys(
    (
        "life",
        "scorecard",
        "score",
        "band",
        "previous_band",
        "band_since_ms",
        "coverage",
        "provisional",
        "as_of_ms",
        "day",
        "churn",
        "churn_low",
        "churn_high",
        "churn_doubt",
        "contraction",
        "expansion",
        "outlook_layer",
        "renews_at_ms",
    )
)


def _outlook(outlook: Record) -> Row:
    churn = outlook.get("churn") or {}
    likely = {name: (outlook.get(name) or {}).get("probability") for name in ("churn", "contraction", "expansion")}
    bounds = {f"churn_{name}": churn.get(name) for name in ("low", "high")} | {"churn_doubt": churn.get("common_doubt")}
    return likely | bounds | {"outlook_layer": churn.get("layer"), "renews_at_ms": outlook.get("renewal_at")}


def _alert(record: Record) -> Row:
    signal, evidence, play, context = record["signal"], record["evidence"], record["play"], record["context"]
    health = record.get("health") or {}
    return {
        "alert_id": record["alert_id"],
        "revision": record["revision"],
        "status": record["status"],
        "transition_reason": record["transition_reason"],
        "account_id": record["account_id"],
        "parent_account_id": record.get("parent_account_id"),
        "owner": record.get("owner"),
        "family": record["family"],
        "kind": record["kind"],
        "dimension": record["dimension"],
        "level": record["level"],
        "severity": record["severity"],
        "score": record["score"],
        "starts_at_ms": record["starts_at"],
        "ends_at_ms": record.get("ends_at"),
        "detected_at_ms": record["detected_at"],
        "updated_at_ms": record["updated_at"],
        "metric": signal["metric"],
        "unit": signal["unit"],
        "direction": signal["direction"],
        "observed": signal["observed"],
        "expected": signal["expected"],
        "change_pct": signal.get("change_pct"),
        "method": evidence["method"],
        "evidence": evidence["value"],
        "provisional": evidence["provisional"],
        "band": health.get("band"),
        **_context(context),
        "arr_at_risk_minor": context.get("arr_at_risk_minor"),
        "play_id": play["id"],
        "play_title": play["title"],
        "play_due_at_ms": play["due_at"],
        "due_at_ms": record.get("due_at"),
        "summary": record["summary"],
        "config_hash": record["config_hash"],
        "shadow": bool(record.get("shadow", False)),
        "case_id": record.get("case_id"),
    }


def _revision(record: Record, payload: str) -> Row:
    return {
        "alert_id": record["alert_id"],
        "revision": record["revision"],
        "account_id": record["account_id"],
        "status": record["status"],
        "transition_reason": record["transition_reason"],
        "severity": record["severity"],
        "updated_at_ms": record["updated_at"],
        "payload": payload,
        "payload_sha256": hashlib.sha256(payload.encode()).hexdigest(),
    }


def _evidence(record: Record, dimension: Record) -> Row:
    return {
        "alert_id": record["alert_id"],
        "revision": record["revision"],
        "name": dimension["name"],
        "observed": dimension.get("observed"),
        "expected": dimension.get("expected"),
        "change_pct": dimension.get("change_pct"),
        "evidence": dimension.get("evidence"),
        "weight": dimension.get("weight"),
        "contribution_pct": dimension.get("contribution_pct"),
        "state": dimension["state"],
    }


def _health(record: Record, payload: str) -> Row:
    monitorability, reason = record.get("monitorability") or {}, record.get("band_reason") or {}
    return {
        "account_id": record["account_id"],
        "scorecard": record["scorecard"],
        "version": str(record["version"]),
        "as_of_ms": record["as_of"],
        "day": record["day"],
        "score": record.get("score"),
        "band": record["band"],
        "previous_band": record.get("previous_band"),
        "band_since_ms": record["band_since"],
        "coverage": record["coverage"],
        "provisional": record["provisional"],
        "min_drop_7d": monitorability.get("min_drop_7d"),
        "min_drop_14d": monitorability.get("min_drop_14d"),
        "min_drop_28d": monitorability.get("min_drop_28d"),
        "band_by_score": reason.get("band_by_score"),
        "capped_by": reason.get("kind"),
        "shadow": bool(record.get("shadow", False)),
        "payload": payload,
    }


def _history(record: Record, health: Row) -> Row:
    values = {dimension["name"]: dimension.get("value") for dimension in record["dimensions"]}
    kept = ("account_id", "scorecard", "day", "version", "as_of_ms", "score", "band", "coverage", "shadow")
    change = record.get("config_change") or {}
    former = {
        "from_version": str(change["from_version"]) if change else None,
        "score_before": change.get("score_before"),
    }
    context = {name: record["context"].get(name) for name in ("segment", "arr_minor", "currency")}
    context["life"] = record["life"]
    activity = record.get("activity") if health["is_primary"] else None
    texts = {"dimension_values": _ENCODER.encode(values), "activity": activity and _ENCODER.encode(activity)}
    return {name: health[name] for name in kept} | context | former | texts


def _account(record: Record) -> Row:
    return {
        "account_id": record["account_id"],
        "parent_account_id": record.get("parent_account_id"),
        "owner": record.get("owner"),
        **_context(record["context"]),
    }


def _context(context: Record) -> Row:
    times = {f"{name}_ms": context.get(name) for name in ("renewal_at", "stage_since")}
    return {name: context.get(name) for name in _CONTEXT} | times


def _require(row: Row, **types: type) -> None:
    for name, kind in types.items():
        if type(row[name]) is not kind:
            raise UnstorableError(Refusal.BAD_RECORD, f"{name} is not {kind.__name__}")


def _check(row: Row) -> None:
    if not _SINGLE.issuperset(map(type, row.values())):
        name = next(name for name, value in row.items() if type(value) not in _SINGLE)
        raise UnstorableError(Refusal.BAD_RECORD, f"{name} is not a single value")


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(_holds_nul(item) for item in value)
    return False
