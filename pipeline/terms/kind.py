"""What a kind of alert is: one declaration, made beside the detector or the rule that raises it."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Literal

from schemas.event_types import ALERT_SEVERITIES

Family = Literal["risk", "expansion", "advocacy", "data_quality", "system"]
Severity = Literal["info", "warning", "error", "critical"]
Level = Literal["basic", "intermediate", "advanced"]
Scope = Literal["fleet", "usage", "other"]
Sought = tuple[Literal["users", "features", "power", "role", "team", "top"], Literal[-1, 1]]
"""Whom an alert names, and whether those who do less (−1) or more (1) are sought."""
Person = Literal["", "champion", "sponsor", "promoter", "delighted"]

USERS_DOWN: Sought = ("users", -1)
FEATURES_DOWN: Sought = ("features", -1)
POWER_USERS_DOWN: Sought = ("power", -1)
ROLE_DOWN: Sought = ("role", -1)
USERS_UP: Sought = ("users", 1)
FEATURES_UP: Sought = ("features", 1)
TEAM_UP: Sought = ("team", 1)
TOP_USER: Sought = ("top", 1)


FADE_DAYS = 84
CLEAR_DAYS = 5
"""Clear days in a row that resolve an alert, unless its kind says otherwise."""


@dataclass(frozen=True, slots=True)
class Play:
    """The next step, due so many days after detection."""

    id: str
    title: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Everything that is true of one kind of alert."""

    name: str
    dimension: str
    """What its alerts are about within the account; of rules and scorecards in words, as they name it."""
    scope: Scope
    """fleet: of all accounts or a segment. usage: raised by less usage than expected, so that it does not open while
    that is explained by a wider alert: the feed has stopped, a fleet's dip, the parent's usage."""
    covers_children: bool = False
    """Whether it is that wider alert for the accounts of which its own is the parent."""
    yields_to: tuple[str, ...] = ()
    """Kinds of the same account that, while open, keep this one from opening."""
    by_id: bool = False
    """Whether it counts ids of people, so that it does not open while these change in the whole fleet."""
    alone: bool = False
    """Whether, while open, it stands for all kinds of use: none of them opens, and those that are open end."""
    lasting: bool = False
    """Whether it goes on until it is clear: what it measures against does not come to include the change."""
    clear_days: int = CLEAR_DAYS
    fade_days: int = FADE_DAYS
    """Days after the first from which on it ends when it is not raised any more, unless it is lasting: by then what it
    measures against has come to include the change."""
    calm: bool = False
    """Whether it does not open while a risk of the account is open."""
    family: Family
    severity: Severity
    """At which it opens, unless its detector grades what it finds."""
    level: Level
    """How demanding it is."""
    unit: str
    """Of what is observed and expected."""
    direction: Literal["up", "down"]
    method: str
    evidence: Literal["log", "deviations", "probability", "fact"] = "fact"
    """What the evidence is: a log e-value, standard deviations, a probability, or any figure of a certain fact."""
    stream: bool = False
    """Whether it shares the alert budget: one more makes the thresholds of all others stricter."""
    ranked: bool = False
    """Whether its bar follows the fleet, so that it uses up its share of the budget; its detector says who counts."""
    weight: int = 0
    """Of its dimension in the combined evidence, 1–5; 0 takes no part. One more shifts the combined evidence."""
    told: int = 0
    """Place of its dimension, where it speaks, in all alerts of the account, after the weighed ones; 0 is nowhere."""
    amended: bool = False
    """Whether it reads day values only, so that late data changes or retracts what it has opened."""
    immediate: bool = False
    """Whether it opens with the record that brings the fact, not at the close of a day."""
    of_card: bool = False
    """Whether it tells of one scorecard, which is its dimension."""
    consequence: bool = False
    """Whether it judges an account as a whole: it follows from what happens to the account and does not name it."""
    joins: str = ""
    """What an alert about use says that it follows from; nothing if it always stands by itself."""
    contributors: tuple[Sought, ...] = ()
    """Whom its alerts name, in this order."""
    retired: bool = False
    """Whether it is raised no more: what older releases opened ends."""
    person: Person = ""
    """The contact whom it is about, as of its opening; of facts the record says it."""
    setting: str = ""
    """The setting without which it is off."""
    play: Play
    summary: str
    """Formatted with `name`, `observed`, `expected`, `dimension`, and of a scorecard `moved` and `causes`; figures that
    are money are texts. `contact`, `role`, `team`, `user` and `quiet` (users not active in the last week) say who in
    brackets, with a blank before, or nothing where that is not known."""
    condition: str
    """What raises it, in a customer success manager's words."""
    resolution: str
    """What ends it."""

    @property
    def of_use(self) -> bool:
        """Whether it judges use, whose members it names, or follows from it."""
        return self.scope == "usage" or bool(self.contributors)

    def score(self, severity: str, evidence: float) -> float:
        """How sure an alert is, 0…20, on one scale for all kinds: about the log evidence against chance.

        A log e-value as it is; a deviation's `z²/2`; of a probability, `−ln` of that of the contrary; for a fact,
        which is certain, 14 to 20 by severity.
        """
        if self.evidence == "log":
            value = evidence
        elif self.evidence == "deviations":
            value = evidence * evidence / 2.0
        elif self.evidence == "probability":
            value = surprise(evidence)
        else:
            value = 14.0 + 2.0 * ALERT_SEVERITIES.index(severity)
        return round(min(20.0, max(0.0, value)), 4)


def surprise(probability: float) -> float:
    """How much the contrary of something so probable would tell: `−ln` of its probability."""
    return -log(max(1e-9, 1.0 - probability))


def severity_rises(old: str, new: str) -> bool:
    """Whether a severity is above another."""
    return ALERT_SEVERITIES.index(new) > ALERT_SEVERITIES.index(old)
