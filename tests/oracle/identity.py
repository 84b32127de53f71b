"""People who go on under other ids, told of the account or of the fleet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.oracle.model import Episode
    from tests.oracle.successions import Succession
    from tests.oracle.view import View


def _lately(view: View) -> list[Succession]:
    """Those of the last four weeks who do at least half as much."""
    return [pair for pair in view.successions if pair.new.days[0] > view.day - 28 and pair.alike]


def _many_moved(view: View, missed: float, days: int) -> bool:
    """Tell whether many have missed so many days under the former id, and begun so many days ago."""
    pairs = [pair for pair in _lately(view) if pair.former.missed >= missed and pair.new.days[0] <= view.day - days]
    return len(pairs) >= 3 and len(pairs) >= 0.2 * view.users_active(view.day - 27, view.day)


def may_have_moved(view: View) -> bool:
    """Tell whether the account is one of those by which the fleet is judged."""
    return _many_moved(view, 2.0, 2)


def identity_changed(view: View) -> Finding | None:
    if not _many_moved(view, 4.0, 4):
        return None
    moved, people = len(_lately(view)), view.users_active(view.day - 27, view.day)
    return Finding("info", float(moved), float(people), moved / max(people, 1))


def _weeks(view: View) -> tuple[float, float, float, float]:
    """Return a usual week's events without a user and user-days, and the last week's."""

    def of(table: dict[int, int], days: Iterable[int]) -> int:
        return sum(table.get(x, 0) for x in days)

    account, week = view.account, range(view.day - 6, view.day + 1)
    usual = [7 * of(table, view.window) / max(1, len(view.window)) for table in (account.unnamed, account.active_users)]
    return usual[0], usual[1], of(account.unnamed, week), of(account.active_users, week)


def users_unnamed(view: View) -> Finding | None:
    usual, people, unnamed, here = _weeks(view)
    missing = people - here
    if len(view.window) < 14 or people == 0 or missing < 0.25 * people:
        return None
    if unnamed < 2 * usual or unnamed - usual < max(0.5 * missing, 5 * math.sqrt(usual + 1)):
        return None
    return Finding("info", float(unnamed), usual, missing / people)


def users_are_named(view: View, episode: Episode) -> bool:
    _, people, _, here = _weeks(view)
    if people - here >= 0.15 * max(people, 1e-9):
        return False
    then = view.user_days(view.reference) / view.weeks if view.weeks else 0
    return view.user_days(range(view.day - 6, view.day + 1)) >= 0.85 * then


def identity_is_settled(view: View, episode: Episode) -> bool:
    return not _lately(view)
