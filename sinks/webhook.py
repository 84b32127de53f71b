"""The webhook: alert records as CloudEvents in JSON, posted one by one and signed as Standard Webhooks has it.

A post is acknowledged by any 2xx. What comes again, comes with the same id: `webhook-id` and the event's `id` are
that of the alert's revision, as in Kafka.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator

from pydantic import Field, SecretStr

from schemas.codec.cloudevents import attributes
from sinks.delivery import DeliveryBatch, DeliveryRecord, Deployment, Projection, Written
from sinks.errors import ContentRefusedError, Refusal, Rejection, SinkRejectedError
from sinks.posting import Poster, address_conflicts, secret_conflicts, signature, signing_key
from sinks.section import Conflict, Names, Section

_CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


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
        if self.url is not None:
            yield from address_conflicts(self.url.get_secret_value())
            yield from secret_conflicts(self.secret, "webhook.url")


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
        self._poster = Poster("the webhook", url, timeout_s=timeout_s)
        self._key = key
        self._source = source
        self._touch_models = touch_models
        self._clock = clock

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
            signed = signature(self._key, identity, self._clock(), body)
            try:
                self._poster.post(body, {"content-type": _CONTENT_TYPE, **signed})
            except ContentRefusedError as error:
                rejections.append(Rejection(index, Refusal.REFUSED_BY_DESTINATION, str(error)))
        if rejections:
            raise SinkRejectedError(rejections)
        return Written({Projection.ALERT: len(batch.records)})

    def close(self) -> None:
        """Close all connections."""
        self._poster.close()

    def _event(self, record: DeliveryRecord) -> tuple[str, bytes]:
        event = {**attributes(record.value, self._source), "datacontenttype": "application/json", "data": record.value}
        return str(event["id"]), json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def open_webhook(section: Webhook, deployment: Deployment) -> WebhookSink | None:
    """The sink, if there is an address."""
    if section.url is None:
        return None
    url = section.url.get_secret_value()
    return WebhookSink(
        url,
        signing_key(section.secret),
        deployment.source,
        timeout_s=section.timeout_s,
        touch_models=section.touch_models,
    )
