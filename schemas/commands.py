"""Commands as records: what every sender of them shares."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from schemas.definitions import current
from schemas.errors import UsageError
from schemas.validation import RULES

SCHEMA = "alert_command"


def command(*, account_id: str, action: str, author: str, issued_at: int, **given: Any) -> dict[str, Any]:
    """A record of `alert.commands`, keyed by `account_id`: null in every field that is not given, under a new id.

    Args:
        account_id: whose case or alert it is.
        action: one of `COMMAND_ACTIONS`.
        author: who says it.
        issued_at: when, epoch ms.
        given: further fields; a `command_id` makes it one that may be sent again.

    Raises:
        UsageError: a field is not known, or its value would be dead-lettered.
    """
    fields = {field["name"]: field.get("default") for field in current(SCHEMA)["fields"]}
    said = {"account_id": account_id, "action": action, "author": author, "issued_at": issued_at} | given
    unknown = sorted(said.keys() - fields.keys())
    if unknown:
        msg = f"a command has no {', '.join(unknown)}"
        raise UsageError(msg)
    record = fields | {"command_id": str(uuid4())} | said
    for name, rules in RULES[SCHEMA].items():
        for rule in rules:
            if not rule.allows(record[name]):
                msg = f"{name}: {rule}"
                raise UsageError(msg)
    return record
