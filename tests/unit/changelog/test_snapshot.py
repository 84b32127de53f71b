"""Changelog records: what is written is read as it was, and what cannot be read is refused."""

from __future__ import annotations

from base64 import b85decode
from typing import Any
from zlib import decompress

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from pipeline.books.book import decode_book
from pipeline.changelog.read import Loader
from pipeline.changelog.write import (
    CLAIM_KEY,
    HEAD,
    PANE_WIDTHS,
    POSITION_KEY,
    ROLES_KEY,
    SEEN_HEAD,
    WITH_ROLES,
    SnapshotError,
    checkpoint,
    member_dtype,
    read_partition_record,
    seen_key,
)
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.state.panes import PANES, RING
from pipeline.state.standings import STANDING
from pipeline.state.users import NEVER_TOLD
from pipeline.terms.hashing import hash_text
from tests.oracle.batches import to_batches
from tests.oracle.model import DAY_MS, TOPICS, USAGE, OracleConfig, Record
from tests.oracle.streams import Case, Log, short_cases
from tests.support.examples import RANDOMS, SLOW
from tests.support.recovered import CLAIM, recovered

FIRST_MS = 20_000 * DAY_MS


def config_of(config: OracleConfig) -> EngineConfig:
    return EngineConfig(
        out_of_orderness_ms=config.out_of_orderness_ms,
        allowed_lateness_days=config.allowed_lateness_ms // DAY_MS,
        timezone=config.timezone,
        max_users=config.max_users,
        max_features=config.max_features,
    )


def fed(case: Case) -> Feed:
    feed = Feed(config_of(case.config), 0)
    for topic in TOPICS:
        for batch in to_batches(case.log, topic, [4]):
            feed.push(batch)
    return feed


def load(config: EngineConfig, entries: list[tuple[bytes, bytes | None]]) -> Feed:
    return recovered(config, [CLAIM, *entries])


def readable(value: bytes) -> dict[str, Any]:
    """An account's value in parts; members in the order of their hashes."""
    head = np.frombuffer(value, HEAD, count=1)[0]
    found: dict[str, Any] = {name: head[name].tolist() for name in HEAD.names or ()}
    start = HEAD.itemsize
    standings = np.frombuffer(value, STANDING, int(head["standings"]), start)
    found["standings"] = standings.tolist()
    start += standings.nbytes
    for name, width in zip(PANES, head["pane_widths"].tolist(), strict=True):
        dtype = PANE_WIDTHS[width]
        if dtype is not None:
            size = RING * np.dtype(dtype).itemsize
            found[f"pane {name}"] = value[start : start + size]
            start += size
    for name in ("users", "features"):
        member = member_dtype(int(head["id_width"]), roles=name == "users" and head["format"] == WITH_ROLES)
        members = np.frombuffer(value, member, int(head[name]), start)
        found[f"all {name}"] = np.sort(members, order="hash").tolist()
        start += members.nbytes
    found["book"] = decode_book(value[start:]) if start < len(value) else None
    return found


def account_values(entries: list[tuple[bytes, bytes | None]]) -> dict[bytes, Any]:
    return {key: repr(readable(value)) for key, value in entries if value and not key.startswith(b"\x00")}


@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(short_cases(most=12))
def test_a_feed_that_was_restored_writes_what_the_first_one_wrote(case: Case) -> None:
    feed = fed(case)
    written = checkpoint(feed, epoch=0)
    restored = load(feed.config, written)
    assert restored.state.ahead is None
    assert (restored.open_day, restored.positions, restored.fates) == (feed.open_day, feed.positions, feed.fates)
    restored.state.accounts.dirty[1 : restored.state.accounts.size] = True
    again = checkpoint(restored, epoch=0)
    assert account_values(again) == account_values(written)
    first, second = (msgspec.msgpack.decode(dict(entries)[POSITION_KEY] or b"") for entries in (written, again))
    assert first == second
    assert not restored.state.accounts.dirty.any()


@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@given(short_cases(most=12), RANDOMS)
def test_the_order_of_accounts_in_the_log_does_not_matter(case: Case, random: Any) -> None:
    feed = fed(case)
    written = checkpoint(feed, epoch=0)
    shuffled = list(written)
    random.shuffle(shuffled)
    restored = load(feed.config, shuffled)
    restored.state.accounts.dirty[1 : restored.state.accounts.size] = True
    assert account_values(checkpoint(restored, epoch=0)) == account_values(written)


def usage(offset: int, day: float, event_id: str, account_id: str = "acme", role: str | None = None) -> Record:
    at_ms = FIRST_MS + int(day * DAY_MS)
    event = {"account_id": account_id, "event_id": event_id, "occurred_at": at_ms, "user_id": "u" * 45, "role": role}
    return Record(offset, "event", at_ms, at_ms, event | {"feature": "home", "quantity": 1.5})


def tick(offset: int, day: float) -> Record:
    at_ms = FIRST_MS + int(day * DAY_MS)
    return Record(offset, "tick", at_ms, at_ms)


