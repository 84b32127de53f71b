from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.cloudevents import event_id, headers, rfc3339

ALERT = {
    "alert_id": "5f0c0f9e-0000-5000-8000-000000000000",
    "revision": 2,
    "account_id": "äcme",
    "family": "risk",
    "status": "resolved",
    "severity": "error",
    "detected_at": 1_699_999_999_000,
    "updated_at": 1_700_000_000_123,
}


def test_an_alerts_headers_say_what_it_is_in_binary_mode() -> None:
    assert dict(headers(ALERT, "/foreshock/test")) == {
        "content-type": b"application/avro",
        "ce_specversion": b"1.0",
        "ce_id": b"f9e7f725-8bfb-57b3-bd16-65ed1eeb82f0",
        "ce_source": b"/foreshock/test",
        "ce_type": b"io.foreshock.alert.risk.resolved.v1",
        "ce_subject": "account/äcme".encode(),
        "ce_time": b"2023-11-14T22:13:20.123Z",
        "ce_partitionkey": "äcme".encode(),
        "ce_severitytext": b"ERROR",
        "ce_severitynumber": b"17",
    }


def test_another_revision_is_another_event() -> None:
    ids = {event_id(alert, revision) for alert in ("a", "b") for revision in (1, 2)}
    assert len(ids) == 4


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_is_written_to_the_millisecond(at_ms: int) -> None:
    read = dt.datetime.fromisoformat(rfc3339(at_ms))
    assert (read - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1) == at_ms
