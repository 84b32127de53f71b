"""People who go on under other ids, told of the account or of the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding

if TYPE_CHECKING:
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


def identity_is_settled(view: View, episode: Episode) -> bool:
    return not _lately(view)