def push(feed: Feed, log: Log) -> None:
    """Push what the feed has not had yet."""
    for topic in TOPICS:
        for batch in to_batches(log, topic, [1]):
            if batch.end > feed.next_offset(topic):
                feed.push(batch)


BEGIN: Log = {topic: [tick(0, 0.1)] for topic in TOPICS}
TWO = [*BEGIN[USAGE], usage(1, 0.5, "e0"), usage(2, 0.6, "e1", "böll")]


def small_feed() -> Feed:
    """The first day is open, two accounts have one event each."""
    feed = Feed(EngineConfig(), 0)
    push(feed, BEGIN | {USAGE: TWO})
    return feed


def test_a_checkpoint_holds_what_changed_since_the_last_one_and_the_partition_record_at_its_end() -> None:
    feed = small_feed()
    first = [key for key, _ in checkpoint(feed, epoch=3)]
    assert first == [b"acme", "böll".encode(), seen_key(USAGE, 0), POSITION_KEY]
    assert [key for key, _ in checkpoint(feed, epoch=3)] == [POSITION_KEY]
    push(feed, {USAGE: [*TWO, usage(3, 0.7, "e2", "böll")]})
    assert [key for key, _ in checkpoint(feed, epoch=3)] == ["böll".encode(), seen_key(USAGE, 1), POSITION_KEY]


def test_a_duplicate_is_still_one_after_a_restart() -> None:
    feed = small_feed()
    restored = load(feed.config, checkpoint(feed, epoch=0))
    push(restored, {USAGE: [*TWO, usage(3, 0.7, "e0")]})
    assert restored.fates[USAGE]["duplicate"] == 1


def test_ids_of_a_checkpoint_that_was_cut_are_not_taken() -> None:
    feed = small_feed()
    entries = checkpoint(feed, epoch=0)
    restored = load(feed.config, [entry for entry in entries if entry[0] != POSITION_KEY])
    assert restored.positions[USAGE] == 0
    push(restored, BEGIN | {USAGE: TWO})
    assert (restored.fates[USAGE]["applied"], restored.fates[USAGE]["duplicate"]) == (3, 0)
    row = restored.state.accounts.row_of("acme")
    assert restored.state.accounts.panes["actions"][:, row].sum() == 1500


def test_values_of_a_former_owner_are_counted_not_taken_and_written_again() -> None:
    feed = small_feed()
    current = checkpoint(feed, epoch=5)
    feed.state.accounts.dirty[1:3] = True
    stale = checkpoint(feed, epoch=2)
    loader = Loader(feed.config, 0)
    for offset, (key, value) in enumerate([*current, *stale], start=6):
        loader.add(key, value, offset)
    assert loader.stale == len(stale)
    rewritten = [key for key, _ in checkpoint(loader.finish(), epoch=9)]
    assert sorted(rewritten) == [POSITION_KEY, b"acme", "böll".encode()]


def test_a_claim_makes_all_older_values_that_follow_it_stale() -> None:
    feed = small_feed()
    loader = Loader(feed.config, 0)
    loader.add(CLAIM_KEY, b"", 7)
    for offset, (key, value) in enumerate(checkpoint(feed, epoch=6), start=8):
        loader.add(key, value, offset)
    assert (loader.stale, loader.epoch) == (4, 7)
    assert loader.finish().positions[USAGE] == 0


def test_a_deleted_key_is_gone() -> None:
    feed = small_feed()
    restored = load(feed.config, [*checkpoint(feed, epoch=0), (b"acme", None)])
    assert restored.state.accounts.ids == ["", "böll"]


def test_the_keys_of_a_changelog_are_known_without_claims_and_deleted_ones() -> None:
    loader = Loader(small_feed().config, 0)
    written = checkpoint(small_feed(), epoch=7)
    stale = [(b"late", dict(checkpoint(small_feed(), epoch=2))[b"acme"])]
    for offset, (key, value) in enumerate([CLAIM, *written, (b"acme", None), *stale], start=7):
        loader.add(key, value, offset)
    assert loader.keys == {key for key, _ in written} - {b"acme"} | {b"late"}


NEWER = np.zeros(1, HEAD)
NEWER["format"] = 3
NEWER_SEEN = np.zeros(1, SEEN_HEAD)
NEWER_SEEN["format"] = 2


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        pytest.param(b"acme", b"", "account acme: 0 bytes", id="empty"),
        pytest.param(b"acme", b"\x01" * 20, "account acme: 20 bytes", id="cut"),
        pytest.param(b"acme", NEWER.tobytes(), "newer", id="newer account"),
        pytest.param(b"acme", bytes(HEAD.itemsize) + b"\xc1", "account acme", id="no book"),
        pytest.param(seen_key(USAGE, 0), b"\x01", "seen ids: 1 bytes", id="cut ids"),
        pytest.param(seen_key(USAGE, 0), NEWER_SEEN.tobytes(), "format 02", id="newer ids"),
        pytest.param(ROLES_KEY, b"\x02", "names of roles: 1 bytes", id="cut names of roles"),
        pytest.param(ROLES_KEY, b"\x03" + bytes(9), "format 03", id="newer names of roles"),
        pytest.param(ROLES_KEY, b"\x02" + bytes(8) + b"\xc1", "names of roles", id="no names of roles"),
        pytest.param(POSITION_KEY, b"\xc1", "partition record", id="no partition record"),
        pytest.param(POSITION_KEY, b"\x96\x02\x00\x00\x80\xa0\x80", "format 2", id="newer partition record"),
    ],
)
def test_a_value_that_cannot_be_read_stops_the_recovery(key: bytes, value: bytes, said: str) -> None:
    loader = Loader(EngineConfig(), 0)

    def recover() -> None:
        loader.add(key, value, 1)
        loader.finish()

    with pytest.raises(SnapshotError, match=said):
        recover()


