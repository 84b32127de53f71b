"""What an account takes: columns as wide as needed, books closed while nothing happens."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from pipeline.books.book import Book, Context, Episode, Profile, encode_book
from pipeline.changelog.read import Loader
from pipeline.changelog.records import Entry
from pipeline.changelog.write import checkpoint
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.state.bookshelf import OPEN_BYTES, Bookshelf
from pipeline.state.members import Members
from pipeline.state.panes import RING, added, empty
from pipeline.state.users import Users
from pipeline.terms.hashing import hash64

ACCOUNTS, USERS, FEATURES = 5_000, 20, 12
LIMIT = 6_000
"""Bytes that an account with 20 users may take."""
EPISODE = Episode("usage_drop", "total_usage", 3, 0, 0, "error", 1.0, 2.0, 9.0)


def fill(members: Members, hashes: np.ndarray[tuple[int], np.dtype[np.uint64]], each: int, name: str) -> None:
    rows = np.repeat(np.arange(1, len(hashes) + 1, dtype=np.int32), each)
    ids = pa.array([f"{name}-{number:013d}" for number in range(len(hashes) * each)], pa.string())
    members.fit_accounts(len(hashes) + 1)
    events = (rows, np.repeat(hashes, each), hash64(ids), ids, np.full(len(rows), 99, dtype=np.int64))
    if isinstance(members, Users):
        roles = pa.array([("administrator", "editor")[number % 2] for number in range(len(rows))], pa.string())
        members.mark_with_roles(*events, members.told(roles))
    else:
        members.mark(*events)


def populated() -> Feed:
    """Accounts with every pane in use, users, features, a profile and a context."""
    feed = Feed(EngineConfig(), 0)
    accounts, rng = feed.state.accounts, np.random.default_rng(3)
    ids = [f"account-{number:06d}" for number in range(ACCOUNTS)]
    hashes = hash64(pa.array(ids, pa.string()))
    rows = accounts.add(ids, hashes)
    for pane in accounts.panes.values():
        pane[:, rows] = rng.integers(1, 200, (RING, ACCOUNTS))
    fill(feed.state.users, hashes, USERS, "user")
    fill(feed.state.features, hashes, FEATURES, "feat")
    for row in rows.tolist():
        profile = Profile(
            1, f"Account {row}", "mid-market", "digital", "adoption", "pro", 25, 1_200_000, "EUR", "owner"
        )
        context = Context(f"Account {row}", "mid-market", "digital", "adoption", "pro", 1_200_000, "EUR", "owner")
        accounts.books[row] = Book(profile=profile, context=context)
    accounts.dirty[rows] = True
    feed.state.enter_day(100)
    return feed


def load(entries: list[Entry]) -> Feed:
    loader = Loader(EngineConfig(), 0)
    for offset, (key, value) in enumerate(entries, start=1):
        loader.add(key, value, offset)
    return loader.finish()


def test_an_account_with_twenty_users_takes_less_than_six_kilobytes_however_it_came() -> None:
    feed = populated()
    entries = checkpoint(feed, 0)
    grown = feed.state.nbytes / ACCOUNTS
    del feed
    restored = load(entries)
    # Modules that are imported on the way are there now.
    del restored
    tracemalloc.start()
    restored = load(entries)
    traced = tracemalloc.get_traced_memory()[0] / ACCOUNTS
    tracemalloc.stop()
    assert len(restored.state.accounts) == ACCOUNTS
    assert restored.state.nbytes / ACCOUNTS <= grown <= LIMIT
    # All that Python and numpy have allocated for it.
    assert traced <= LIMIT
    assert traced == pytest.approx(restored.state.nbytes / ACCOUNTS, rel=0.05)


def test_a_book_is_closed_while_nothing_happens_and_opens_with_what_it_held() -> None:
    shelf = Bookshelf()
    shelf[4] = Book(profile=Profile(name="Acme"), tickets_seen=True)
    before = encode_book(shelf[4])
    shelf.rest()
    assert shelf.nbytes < OPEN_BYTES
    assert (shelf.stored(4), shelf.stored(3), shelf.stored(9)) == (before, b"", b"")
    assert (list(shelf), len(shelf), 4 in shelf, 3 in shelf) == ([4], 1, True, False)
    shelf[4].billing_seen = True
    shelf.rest()
    assert (shelf[4].billing_seen, shelf[4].profile) == (True, Profile(name="Acme"))


def test_a_book_with_an_open_alert_stays_open() -> None:
    shelf = Bookshelf()
    shelf[1] = book = Book(episodes=[EPISODE])
    shelf.rest()
    assert shelf[1] is book
    assert shelf.nbytes > OPEN_BYTES
    assert shelf.restore(2, encode_book(book)) is shelf[2]


def test_the_shelf_knows_its_size_after_books_came_and_went() -> None:
    shelf = Bookshelf()
    for row in (1, 2, 3):
        shelf[row] = Book()
    shelf.rest()
    closed = shelf.nbytes
    shelf[2].milestones = {}
    shelf[3] = Book()
    shelf.rest()
    assert shelf.nbytes == closed


@pytest.mark.parametrize("by", [1, 3])
def test_a_day_beyond_the_type_of_its_pane_is_kept_exactly(by: int) -> None:
    pane, days, rows = empty("actions", 5), np.full(6, 7), np.full(6, 2, dtype=np.int32)
    values = np.array([2**31, 1, 2**31, 7, 2**33, 5], dtype=np.int64)
    for start in range(0, 6, 6 // by):
        chosen = slice(start, start + 6 // by)
        pane = added(pane, days[chosen], rows[chosen], values[chosen])
    assert (int(pane[7, 2]), int(pane.sum())) == (int(values.sum()), int(values.sum()))


def test_a_pane_is_not_widened_by_many_days_that_fit() -> None:
    pane = empty("actions", 100)
    rows = np.arange(100, dtype=np.int32)
    pane = added(pane, np.zeros(100, dtype=np.int64), rows, np.full(100, 2**31, dtype=np.int64))
    assert pane.dtype == np.dtype("u4")
    assert pane[0].tolist() == [2**31] * 100


def test_ids_are_kept_as_long_as_the_longest_needs_and_forty_bytes_at_most() -> None:
    members = Members(10)
    for name, width in (("abc", 8), ("abcdefghi", 16), ("x" * 60, 40)):
        ids = pa.array([name], pa.string())
        members.mark(np.array([1], dtype=np.int32), hash64(ids), hash64(ids), ids, np.array([5], dtype=np.int64))
        assert members.ids.dtype.itemsize == width
    assert members.ids[1:4].tolist() == [b"abc", b"abcdefghi", b"x" * 40]
