"""What the pages say, to whom, and that nothing that others wrote becomes markup."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from agents.console.routes import ROUTES
from agents.console.spreadsheets import text_of
from sinks.database import tables
from tests.support.databases import tuples
from tests.unit.console.world import FIRST, HOLIDAY, HOSTILE, LAST, World, read, tags

PAGES = ("/inbox", "/portfolio", "/accounts", "/accounts/acme", "/rules", "/fleet", "/pipeline", "/cases/{acme}")


def page(world: World, client: TestClient, path: str) -> str:
    address = path.replace("{acme}", world.cases[0]["case_id"])
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_script_or_style_of_its_own_and_every_text_of_others_is_escaped(
    world: World, client: TestClient, path: str
) -> None:
    text = page(world, client, path)
    found = tags(text)
    assert [attributes for tag, attributes in found if tag == "script" and not attributes.get("src")] == []
    assert [tag for tag, _ in found if tag in {"style", "img", "iframe", "object"}] == []
    assert [name for _, attributes in found for name in attributes if name == "style" or name.startswith("on")] == []


@pytest.mark.parametrize("path", ["/inbox", "/accounts", "/accounts/acme", "/cases/{acme}"])
def test_a_hostile_name_is_shown_as_it_is_written(world: World, client: TestClient, path: str) -> None:
    assert " ".join(HOSTILE.split()) in read(page(world, client, path))


def test_what_people_said_is_told_as_they_wrote_it(world: World, client: TestClient) -> None:
    said = read(page(world, client, "/cases/{acme}"))
    assert f"ann{' '.join(HOSTILE.split())} comment {' '.join(HOSTILE.split())}" in said


def test_hostile_words_of_a_search_are_text(client: TestClient) -> None:
    words = '"><script>alert(1)</script>'
    found = tags(client.get("/inbox", params={"text": words, "kind": words, "segment": words}).text)
    assert [attributes.get("value") for tag, attributes in found if attributes.get("name") == "text"] == [words]
    assert all(attributes.get("src") for tag, attributes in found if tag == "script")


def order(text: str) -> list[str]:
    return re.findall(r'<li class="case [^"]*" data-case="([^"]+)"', text)


def test_the_inbox_shows_what_is_open_by_priority(world: World, client: TestClient) -> None:
    acme, brix, cyan, fleet = (case["case_id"] for case in world.cases)
    assert order(client.get("/inbox").text) == [brix, acme, cyan, fleet]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "acknowledged"}, [1]),
        ({"status": "closed"}, []),
        ({"subject": "fleet"}, [3]),
        ({"severity": "error"}, [0]),
        ({"kind": "usage_drop"}, [0, 2]),
        ({"segment": "mid_market", "text": "CYAN"}, [2]),
        ({"text": "100%"}, []),
        ({"whose": "mine"}, []),
        ({"page": "2"}, []),
        ({"page": "x"}, [1, 0, 2, 3]),
    ],
)
def test_filters_live_in_the_address(
    world: World, client: TestClient, query: dict[str, str], expected: list[int]
) -> None:
    assert order(client.get("/inbox", params=query).text) == [world.cases[number]["case_id"] for number in expected]


def test_people_see_their_own_accounts_only(guarded: World) -> None:
    acme, brix, cyan, _ = (case["case_id"] for case in guarded.cases)
    ann = guarded.client("ann")
    assert order(ann.get("/inbox").text) == [acme, cyan]
    assert ann.get(f"/cases/{brix}").status_code == 404
    assert ann.get("/accounts/brix").status_code == 404
    assert "brix" not in ann.get("/accounts/bri").text
    assert [row["account_id"] for row in rows(ann.get("/csv/accounts").text)] == ["acme", "cyan"]
    assert rows(ann.get("/csv/figures").text) == rows(ann.get("/csv/bands").text) == []
    assert {row["owner"] for row in rows(ann.get("/csv/renewals").text)} == {"ann"}
    assert "Brix" not in ann.get("/portfolio").text


@pytest.mark.parametrize("scope", ["own", "team", "all"])
def test_mine_is_of_the_owner_that_somebody_is_and_what_is_assigned_to_them(guarded: World, scope: str) -> None:
    acme, brix, cyan, _ = (case["case_id"] for case in guarded.cases)
    guarded.add_user("Ann Lee", "operator", scope, owner="ann")
    guarded.run(update(tables.cases).where(tables.cases.c.case_id == brix).values(assignee="ann"))
    page = guarded.client("Ann Lee").get("/inbox", params={"whose": "mine"}).text
    assert order(page) == [brix, acme, cyan]
    assert {at.get("value") for _, at in tags(page) if at.get("name") == "assignee"} == {"ann"}


def test_a_case_of_all_accounts_offers_no_action(world: World, client: TestClient) -> None:
    offered = {at.get("value") for _, at in tags(client.get("/inbox").text) if at.get("type") == "checkbox"}
    *cases, fleet = (case["case_id"] for case in world.cases)
    assert offered == set(cases)
    assert "/act" not in client.get(f"/cases/{fleet}").text


def test_nobody_unknown_sees_anything(guarded: World) -> None:
    for path in ("/inbox", "/accounts/acme", "/csv/accounts", "/live", "/portfolio"):
        answer = guarded.client().get(path)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), path


def test_who_only_reads_is_offered_no_action_and_cannot_act(guarded: World) -> None:
    vera = guarded.client("vera")
    text = vera.get("/inbox").text
    assert 'data-key="a"' not in text
    csrf = "x" * 43
    answer = vera.post("/act", data={"csrf": csrf, "action": "acknowledge", "case": guarded.cases[0]["case_id"]})
    assert answer.status_code == 403
    assert guarded.sent == []


def test_a_case_says_what_happened_how_sure_what_did_not_move_and_what_to_do(world: World, client: TestClient) -> None:
    said = read(page(world, client, "/cases/{acme}"))
    for words in (
        "since about 1970-04-07 (between 1970-04-06 and 1970-04-09)",
        "at most one such alarm in 2,800 days",
        "Did not move tickets",
        "48,000 EUR a year",
        "Call the champion",
        "Overdue since 1970-04-15",
        "Beside its peers",
        "survey detractor",
    ):
        assert words in said, words


def test_an_account_shows_every_dimension_its_peers_and_what_could_be_seen(world: World, client: TestClient) -> None:
    said = read(page(world, client, "/accounts/acme"))
    for words in (
        "usage trend",
        "weight 5",
        "Peers' quartiles",
        "0.2 · 0.2 · 0.2",
        "from 50 %",
        "Nothing is known of sentiment",
    ):
        assert words in said, words


def test_an_account_shows_what_moved_its_score(client: TestClient) -> None:
    said = read(client.get("/accounts/brix").text)
    assert "since its band was last held usage trend -8.2 billing +1.5" in said


def test_the_portfolio_counts_bands_money_and_renewals(world: World, client: TestClient) -> None:
    said = read(page(world, client, "/portfolio"))
    assert "red 1" in said
    assert "ARR of all 10,000 EUR" in said
    assert "mid market 1 3 0 0" in said
    assert {row["name"] for row in rows(client.get("/csv/renewals").text) if row["account_id"] == "brix"} == {"Brix"}
    assert '<a href="/accounts/brix">Brix</a>' in client.get("/portfolio").text


def test_bands_over_time_are_those_of_the_view(world: World, client: TestClient) -> None:
    found = rows(client.get("/csv/bands").text)
    view = "SELECT day, SUM(green), SUM(yellow), SUM(red), SUM(grey) FROM v_portfolio_daily GROUP BY day ORDER BY day"
    assert [tuple(map(int, row.values())) for row in found] == tuples(world.url, view)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", ["cases", "kinds", "accounts", "changes", "renewals", "figures", "standings", "bands"])
def test_everything_that_is_shown_is_there_as_csv(client: TestClient, name: str) -> None:
    answer = client.get(f"/csv/{name}")
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(rows(answer.text)) >= (0 if name in {"figures", "changes"} else 1)


def test_a_cell_that_a_spreadsheet_would_run_is_text() -> None:
    assert rows(text_of([{"a": "=1+1", "b": -3, "c": "plain"}])) == [{"a": "'=1+1", "b": "-3", "c": "plain"}]


def test_the_list_of_accounts_is_sorted_filtered_and_saved(client: TestClient) -> None:
    def ids(**query: str) -> list[str]:
        return [row["account_id"] for row in rows(client.get("/csv/accounts", params=query).text)]

    assert ids() == ["acme", "dune", "cyan", "brix"]
    assert ids(sort="arr_minor", down="1") == ["dune", "cyan", "brix", "acme"]
    assert ids(sort="nothing; drop") == ids()
    assert ids(band="red") == ["acme"]
    assert ids(text="BOB") == ["dune", "brix"]


def test_views_are_kept_in_a_cookie_and_never_more_than_this_list_understands(client: TestClient) -> None:
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/accounts").text)
    assert token is not None
    given = {"csrf": token[1], "name": "Reds <b>", "query": "band=red&evil=1"}
    answer = client.post("/accounts/views", data=given)
    assert answer.headers["location"] == "/accounts?band=red"
    links = [attributes["href"] for tag, attributes in tags(client.get("/accounts").text) if tag == "a"]
    assert "/accounts?band=red" in links
    assert client.post("/accounts/views", data={**given, "forget": "1"}).status_code == 303
    assert "Reds" not in client.get("/accounts").text


@pytest.mark.parametrize("cookie", ["%", "[1]", "{", "%7B%22a%22%3A%20%5B%5D%7D", "null"])
def test_a_cookie_that_somebody_made_up_hurts_nobody(client: TestClient, cookie: str) -> None:
    client.cookies.set("views", cookie, path="/accounts")
    assert client.get("/accounts").status_code == 200


def test_rules_tell_how_useful_people_find_a_kind(world: World, client: TestClient) -> None:
    said = read(client.get("/rules").text)
    assert "usage drop" in said
    assert "not judged yet" in said
    assert "expansion" not in read(client.get("/rules?family=advocacy").text).partition("Kind State")[2]


def test_the_fleet_tells_of_dips_and_whom_they_held_back(client: TestClient) -> None:
    said = read(client.get("/fleet").text)
    assert "fleet dip" in said
    assert "Cyan users drop fleet" in said


def test_the_pipeline_is_honest_about_brokers_that_do_not_answer(client: TestClient) -> None:
    said = read(client.get("/pipeline").text)
    assert "Last closed day 1970-04-12" in said
    assert "brokers" in said


@pytest.mark.parametrize("path", ["/cases/none", "/accounts/none", "/accounts/a/b%2Fc", "/csv/none", "/nothing"])
def test_what_is_not_there_is_a_page_that_says_so(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Not Found" in answer.text


def test_every_route_is_tried_here() -> None:
    tried = {"/", "/act", "/pulse", "/accounts/views", "/live", "/static", "/csv/{name}", *PAGES}
    tried |= {"/cases/{case_id}", "/accounts/{account_id:path}"}
    assert {route.path for route in ROUTES} <= tried  # type: ignore[attr-defined]


def test_dates_are_of_the_last_day_that_was_closed(client: TestClient) -> None:
    assert "as of the close of 1970-04-12" in read(client.get("/inbox").text)


@pytest.mark.parametrize("path", ["/cases/{acme}", "/accounts/acme"])
def test_days_are_drawn_beside_what_was_expected_with_what_happened(
    world: World, client: TestClient, path: str
) -> None:
    text = page(world, client, path)
    chart = json.loads(next(str(attributes["data-chart"]) for tag, attributes in tags(text) if tag == "figure"))
    assert chart["days"] == list(range(FIRST - 13, LAST + 1))
    at = {day: place for place, day in enumerate(chart["days"])}
    expected, actions = ({day: line["values"][at[day]] for day in at} for line in chart["lines"])
    assert (expected[95], expected[HOLIDAY], actions[95], actions[97]) == (120.0, 20.0, pytest.approx(114.0), 41.4)
    assert chart["band"]["bounds"][at[95]] == pytest.approx([120 - 1.6449 * 360**0.5, 120 + 1.6449 * 360**0.5])
    assert {(span["name"], span["first"], span["last"]) for span in chart["spans"]} == {
        ("onset", 95, 98), ("fleet dip", 98, 98), ("day off", HOLIDAY, HOLIDAY),
    }  # fmt: skip
    assert {(mark["name"], mark["day"]) for mark in chart["marks"]} == {("usage drop", 98), ("survey detractor", 98)}
    assert "<polygon" in text


def test_power_users_are_listed_with_their_last_day(client: TestClient) -> None:
    said = read(client.get("/accounts/acme").text)
    assert (
        f"u-1{' '.join(HOSTILE.split())} last on 1970-04-05, 11 of 28 days u-2 last on 1970-04-12, 20 of 28 days"
        in said
    )
