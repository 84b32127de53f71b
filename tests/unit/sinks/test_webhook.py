"""Alerts over HTTP: what receivers can rely on, and what their answers mean."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agents.settings import ConfigError, load
from schemas.codec.cloudevents import headers
from sinks.delivery import Deployment
from sinks.errors import SinkRejectedError, SinkUnavailableError
from sinks.webhook import Webhook, WebhookSink, open_webhook
from tests.unit.sinks.records import alert, batch, context

KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
URL = "https://hooks.example/t0ken"
Respond = Callable[[httpx.Request], httpx.Response]


def sink(respond: Respond, monkeypatch: pytest.MonkeyPatch) -> WebhookSink:
    """One whose posts get these answers."""
    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **given: client(transport=httpx.MockTransport(respond), **given))
    return WebhookSink(URL, KEY, "/foreshock/test", clock=lambda: 1_700_000_000.9)


def test_an_alert_is_a_signed_cloud_event_with_the_id_that_it_has_in_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        posted.append(request)
        return httpx.Response(204)

    value = alert("Zoë 客户")
    sink(respond, monkeypatch).write(batch(value))
    [request] = posted
    assert (request.method, str(request.url)) == ("POST", URL)
    event = json.loads(request.content)
    in_kafka = {name.removeprefix("ce_"): text.decode() for name, text in headers(value, "/foreshock/test")}
    del in_kafka["content-type"]
    assert event.pop("data") == value
    assert event.pop("datacontenttype") == "application/json"
    assert {name: str(each) for name, each in event.items()} == in_kafka
    assert event["severitynumber"] == 17
    given = request.headers
    assert given["content-type"].startswith("application/cloudevents+json")
    assert (given["webhook-id"], given["webhook-timestamp"]) == (event["id"], "1700000000")
    assert "." not in given["webhook-id"]
    signed = f"{event['id']}.1700000000.".encode() + request.content
    digest = hmac.new(KEY, signed, hashlib.sha256).digest()
    assert given["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_a_revision_has_one_id_and_the_next_another(monkeypatch: pytest.MonkeyPatch) -> None:
    ids: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        ids.append(request.headers["webhook-id"])
        return httpx.Response(200)

    hook = sink(respond, monkeypatch)
    hook.write(batch(alert("a"), alert("a", 2), alert("b")))
    hook.write(batch(alert("a")))
    assert ids[3] == ids[0]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_receiver_that_finds_the_content_wrong_refuses_it(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = sink(lambda _: httpx.Response(status, text="secret t0ken"), monkeypatch)
    with pytest.raises(SinkRejectedError) as caught:
        hook.write(batch(alert()))
    [rejection] = caught.value.rejections
    assert (rejection.reason, rejection.detail) == ("refused_by_destination", f"status {status}")


@pytest.mark.parametrize(
    ("status", "given", "seconds"),
    [
        (500, {}, 1.0),
        (503, {"retry-after": "7"}, 7.0),
        (429, {"retry-after": "99999"}, 600.0),
        (429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 1.0),
        (408, {}, 1.0),
        (401, {}, 30.0),
        (404, {}, 30.0),
        (410, {}, 30.0),
        (302, {"location": "https://elsewhere.example"}, 30.0),
    ],
)
def test_any_other_answer_is_tried_again_after_a_while(
    status: int, given: dict[str, str], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SinkUnavailableError, match=f"status {status}") as caught:
        sink(lambda _: httpx.Response(status, headers=given), monkeypatch).write(batch(alert()))
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_no_answer_is_tried_again_and_the_address_is_told_to_nobody(
    error: type[httpx.TransportError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        raise error(f"no route to {URL}")

    with pytest.raises(SinkUnavailableError) as caught:
        sink(respond, monkeypatch).write(batch(alert()))
    assert error.__name__ in str(caught.value)
    assert "t0ken" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("bad", [{"score": float("nan")}, {"summary": "half \ud83d"}, {"severity": "odd"}])
def test_what_is_no_json_is_refused_before_it_is_posted(bad: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        posted.append(request)
        return httpx.Response(200)

    with pytest.raises(SinkRejectedError) as caught:
        sink(respond, monkeypatch).write(batch(alert(**bad)))
    assert [each.reason for each in caught.value.rejections] == ["bad_record"]
    assert posted == []


def test_a_channel_takes_the_alerts_of_its_touch_models(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        posted.append(request)
        return httpx.Response(204)

    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **given: client(transport=httpx.MockTransport(respond), **given))
    section = Webhook(url=SecretStr(URL), secret=SecretStr(SECRET), touch_models="digital, pooled")
    channel = open_webhook(section, Deployment("test", "/foreshock/test"))
    assert channel is not None
    models = {"a": "digital", "b": "strategic", "c": None, "d": "pooled"}
    alerts = [alert(name, context=context() | {"touch_model": model}) for name, model in models.items()]
    channel.write(batch(*alerts))
    channel.close()
    assert [json.loads(each.content)["data"]["account_id"] for each in posted] == ["a", "d"]


def test_without_an_address_there_is_no_webhook() -> None:
    assert open_webhook(Webhook(), Deployment("test", "/foreshock/test")) is None
    made = open_webhook(Webhook(url=SecretStr(URL), secret=SecretStr(SECRET)), Deployment("test", "/foreshock/test"))
    assert made is not None
    made.close()


@pytest.mark.parametrize(
    ("url", "secret", "wrong"),
    [
        (URL, SECRET, []),
        ("http://127.0.0.1:8000/x", SECRET, []),
        ("http://hooks.example/x", SECRET, ["url"]),
        ("ftp://hooks.example/x", SECRET, ["url"]),
        ("https://", SECRET, ["url"]),
        ("http://[", SECRET, ["url"]),
        ("hooks.example", SECRET, ["url"]),
        (URL, "", ["secret"]),
        (URL, "whsec_c2hvcnQ=", ["secret"]),
        (URL, "whsec_not base64 at all, but long enough", ["secret"]),
        ("", "", ["url", "secret"]),
    ],
)
def test_settings_that_cannot_be_posted_with_are_named_and_not_shown(url: str, secret: str, wrong: list[str]) -> None:
    environment = {"FORESHOCK_WEBHOOK__URL": url, "FORESHOCK_WEBHOOK__SECRET": secret}
    if not wrong:
        assert load(None, environment).section("webhook") == Webhook(url=SecretStr(url), secret=SecretStr(secret))
        return
    with pytest.raises(ConfigError) as caught:
        load(None, environment)
    assert [problem.setting for problem in caught.value.problems] == [f"webhook.{name}" for name in wrong]
    assert "hooks" not in str(caught.value)
