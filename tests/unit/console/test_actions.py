"""What people do becomes a command, each can be taken back, and a page says so with and without scripts."""

from __future__ import annotations

import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.unit.console.world import World, act, read
from tests.unit.sinks.records import DAY_MS

SAID = ("action", "case_id", "outcome", "assignee", "note", "verdict", "play_id", "alert_id")


def said(world: World) -> list[dict[str, Any]]:
    return [{name: each[name] for name in SAID if name in each} for each in world.sent]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"action": "acknowledge"}, {"action": "acknowledge"}),
        ({"action": "assign", "assignee": "bob"}, {"action": "assign", "assignee": "bob"}),
        ({"action": "resolve", "outcome": "saved"}, {"action": "resolve", "outcome": "saved"}),
        ({"action": "false_alarm", "outcome": "saved"}, {"action": "resolve", "outcome": "false_alarm"}),
        ({"action": "comment", "note": "<b>"}, {"action": "comment", "note": "<b>"}),
        ({"action": "step_done", "play_id": "usage-review"}, {"action": "step_done", "play_id": "usage-review"}),
        ({"action": "reopen"}, {"action": "reopen"}),
    ],
)
def test_a_form_is_a_command(world: World, client: TestClient, form: dict[str, str], expected: dict[str, str]) -> None:
    case = world.cases[0]["case_id"]
    # The form of the inbox has the fields of all actions.
    whole = {"note": "", "assignee": "local", "outcome": "churned", "days": "7", **form}
    assert act(client, case=case, **whole).status_code == 303
    assert said(world) == [{**expected, "case_id": case}]
    assert world.sent[0]["author"] == "local"
    assert world.sent[0]["account_id"] == "acme"


def test_a_snooze_lasts_so_many_days(world: World, client: TestClient) -> None:
    act(client, action="snooze", case=world.cases[0]["case_id"], days="7", note="after the fair")
    assert world.sent[0]["until"] == pytest.approx(time.time() * 1000 + 7 * DAY_MS, abs=60_000)
    assert world.sent[0]["note"] == "after the fair"


def test_several_at_once_and_back(world: World, client: TestClient) -> None:
    both = [world.cases[0]["case_id"], world.cases[1]["case_id"]]
    answer = act(client, action="acknowledge", case=both, back="/inbox?severity=error")
    assert [each["case_id"] for each in world.sent] == both
    assert answer.headers["location"].startswith("/inbox?severity=error&done=acknowledge&case=")
    page = client.get(answer.headers["location"]).text
    assert "2 cases acknowledged" in read(page)
    assert 'value="unacknowledge"' in page


def test_a_page_that_asks_for_a_part_gets_the_note_alone(world: World, client: TestClient) -> None:
    client.headers["HX-Request"] = "true"
    answer = act(client, action="resolve", outcome="churned", case=world.cases[0]["case_id"])
    assert read(answer.text) == "1 case resolved Undo u"


@pytest.mark.parametrize(
    "form",
    [
        {"action": "acknowledge"},
        {"action": "", "case": "1"},
        {"action": "drop", "case": "1"},
        {"action": "acknowledge", "case": "none"},
        {"action": "snooze", "case": "{acme}", "days": "0"},
        {"action": "snooze", "case": "{acme}", "days": "x"},
        {"action": "resolve", "case": "{acme}", "outcome": "won"},
        {"action": "assign", "case": "{acme}", "back": "//elsewhere"},
    ],
)
def test_what_cannot_be_is_refused_in_words(world: World, client: TestClient, form: dict[str, str]) -> None:
    given = {name: value.replace("{acme}", world.cases[0]["case_id"]) for name, value in form.items()}
    answer = act(client, **given)
    if form.get("back"):
        assert answer.headers["location"].startswith("/inbox")
    else:
        assert answer.status_code in {404, 422}
        assert 'role="alert"' in answer.text
        assert world.sent == []


def test_a_pulse_is_a_signal(world: World, client: TestClient) -> None:
    token = client.get("/accounts/acme").text.partition('name="csrf" value="')[2].partition('"')[0]
    form = {"csrf": token, "account": "acme", "score": "2", "back": "/accounts/acme"}
    assert client.post("/pulse", data=form).headers["location"] == "/accounts/acme"
    assert (world.sent[0]["type"], world.sent[0]["score"], world.sent[0]["scale"]) == ("pulse", 2.0, 5.0)
    assert client.post("/pulse", data={**form, "score": "9"}).status_code == 422


def test_a_case_of_somebody_else_cannot_be_acted_on(guarded: World) -> None:
    ann = guarded.client("ann")
    assert act(ann, action="acknowledge", case=guarded.cases[1]["case_id"]).status_code == 404
    assert guarded.sent == []
    assert act(ann, action="acknowledge", case=guarded.cases[0]["case_id"]).status_code == 303
    assert guarded.sent[0]["author"] == "ann"
