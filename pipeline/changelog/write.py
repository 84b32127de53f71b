"""The changelog's records: one partition's state as keys and values, written per checkpoint and read at recovery.

An account's value is a fixed head, its standings on scorecards, the day panes that are not empty, its members and its
book. The format is versioned; a newer one than this code knows is refused. An account of which no role is known is
written as before roles were kept, so that its value did not change with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from pipeline.books.book import Book
from pipeline.fleet.merged import SavedFleet
from pipeline.intake.feed import Feed
from pipeline.scorecards.definition import Definition
from pipeline.state.accounts import SCALARS
from pipeline.state.members import Members
from pipeline.state.panes import PANES, RING
from pipeline.state.seen import SeenChunk
from pipeline.state.standings import STANDING
from pipeline.state.state import State
from pipeline.state.users import Users
from pipeline.terms.records import I64
from schemas.errors import BrokenError
from schemas.topics import INPUT_TOPICS

FORMAT = 1
WITH_ROLES = 2
"""Format of the value of an account whose users have roles, and of the names of roles; the newest that is read."""
POSITION_KEY = b"\x00pos"
CLAIM_KEY = b"\x00claim"
SEEN_PREFIX = b"\x00seen\x00"
ROLES_KEY = b"\x00roles"
Entry = tuple[bytes, bytes | None]

HEAD = np.dtype(
    [
        ("format", "u1"),
        ("id_width", "u1"),
        ("epoch", "<i8"),
        ("positions", "<i8", (len(INPUT_TOPICS),)),
        ("closed_day", "<i4"),
        ("pane_widths", "u1", (len(PANES),)),
        ("bits", "<u8", (2,)),
        ("standings", "u1"),
        ("users", "<u4"),
        ("features", "<u4"),
        *((name, dtype if dtype in ("?", "u1") else f"<{dtype}") for name, (dtype, _) in SCALARS.items()),
    ]
)
"""The fixed head of an account's value."""
_NAMES = HEAD.names or ()
_COUNTS_AT = sum(HEAD[name].itemsize for name in _NAMES[: _NAMES.index("users")])
MEMBER_COUNTS = slice(_COUNTS_AT, _COUNTS_AT + 8)
"""Where a value holds its numbers of users and features."""

PANE_WIDTHS = (None, "u1", "<u2", "<u4", "<i8")
"""How a pane is stored, by its code in the head: not at all when empty, else as narrow as its greatest value allows."""
_WIDTH_LIMITS = np.array([1, 2**8, 2**16, 2**32])

SEEN_HEAD = np.dtype([("format", "u1"), ("epoch", "<i8"), ("day", "<i4"), ("end", "<i8")])
ROLES_HEAD = np.dtype([("format", "u1"), ("epoch", "<i8")])


class SnapshotError(BrokenError):
    """A changelog record that cannot be read: state would be lost if it were skipped."""


class PartitionRecord(msgspec.Struct, array_like=True):
    """The partition's own record, written last in a checkpoint."""

    format: int
    epoch: int
    open_day: int
    topics: dict[str, TopicRecord]
    config_hash: str
    evicted: dict[str, int]
    definitions: dict[int, Definition] = {}
    """By content: what the accounts' standings come from."""
    fleet: SavedFleet = msgspec.field(default_factory=SavedFleet)
    fleet_books: list[tuple[str | None, Book]] = []
    """Open alerts of the fleet, by scope."""


class TopicRecord(msgspec.Struct, array_like=True):
    """Position, ledger and watermark of one topic."""

    position: int
    start: int | None
    holes: int
    fates: dict[str, int]
    reached_ms: int


def member_dtype(id_width: int, roles: bool = False) -> np.dtype[np.void]:
    """One member, with ids cut or padded to a width; with `roles` a user whose role may be known."""
    fields = [("hash", "<u8"), ("bits", "<u8", (2,)), ("last_day", "<i4"), ("id", f"S{id_width}")]
    told = [("role", "<u8"), ("role_day", "<i4"), ("former_role", "<u8"), ("former_day", "<i4")]
    return np.dtype([*fields, *told] if roles else fields)


def seen_key(topic: str, number: int) -> bytes:
    """Key of a chunk of event-id hashes."""
    return SEEN_PREFIX + topic.encode() + b"\x00" + str(number).encode()


