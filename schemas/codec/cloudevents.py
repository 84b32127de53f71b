"""CloudEvents 1.0 headers of alert records, in Kafka's binary mode."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

CONTENT_TYPE = b"application/avro"
NAMESPACE = UUID("12d5822c-8f54-5e26-89c0-73dd6aebb148")
"""Of event ids; never change it."""

_SEVERITY_NUMBERS = {"info": 9, "warning": 13, "error": 17, "critical": 21}
"""As OpenTelemetry numbers them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def headers(alert: dict[str, Any], source: str) -> list[tuple[str, bytes]]:
    """Kafka headers of an alert record as in alert.avsc; equal alerts have equal headers.

    Args:
        alert: with times in integer milliseconds.
        source: URI reference of the sender, such as `/foreshock/production`.
    """
    severity = alert["severity"]
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event_id(alert["alert_id"], alert["revision"]),
        "ce_source": source,
        "ce_type": f"io.foreshock.alert.{alert['family']}.{alert['status']}.v1",
        "ce_subject": f"account/{alert['account_id']}",
        "ce_time": rfc3339(alert["updated_at"]),
        "ce_partitionkey": alert["account_id"],
        "ce_severitytext": severity.upper(),
        "ce_severitynumber": str(_SEVERITY_NUMBERS[severity]),
    }
    return [
        ("content-type", CONTENT_TYPE),
        *((name, value.encode("utf-8")) for name, value in attributes.items()),
    ]


def event_id(alert_id: str, revision: int) -> str:
    """The same for the same revision of the same alert, however often it is sent."""
    return str(uuid5(NAMESPACE, f"{alert_id}/{revision}"))


def rfc3339(at_ms: int) -> str:
    """UTC with milliseconds."""
    at = _EPOCH + timedelta(milliseconds=at_ms)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"
