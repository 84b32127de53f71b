"""Posting over HTTP: what an answer means, and signatures as Standard Webhooks has them."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator, Mapping
from http import HTTPStatus

import httpx
from pydantic import SecretStr

from sinks.errors import ContentRefusedError, SinkUnavailableError
from sinks.section import Conflict, is_loopback, revealed

DOWN_RETRY_S = 1.0
SETUP_RETRY_S = 30.0
_LONGEST_RETRY_S = 600.0
_SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
_SECRET_BYTES = range(24, 65)
# That the content is at fault, not the address, the signature or the moment.
_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
_BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Poster:
    """Posts to one address; `what` names it to people, since an address may hold a token."""

    def __init__(self, what: str, url: str, *, timeout_s: float = 10.0, auth: tuple[str, str] | None = None) -> None:
        self._what = what
        self._url = url
        self._client = httpx.Client(timeout=timeout_s, auth=auth)

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Post, and return once it is acknowledged by any 2xx.

        Raises:
            SinkUnavailableError: the receiver is down, busy or set up wrongly.
            ContentRefusedError: the receiver says that the content is wrong.
        """
        try:
            response = self._client.post(self._url, content=body, headers=dict(headers))
        except httpx.HTTPError as error:
            # Its message may hold the address.
            message = f"{self._what} does not answer: {type(error).__name__}"
            raise SinkUnavailableError(message, DOWN_RETRY_S) from None
        if response.status_code in _REFUSED:
            message = f"status {response.status_code}"
            raise ContentRefusedError(message)
        if not response.is_success:
            message = f"{self._what} answers with status {response.status_code}"
            raise SinkUnavailableError(message, _retry_after_s(response))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def signature(key: bytes, identity: str, now_s: float, body: bytes) -> dict[str, str]:
    """Headers by which a receiver knows the sender, and a repeated event by its identity."""
    sent_at = str(int(now_s))
    digest = hmac.digest(key, f"{identity}.{sent_at}.".encode() + body, "sha256")
    return {
        "webhook-id": identity,
        "webhook-timestamp": sent_at,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def signing_key(secret: SecretStr | None) -> bytes:
    """The key that a secret stands for; empty if it is none."""
    try:
        return base64.b64decode((revealed(secret) or "").removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        return b""


def secret_conflicts(secret: SecretStr | None, needed_with: str) -> Iterator[Conflict]:
    """A secret that nothing can be signed with."""
    if len(signing_key(secret)) not in _SECRET_BYTES:
        yield "secret", f"is needed with {needed_with}: whsec_ and 24 to 64 bytes in base64"


def address_conflicts(address: str, *, insecure: bool = False) -> Iterator[Conflict]:
    """An address that cannot be posted to, or not without everybody reading along."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        yield "url", "must be https://HOST/PATH"
    elif url.scheme == "http" and not insecure and not is_loopback(url.host):
        yield "url", "would send everything unencrypted; use https"


def _retry_after_s(response: httpx.Response) -> float:
    asked = response.headers.get("retry-after", "")
    if asked.isdecimal():
        return min(float(asked), _LONGEST_RETRY_S)
    passing = response.is_server_error or response.status_code in _BUSY
    return DOWN_RETRY_S if passing else SETUP_RETRY_S
