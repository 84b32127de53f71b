"""What keeps an alert closed, and in which order it is asked."""

from __future__ import annotations

import pytest

from pipeline.books.book import Book, Context, Episode
from pipeline.close.inhibition import inhibitor
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.kinds import KINDS
from pipeline.terms.hashing import hash_text

ROW = 0
EVERYTHING = ("feed", "fleet", "smb", "parent", "usage_drop")


def episode(kind: str) -> Episode:
    return Episode(kind, "total_usage", 0, 0, 0, "error", 1.0, 2.0, 3.0)


def asked(kind: str, *open_alerts: str) -> str | None:
    """What inhibits a kind in an account of the segment smb below `holding` while these are open."""
    state, own = Feed(EngineConfig(), 0).state, Book()
    state.accounts.belonging.put([ROW], [Context(segment="smb", parent_account_id="holding")])
    books = state.fleet_alerts.books
    for each in open_alerts:
        if each == "feed":
            books.setdefault(None, Book()).episodes.append(episode("usage_feed_stopped"))
        elif each in ("fleet", "smb", "large"):
            books.setdefault(None if each == "fleet" else each, Book()).episodes.append(episode("fleet_dip"))
        elif each == "parent":
            state.fleet.alarmed = frozenset({hash_text("holding")})
        else:
            own.episodes.append(episode(each))
    return inhibitor(state, ROW, own, KINDS[kind])


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.scope == "usage"])
def test_the_widest_of_all_that_is_open_keeps_an_alert_on_usage_closed(kind: str) -> None:
    order = ["feed", "fleet", "fleet", "parent"]
    for place, expected in enumerate(order):
        assert asked(kind, *reversed(EVERYTHING[place:])) == expected
    for alone, expected in (("feed", "feed"), ("fleet", "fleet"), ("smb", "fleet"), ("parent", "parent")):
        assert asked(kind, alone) == expected
    assert asked(kind) is None
    assert asked(kind, "large") is None


def test_a_drop_of_the_account_keeps_alerts_on_its_parts_closed() -> None:
    assert asked("users_drop", "usage_drop") == "account"
    assert asked("feature_abandonment", "usage_drop") == "account"
    assert asked("silence", "users_drop") is None


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.scope == "other"])
def test_alerts_that_are_not_on_usage_ask_nobody_wider(kind: str) -> None:
    assert asked(kind, *EVERYTHING[:-1]) is None
