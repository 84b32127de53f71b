"""Who and what is new in an account: users of a team never seen before, features that were not bought, power users."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.books.book import Book
from pipeline.evidence.successions import People
from pipeline.state.members import Members, count_weeks, last_days
from pipeline.state.state import State
from pipeline.terms.arrays import U64, Bools, Places
from pipeline.terms.hashing import hash64

MIN_TEAM = 3
"""New users of one e-mail domain that make a team."""
MIN_FEATURE_DAYS = 3
POWER_WEEKS, POWER_DAYS = 6, 16
ESTABLISHED_DAYS = 84
"""Before an account has been in use for so long everything is new."""


def count_new_members(state: State, people: People, day: int) -> None:
    """Bring the columns about new users, teams and features up to date as of a day."""
    accounts, users = state.accounts, state.users
    days = people.days(slice(1, users.size))
    established = accounts.first_usage_day <= day - ESTABLISHED_DAYS + 1
    accounts.power_now[: accounts.size] = _power_users(users, days, accounts.size, day)
    for column in (accounts.new_teams, accounts.new_team_users, accounts.probed_features):
        column[:] = 0
    fresh = _fresh(users, days, established, day)
    named = fresh[np.char.find(users.ids[fresh], b"@") >= 0]
    for row in _crowded(users, named, MIN_TEAM):
        teams = _new_teams(users, named[users.owner[named] == row], row, day)
        accounts.new_teams[row], accounts.new_team_users[row] = len(teams), sum(teams.values())
    features = state.features
    in_use = features.bits[1 : features.size]
    tried = _fresh(features, in_use, established & (accounts.entitled > 0), day)
    often = np.bitwise_count(last_days(features.bits[tried], day, 28)) >= MIN_FEATURE_DAYS
    for row in _crowded(features, tried[often], 1):
        chosen = tried[often][features.owner[tried[often]] == row]
        accounts.probed_features[row] = _not_entitled(accounts.books[row], features.hashes[chosen])


def _power_users(users: Members, days: U64, accounts: int, day: int) -> Places:
    """Users active on 16 days and in 6 weeks of the last 8."""
    recent = last_days(days, day, 56)
    often = np.flatnonzero(np.bitwise_count(recent) >= POWER_DAYS)
    chosen = often[count_weeks(recent[often], 8) >= POWER_WEEKS]
    return np.bincount(users.owner[1 : users.size][chosen], minlength=accounts)


def _fresh(members: Members, days: U64, established: Bools, day: int) -> Places:
    """Members of established accounts that are active in the last four weeks and were not in the twelve before."""
    recent = last_days(days, day, 56)
    four_weeks = np.uint64((1 << 28) - 1)
    new = (recent >> np.uint64(28) != 0) & (recent & four_weeks == 0) & established[members.owner[1 : members.size]]
    places = np.flatnonzero(new)
    old = last_days(days[places], day - 56, 56) != 0
    return np.asarray(places[~old] + 1)


def _crowded(members: Members, places: Places, least: int) -> list[int]:
    """Account rows with at least so many of the places."""
    rows, counts = np.unique(members.owner[places], return_counts=True)
    return [int(row) for row in rows[counts >= least]]


def _new_teams(users: Members, fresh: Places, row: int, day: int) -> dict[bytes, int]:
    """New users by e-mail domain, of the domains that have enough of them and of which nobody was there before."""
    counts = Counter(_domain(users.ids[place]) for place in fresh.tolist())
    places = users.of_one(row)
    before = (last_days(users.bits[places], day - 28, 28) | last_days(users.bits[places], day - 56, 56)) != 0
    old = {_domain(users.ids[place]) for place in places[before].tolist()} - {b""}
    return {domain: count for domain, count in counts.items() if old and count >= MIN_TEAM and domain not in old}


def _domain(user_id: Any) -> bytes:
    """What stands behind the last @ of a user's id; nothing without one."""
    _, at, domain = bytes(user_id).rpartition(b"@")
    return domain if at else b""


def _not_entitled(book: Book, hashes: U64) -> int:
    bought = book.profile.entitled_features if book.profile else None
    if bought is None:
        return 0
    return int((~np.isin(hashes, hash64(pa.array(bought, pa.string())))).sum())
