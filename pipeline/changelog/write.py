"""What a checkpoint writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from pipeline.changelog.layout import PANE_WIDTHS, START, TAGGED, Layout, member_dtype, present
from pipeline.changelog.records import (
    FORMAT,
    POSITION_KEY,
    ROLES_FORMAT,
    ROLES_HEAD,
    ROLES_KEY,
    SEEN_HEAD,
    Entry,
    PartitionRecord,
    TopicRecord,
    seen_key,
)
from pipeline.intake.feed import Feed
from pipeline.state.members import Members
from pipeline.state.panes import RING
from pipeline.state.seen import SeenChunk
from pipeline.state.state import State
from pipeline.terms.arrays import I32, I64, U8, Bools, Places

_WIDTH_LIMITS = np.array([1, 2**8, 2**16, 2**32])


def checkpoint(feed: Feed, epoch: int) -> list[Entry]:
    """Everything that changed since the last call: names of roles, accounts, seen ids, then the partition record.

    Names come first, and layouts before the accounts that have them: a checkpoint that is cut can be read.
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
            topic.ledger.position,
            topic.ledger.start,
            topic.ledger.holes,
            dict(topic.ledger.fates),
            topic.reached_ms,
            topic.read_by,
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
        partitions=state.partitions,
    )


def _role_entries(state: State, epoch: int) -> Iterator[Entry]:
    names = state.users.role_names
    if names.dirty:
        names.dirty = False
        head = np.array([(ROLES_FORMAT, epoch)], dtype=ROLES_HEAD)
        yield ROLES_KEY, head.tobytes() + msgspec.msgpack.encode(names.known)


def _seen_value(chunk: SeenChunk, epoch: int) -> bytes:
    head = np.array([(FORMAT, epoch, chunk.day, chunk.end)], dtype=SEEN_HEAD)
    return head.tobytes() + chunk.ids.astype("<u8").tobytes()


def account_entries(feed: Feed, rows: I32, epoch: int) -> Iterator[Entry]:
    """Key and value of each of the accounts, behind the records of layouts that are used for the first time."""
    layouts = [present(feed.topics, roles=roles) for roles in (False, True)]
    for start in range(0, len(rows), 4096):
        yield from _block_entries(feed, layouts, rows[start : start + 4096], epoch)


def _block_entries(feed: Feed, layouts: list[Layout], rows: I32, epoch: int) -> Iterator[Entry]:
    accounts = feed.state.accounts
    users, user_ends = _member_block(feed.state.users, layouts[True].users, rows)
    features, feature_ends = _member_block(feed.state.features, layouts[False].features, rows)
    in_roles = _any_of_each(users["role"] != 0, user_ends)
    used = np.unique(in_roles).tolist()
    yield from _layout_entries(feed.state, [layouts[roles] for roles in used])
    width = max(_id_width(users), _id_width(features))
    standings = accounts.standings.stored(rows)
    head = _heads(feed, layouts[False], rows)
    head["format"], head["id_width"], head["epoch"] = TAGGED, width, epoch
    head["layout"] = np.where(in_roles, layouts[True].tag, layouts[False].tag)
    head["standings"] = standings.shape[1]
    head["users"], head["features"] = np.diff(user_ends, prepend=0), np.diff(feature_ends, prepend=0)
    panes = [
        _narrow(accounts.panes[name][:, rows].T, head["pane_widths"][:, number])
        for number, name in enumerate(layouts[False].panes)
    ]
    heads, size = head.tobytes(), head.itemsize
    stands, span = standings.tobytes(), standings.shape[1] * standings.itemsize
    people = {roles: _packed(users, user_ends, member_dtype(layouts[roles].users, width)) for roles in used}
    things = _packed(features, feature_ends, member_dtype(layouts[False].features, width))
    for place, (row, roles) in enumerate(zip(rows.tolist(), in_roles.tolist(), strict=True)):
        parts = [heads[place * size : (place + 1) * size], stands[place * span : (place + 1) * span]]
        parts += [pane[place] for pane in panes]
        parts += [block[starts[place] : starts[place + 1]] for block, starts in (people[roles], things)]
        parts.append(accounts.books.stored(row))
        yield accounts.ids[row].encode(), b"".join(parts)


def _any_of_each(members: Bools, ends: Places) -> Bools:
    """Whether it is true of any member of each account."""
    return np.asarray(np.diff(np.r_[0, np.cumsum(members)][ends], prepend=0) > 0)


def _layout_entries(state: State, layouts: Iterable[Layout]) -> Iterator[Entry]:
    """Records of the layouts that the changelog does not hold yet."""
    for layout in layouts:
        if layout.tag not in state.layouts:
            state.layouts.add(layout.tag)
            yield layout.entry


def _packed(members: npt.NDArray[np.void], ends: Places, dtype: np.dtype[np.void]) -> tuple[bytes, list[int]]:
    """Members as they are stored, and where those of each account start."""
    return members[list(dtype.names or ())].astype(dtype).tobytes(), np.r_[0, ends * dtype.itemsize].tolist()


def _narrow(values: npt.NDArray[np.integer], widths: U8) -> list[bytes]:
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


def _heads(feed: Feed, layout: Layout, rows: I32) -> npt.NDArray[np.void]:
    """Heads without what is counted of the rest of the value."""
    accounts = feed.state.accounts
    head = np.zeros(len(rows), dtype=layout.head(START))
    head["positions"], head["closed_day"] = covered(feed.state, rows, list(feed.positions.values()))
    head["bits"] = accounts.bits[rows]
    for name in layout.scalars:
        head[name] = getattr(accounts, name)[rows]
    return head


def covered(state: State, rows: I32, positions: list[int]) -> tuple[I64, I32]:
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
    return max(1, int(np.char.str_len(members["ids"]).max(initial=0)))


def _member_block(members: Members, columns: dict[str, str], rows: I32) -> tuple[npt.NDArray[np.void], Places]:
    """The members of the accounts, one account's after the other's, and where each account's end."""
    places, owners = members.of(rows)
    order = np.argsort(owners, kind="stable")
    places, owners = places[order], owners[order]
    block = np.zeros(len(places), dtype=member_dtype(columns, members.ids.dtype.itemsize))
    for name in columns:
        block[name] = getattr(members, name)[places]
    return block, np.cumsum(np.bincount(owners, minlength=len(rows)))
