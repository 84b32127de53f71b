"""What every channel of the table must keep, asked of servers on loopback; a new one needs its stand-in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.notify.deciding import NEWS
from sinks.channels.alertmanager import AlertmanagerReceiver, open_alertmanager
from sinks.channels.channel import Channel, HttpReceiver
from sinks.channels.mail import Email, EmailReceiver
from sinks.channels.table import CHANNELS
from sinks.errors import ContentRefusedError, SinkUnavailableError
from tests.servers.prometheus import AlertmanagerServer
from tests.support.patience import wait_until
from tests.support.receivers import CLOSE, HANG, SECRET, HttpStandIn, SmtpStandIn, StandIn, outgoing, stand_in_of

EVENTS = [*sorted(NEWS), "acknowledged", "snoozed", "closed", "escalated", "digest", "test"]
EVIL = "</b><script>alert(1)</script> & <!channel> [x](https://evil.example) \u202e 客户\r\nBcc: all@evil.example"
ITEMS = [
    {"title": "New: A & B", "text": EVIL, "url": "https://console.example/cases/c2"},
    {"title": "Closed: C", "text": "", "url": None},
]


@pytest.fixture(params=[name for name in CHANNELS if name != "alertmanager"])
def stand_in(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StandIn]:
    """One of each channel but Alertmanager, which is there itself."""
    made = stand_in_of(request.param, tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def channel(stand_in: StandIn) -> Iterator[Channel]:
    made = opened(stand_in)
    yield made
    made.close()


def opened(stand_in: StandIn) -> Channel:
    return CHANNELS[stand_in.receiver.channel].open(stand_in.receiver)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_line_of_the_table_is_whole(name: str) -> None:
    spec = CHANNELS[name]
    assert name.isidentifier()
    assert (spec.receiver.__doc__ or "").endswith(".")
    assert all(field.description or key == "channel" for key, field in spec.receiver.model_fields.items())


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_can_be_told(event: str, channel: Channel, stand_in: StandIn) -> None:
    items = ITEMS if event == "digest" else []
    channel.send(outgoing(event, items=items))
    channel.send(outgoing(event, message_id="m2", url=None, text="", facts=[], case={}))
    assert len(stand_in.taken()) == 2


@pytest.mark.parametrize("answer", [429, 500, 503, 401, 404, HANG, CLOSE])
def test_what_may_pass_is_tried_again_and_the_address_is_told_to_nobody(
    answer: int | str, channel: Channel, stand_in: StandIn
) -> None:
    if isinstance(stand_in, SmtpStandIn) and isinstance(answer, int):
        answer = {429: 450, 500: 451, 503: 421, 401: 530, 404: 535}[answer]
    stand_in.answer = answer
    with pytest.raises(SinkUnavailableError) as caught:
        channel.send(outgoing())
    assert caught.value.retry_after_s >= 1.0
    assert caught.value.__suppress_context__ or caught.value.__context__ is None or isinstance(answer, int)
    assert "t0ken" not in str(caught.value)
    stand_in.answer = 202
    channel.send(outgoing())
    assert len(stand_in.taken()) == 1


def test_a_receiver_that_asks_for_time_gets_it(tmp_path: Path) -> None:
    stand_in = stand_in_of("slack", tmp_path)
    stand_in.start()
    stand_in.answer, stand_in.asked_to_wait_s = 429, 7
    with pytest.raises(SinkUnavailableError) as caught:
        opened(stand_in).send(outgoing())
    stand_in.stop()
    assert caught.value.retry_after_s == 7


def test_a_receiver_that_is_away_gets_the_message_when_it_is_back(channel: Channel, stand_in: StandIn) -> None:
    channel.send(outgoing())
    with stand_in.away(), pytest.raises(SinkUnavailableError):
        channel.send(outgoing(message_id="m2"))
    channel.send(outgoing(message_id="m2"))
    assert len(stand_in.taken()) == 2


def test_content_that_is_refused_never_comes_again(channel: Channel, stand_in: StandIn) -> None:
    stand_in.answer = 554 if isinstance(stand_in, SmtpStandIn) else 400
    with pytest.raises(ContentRefusedError) as caught:
        channel.send(outgoing())
    assert str(caught.value) == f"status {stand_in.answer}"


def test_texts_of_others_are_shown_as_they_are_and_do_nothing(channel: Channel, stand_in: StandIn) -> None:
    texts: dict[str, Any] = {"title": EVIL, "text": EVIL * 400, "facts": [[EVIL, EVIL]] * 12, "items": ITEMS * 10}
    channel.send(outgoing(**texts))
    if isinstance(stand_in, SmtpStandIn):
        (mail,) = stand_in.mails
        assert stand_in.recipients == [["ana@example.com", "team@example.com"]]
        assert mail["Bcc"] is None
        assert "<script" not in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
        return
    assert isinstance(stand_in, HttpStandIn)
    (post,) = stand_in.posts
    if stand_in.receiver.channel == "slack":
        header, *blocks = post.content["blocks"]
        # Of which nothing is interpreted.
        assert header["text"]["type"] == "plain_text"
        said = json.dumps([post.content["text"], blocks])
        assert "<script" not in said
        assert "<!channel" not in said
        assert len(blocks) < 50
        assert all(len(each["text"]["text"]) <= 3_000 for each in blocks if "text" in each)
        assert max(len(each["fields"]) for each in blocks if "fields" in each) <= 10
    if stand_in.receiver.channel == "teams":
        card = post.content["attachments"][0]["content"]
        assert {each["type"] for each in card["body"]} == {"RichTextBlock"}
        assert len(json.dumps(post.content, ensure_ascii=False).encode()) < 28_000
    if stand_in.receiver.channel == "pagerduty":
        assert len(post.content["payload"]["summary"]) <= 1_024


def test_no_settings_of_a_receiver_show_a_secret(stand_in: StandIn) -> None:
    shown = f"{stand_in.receiver!r} {stand_in.receiver.model_dump_json()}"
    secrets = ("t0ken",) if isinstance(stand_in.receiver, HttpReceiver) else ()
    assert not [each for each in (*secrets, SECRET, "r0uting") if each in shown]


def sent(stand_in: StandIn, *events: str, **changed: Any) -> Any:
    """What an HTTP receiver got of these events."""
    assert isinstance(stand_in, HttpStandIn)
    for event in events:
        opened(stand_in).send(outgoing(event, **changed))
    return [post.content for post in stand_in.posts]


@pytest.mark.parametrize("stand_in", ["webhook"], indirect=True)
def test_a_webhook_is_signed_and_its_id_is_that_of_the_message(stand_in: HttpStandIn) -> None:
    (content,) = sent(stand_in, "opened")
    assert (content["type"], content["timestamp"]) == ("case.opened", "2026-03-10T00:01:40.000Z")
    assert content["data"] == outgoing().body
    given = {name.lower(): value for name, value in stand_in.posts[0].headers.items()}
    assert given["webhook-id"] == "m1"
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"m1.{given['webhook-timestamp']}.{body}".encode(), hashlib.sha256).digest()
    assert given["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert abs(int(given["webhook-timestamp"]) - time.time()) < 60


@pytest.mark.parametrize("stand_in", ["pagerduty"], indirect=True)
def test_pagerduty_has_one_incident_a_case(stand_in: StandIn) -> None:
    events = sent(stand_in, "opened", "acknowledged", "worsened", "snoozed", "reopened", "closed")
    assert {each["dedup_key"] for each in events} == {"c1"}
    assert {each["routing_key"] for each in events} == {"r0uting"}
    actions = ["trigger", "acknowledge", "trigger", "acknowledge", "trigger", "resolve"]
    assert [each["event_action"] for each in events] == actions
    payload = events[0]["payload"]
    assert (payload["severity"], payload["source"], payload["summary"]) == (
        "critical",
        "acme",
        "New: Acme GmbH. Usage fell by 40 %.",
    )
    assert payload["custom_details"] == {"Severity": "critical", "ARR": "120,000 EUR"}


@pytest.mark.parametrize("stand_in", ["email"], indirect=True)
def test_mails_of_a_case_are_one_thread_in_text_and_html(stand_in: SmtpStandIn) -> None:
    mailer = Email(stand_in.receiver)  # type: ignore[arg-type]
    for number, event in enumerate(("opened", "closed"), 1):
        mailer.send(outgoing(event, message_id=f"m{number}"))
    mailer.send(outgoing("digest", topic_key="digest:ana", message_id="m3", items=ITEMS))
    assert [mail["Message-ID"] for mail in stand_in.mails] == [f"<m{n}@example.com>" for n in (1, 2, 3)]
    assert [mail["References"] for mail in stand_in.mails] == ["<c1@example.com>"] * 2 + ["<digest.ana@example.com>"]
    mail = stand_in.mails[0]
    assert (mail["Subject"], mail["From"]) == ("New: Acme GmbH", "Foreshock <foreshock@example.com>")
    assert mail.get_content_type() == "multipart/alternative"
    text, page = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    for each in ("Usage fell by 40 %.", "120,000 EUR", "https://console.example/cases/c1"):
        assert each in text
        assert each in page


def test_a_mail_for_nobody_is_refused_and_says_whom_it_was_for(tmp_path: Path) -> None:
    receiver = EmailReceiver(name="mail", channel="email", host="localhost", sender="f@example.com")
    for owner, who in (("ana", "ana"), (None, "a case without an owner")):
        with pytest.raises(ContentRefusedError, match=f"{who} has no e-mail address"):
            Email(receiver).mail(outgoing(addressee={"owner": owner, "email": None}))


def test_no_mail_leaves_unencrypted(tmp_path: Path) -> None:
    plain = stand_in_of("email", tmp_path)
    plain.start()
    untrusted = plain.receiver.model_copy(update={"ca_file": ""})
    with pytest.raises(SinkUnavailableError, match="SSLCertVerificationError"):
        Email(untrusted).send(outgoing())  # type: ignore[arg-type]
    plain.stop()
    assert plain.taken() == []


# Alertmanager


@pytest.fixture(scope="module")
def alertmanager() -> Iterator[AlertmanagerServer]:
    with AlertmanagerServer() as server:
        yield server


def held(server: AlertmanagerServer) -> list[dict[str, Any]]:
    """Alerts that fire."""
    with urllib.request.urlopen(f"{server.url}/api/v2/alerts", timeout=10) as response:
        found: list[dict[str, Any]] = json.load(response)
    return found


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.mark.servers
def test_alertmanager_has_one_alert_a_case_from_opening_to_end(alertmanager: AlertmanagerServer) -> None:
    channel = open_alertmanager(AlertmanagerReceiver(name="am", channel="alertmanager", url=alertmanager.url))

    def tell(event: str, severity: str) -> list[dict[str, Any]]:
        message = outgoing(event, severity=severity, topic_key="one", text=EVIL)
        channel.send(type(message)(message.message_id, message.topic_key, event, message.body, now_ms()))
        return [each for each in held(alertmanager) if each["labels"]["case_id"] == "one"]

    (alert,) = tell("opened", "error")
    assert alert["labels"] == {
        "alertname": "ForeshockCase", "case_id": "one", "account": "acme", "subject": "risk", "severity": "error",
    }  # fmt: skip
    assert (alert["startsAt"], alert["annotations"]["arr"]) == ("2026-03-10T00:00:00.000Z", "120,000 EUR")
    assert alert["annotations"]["description"] == EVIL
    assert [each["labels"]["severity"] for each in tell("worsened", "critical")] == ["critical"]
    assert len(tell("worsened", "critical")) == 1
    assert tell("snoozed", "critical") == []
    assert len(tell("reopened", "critical")) == 1
    assert tell("closed", "critical") == []
    channel.close()


@pytest.mark.servers
def test_alertmanager_that_was_killed_is_told_when_it_is_back() -> None:
    with AlertmanagerServer() as server:
        channel = open_alertmanager(AlertmanagerReceiver(name="am", channel="alertmanager", url=server.url))
        message = outgoing()
        message = type(message)("m1", "two", "opened", message.body, now_ms())
        server.kill9()
        with pytest.raises(SinkUnavailableError):
            channel.send(message)
        server.start()
        channel.send(message)
        channel.send(message)
        wait_until(lambda: len(held(server)) == 1)
        channel.close()


@pytest.mark.parametrize(
    ("receiver", "wrong"),
    [
        (HttpReceiver(name="a", channel="slack", url=SecretStr("http://chat.example/x")), ["url"]),
        (HttpReceiver(name="a", channel="slack", url=SecretStr("http://chat.example/x"), insecure=True), []),
        (AlertmanagerReceiver(name="a", channel="alertmanager", url="alertmanager:9093"), ["url"]),
        (EmailReceiver(name="a", channel="email", host="mx.example", tls="none", sender="nobody", to=("x",)),
         ["tls", "sender", "to"]),
        (EmailReceiver(name="a", channel="email", host="mx.example", sender="Me <me@example.com>"), []),
    ],
)  # fmt: skip
def test_receivers_that_cannot_be_used_are_named(receiver: Any, wrong: list[str]) -> None:
    assert [name for name, _ in receiver.conflicts()] == wrong
