"""All that a partition's state holds, as plain values: what is at its default is left out.

So a portrait does not change with a column that joins.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

import msgspec
import numpy as np

from pipeline.intake.feed import Feed
from pipeline.scorecards.card import MAX_CRITERIA
from pipeline.state.accounts import SCALARS, Accounts
from pipeline.state.members import Members
from pipeline.state.panes import PANES
from pipeline.state.seen import Seen
from pipeline.state.standings import MISSING, Standings
from pipeline.state.users import NEVER_TOLD, Users
from pipeline.terms.hashing import hash_text

_STANDING = ("content", "band", "candidate", "candidate_days", "since_day", "score", "published_score")
_JOINED = {"scored": [0], "cap": [0], "held_score": [nan], "held": [MISSING] * MAX_CRITERIA}
_ROLES = {"role": 0, "role_day": NEVER_TOLD, "former_role": 0, "former_day": NEVER_TOLD}


def portrait(feed: Feed) -> dict[str, Any]:
    """The state of a partition of which no checkpoint was cut."""
    state = feed.state
    return {
        "open_day": state.open_day,
        "accounts": {state.accounts.ids[row]: _account(feed, row) for row in range(1, state.accounts.size)},
        "topics": {
            name: {
                "start": topic.ledger.start,
                "position": topic.ledger.position,
                "holes": topic.ledger.holes,
                "fates": {str(fate): count for fate, count in topic.ledger.fates.items() if count},
                "reached_ms": topic.reached_ms,
            }
            for name, topic in feed.topics.items()
            if topic.ledger.start is not None
        },
        "seen": {name: _seen(seen) for name, seen in state.seen.items() if len(seen)},
        "dropped": {
            "users": state.users.evicted,
            "features": state.features.evicted,
            "untracked users": state.users.untracked,
            "untracked features": state.features.untracked,
        },
        "roles": {str(role): name.decode() for role, name in state.users.role_names.known.items()},
        "definitions": {str(content): _plain(one) for content, one in state.definitions.items()},
        "fleet": _plain(state.fleet.save()),
        "fleet_books": {str(scope): _plain(book) for scope, book in state.fleet_alerts.books.items()},
    }


def _account(feed: Feed, row: int) -> dict[str, Any]:
    accounts = feed.state.accounts
    return {
        "bits": accounts.bits[row].tolist(),
        "panes": {name: _days(accounts, name, row) for name in PANES if accounts.panes[name][:, row].any()},
        "scalars": {
            name: _plain(getattr(accounts, name)[row].tolist())
            for name, (dtype, default) in SCALARS.items()
            if not _same(getattr(accounts, name)[row], np.array(default, dtype))
        },
        "standings": {
            str(card): _standing(accounts.standings, slot, row)
            for slot, card in enumerate(accounts.standings.cards.tolist())
        },
        "users": _members(feed.state.users, row),
        "features": _members(feed.state.features, row),
        "book": _plain(accounts.books[row]) if row in accounts.books else {},
    }


def _standing(standings: Standings, slot: int, row: int) -> dict[str, Any]:
    found = {name: _plain(getattr(standings, name)[slot, row].item()) for name in _STANDING}
    for name, default in _JOINED.items():
        told = np.atleast_1d(getattr(standings, name)[slot, row])
        if not np.array_equal(told, np.array(default, told.dtype), equal_nan=told.dtype.kind == "f"):
            found[name] = told.tolist()
    return found


def _days(accounts: Accounts, name: str, row: int) -> dict[str, int]:
    """The values of a pane by their place in the ring."""
    pane = accounts.panes[name][:, row]
    return {str(place): int(pane[place]) for place in np.flatnonzero(pane).tolist()}


def _same(value: Any, default: Any) -> bool:
    return bool(np.all((value == default) | ((value != value) & (default != default))))


def _members(members: Members, row: int) -> dict[str, Any]:
    found = {}
    for place in members.of_one(row).tolist():
        told = {name: int(getattr(members, name)[place]) for name in _ROLES} if isinstance(members, Users) else {}
        found[members.ids[place].decode("utf-8", "replace")] = {
            "hash": int(members.hashes[place]),
            "bits": members.bits[place].tolist(),
            "last_day": int(members.last_day[place]),
            **{name: value for name, value in told.items() if value != _ROLES[name]},
        }
    return found


def _seen(seen: Seen) -> dict[str, Any]:
    """Remembered ids by the last day on which they matter: how many, and a hash of all."""
    days: dict[int, list[int]] = {}
    for chunk in seen._chunks.values():
        days.setdefault(chunk.day, []).extend(chunk.ids.tolist())
    for day, fresh in seen._fresh.items():
        days.setdefault(day, []).extend(np.concatenate(fresh).tolist())
    return {str(day): [len(ids), hash_text(" ".join(map(str, sorted(ids))))] for day, ids in sorted(days.items())}


def _plain(value: Any) -> Any:
    """Structs as mappings of the fields that are not at their default."""
    if isinstance(value, msgspec.Struct):
        fields = {field.name: field for field in msgspec.structs.fields(value)}
        said = {name: getattr(value, name) for name in fields}
        return {name: _plain(told) for name, told in said.items() if told != _default(fields[name])}
    if isinstance(value, Mapping):
        return {str(key): _plain(told) for key, told in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(told) for told in value]
    if isinstance(value, bytes):
        return value.hex()
    return None if value != value else value


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
