"""Alertmanager, API v2: one alert a case, ended when the case is closed or snoozed.

Labels are those that stay the same through the case's life, and the severity, by which Alertmanager routes. It keeps
alerts in memory: one that was restarted knows of a case again when the case changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, SecretStr

from schemas.codec.cloudevents import rfc3339
from schemas.event_types import ALERT_SEVERITIES
from sinks.channels.channel import HttpChannel, Outgoing, Receiver
from sinks.posting import Poster, address_conflicts
from sinks.section import Conflict, revealed

_YEAR_MS = 365 * 86_400_000
_TEST_MS = 300_000
_PATH = "/api/v2/alerts"


class AlertmanagerReceiver(Receiver):
    """An Alertmanager, or one of a cluster."""

    url: str = Field("http://127.0.0.1:9093", description="Base address.")
    insecure: bool = Field(False, description="Allow http to other machines (on a closed network).")
    username: str = Field("", description="User name, if it asks for one.")
    password: SecretStr | None = Field(None, description="Password of the user.")

    def conflicts(self) -> Iterator[Conflict]:
        """An address that cannot be posted to."""
        yield from address_conflicts(self.url, insecure=self.insecure)


def content(message: Outgoing) -> object:
    """The alert of the case's severity, and those of the others ended: it may have had another before."""
    body, case = message.body, message.body["case"]
    now_ms = message.created_ms
    over = message.event in {"closed", "snoozed"}
    ends_ms = now_ms if over else now_ms + (_TEST_MS if message.event == "test" else _YEAR_MS)
    labels = {
        "alertname": "ForeshockTest" if message.event == "test" else "ForeshockCase",
        "case_id": message.topic_key,
        "account": case.get("account_id") or "",
        "subject": case.get("subject") or "",
    }
    annotations = {"summary": body["title"], "description": body["text"], "status": case.get("status") or "open"}
    return [
        {
            "labels": {name: value for name, value in labels.items() if value} | {"severity": severity},
            "annotations": {name: value for name, value in annotations.items() if value}
            | {label.lower().replace(" ", "_"): value for label, value in body["facts"]},
            "startsAt": rfc3339(min(case.get("opened_at") or now_ms, now_ms)),
            "endsAt": rfc3339(ends_ms if severity == body["severity"] else now_ms),
            **({"generatorURL": body["url"]} if body["url"] else {}),
        }
        for severity in ALERT_SEVERITIES
    ]


def open_alertmanager(receiver: AlertmanagerReceiver) -> HttpChannel:
    """The channel to a receiver."""
    auth = (receiver.username, revealed(receiver.password) or "") if receiver.username else None
    url = receiver.url.rstrip("/") + _PATH
    return HttpChannel(Poster(receiver.name, url, timeout_s=receiver.timeout_s, auth=auth), content)
