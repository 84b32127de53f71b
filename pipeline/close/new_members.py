"""Who and what is new in an account: users of a team never seen before, features that were not bought, power users."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.books.book import Book
from pipeline.evidence.successions import People
from pipeline.evidence.teams import MIN_TEAM, are_new, new_teams
from pipeline.state.members import Members, count_weeks, last_days
from pipeline.state.state import State
from pipeline.terms.arrays import U64, Bools, Places
from pipeline.terms.hashing import hash64

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
        teams = new_teams(users, users.of_one(row), named[users.owner[named] == row], day)
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
    return np.flatnonzero(are_new(days, day) & established[members.owner[1 : members.size]]) + 1


def _crowded(members: Members, places: Places, least: int) -> list[int]:
    """Account rows with at least so many of the places."""
    rows, counts = np.unique(members.owner[places], return_counts=True)
    return [int(row) for row in rows[counts >= least]]


def _not_entitled(book: Book, hashes: U64) -> int:
    bought = book.profile.entitled_features if book.profile else None
    if bought is None:
        return 0
    return int((~np.isin(hashes, hash64(pa.array(bought, pa.string())))).sum())
