"""The records beside the accounts' values: of the partition, of seen ids, of names of roles; and the keys of all."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from pipeline.books.book import Book
from pipeline.fleet.merged import SavedFleet
from pipeline.scorecards.definition import Definition
from schemas.errors import BrokenError

FORMAT = 1
"""Newest format of the partition's record and of seen ids."""
ROLES_FORMAT = 2
"""Newest format of the names of roles."""
POSITION_KEY = b"\x00pos"
CLAIM_KEY = b"\x00claim"
SEEN_PREFIX = b"\x00seen\x00"
ROLES_KEY = b"\x00roles"
LAYOUT_PREFIX = b"\x00layout\x00"
Entry = tuple[bytes, bytes | None]

SEEN_HEAD = np.dtype([("format", "u1"), ("epoch", "<i8"), ("day", "<i4"), ("end", "<i8")])
ROLES_HEAD = np.dtype([("format", "u1"), ("epoch", "<i8")])


class SnapshotError(BrokenError):
    """A changelog record that cannot be read: state would be lost if it were skipped."""


class PartitionRecord(msgspec.Struct, array_like=True):
    """The partition's own record, written last in a checkpoint. Append only."""

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
    partitions: int = 0
    """Of each topic; 0 if the release that wrote it did not say."""


class TopicRecord(msgspec.Struct, array_like=True):
    """Position, ledger and watermark of one topic. Append only."""

    position: int
    start: int | None
    holes: int
    fates: dict[str, int]
    reached_ms: int
    read_by: str = ""


def seen_key(topic: str, number: int) -> bytes:
    """Key of a chunk of event-id hashes."""
    return SEEN_PREFIX + topic.encode() + b"\x00" + str(number).encode()


def read_partition_record(value: bytes) -> PartitionRecord:
    """Decode the partition's record; raises `SnapshotError`."""
    try:
        record = msgspec.msgpack.decode(value, type=PartitionRecord)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"partition record: {error}") from error
    if record.format > FORMAT:
        raise SnapshotError(f"partition record: format {record.format}, this release reads up to {FORMAT}")
    return record


def read_role_names(value: bytes) -> dict[int, bytes]:
    """Names of roles by hash; raises `SnapshotError`."""
    read_head(value, "names of roles", ROLES_HEAD, ROLES_FORMAT)
    try:
        return msgspec.msgpack.decode(value[ROLES_HEAD.itemsize :], type=dict[int, bytes])
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"names of roles: {error}") from error


def read_head(value: bytes, what: str, dtype: np.dtype[np.void], newest: int = FORMAT) -> Any:
    """Decode the fixed head of a value in a format up to `newest`; raises `SnapshotError`."""
    if len(value) < dtype.itemsize or value[0] > newest:
        raise SnapshotError(
            f"{what}: {len(value)} bytes, format {value[:1].hex() or 'none'}; this release reads up to {newest}"
        )
    return np.frombuffer(value, dtype=dtype, count=1)[0]