def checkpoint(feed: Feed, epoch: int) -> list[Entry]:
    """Everything that changed since the last call: names of roles, accounts, seen ids, then the partition record.

    Names come first: a checkpoint that is cut has those of all accounts that it has.
    """
    state = feed.state
    rows = np.flatnonzero(state.accounts.dirty[: state.accounts.size]).astype(np.int32)
    entries: list[Entry] = list(_role_entries(state, epoch))
    entries += account_entries(feed, rows, epoch)
    state.accounts.dirty[rows] = False
    state.accounts.books.rest()
    for topic, seen in state.seen.items():
        chunks = seen.checkpoint(feed.positions[topic])
        entries += [(seen_key(topic, chunk.number), _seen_value(chunk, epoch)) for chunk in chunks]
    entries.append((POSITION_KEY, msgspec.msgpack.encode(_partition_record(feed, epoch))))
    return entries


def _partition_record(feed: Feed, epoch: int) -> PartitionRecord:
    topics = {
        name: TopicRecord(
            topic.ledger.position, topic.ledger.start, topic.ledger.holes, dict(topic.ledger.fates), topic.reached_ms
        )
        for name, topic in feed.topics.items()
    }
    state = feed.state
    evicted = {
        "users": state.users.evicted,
        "features": state.features.evicted,
        "untracked_users": state.users.untracked,
        "untracked_features": state.features.untracked,
        **{topic: seen.evicted for topic, seen in state.seen.items()},
    }
    return PartitionRecord(
        format=FORMAT,
        epoch=epoch,
        open_day=state.open_day,
        topics=topics,
        config_hash=feed.config.config_hash,
        evicted=evicted,
        definitions=state.definitions,
        fleet=state.fleet.save(),
        fleet_books=list(state.fleet_alerts.books.items()),
    )


def _role_entries(state: State, epoch: int) -> Iterator[Entry]:
    names = state.users.role_names
    if names.dirty:
        names.dirty = False
        head = np.array([(WITH_ROLES, epoch)], dtype=ROLES_HEAD)
        yield ROLES_KEY, head.tobytes() + msgspec.msgpack.encode(names.known)


def read_role_names(value: bytes) -> dict[int, bytes]:
    """Names of roles by hash; raises `SnapshotError`."""
    read_head(value, "names of roles", ROLES_HEAD, WITH_ROLES)
    try:
        return msgspec.msgpack.decode(value[ROLES_HEAD.itemsize :], type=dict[int, bytes])
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"names of roles: {error}") from error


def _seen_value(chunk: SeenChunk, epoch: int) -> bytes:
    head = np.array([(FORMAT, epoch, chunk.day, chunk.end)], dtype=SEEN_HEAD)
    return head.tobytes() + chunk.ids.astype("<u8").tobytes()


def account_entries(feed: Feed, rows: npt.NDArray[np.int32], epoch: int) -> Iterator[Entry]:
    """Key and value of each of the accounts."""
    for start in range(0, len(rows), 4096):
        yield from _block_entries(feed, rows[start : start + 4096], epoch)


def _block_entries(feed: Feed, rows: npt.NDArray[np.int32], epoch: int) -> Iterator[Entry]:
    state, accounts = feed.state, feed.state.accounts
    users, user_ends = _member_block(state.users, rows)
    features, feature_ends = _member_block(state.features, rows)
    width = max(_id_width(users), _id_width(features))
    head = _heads(feed, rows, epoch)
    in_roles = np.bincount(
        np.repeat(np.arange(len(rows)), np.diff(user_ends, prepend=0)), users["role"] != 0, len(rows)
    )
    head["format"] = np.where(in_roles > 0, WITH_ROLES, FORMAT)
    head["users"] = np.diff(user_ends, prepend=0)
    head["features"] = np.diff(feature_ends, prepend=0)
    head["id_width"] = width
    panes = [
        _narrow(pane[:, rows].T, head["pane_widths"][:, number]) for number, pane in enumerate(accounts.panes.values())
    ]
    standings = accounts.standings.stored(rows)
    head["standings"] = standings.shape[1]
    heads, size = head.tobytes(), HEAD.itemsize
    stands, span = standings.tobytes(), standings.shape[1] * STANDING.itemsize
    plain = _packed(users, user_ends, member_dtype(width))
    told = _packed(users, user_ends, member_dtype(width, roles=True)) if in_roles.any() else plain
    used = _packed(features, feature_ends, member_dtype(width))
    for place, row in enumerate(rows.tolist()):
        parts = [heads[place * size : (place + 1) * size], stands[place * span : (place + 1) * span]]
        parts += [pane[place] for pane in panes]
        for block, starts in (told if in_roles[place] else plain, used):
            parts.append(block[starts[place] : starts[place + 1]])
        parts.append(accounts.books.stored(row))
        yield accounts.ids[row].encode(), b"".join(parts)


