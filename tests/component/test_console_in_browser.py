"""The console as people use it: by keyboard, by touch, without scripts, in the dark; nothing keeps anybody out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import delete

from agents.console.state import console_of
from sinks.database import tables
from sinks.delivery import Projection
from tests.support.browser import chromium, serious, served
from tests.support.patience import patience, wait_until
from tests.unit.console.world import HOSTILE, World

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PAGES = ("/inbox", "/portfolio", "/accounts", "/accounts/acme", "/rules", "/fleet", "/pipeline", "CASE")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    world = World(tmp_path_factory.mktemp("console"))
    world.ready()
    with served(world.app) as address:
        yield world, address


@pytest.fixture
def acted(tmp_path: Path) -> Iterator[tuple[World, str]]:
    world = World(tmp_path)
    with served(world.app) as address:
        yield world, address


def opened(browser: Browser, address: str, **options: Any) -> Page:
    """A page that complains about everything that goes wrong in it."""
    page = browser.new_context(base_url=address, **options).new_page()
    page.set_default_timeout(patience(10.0) * 1000)
    expect.set_options(timeout=patience(10.0) * 1000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    page.complaints = complaints  # type: ignore[attr-defined]  # ours, for the tests
    return page


def complaints(page: Page) -> list[str]:
    return page.complaints  # type: ignore[attr-defined, no-any-return]  # of `opened`


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_keeps_anybody_out_or_runs_what_is_not_ours(
    browser: Browser, read_only: tuple[World, str], scheme: str
) -> None:
    world, address = read_only
    found = {}
    for path in PAGES:
        page = opened(browser, address, color_scheme=scheme)
        page.goto(path.replace("CASE", f"/cases/{world.cases[0]['case_id']}"))
        page.wait_for_load_state("load")
        found[path] = [*serious(page), *complaints(page)]
        page.context.close()
    assert found == {key: [] for key in PAGES}


def test_nothing_is_wider_than_a_phone(browser: Browser, read_only: tuple[World, str]) -> None:
    world, address = read_only
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = opened(browser, address, **phone)
    for path in PAGES:
        page.goto(path.replace("CASE", f"/cases/{world.cases[0]['case_id']}"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    page.context.close()


def test_the_inbox_by_keyboard(browser: Browser, acted: tuple[World, str]) -> None:
    world, address = acted
    acme, brix = world.cases[0], world.cases[1]
    page = opened(browser, address)
    page.goto("/inbox")
    page.keyboard.press("j")
    expect(page.locator("li.case.current")).to_have_attribute("data-case", brix["case_id"])
    page.keyboard.press("j")
    page.keyboard.press("a")
    toast = page.locator("#toast .toast")
    expect(toast).to_contain_text("1 case acknowledged")
    assert [(each["action"], each["case_id"]) for each in world.sent] == [("acknowledge", acme["case_id"])]

    # The answer comes by the topic; nobody loads the page again, which knows what changes once it listens.
    wait_until(lambda: console_of(world.app).live.polls > 1, "the first look at the database")
    done = {**acme, "revision": 2, "status": "acknowledged", "acknowledged_by": "local"}
    world.deliver("cases", Projection.CASE, [done])
    expect(page.locator(f"li[data-case='{acme['case_id']}'] .badge.status")).to_have_text("acknowledged")
    expect(page.locator("li.case.current")).to_have_attribute("data-case", acme["case_id"])

    page.keyboard.press("u")
    expect(toast).to_contain_text("open again")
    page.keyboard.press("s")
    expect(page.locator("#act details[open] select")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("after the fair, not f or a")
    page.keyboard.press("Enter")
    expect(toast).to_contain_text("1 case snoozed")
    page.keyboard.press("k")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("f")
    expect(toast).to_contain_text("2 cases closed as a false alarm")
    said = [(each["action"], each.get("note"), each.get("outcome")) for each in world.sent[1:]]
    assert said == [
        ("unacknowledge", None, None),
        ("snooze", "after the fair, not f or a", None),
        ("resolve", None, "false_alarm"),
        ("resolve", None, "false_alarm"),
    ]
    page.keyboard.press("?")
    expect(page.locator("dialog#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{address}/cases/{acme['case_id']}")
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert complaints(page) == []
    page.context.close()


def test_everything_can_be_read_and_done_without_scripts(browser: Browser, acted: tuple[World, str]) -> None:
    world, address = acted
    page = opened(browser, address, java_script_enabled=False)
    page.goto("/inbox")
    page.get_by_role("checkbox").first.check()
    page.get_by_text("Resolve").first.click()
    page.locator("select[name=outcome]").select_option("saved")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#toast")).to_contain_text("1 case resolved")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#toast")).to_contain_text("reopened")
    assert [(each["action"], each.get("outcome")) for each in world.sent] == [("resolve", "saved"), ("reopen", None)]
    page.goto(f"/cases/{world.cases[0]['case_id']}")
    expect(page.locator("svg.drawing").first).to_be_visible()
    page.get_by_text("Figures").first.click()
    expect(page.get_by_role("columnheader", name="actions").first).to_be_visible()
    page.context.close()


def test_a_refusal_is_told_where_it_was_asked_for(browser: Browser, acted: tuple[World, str]) -> None:
    world, address = acted
    page = opened(browser, address)
    page.goto("/inbox")
    page.keyboard.press("j")
    page.keyboard.press("m")
    page.get_by_label("To", exact=True).fill("bob")
    world.run(delete(tables.cases))
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("there is no such case")
    assert world.sent == []
    page.context.close()


def test_charts_are_drawn_by_the_library_and_follow_the_colours(browser: Browser, read_only: tuple[World, str]) -> None:
    _world, address = read_only
    page = opened(browser, address)
    page.goto("/accounts/acme")
    expect(page.locator("figure.chart canvas")).to_have_count(2)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("figure.chart canvas")).to_have_count(2)
    assert complaints(page) == []
    page.context.close()
