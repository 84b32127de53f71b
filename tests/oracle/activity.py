"""What an account did on its last days beside what was expected of it, and its power users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.oracle.view import View


def activity(view: View) -> dict[str, Any] | None:
    """Day by day for two weeks, or since the first use."""
    account, level = view.account, view.level
    days = [x for x in range(view.day - 13, view.day + 1) if view.used_since(x)]
    if not days:
        return None
    return {
        "first_day": days[0],
        "actions": [account.actions.get(x, 0) for x in days],
        "users": [account.active_users.get(x, 0) for x in days],
        "expected": None if level is None else [level.usual(x) * view.factor(x) for x in days],
        "dispersion": None if level is None else level.dispersion,
    }


def power_users(view: View) -> list[dict[str, Any]]:
    """The quietest first."""
    after = {pair.former.name: pair.new.name for pair in view.successions}
    found = []
    for person in view.power_users:
        days = {x for x in view.people[person] if x <= view.day}
        lately = len([x for x in days if x > view.day - 28])
        ref = person
        while ref in after:
            ref = after[ref]
        found.append((max(days), lately, view.config.id_hash(person), ref))
    return [
        {"ref": ref.encode()[:40].decode(errors="replace"), "last_active_day": last, "active_days": lately}
        for last, lately, _, ref in sorted(found)[:10]
    ]