def _packed(
    members: npt.NDArray[np.void], ends: npt.NDArray[np.intp], dtype: np.dtype[np.void]
) -> tuple[bytes, list[int]]:
    """Members as they are stored, and where those of each account start."""
    return members[list(dtype.names or ())].astype(dtype).tobytes(), np.r_[0, ends * dtype.itemsize].tolist()


def _narrow(values: npt.NDArray[np.integer], widths: npt.NDArray[np.uint8]) -> list[bytes]:
    """Each account's pane as it is stored; `widths` is given the codes."""
    widths[:] = np.searchsorted(_WIDTH_LIMITS, values.max(axis=1), side="right")
    stored = [b""] * len(values)
    for code, dtype in enumerate(PANE_WIDTHS):
        chosen = np.flatnonzero(widths == code)
        if dtype is not None and len(chosen):
            data, size = values[chosen].astype(dtype).tobytes(), RING * np.dtype(dtype).itemsize
            for number, place in enumerate(chosen.tolist()):
                stored[place] = data[number * size : (number + 1) * size]
    return stored


def _heads(feed: Feed, rows: npt.NDArray[np.int32], epoch: int) -> npt.NDArray[np.void]:
    state, accounts = feed.state, feed.state.accounts
    head = np.zeros(len(rows), dtype=HEAD)
    head["epoch"] = epoch
    head["positions"], head["closed_day"] = covered(state, rows, list(feed.positions.values()))
    head["bits"] = accounts.bits[rows]
    for name in SCALARS:
        head[name] = getattr(accounts, name)[rows]
    return head


def covered(state: State, rows: npt.NDArray[np.int32], positions: list[int]) -> tuple[I64, npt.NDArray[np.int32]]:
    """Positions and closed day that the accounts' values cover: the feed's, or more where they are ahead of it."""
    reached = np.broadcast_to(np.array(positions, dtype=np.int64), (len(rows), len(positions)))
    closed = np.full(len(rows), state.open_day - 1, dtype=np.int32)
    if state.ahead is None:
        return reached, closed
    known = rows < state.ahead.positions.shape[1]
    ahead = np.where(known[:, None], state.ahead.positions[:, np.where(known, rows, 0)].T, 0)
    ahead_closed = np.where(known, state.ahead.closed_day[np.where(known, rows, 0)], -1)
    return np.maximum(reached, ahead), np.maximum(closed, ahead_closed).astype(np.int32)


def _id_width(members: npt.NDArray[np.void]) -> int:
    return max(1, int(np.char.str_len(members["id"]).max(initial=0)))


def _member_block(members: Members, rows: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.void], npt.NDArray[np.intp]]:
    """The members of the accounts, one account's after the other's, and where each account's end."""
    places, owners = members.of(rows)
    order = np.argsort(owners, kind="stable")
    places, owners = places[order], owners[order]
    block = np.zeros(len(places), dtype=member_dtype(members.ids.dtype.itemsize, isinstance(members, Users)))
    block["hash"], block["bits"] = members.hashes[places], members.bits[places]
    block["last_day"], block["id"] = members.last_day[places], members.ids[places]
    if isinstance(members, Users):
        for name in Users.ROLES:
            block[name] = getattr(members, name)[places]
    return block, np.cumsum(np.bincount(owners, minlength=len(rows)))


def read_partition_record(value: bytes) -> PartitionRecord:
    """Decode the partition's record; raises `SnapshotError`."""
    try:
        record = msgspec.msgpack.decode(value, type=PartitionRecord)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"partition record: {error}") from error
    if record.format > FORMAT:
        raise SnapshotError(f"partition record has format {record.format}, this version reads up to {FORMAT}")
    return record


def read_head(value: bytes, what: str, dtype: np.dtype[np.void], newest: int = FORMAT) -> Any:
    """Decode the fixed head of a value in a format up to `newest`; raises `SnapshotError`."""
    if len(value) < dtype.itemsize or value[0] > newest:
        raise SnapshotError(
            f"{what}: {len(value)} bytes, format {value[:1].hex() or 'none'}; this version reads up to {newest}"
        )
    return np.frombuffer(value, dtype=dtype, count=1)[0]
