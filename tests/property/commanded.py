"""Logs in which people work with the cases that the log leads to."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from schemas.event_types import CASE_OUTCOMES, COMMAND_ACTIONS, FEEDBACK_VERDICTS
from tests.oracle.model import COMMANDS, DAY_MS, HOUR_MS, Record
from tests.oracle.streams import Case
from tests.property.agreement import run_oracle

ACTIONS = [*sorted(COMMAND_ACTIONS), "resolve", "resolve", "resolve", "snooze", "acknowledge", "expected", "reopen"]


def commanded(case: Case, random: Random, share: float = 0.5) -> Case:
    """The log with commands about a share of the revisions of cases that it has without them."""
    found = sorted(run_oracle(case.config, case.log).cases.items(), key=lambda each: (each[1]["updated_at"], each[0]))
    known = [(case_id, record) for (case_id, _), record in found if not record["account_id"].startswith("fleet")]
    said = [
        _command(random, case_id, record, number)
        for number, (case_id, record) in enumerate(known)
        for _ in range(random.choice([1, 1, 2, 3]))
        if random.random() < share
    ]
    before = [record for record in case.log[COMMANDS] if record.kind == "tick"]
    records = sorted([*said, *before], key=lambda record: record.seen_at_ms)
    log = case.log | {COMMANDS: [replace(record, offset=offset) for offset, record in enumerate(records)]}
    return Case(case.config, log)


def _command(random: Random, case_id: str, record: dict[str, Any], number: int) -> Record:
    """Said some time after a revision; about the case, one of its alerts, or the account."""
    later_ms = random.choice([HOUR_MS, 5 * HOUR_MS, 26 * HOUR_MS, 3 * DAY_MS, 8 * DAY_MS, 15 * DAY_MS])
    at_ms = record["updated_at"] + later_ms
    alert_id = random.choice([None, *(each[0] for each in record["alerts"])])
    kinds = [each[1] for each in record["alerts"]]
    event = {
        "command_id": f"c{number}-{random.randrange(4)}",
        "account_id": record["account_id"],
        "action": random.choice(ACTIONS),
        "author": random.choice(["ann", "bob"]),
        "issued_at": at_ms,
        "case_id": case_id if alert_id is None or random.random() < 0.7 else None,
        "alert_id": alert_id,
        "until": at_ms + random.choice([-1, 1, 2, 9, 30]) * DAY_MS,
        "since": at_ms - random.choice([0, 4, 20]) * DAY_MS,
        "note": random.choice([None, "seen", ""]),
        "verdict": random.choice([None, *sorted(FEEDBACK_VERDICTS)]),
        "assignee": random.choice([None, "bob"]),
        "outcome": random.choice([None, *sorted(CASE_OUTCOMES)]),
        "kind": random.choice([None, *kinds]),
        "play_id": random.choice(["dunning", "usage-review", "x"]),
    }
    seen_at_ms = at_ms + random.choice([0, 0, 0, HOUR_MS, 30 * HOUR_MS])
    return Record(0, "event", seen_at_ms, at_ms, event)
