"""The ring of weeks with use: what silence looks back on for more than a year."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evidence.alive import OLD_WEEKS, RECENT_WEEKS
from pipeline.state.accounts import Accounts, passed, week_bit, weeks_of
from pipeline.state.members import mark_day
from pipeline.terms.hashing import hash64

FIRST, DAYS = 20_000, 520
ROW = np.array([1], dtype=np.int32)


def lived(days: set[int], until: int) -> Accounts:
    """One account that was active on some days, closed day by day."""
    accounts, ids = Accounts(), pa.array(["acme"], pa.string())
    accounts.rows_of(ids, hash64(ids))
    for day in range(FIRST, until + 1):
        if day in days:
            mark_day(accounts.bits, ROW, day)
            accounts.weeks[ROW] |= week_bit(day)
        accounts.age(day + 2, None)
    return accounts


def seen(weeks: np.uint64, day: int) -> list[bool]:
    """The weeks that are looked back on beyond those that days tell of."""
    newest = (day - 7 * RECENT_WEEKS - 6) // 7
    return [bool(weeks & week_bit(7 * week)) for week in range(newest - OLD_WEEKS + 1, newest + 1)]


@given(st.sets(st.integers(FIRST, FIRST + DAYS - 1)), st.integers(0, DAYS - 1))
def test_it_tells_of_the_weeks_that_were_used(days: set[int], age: int) -> None:
    day = FIRST + age
    newest = (day - 7 * RECENT_WEEKS - 6) // 7
    used = {x // 7 for x in days if x <= day}
    found = seen(lived(days, day).weeks[1], day)
    assert found == [week in used for week in range(newest - OLD_WEEKS + 1, newest + 1)]


@given(st.sets(st.integers(FIRST, FIRST + 99)), st.integers(100, 399))
def test_an_account_that_was_not_written_since_is_brought_up_to_date(days: set[int], gap: int) -> None:
    written = FIRST + 100
    kept, day = lived(days, written).weeks[1:2], written + gap
    brought = kept & ~passed(np.array([written + 2], dtype=np.int32), day + 2)
    assert brought[0] == lived(days, day).weeks[1]


@pytest.mark.parametrize("age", [30, 119, 125])
def test_state_without_weeks_takes_them_from_its_days(age: int) -> None:
    days, day = set(range(FIRST, FIRST + age, 9)), FIRST + age
    accounts = lived(days, day)
    assert weeks_of(accounts.bits[1:2], np.array([day + 2], dtype=np.int32))[0] == accounts.weeks[1]
