"""Changelog records: what is written is read as it was, and what cannot be read is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.changelog.layout import START, Layout, present
from pipeline.changelog.read import Loader
from pipeline.changelog.records import (
    CLAIM_KEY,
    LAYOUT_PREFIX,
    POSITION_KEY,
    ROLES_KEY,
    SEEN_HEAD,
    Entry,
    SnapshotError,
    read_partition_record,
    seen_key,
)
from pipeline.changelog.write import checkpoint
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.state.accounts import SCALARS
from pipeline.state.panes import PANES
from pipeline.state.standings import Standings
from pipeline.terms.hashing import hash_text
from tests.oracle.batches import to_batches
from tests.oracle.model import DAY_MS, TOPICS, USAGE, OracleConfig, Record
from tests.oracle.streams import Case, Log, short_cases
from tests.support.examples import RANDOMS, SLOW
from tests.support.portrait import portrait
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


def keys(entries: list[Entry]) -> list[bytes]:
    """Keys of all records but those of layouts."""
    return [key for key, _ in entries if not key.startswith(LAYOUT_PREFIX)]


@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(short_cases(most=12))
def test_a_feed_that_was_restored_is_and_writes_what_the_first_one_was_and_wrote(case: Case) -> None:
    feed = fed(case)
    written = checkpoint(feed, epoch=0)
    restored = load(feed.config, written)
    assert restored.state.ahead is None
    assert portrait(restored) == portrait(feed)
    restored.state.accounts.dirty[1 : restored.state.accounts.size] = True
    again = checkpoint(restored, epoch=0)
    assert portrait(load(feed.config, written + again)) == portrait(feed)
    first, second = (msgspec.msgpack.decode(dict(entries)[POSITION_KEY] or b"") for entries in (written, again))
    assert first == second
    assert not restored.state.accounts.dirty.any()


@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@given(short_cases(most=12), RANDOMS)
def test_the_order_of_accounts_in_the_log_does_not_matter(case: Case, random: Any) -> None:
    feed = fed(case)
    written = checkpoint(feed, epoch=0)
    random.shuffle(written)
    assert portrait(load(feed.config, written)) == portrait(feed)


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
    layout = present(TOPICS, roles=False).entry
    first = checkpoint(feed, epoch=3)
    assert first[0] == layout
    assert [key for key, _ in first[1:]] == [b"acme", "böll".encode(), seen_key(USAGE, 0), POSITION_KEY]
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
    # The layout is in the changelog already.
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


def acme() -> bytes:
    """The account's value."""
    return dict(checkpoint(small_feed(), epoch=0))[b"acme"] or b""


PRESENT = present(TOPICS, roles=False)
LAYOUT_KEY, LAYOUT = PRESENT.entry[0], PRESENT.record
HEAD_BYTES = PRESENT.head(START).itemsize
VALUE = acme()
NEWER_SEEN = np.zeros(1, SEEN_HEAD)
NEWER_SEEN["format"] = 2


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        pytest.param(b"acme", b"", "account acme: 0 bytes, format none", id="empty"),
        pytest.param(b"acme", b"\x01" * 9, "account acme: 9 bytes", id="no epoch"),
        pytest.param(
            b"acme", b"\x04" + VALUE[1:], "account acme: .* format 04; this release reads up to 3", id="newer"
        ),
        pytest.param(b"acme", b"\x00" + VALUE[1:], "account acme: .* format 00", id="older than any"),
        pytest.param(b"acme", VALUE[:10] + b"none" + VALUE[14:], "holds no layout 6e6f6e65", id="no layout"),
        pytest.param(b"acme", VALUE[:1] + b"\xff" + VALUE[2:], "account acme: ids of 255 bytes", id="wide ids"),
        pytest.param(b"acme", VALUE[:20], "account acme: its value is not what its head says", id="cut"),
        pytest.param(b"acme", VALUE + b"\xc1", "account acme: ", id="no book"),
        pytest.param(LAYOUT_KEY, b"{", "layout [0-9a-f]{8}: ", id="no layout record"),
        pytest.param(LAYOUT_KEY, LAYOUT[:-1] + b" }", "is not the one that was written", id="another layout record"),
        pytest.param(LAYOUT_KEY, b'{"teams": {}}', "unknown field `teams`", id="newer layout record"),
        pytest.param(seen_key(USAGE, 0), b"\x01", "seen ids: 1 bytes", id="cut ids"),
        pytest.param(seen_key(USAGE, 0), NEWER_SEEN.tobytes(), "format 02", id="newer ids"),
        pytest.param(ROLES_KEY, b"\x02", "names of roles: 1 bytes", id="cut names of roles"),
        pytest.param(ROLES_KEY, b"\x03" + bytes(9), "format 03", id="newer names of roles"),
        pytest.param(ROLES_KEY, b"\x02" + bytes(8) + b"\xc1", "names of roles", id="no names of roles"),
        pytest.param(POSITION_KEY, b"\xc1", "partition record", id="no partition record"),
        pytest.param(POSITION_KEY, b"\x96\x02\x00\x00\x80\xa0\x80", "format 2", id="newer partition record"),
    ],
)
def test_a_value_that_cannot_be_read_stops_the_recovery_unless_it_is_deleted(
    key: bytes, value: bytes, said: str
) -> None:
    log: list[Entry] = [CLAIM, (LAYOUT_KEY, LAYOUT), (key, value)]
    with pytest.raises(SnapshotError, match=said) as refused:
        recovered(EngineConfig(), log)
    assert "\n" not in str(refused.value)
    assert recovered(EngineConfig(), [*log, (key, None)]).state.accounts.ids == [""]


