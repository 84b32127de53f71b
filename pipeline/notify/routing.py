"""Routes: which receivers are told of which cases, at once or once a day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from pipeline.notify.clock import QUIET_HOURS, TIME_OF_DAY
from pipeline.terms.kind import severity_rises
from pipeline.terms.money import major

Severity = Literal["info", "warning", "error", "critical"]
Subject = Literal["risk", "growth", "data", "fleet", "feed"]
Case = Mapping[str, Any]
"""A case record, or as much of one as is known."""
QuietHours = Annotated[str, msgspec.Meta(pattern=QUIET_HOURS)]
TimeOfDay = Annotated[str, msgspec.Meta(pattern=TIME_OF_DAY)]
NEVER = "never"


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an owner of accounts is reached, and who is told when an owner does not answer."""

    owner: str
    email: str = ""
    timezone: str = ""
    manager: str = ""
    """Another owner."""


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cases that a receiver is told of; a list that is empty takes all. Every route that matches counts."""

    receiver: str
    subjects: tuple[Subject, ...] = ()
    kinds: tuple[str, ...] = ()
    """Of any open alert of the case that is not muted."""
    segments: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    severity: Severity = "info"
    """Least severe that matches."""
    arr_at_least: Annotated[float, msgspec.Meta(ge=0)] = 0
    """Annual revenue in units of the account's currency."""
    immediate: Literal["info", "warning", "error", "critical", "never"] | None = None
    """Least severe that is told at once."""
    digest: bool = True
    """The rest is told once a day."""
    quiet: QuietHours | None = None

    def mismatch(self, case: Case, team: str | None) -> str | None:
        """Why it does not take a case, in words; None if it does."""
        kinds = {case.get("lead_kind"), *(each["kind"] for each in case.get("alerts") or () if not each["muted"])}
        owner = owner_of(case)
        wanted = (
            ("subject", self.subjects, {case["subject"]}),
            ("kind", self.kinds, kinds),
            ("segment", self.segments, {case.get("segment")}),
            ("owner", self.owners, {owner}),
            ("team", self.teams, {team}),
        )
        for what, names, has in wanted:
            if names and not has.intersection(names):
                return f"{what} is not {' or '.join(names)}"
        if severity_rises(case["severity"], self.severity):
            return f"severity is below {self.severity}"
        if major(case.get("arr_minor") or 0, case.get("currency")) < self.arr_at_least:
            return f"ARR is below {self.arr_at_least:,.0f}"
        return None


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides who is told: routes, people and what holds for every route."""

    routes: tuple[Route, ...] = ()
    people: Mapping[str, Person] = {}
    channels: Mapping[str, str] = {}
    """Channel of each receiver."""
    without_digest: frozenset[str] = frozenset()
    """Receivers that are programs: they get no digest."""
    timezone: str = "UTC"
    immediate: str = "critical"
    quiet: str = ""
    digest_at: str = "08:00"
    escalate_to: str = ""
    """A receiver; empty: nobody."""
    escalate_after_ms: int = 3_600_000
    oldest_ms: int = 72 * 3_600_000
    """Changes that are older when they arrive are told to nobody: history that is read again."""
    console_url: str | None = None

    def timezone_of(self, owner: str | None) -> str:
        """The owner's time zone, or that of the business."""
        person = self.people.get(owner or "")
        return person.timezone if person is not None and person.timezone else self.timezone

    def managers_of(self, owner: str | None) -> list[str]:
        """The owner's manager, the manager's, and so on; each once."""
        chain: list[str] = []
        person = self.people.get(owner or "")
        while person is not None and person.manager and person.manager not in {owner, *chain}:
            chain.append(person.manager)
            person = self.people.get(person.manager)
        return chain

    def at_once(self, route: Route, severity: str) -> bool:
        """Whether a route tells of this severity at once."""
        least = route.immediate or self.immediate
        return least != NEVER and not severity_rises(severity, least)

    def daily(self, route: Route) -> bool:
        """Whether a route tells once a day of what is not told at once."""
        return route.digest and route.receiver not in self.without_digest

    def in_words(self, route: Route) -> str:
        """Whom a route tells of what, and when."""
        names = ("subjects", "kinds", "segments", "owners", "teams")
        takes = [f"{name} {', '.join(chosen)}" for name in names if (chosen := getattr(route, name))]
        takes += [f"severity {route.severity} and above"] if route.severity != "info" else []
        takes += [f"ARR from {route.arr_at_least:,.0f}"] if route.arr_at_least else []
        least = route.immediate or self.immediate
        when = [f"{least}{'' if least == 'critical' else ' and above'} at once"] if least != NEVER else []
        when += ["the rest in a digest" if when else "all in a digest"] if self.daily(route) else []
        return f"{'; '.join(takes) or 'every case'} -> {route.receiver}: {', '.join(when) or 'nothing'}"


def owner_of(case: Case) -> str | None:
    """Who looks after a case."""
    return case.get("assignee") or case.get("owner")
