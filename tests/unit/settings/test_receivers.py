"""Receivers, routes and people in a file of settings, and their secrets in the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.settings import ConfigError, load, masked
from agents.settings.receivers import shown
from sinks.channels.mail import EmailReceiver
from tests.support.commands import foreshock

GOOD = """
[notify]
immediate = "error"
quiet = "20:00-07:00"
digest_at = "09:15"
escalate_to = "mail"
escalate_after_m = 30

[console]
public_url = "https://console.example"

[[receivers]]
name = "sales_chat"
channel = "slack"

[[receivers]]
name = "mail"
channel = "email"
host = "smtp.example"
username = "foreshock"
sender = "foreshock@example.com"

[[receivers]]
name = "oncall"
channel = "pagerduty"

[[routes]]
receiver = "oncall"
severity = "critical"
kinds = ["silence"]

[[routes]]
receiver = "mail"
subjects = ["risk", "growth"]
immediate = "never"

[[people]]
owner = "ana"
email = "ana@example.com"
timezone = "Europe/Lisbon"
manager = "max"

[[people]]
owner = "max"
"""
URL, KEY = "https://chat.example/t0ken", "r0uting"
SECRETS = {"FORESHOCK_RECEIVERS__SALES_CHAT__URL": URL, "FORESHOCK_RECEIVERS__ONCALL__ROUTING_KEY": KEY}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "foreshock.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_a_file_names_receivers_routes_and_people_and_the_environment_their_secrets(file: Path) -> None:
    password = file.with_name("password")
    password.write_text("hunter2\n")
    settings = load(file, SECRETS | {"FORESHOCK_RECEIVERS__MAIL__PASSWORD_FILE": str(password)})
    mail = settings.receivers[1]
    assert isinstance(mail, EmailReceiver)
    assert (mail.password, mail.to) == (SecretStr("hunter2"), ("{owner}",))
    routing = settings.routing()
    assert routing.channels == {"sales_chat": "slack", "mail": "email", "oncall": "pagerduty"}
    assert routing.without_digest == {"oncall"}
    assert (routing.immediate, routing.digest_at, routing.escalate_after_ms) == ("error", "09:15", 1_800_000)
    assert routing.managers_of("ana") == ["max"]
    assert routing.console_url == "https://console.example"
    assert [routing.in_words(route) for route in routing.routes] == [
        "kinds silence; severity critical and above -> oncall: error and above at once",
        "subjects risk, growth -> mail: all in a digest",
    ]
    everything = (
        f"{settings!r} {masked(settings)} {shown(settings)} {[each.model_dump_json() for each in settings.receivers]}"
    )
    assert not [each for each in (URL, KEY, "hunter2") if each in everything]


def test_without_receivers_nobody_is_told(tmp_path: Path) -> None:
    assert load(None, {}).routing().routes == ()


def refused(file: Path, text: str, environment: dict[str, str]) -> list[str]:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, environment)
    return [f"{problem.setting}: {problem.message}" for problem in caught.value.problems]


def test_every_problem_is_told_at_once_and_no_secret(file: Path) -> None:
    text = """
    [notify]
    quiet = "8pm"
    escalate_to = "boss"
    [[receivers]]
    name = "Chat!"
    channel = "slack"
    colour = "red"
    [[receivers]]
    name = "hook"
    channel = "webhook"
    url = "https://hook.example/t0ken"
    [[receivers]]
    name = "pager"
    channel = "pager"
    [[receivers]]
    name = "mail"
    channel = "email"
    host = "smtp.example"
    port = 0
    [[receivers]]
    name = "am"
    channel = "alertmanager"
    url = "http://am.example"
    [[routes]]
    receiver = "nobody"
    kinds = ["silense"]
    [[routes]]
    receiver = "am"
    severity = "grave"
    [[people]]
    owner = "ana"
    timezone = "Lisbon"
    manager = "max"
    [[people]]
    owner = "ana"
    """
    unused = {"FORESHOCK_RECEIVERS__SALES__URL": URL, "FORESHOCK_RECEIVERS__PAGER__ROUTING_KEY": KEY}
    found = refused(file, text, unused)
    assert found == [
        "notify.quiet: must be text that matches "
        r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        r"receivers.Chat!.name: must be text that matches ^[a-z][a-z0-9_]{0,40}$",
        "receivers.Chat!.url: is needed; set FORESHOCK_RECEIVERS__CHAT!__URL",
        "receivers.Chat!.colour: unknown setting",
        "receivers.hook.url: a secret may not stand in a file of settings; set FORESHOCK_RECEIVERS__HOOK__URL "
        "or FORESHOCK_RECEIVERS__HOOK__URL_FILE",
        "receivers.pager.channel: must be one of webhook, slack, teams, email, pagerduty, alertmanager",
        "receivers.mail.port: must be a whole number between 1 and 65535",
        "receivers.mail.sender: is needed",
        "receivers.am.url: would send everything unencrypted; use https",
        ": is of no setting of a receiver in the file",
        "routes.2: Invalid enum value 'grave' - at severity",
        "routes.1.receiver: there is no such receiver",
        "routes.1.kinds: there are no kinds of alert called silense; `foreshock rules list` prints them",
        "people.ana.manager: is nobody in [[people]]",
        "people.ana.timezone: is not a time zone of the IANA database; write it like Europe/Berlin or UTC",
        "people.ana: stands there twice",
    ]
    assert "t0ken" not in " ".join(found)


def test_what_holds_for_all_routes_is_checked_against_the_receivers(file: Path) -> None:
    found = refused(file, '[notify]\nescalate_to = "boss"', {})
    assert found == ["notify.escalate_to: there is no such receiver"]


def test_a_secret_given_twice_or_from_a_missing_file_is_a_problem(file: Path) -> None:
    twice = {"FORESHOCK_RECEIVERS__ONCALL__ROUTING_KEY_FILE": "nowhere"}
    message = "receivers.oncall.routing_key: FORESHOCK_RECEIVERS__ONCALL__ROUTING_KEY is set too; keep one"
    assert refused(file, GOOD, SECRETS | twice) == [message]
    one = {key: value for key, value in SECRETS.items() if not key.endswith("KEY")}
    message = "receivers.oncall.routing_key: the file cannot be read: No such file or directory"
    assert refused(file, GOOD, one | twice) == [message]


def test_routes_are_shown_in_words_and_secrets_are_not(file: Path) -> None:
    environment = {**os.environ, **SECRETS}
    checked = foreshock("config", "check", "--config", file, env=environment)
    assert "route 2: subjects risk, growth -> mail: all in a digest" in checked.stdout
    shows = [foreshock("config", "show", "--config", file, *how, env=environment).stdout for how in ((), ("--json",))]
    assert ["sales_chat" in said for said in shows] == [True, True]
    assert not [each for each in ("t0ken", KEY) if each in "".join(shows)]
