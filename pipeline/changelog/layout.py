"""How accounts' values are laid out.

A value is its start (format, width of members' ids, epoch, tag of the layout), the head's columns, standings on
scorecards, the day panes that are not empty, users, features and the book.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

import msgspec
import numpy as np

from pipeline.changelog.records import LAYOUT_PREFIX, Entry, SnapshotError
from pipeline.state.accounts import SCALARS
from pipeline.state.panes import PANES, RING
from pipeline.state.standings import STORED

TAGGED = 3
"""Format of a value that names its layout; the newest that is read. Of older ones the format is the layout."""
UNTAGGED_START = [("format", "u1"), ("id_width", "u1"), ("epoch", "<i8")]
START = [*UNTAGGED_START, ("layout", "S4")]
"""What every value begins with."""
EPOCH, TAG = slice(2, 10), slice(10, 14)
"""Where the start holds them."""
PANE_WIDTHS = (None, "u1", "<u2", "<u4", "<i8")
"""How a pane is stored, by its code in the head: not at all when empty, else as narrow as its greatest value allows."""
MEMBER = {"hashes": "<u8", "bits": "(2,)<u8", "last_day": "<i4", "ids": "S"}
"""What is stored of every member; the start says how wide the ids are."""
ROLES = {"role": "<u8", "role_day": "<i4", "former_role": "<u8", "former_day": "<i4"}
"""What is stored of users too, in accounts in which any role is known."""


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns in the order in which they are stored: their types by name."""

    topics: tuple[str, ...]
    """Whose positions the head holds."""
    panes: dict[str, str]
    scalars: dict[str, str]
    standings: dict[str, str]
    users: dict[str, str]
    features: dict[str, str]

    def head(self, start: list[tuple[str, str]]) -> np.dtype[np.void]:
        """A value's start and the columns that every account has."""
        return _record(
            (
                *start,
                ("positions", f"({len(self.topics)},)<i8"),
                ("closed_day", "<i4"),
                ("pane_widths", f"({len(self.panes)},)u1"),
                ("bits", "(2,)<u8"),
                ("standings", "u1"),
                ("users", "<u4"),
                ("features", "<u4"),
                *self.scalars.items(),
            )
        )

    @property
    def standing(self) -> np.dtype[np.void]:
        """An account's standing on one scorecard."""
        return _record(tuple(self.standings.items()))

    @property
    def record(self) -> bytes:
        """The layout as it is stored."""
        return msgspec.json.encode(self)

    @property
    def tag(self) -> bytes:
        """What values name it by."""
        return sha256(self.record).digest()[: TAG.stop - TAG.start]

    @property
    def entry(self) -> Entry:
        """Its changelog record."""
        return LAYOUT_PREFIX + self.tag.hex().encode(), self.record


def member_dtype(columns: dict[str, str], id_width: int) -> np.dtype[np.void]:
    """One member, with ids cut or padded to a width."""
    return _record(tuple((name, f"S{id_width}" if name == "ids" else dtype) for name, dtype in columns.items()))


@lru_cache(256)
def _record(fields: tuple[tuple[str, str], ...]) -> np.dtype[np.void]:
    # Kept: numpy takes a tenth of a millisecond to read the types of a head.
    return np.dtype(list(fields))


def present(topics: Iterable[str], *, roles: bool) -> Layout:
    """The layout that is written now, of accounts in which roles are known or are not."""
    return Layout(
        topics=tuple(topics),
        panes={name: f"({RING},){_stored(dtype)}" for name, dtype in PANES.items()},
        scalars={name: _stored(dtype) for name, (dtype, _) in SCALARS.items()},
        standings=STORED,
        users=MEMBER | ROLES if roles else MEMBER,
        features=MEMBER,
    )


def _stored(dtype: str) -> str:
    shape, of, base = dtype.rpartition(")")
    return shape + of + np.dtype(base).newbyteorder("<").str


def epoch_of(value: bytes) -> int:
    """The epoch of an account's value; raises `SnapshotError` when its format is not known."""
    if len(value) < EPOCH.stop or not 0 < value[0] <= TAGGED:
        said = f"{len(value)} bytes, format {value[:1].hex() or 'none'}"
        raise SnapshotError(f"{said}; this release reads up to {TAGGED}")
    return int.from_bytes(value[EPOCH], "little", signed=True)


def read_layout(key: bytes, value: bytes) -> Layout:
    """The layout of a record, which may lack columns of the present one and have others; raises `SnapshotError`."""
    name = f"layout {key.removeprefix(LAYOUT_PREFIX).decode(errors='replace')}"
    try:
        layout = msgspec.json.decode(value, type=Layout)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"{name}: {error}") from error
    if layout.entry != (key, value):
        raise SnapshotError(f"{name}: its record is not the one that was written")
    return layout


def changed_column(stored: Layout, ours: Layout) -> str | None:
    """What to say of the first column that is of another type in ours."""
    for part in ("panes", "scalars", "standings", "users", "features"):
        theirs, mine = getattr(stored, part), getattr(ours, part)
        for name in mine:
            if theirs.get(name, mine[name]) != mine[name]:
                return f"{name} in {part} is {theirs[name]}, this release has {mine[name]}"
    return None


_FIRST = Layout(
    topics=("usage.events", "billing.events", "ticket.events", "customer.signals", "account.profiles"),
    panes={
        "actions": "(96,)<u4",
        "duration_ds": "(96,)<u4",
        "tickets_opened": "(96,)<u2",
        "touches": "(96,)|u1",
        "active_users": "(96,)<u2",
        "active_features": "(96,)|u1",
        "severity_points": "(96,)<u2",
        "complaints": "(96,)|u1",
        "payment_troubles": "(96,)|u1",
    },
    scalars={
        "first_day": "<i4",
        "first_usage_day": "<i4",
        "amended_from": "<i4",
        "primary": "<u8",
        "band": "|u1",
        "score": "<f8",
        "published": "|b1",
    },
    standings={
        "card": "<u8",
        "content": "<u8",
        "band": "|u1",
        "candidate": "|u1",
        "candidate_days": "|u1",
        "since_day": "<i4",
        "score": "<f8",
        "published_score": "<f8",
    },
    users={"hashes": "<u8", "bits": "(2,)<u8", "last_day": "<i4", "ids": "S"},
    features={"hashes": "<u8", "bits": "(2,)<u8", "last_day": "<i4", "ids": "S"},
)
_FIRST_ROLES = {"role": "<u8", "role_day": "<i4", "former_role": "<u8", "former_day": "<i4"}
UNTAGGED: dict[int, Layout] = {
    1: _FIRST,
    2: msgspec.structs.replace(_FIRST, users=_FIRST.users | _FIRST_ROLES),
}
"""Layouts by format, from before values named theirs."""