def test_a_value_that_is_cut_anywhere_is_refused() -> None:
    for length in range(len(VALUE)):
        with pytest.raises(SnapshotError, match="account acme: "):
            recovered(EngineConfig(), [(LAYOUT_KEY, LAYOUT), (b"acme", VALUE[:length])])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.integers(0, HEAD_BYTES - 1), st.integers(0, 255), min_size=1, max_size=3))
def test_a_head_of_any_bytes_is_read_or_refused(changed: dict[int, int]) -> None:
    value = bytearray(VALUE)
    for place, byte in changed.items():
        value[place] = byte
    try:
        recovered(EngineConfig(), [(LAYOUT_KEY, LAYOUT), (b"acme", bytes(value))])
    except SnapshotError as refused:
        assert "account acme: " in str(refused)  # noqa: PT017 - it need not be raised


@pytest.mark.parametrize(
    ("part", "name", "dtype"),
    [
        ("panes", "touches", "(96,)<u2"),
        ("panes", "touches", "(48,)|u1"),
        ("scalars", "score", "<f4"),
        ("standings", "since_day", "<i8"),
        ("users", "role_day", "<i8"),
        ("features", "last_day", "<i8"),
    ],
)
def test_a_column_that_has_changed_its_type_is_refused(part: str, name: str, dtype: str) -> None:
    ours = present(TOPICS, roles=True)
    layout: Layout = msgspec.structs.replace(ours, **{part: getattr(ours, part) | {name: dtype}})
    value = VALUE[:10] + layout.tag + VALUE[14:]
    with pytest.raises(SnapshotError, match=f"account acme: .* {name} in {part} is .*, this release has "):
        recovered(EngineConfig(), [layout.entry, (b"acme", value)])


@pytest.mark.parametrize(("name", "table"), [("touches", PANES), ("band", SCALARS)])
def test_a_type_that_changes_in_its_table_is_refused(
    name: str, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = checkpoint(small_feed(), epoch=0)
    monkeypatch.setitem(table, name, "u4" if table is PANES else ("u4", 0))
    with pytest.raises(SnapshotError, match=f"{name} in .* is .*u1, this release has .*<u4"):
        recovered(EngineConfig(), written)


def test_what_a_topic_left_that_is_no_input_any_more_is_not_read() -> None:
    feed = small_feed()
    entries = dict(checkpoint(feed, epoch=0))
    record = read_partition_record(entries[POSITION_KEY] or b"")
    record.topics["chat.events"], record.evicted["chat.events"] = record.topics[USAGE], 4
    entries[POSITION_KEY] = msgspec.msgpack.encode(record)
    entries[seen_key("chat.events", 0)] = entries[seen_key(USAGE, 0)]
    assert portrait(load(feed.config, list(entries.items()))) == portrait(feed)


def test_a_partition_record_may_end_where_older_ones_ended() -> None:
    feed = small_feed()
    entries = dict(checkpoint(feed, epoch=0))
    fields = msgspec.msgpack.decode(entries[POSITION_KEY] or b"")
    entries[POSITION_KEY] = msgspec.msgpack.encode(fields[:6])
    restored = load(feed.config, list(entries.items()))
    assert (restored.positions, restored.fates, restored.open_day) == (feed.positions, feed.fates, feed.open_day)


def test_standings_take_the_columns_that_they_know_and_leave_the_others_at_their_default() -> None:
    stored = np.array([[(7, 3, 1.5, 9)]], [("card", "<u8"), ("band", "u1"), ("score", "<f8"), ("trend", "u1")])
    standings = Standings([7], capacity=3)
    standings.restore(np.array([2]), stored)
    assert (standings.band[0, 2], standings.score[0, 2], standings.since_day[0, 2]) == (3, 1.5, -1)


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
    assert keys(written)[0] == ROLES_KEY
    # Users of an account in which no role is known take no room for any.
    layouts = {roles: present(TOPICS, roles=roles).tag for roles in (False, True)}
    assert [(dict(written)[key] or b"")[10:14] for key in (b"acme", "böll".encode())] == [layouts[True], layouts[False]]
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
    restored = load(EngineConfig(), written[: keys(written).index(b"acme") + 3])
    assert restored.state.accounts.ids == ["", "acme"]
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
