"""The whole way in a browser: an event becomes a case on an open page, a key a command, and the page shows both."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium
from tests.support.commands import FORESHOCK, running
from tests.support.patience import ended, patience, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(300)]

_ADDRESS = re.compile(r"The console is at (http://\S+)/;")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "here"


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("log") / "demo.log"
    size = ("--accounts", "30", "--days", "70")
    with running(*FORESHOCK, "demo", "--stay", *size, "--dir", str(folder), log=log) as demo:
        found = wait_until(
            lambda: _ADDRESS.search(log.read_text()), log.read_text, 200.0, meanwhile=lambda: demo.poll() is None
        )
        assert found is not None
        yield found[1]
        demo.send_signal(signal.SIGINT)
        assert ended(demo) == 130


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def opened(browser: Browser, address: str, path: str) -> Page:
    page = browser.new_context(base_url=address).new_page()
    expect.set_options(timeout=patience(20.0) * 1000)
    page.set_default_timeout(patience(20.0) * 1000)
    page.goto(path)
    page.evaluate("window.sameDocument = true")
    return page


def ask(folder: Path, query: str) -> list[Any]:
    with sqlite3.connect(f"file:{folder / 'foreshock.db'}?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


def test_a_key_becomes_a_command_and_its_result_is_shown_without_a_reload(
    browser: Browser, address: str, folder: Path
) -> None:
    page = opened(browser, address, "/inbox?subject=risk")
    page.keyboard.press("j")
    row = page.locator("li.case.current")
    case = row.get_attribute("data-case")
    for key, status in (("a", "acknowledged"), ("u", None), ("f", None)):
        page.keyboard.press(key)
        shown = page.locator(f"li[data-case='{case}'] .badge.status")
        expect(shown).to_have_text(status) if status else expect(shown).to_have_count(0)
    wait_until(lambda: ask(folder, f"SELECT status FROM cases WHERE case_id = '{case}'") == [("closed",)])
    expect(page.locator(f"li[data-case='{case}']")).to_have_count(0)
    assert page.evaluate("window.sameDocument")
    done = "SELECT action, author, result FROM alert_commands WHERE case_id = '{}' ORDER BY issued_at_ms"
    assert ask(folder, done.format(case)) == [
        ("acknowledge", "local", "applied"),
        ("unacknowledge", "local", "applied"),
        ("resolve", "local", "applied"),
    ]
    [(kind,)] = ask(folder, f"SELECT lead_kind FROM cases WHERE case_id = '{case}'")
    page.goto("/rules")
    expect(page.locator(f"#kind-{kind}")).to_contain_text("100 %")
    page.context.close()


def test_an_event_is_a_case_on_an_open_page(browser: Browser, address: str, folder: Path) -> None:
    [(account,)] = ask(
        folder,
        "SELECT account_id FROM accounts WHERE band = 'green' AND life = 'active' AND account_id NOT IN "
        "(SELECT account_id FROM cases WHERE subject = 'risk') ORDER BY arr_minor DESC LIMIT 1",
    )
    inbox = opened(browser, address, f"/inbox?text={account}")
    expect(inbox.locator("li.case")).to_have_count(0)
    page = opened(browser, address, f"/accounts/{account}")
    page.get_by_role("button", name="1", exact=True).click()
    expect(inbox.locator("li.case .lead")).to_contain_text(account)
    assert inbox.evaluate("window.sameDocument")
    for each in (inbox, page):
        each.context.close()


def test_a_snooze_is_told_with_its_end(browser: Browser, address: str) -> None:
    page = opened(browser, address, "/inbox?subject=risk")
    page.keyboard.press("j")
    case = page.locator("li.case.current").get_attribute("data-case")
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    row = page.locator(f"li[data-case='{case}']")
    expect(row).to_have_count(0)
    page.goto("/inbox?subject=risk&status=snoozed")
    expect(row.locator(".badge.status")).to_have_text("snoozed")
    expect(row.locator(".meta")).to_contain_text("until")
    page.context.close()
