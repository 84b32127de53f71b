"""The webhook: alert records as CloudEvents in JSON, posted one by one and signed as Standard Webhooks has it.

A post is acknowledged by any 2xx. What comes again, comes with the same id: `webhook-id` and the event's `id` are
that of the alert's revision, as in Kafka.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Callable, Collection, Iterator
from http import HTTPStatus

import httpx
from pydantic import Field, SecretStr

from schemas.codec.cloudevents import attributes
from sinks.delivery import DeliveryBatch, DeliveryRecord, Deployment, Projection, Written
from sinks.errors import Refusal, Rejection, SinkRejectedError, SinkUnavailableError
from sinks.section import Conflict, Names, Section, is_loopback, revealed

_DOWN_RETRY_S = 1.0
_SETUP_RETRY_S = 30.0
_LONGEST_RETRY_S = 600.0
_SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
_SECRET_BYTES = range(24, 65)
# That the content is at fault, not the address, the signature or the moment.
_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
_BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Webhook(Section):
    """Where alerts are posted to, as CloudEvents over HTTP; nowhere without an address."""

    url: SecretStr | None = Field(None, description="Address to post to, https://HOST/PATH; it may hold a token.")
    secret: SecretStr | None = Field(None, description="Signs the posts: whsec_ and 24 to 64 bytes in base64.")
    timeout_s: float = Field(10.0, gt=0, le=60, description="Longest wait for the receiver.")
    touch_models: Names = Field(
        (), description="Post alerts of accounts with these touch models only; none named: all."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """An address that cannot be posted to, or a secret that is missing or none."""
        if self.url is None:
            return
        try:
            url = httpx.URL(self.url.get_secret_value())
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in {"http", "https"} or not url.host:
            yield "url", "must be https://HOST/PATH"
        elif url.scheme == "http" and not is_loopback(url.host):
            yield "url", "would send everything unencrypted; use https"
        if len(_key(self.secret)) not in _SECRET_BYTES:
            yield "secret", "is needed with webhook.url: whsec_ and 24 to 64 bytes in base64"


class WebhookSink:
    """Posts alert records, all of them or those of some touch models.

    `clock` gives the seconds since 1970 that receivers refuse old posts by.
    """

    def __init__(
        self,
        url: str,
        key: bytes,
        source: str,
        *,
        timeout_s: float = 10.0,
        touch_models: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._key = key
        self._source = source
        self._touch_models = touch_models
        self._clock = clock
        self._client = httpx.Client(timeout=timeout_s)

    def write(self, batch: DeliveryBatch) -> Written:
        """Post the records in their order.

        Raises:
            SinkUnavailableError: the receiver is down, busy or set up wrongly.
            SinkRejectedError: the receiver says that the content of records is wrong.
        """
        rejections = []
        for index, record in enumerate(batch.records):
            try:
                if self._touch_models and record.value["context"]["touch_model"] not in self._touch_models:
                    continue
                identity, body = self._event(record)
            except (KeyError, TypeError, ValueError) as error:
                rejections.append(Rejection(index, Refusal.BAD_RECORD, type(error).__name__))
                continue
            status = self._post(identity, body)
            if status in _REFUSED:
                rejections.append(Rejection(index, Refusal.REFUSED_BY_DESTINATION, f"status {status}"))
        if rejections:
            raise SinkRejectedError(rejections)
        return Written({Projection.ALERT: len(batch.records)})

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _event(self, record: DeliveryRecord) -> tuple[str, bytes]:
        event = {**attributes(record.value, self._source), "datacontenttype": "application/json", "data": record.value}
        return str(event["id"]), json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    def _post(self, identity: str, body: bytes) -> int:
        """Post an event and return the status: of success, or of a refusal."""
        sent_at = str(int(self._clock()))
        digest = hmac.digest(self._key, f"{identity}.{sent_at}.".encode() + body, "sha256")
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "webhook-id": identity,
            "webhook-timestamp": sent_at,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
        try:
            response = self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            # Its message may hold the address.
            message = f"the webhook does not answer: {type(error).__name__}"
            raise SinkUnavailableError(message, _DOWN_RETRY_S) from None
        if response.is_success or response.status_code in _REFUSED:
            return response.status_code
        message = f"the webhook answers with status {response.status_code}"
        raise SinkUnavailableError(message, _retry_after_s(response))


def open_webhook(section: Webhook, deployment: Deployment) -> WebhookSink | None:
    """The sink, if there is an address."""
    if section.url is None:
        return None
    url = section.url.get_secret_value()
    return WebhookSink(
        url,
        _key(section.secret),
        deployment.source,
        timeout_s=section.timeout_s,
        touch_models=section.touch_models,
    )


def _key(secret: SecretStr | None) -> bytes:
    try:
        return base64.b64decode((revealed(secret) or "").removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        return b""


def _retry_after_s(response: httpx.Response) -> float:
    asked = response.headers.get("retry-after", "")
    if asked.isdecimal():
        return min(float(asked), _LONGEST_RETRY_S)
    passing = response.is_server_error or response.status_code in _BUSY
    return _DOWN_RETRY_S if passing else _SETUP_RETRY_S
