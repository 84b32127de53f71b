"""CloudEvents 1.0: what identifies a record of an alert or a case, and its headers in Kafka's binary mode."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

CONTENT_TYPE = b"application/avro"
NAMESPACE = UUID("12d5822c-8f54-5e26-89c0-73dd6aebb148")
"""Of event ids; never change it."""

_SEVERITY_NUMBERS = {"info": 9, "warning": 13, "error": 17, "critical": 21}
"""As OpenTelemetry numbers them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def attributes(record: Mapping[str, Any], source: str) -> dict[str, str | int]:
    """Context attributes of a record as in alert.avsc or case.avsc; equal records have equal ones.

    Args:
        record: with times in integer milliseconds.
        source: URI reference of the sender, such as `/foreshock/production`.
    """
    severity = record["severity"]
    sort, about, known_as = (
        ("case", record["subject"], record["case_id"])
        if "subject" in record
        else ("alert", record["family"], record["alert_id"])
    )
    return {
        "specversion": "1.0",
        "id": event_id(known_as, record["revision"]),
        "source": source,
        "type": f"io.foreshock.{sort}.{about}.{record['status']}.v1",
        "subject": f"account/{record['account_id']}",
        "time": rfc3339(record["updated_at"]),
        "partitionkey": record["account_id"],
        "severitytext": severity.upper(),
        "severitynumber": _SEVERITY_NUMBERS[severity],
    }


def headers(record: Mapping[str, Any], source: str) -> list[tuple[str, bytes]]:
    """Kafka headers with the attributes of a record."""
    return [
        ("content-type", CONTENT_TYPE),
        *((f"ce_{name}", str(value).encode("utf-8")) for name, value in attributes(record, source).items()),
    ]


def event_id(known_as: str, revision: int) -> str:
    """The same for the same revision of the same alert or case, however often it is sent."""
    return str(uuid5(NAMESPACE, f"{known_as}/{revision}"))


def rfc3339(at_ms: int) -> str:
    """UTC with milliseconds."""
    at = _EPOCH + timedelta(milliseconds=at_ms)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"
