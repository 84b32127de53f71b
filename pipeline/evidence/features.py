"""Features that an account has stopped using while it uses the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evidence import share
from pipeline.terms.arrays import F64, I64, U64

MIN_REFERENCE_DAYS = 12
"""Days of the reference on which a feature must have been used to be judged."""
MATERIAL_SHARE = 0.5
ALIVE_WEEK = 0.7
"""What the last 7 days' feature-days must reach against the usual ones: else all usage falls."""
DISPERSION = 2.0
"""Of the days on which a feature is used: some are for the end of a month."""
MAX_SHARE = 0.98


@dataclass(frozen=True, slots=True)
class Features:
    """One entry per account."""

    judged: I64
    """Features that the reference knows well enough."""
    abandoned: I64
    """Of these, features used half as much as expected or less in the last 14 days."""
    evidence: F64
    """Log of the mean e-detector of the judged features, −∞ where none is abandoned."""

    def part(self, rows: slice) -> Features:
        """The same for some of the accounts."""
        return Features(self.judged[rows], self.abandoned[rows], self.evidence[rows])


def abandoned(bits: U64, owners: share.Owners, reference: share.Reference) -> Features:
    """Judge on which of its account's days each feature is used, against the reference period."""
    accounts = len(reference.weeks)
    early, late, recent = reference.words(bits, owners)
    days = (np.bitwise_count(early) + np.bitwise_count(late)).astype(np.int64)
    lately = np.bitwise_count(recent >> np.uint64(7)).astype(np.int64)
    all_days, all_lately = share.per_account(owners, days, accounts), share.per_account(owners, lately, accounts)
    week = share.per_account(owners, np.bitwise_count(recent >> np.uint64(14)), accounts)
    known = days >= MIN_REFERENCE_DAYS
    judged = np.bincount(owners[known], minlength=accounts)
    alive = (judged >= 2) & (week >= ALIVE_WEEK * all_days / reference.usual_weeks)
    low = known & alive[owners] & (lately * all_days[owners] <= MATERIAL_SHARE * days * all_lately[owners])
    places = np.flatnonzero(low)
    evidence = np.full(accounts, -np.inf)
    if len(places):
        concerned, among = np.unique(owners[places], return_inverse=True)
        number = np.full(accounts, -1, dtype=np.int32)
        number[concerned] = np.arange(len(concerned))
        theirs = number[owners] >= 0
        owner = number[owners[theirs]]
        whole = (share.by_day(recent[theirs], owner, len(concerned), share.DAYS) > 0)[:, among].astype(np.int64)
        part = (recent[places] >> np.arange(share.DAYS, dtype=np.uint64)[:, None] & np.uint64(1)).astype(np.int64)
        used = _days_used(early[theirs], owner, len(concerned)) + _days_used(late[theirs], owner, len(concerned))
        usual = np.minimum(MAX_SHARE, days[places] / used[among])
        sums = np.exp(share.fallen(part, whole, usual, DISPERSION, reference.days[concerned][among]))
        total = np.bincount(among, weights=sums, minlength=len(concerned))
        evidence[concerned] = np.log(total / judged[concerned])
    return Features(judged, np.bincount(owners[places], minlength=accounts), evidence)


def _days_used(words: U64, owners: share.Owners, accounts: int) -> I64:
    """Days on which any feature of the account was used."""
    any_feature = np.zeros(accounts, dtype=np.uint64)
    np.bitwise_or.at(any_feature, owners, words)
    return np.bitwise_count(any_feature).astype(np.int64)