def test_the_partition_record_says_what_the_feed_has_done() -> None:
    feed = small_feed()
    record = read_partition_record(dict(checkpoint(feed, epoch=3))[POSITION_KEY] or b"")
    assert (record.format, record.epoch, record.open_day, record.config_hash) == (1, 3, 20_000, feed.config.config_hash)
    assert (record.topics[USAGE].position, record.topics[USAGE].fates["applied"]) == (3, 3)


def test_an_id_that_was_forgotten_stays_forgotten_after_a_restart() -> None:
    config = EngineConfig(allowed_lateness_days=0)
    log: Log = {topic: [tick(0, 0.1), tick(1, 1.5)] for topic in TOPICS}
    log[USAGE] = [tick(0, 0.1), usage(1, 0.5, "e0"), tick(2, 1.5)]
    feed = Feed(config, 0)
    push(feed, BEGIN | {USAGE: log[USAGE][:2]})
    entries = checkpoint(feed, epoch=0)
    push(feed, log)
    restored = load(config, entries + checkpoint(feed, epoch=0))
    assert restored.open_day == feed.open_day == 20_001
    again = {USAGE: [*log[USAGE], usage(3, 1.6, "e0")]}
    push(feed, again)
    push(restored, again)
    assert feed.fates[USAGE]["duplicate"] == 0
    assert restored.fates[USAGE]["duplicate"] == 0


WITHOUT_ROLES = (
    b"c-mvsV1NQ<D9uQKmiJ>|U;^>cB^Y3WAgtgA!T<mNuV+97Kk6A4%@mxw_L`drk|<E&f4DpfO+L88$}p$_;~+ObBr@o>JNJWE=w^W;wv<Sa*)0*n7&%c"
    b"2n;9ATxv9js0{~i7Ejj"
)
"""The value of `small_feed`'s first account, compressed, as it was written before roles were kept."""


def test_a_value_from_before_roles_is_read_and_one_without_roles_is_still_written_so() -> None:
    value = decompress(b85decode(WITHOUT_ROLES))
    feed = small_feed()
    assert dict(checkpoint(feed, epoch=0))[b"acme"] == value
    users = load(feed.config, [(b"acme", value)]).state.users
    assert (users.ids[1], users.last_day[1], users.role[1], users.role_day[1]) == (b"u" * 40, 20_000, 0, NEVER_TOLD)


def in_roles() -> Feed:
    """Two accounts, of one of which roles are known."""
    feed = Feed(EngineConfig(), 0)
    told = [("e0", "editor"), ("e1", "admin"), ("e2", "admin"), ("e3", None)]
    events = [usage(place + 1, 0.3 + place / 10, event_id, "acme", role) for place, (event_id, role) in enumerate(told)]
    push(feed, BEGIN | {USAGE: [*BEGIN[USAGE], *events, usage(5, 0.7, "e4", "böll")]})
    return feed


def test_roles_and_their_names_are_read_as_they_were() -> None:
    feed = in_roles()
    written = checkpoint(feed, epoch=0)
    assert {key: (value or b"")[0] for key, value in written[:3]} == {ROLES_KEY: 2, b"acme": 2, "böll".encode(): 1}
    restored = load(feed.config, written)
    for state in (feed.state, restored.state):
        users = state.users
        place = int(users.of_one(state.accounts.row_of("acme"))[0])
        told = [getattr(users, name)[place].item() for name in users.ROLES]
        first, second = sorted(("admin", "editor"), key=hash_text, reverse=True)
        assert told == [hash_text(first), 20_000, hash_text(second), 20_000]
        assert users.role_names.of(told[0]) == first
    assert [key for key, _ in checkpoint(restored, epoch=1)] == [POSITION_KEY]


def test_a_checkpoint_that_was_cut_has_the_names_of_the_roles_that_it_has() -> None:
    written = checkpoint(in_roles(), epoch=0)
    restored = load(EngineConfig(), written[:2])
    assert restored.state.users.role_names.of(hash_text("admin")) == "admin"


def test_names_of_roles_that_a_former_owner_wrote_are_written_again() -> None:
    feed = in_roles()
    loader = Loader(feed.config, 0)
    loader.add(CLAIM_KEY, b"", 3)
    for offset, (key, value) in enumerate(checkpoint(feed, epoch=1), start=4):
        loader.add(key, value, offset)
    again = loader.finish()
    assert not again.state.users.role_names.known
    assert ROLES_KEY in dict(checkpoint(again, epoch=9))
