"""Cases of an account, and what people do with them: one command and one close at a time."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.oracle.model import DAY_MS, Account, Episode, OracleConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.oracle.alerts import Alerts
    from tests.oracle.days import Days

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://foreshock.example/cases")
SUBJECTS = {"risk": "risk", "expansion": "growth", "advocacy": "growth", "data_quality": "data", "system": "fleet"}
SEVERITIES = ("info", "warning", "error", "critical")
DIGITS = {"JPY": 0, "KWD": 3}
URGENCY = dict(zip(SEVERITIES, (0.2, 0.4, 0.6, 0.8), strict=True))
UNKNOWN = ("fact", "", 0)
"""Of a kind whose play was not given."""
Name = tuple[str, bool]
"""Subject, and whether it is in shadow."""


@dataclass
class Listed:
    """An alert as a case lists it."""

    alert_id: str
    kind: str
    dimension: str
    severity: str
    starts_at_ms: int
    detected_at_ms: int
    revision: int
    score: float
    muted: bool


@dataclass
class Case:
    """What a case has become."""

    case_id: str
    opened_ms: int
    revision: int = 0
    updated_ms: int = 0
    listed: list[Listed] = field(default_factory=list)
    lead: Listed | None = None
    ended: tuple[int, int] | None = None
    """Day and time."""
    ended_by: tuple[str, str] | None = None
    """Who, and with which outcome."""
    silence_ms: int | None = None
    rouse: bool = False
    seen_by: tuple[str, int] | None = None
    sleeps: tuple[int, str | None] | None = None
    assignee: str | None = None
    done: list[str] = field(default_factory=list)
    last: dict[str, Any] | None = None
    judged: tuple[int, bool] = (0, False)
    """Priority, and whether the step is overdue."""

    @property
    def status(self) -> str:
        if self.ended:
            return "closed"
        return "snoozed" if self.sleeps else "acknowledged" if self.seen_by else "open"


def name_of(account: Account, episode: Episode, config: OracleConfig) -> Name:
    """Name the case of an alert."""
    subject = SUBJECTS[episode.family]
    if subject == "data" and account.account_id.split(":")[0] == "fleet":
        subject = "feed"
    cards = [card["id"] for card in config.cards if card.get("shadow")]
    of_a_card = episode.kind in {"health_changed", "health_unknown"} and episode.dimension in cards
    return subject, of_a_card or episode.kind in config.shadow_kinds


def valid(account: Account, name: Name, day: int) -> Case | None:
    """Return the case that is open, or was closed less than 14 days before."""
    case: Case | None = account.cases.get(name)
    return None if case is None or (case.ended and day - case.ended[0] >= 14) else case


def identity(account: Account, name: Name, day: int) -> str:
    """Return the id that a case of the day has."""
    case = valid(account, name, day)
    if case is not None:
        return case.case_id
    subject, shadow = name
    return str(uuid.uuid5(NAMESPACE, f"{account.account_id}|{'shadow:' if shadow else ''}{subject}|{day}"))


def shown_of(account: Account) -> dict[str, Any]:
    """Return what alerts show of an account once the day is closed."""
    profile = account.profile or {}
    names = (
        "name", "segment", "touch_model", "lifecycle_stage", "plan", "owner", "parent_account_id", "renewal_at",
        "country", "stage_since",
    )  # fmt: skip
    shown = {name: profile.get(name) for name in names}
    currency = profile["currency"].upper() if profile.get("currency") is not None else None
    sums: dict[str, int] = {}
    for each in account.subscriptions.values():
        if each.active and each.mrr_minor is not None:
            sums[each.currency] = sums.get(each.currency, 0) + 12 * each.mrr_minor
    several: dict[str, int] | None = None
    if profile.get("arr_minor") is not None:
        arr = profile["arr_minor"]
    elif len(sums) == 1:
        [(told, arr)] = sums.items()
        currency = told or currency
    else:
        arr, several = sums.get(currency or ""), sums or None
    return shown | {"arr_minor": arr, "currency": currency, "several": several}


class Work:
    """Follows cases and takes commands; remembers every revision and every answer."""

    def __init__(self, config: Callable[[], OracleConfig], days: Days) -> None:
        self._config = config
        self._days = days
        self.records: dict[tuple[str, int], dict[str, Any]] = {}
        self.answers: list[dict[str, Any]] = []

    # The close of a day

    def silence(self, account: Account, day: int, alerts: Alerts) -> None:
        """Before detectors: mute what people know, wake what they took up again."""
        end_ms = self._days.end(day)
        for episode in list(account.episodes.values()):
            case = account.cases.get(name_of(account, episode, self._config()))
            limits = [known for _, _, kind, known, said in account.expected if said == day and kind == episode.kind]
            if case is not None and case.silence_ms is not None:
                limits.append(case.silence_ms)
            if episode.muted:
                if case is not None and case.rouse:
                    alerts.wake(account, episode, "human", end_ms)
                continue
            if not limits or episode.detected_at_ms > max(limits):
                continue
            before = [
                each.severity
                for known in account.cases.values()
                for each in known.listed
                if each.alert_id == episode.alert_id
            ]
            if not any(SEVERITIES.index(each) < SEVERITIES.index(episode.severity) for each in before):
                alerts.mute(account, episode, end_ms)

    def close(self, account: Account, day: int, *, shown_changed: bool, suppressed_changed: bool) -> None:
        """After everything else: one step of each case."""
        config = self._config()
        lists: dict[Name, list[Listed]] = {}
        for episode in account.episodes.values():
            score = self._score(episode)
            entry = Listed(
                episode.alert_id, episode.kind, episode.dimension, episode.severity, episode.starts_at_ms,
                episode.detected_at_ms, episode.revision, score, episode.muted,
            )  # fmt: skip
            lists.setdefault(name_of(account, episode, config), []).append(entry)
        for name in {*lists, *account.cases}:
            listed = sorted(
                lists.get(name, []),
                key=lambda each: (
                    each.muted, 3 - SEVERITIES.index(each.severity), each.starts_at_ms, each.kind, each.dimension
                ),
            )  # fmt: skip
            self._step(account, name, listed, day, shown_changed, suppressed_changed and name == ("risk", False))

    def _step(
        self, account: Account, name: Name, listed: list[Listed], day: int, shown: bool, suppressed: bool
    ) -> None:
        end_ms = self._days.end(day)
        heard = [each for each in listed if not each.muted]
        case = valid(account, name, day)
        if case is None:
            account.cases.pop(name, None)
            if not heard:
                return
            case = Case(identity(account, name, day), min(each.detected_at_ms for each in heard))
            account.cases[name] = case
        news = case.revision == 0 or case.silence_ms is not None or case.rouse
        case.silence_ms, case.rouse = None, False
        if case.ended and heard:
            case.ended = case.ended_by = case.seen_by = case.sleeps = None
            news = True
        elif not case.ended and not heard:
            case.ended, case.sleeps, news = (day, end_ms), None, True
        elif case.sleeps and (case.sleeps[0] <= end_ms or worse(case.listed, heard)):
            case.sleeps, news = None, True
        if case.ended and not news:
            return
        if listed != case.listed:
            case.listed, news = listed, True
        if heard:
            case.lead = heard[0]
        judged = self._judged(account, case, end_ms)
        if news or shown or suppressed or judged[:2] != case.judged:
            case.revision += 1
            case.updated_ms = end_ms
            self._write(account, name, case, end_ms, "close")

    def _score(self, episode: Episode) -> float:
        sort, _, _ = self._config().plays.get(episode.kind, UNKNOWN)
        score = 14.0 + 2.0 * SEVERITIES.index(episode.severity)
        if sort == "log":
            score = episode.evidence
        elif sort == "deviations":
            score = episode.evidence**2 / 2
        elif sort == "probability":
            score = -math.log(max(1e-9, 1 - episode.evidence))
        return round(min(20.0, max(0.0, score)), 4)

    def _next_step(self, case: Case) -> tuple[str, int] | None:
        for each in case.listed:
            _, play, days = self._config().plays.get(each.kind, UNKNOWN)
            if not case.ended and not each.muted and play not in case.done:
                return play, each.detected_at_ms + days * DAY_MS
        return None

    def _judged(self, account: Account, case: Case, now_ms: int) -> tuple[int, bool, dict[str, float]]:
        step = self._next_step(case)
        overdue = step is not None and step[1] < now_ms
        heard = [] if case.ended else [each for each in case.listed if not each.muted]
        if not heard:
            return 0, overdue, {"sureness": 0.0, "stake": 0.0, "urgency": 0.0}
        shown = account.shown
        stake, renewal = 0.5, shown.get("renewal_at")
        if account.account_id.split(":")[0] == "fleet":
            stake = 1.0
        elif shown.get("arr_minor") is not None:
            arr = max(0.0, shown["arr_minor"] / 10 ** DIGITS.get(shown.get("currency") or "", 2))
            stake = round(0.2 + 0.8 * arr / (arr + 100_000), 2)
        urgency = URGENCY[heard[0].severity] + 0.1 * overdue
        if renewal is not None and 0 <= renewal - now_ms <= 90 * DAY_MS:
            urgency += 0.2 if renewal - now_ms <= 30 * DAY_MS else 0.1
        parts = {"sureness": round(heard[0].score / 20, 2), "stake": stake, "urgency": round(min(1.0, urgency), 2)}
        return round(100.0 * parts["sureness"] * stake * parts["urgency"]), overdue, parts

    def _write(self, account: Account, name: Name, case: Case, now_ms: int, cause: str) -> None:
        priority, overdue, parts = self._judged(account, case, now_ms)
        case.judged = priority, overdue
        lead, shown = case.lead, account.shown
        heard = [each for each in case.listed if not each.muted]
        step = self._next_step(case)
        key = case.case_id, case.revision
        assert key not in self.records, key
        self.records[key] = {
            "account_id": account.account_id,
            "account_name": shown.get("name"),
            "subject": name[0],
            "shadow": name[1],
            "status": case.status,
            "opened_at": case.opened_ms,
            "updated_at": case.updated_ms,
            "closed_at": case.ended[1] if case.ended else None,
            "lead_alert_id": lead.alert_id if lead else None,
            "lead_kind": lead.kind if lead else None,
            "severity": lead.severity if lead else "info",
            "alerts": [
                (each.alert_id, each.kind, each.dimension, each.severity, each.starts_at_ms, each.muted)
                for each in case.listed
            ],
            "alert_count": len(heard),
            "priority": priority,
            "priority_parts": parts,
            "overdue": overdue,
            "step": step,
            "arr_minor": shown.get("arr_minor"),
            "arr_at_risk_minor": shown.get("arr_minor") if name[0] == "risk" and heard else None,
            "currency": shown.get("currency"),
            "renewal_at": shown.get("renewal_at"),
            "segment": shown.get("segment"),
            "owner": shown.get("owner"),
            "assignee": case.assignee,
            "acknowledged_by": case.seen_by[0] if case.seen_by else None,
            "acknowledged_at": case.seen_by[1] if case.seen_by else None,
            "snoozed_until": case.sleeps[0] if case.sleeps else None,
            "snooze_reason": case.sleeps[1] if case.sleeps else None,
            "closed_by": case.ended_by[0] if case.ended_by else None,
            "outcome": case.ended_by[1] if case.ended_by else None,
            "steps_done": list(case.done),
            "last_command": case.last,
            "cause": cause,
            "suppressed": list(account.suppressed) if name[0] == "risk" else [],
        }

    # Commands

    def command(self, account: Account, said: dict[str, Any], open_day: int) -> None:
        """Take one command while a day is open."""
        start_ms = self._days.start(open_day)
        at_ms = max(start_ms, said["issued_at"])
        name = self._named(account, said, open_day)
        action = said["action"]
        case = valid(account, name, open_day) if name else None
        if action in {"expected", "feedback"}:
            wrong = self._of_account(account, said, at_ms, open_day)
        elif name is None:
            wrong = "refused"
        else:
            case = case or Case(identity(account, name, open_day), at_ms)
            wrong = act(case, said, at_ms, open_day)
        case_id = said.get("case_id") if name is None else identity(account, name, open_day)
        revision = None
        if not wrong and name and case:
            account.cases[name] = case
            case.last = {name: said.get(name) for name in ("command_id", "action", "author", "note")}
            case.last["at"] = said["issued_at"]
            case.revision += 1
            case.updated_ms = max(case.updated_ms, at_ms)
            self._write(account, name, case, start_ms, "command")
            revision = case.revision
        answer = {name: said[name] for name in ("account_id", "command_id", "author", "action")}
        answer |= {"case_id": case_id, "result": wrong or "applied", "case_revision": revision, "at": said["issued_at"]}
        self.answers.append(answer)

    def _named(self, account: Account, said: dict[str, Any], day: int) -> Name | None:
        names = [(subject, shadow) for shadow in (False, True) for subject in ("risk", "growth", "data")]
        if said.get("case_id") is not None:
            return next((name for name in names if identity(account, name, day) == said["case_id"]), None)
        for name in names:
            case = valid(account, name, day)
            if case and said.get("alert_id") in [each.alert_id for each in case.listed]:
                return name
        return None

    def _of_account(self, account: Account, said: dict[str, Any], at_ms: int, day: int) -> str | None:
        if said["action"] == "feedback":
            about = [said.get(name) for name in ("alert_id", "kind", "case_id")]
            return None if said.get("verdict") and any(each is not None for each in about) else "refused"
        since, until, kind = said.get("since"), said.get("until"), said.get("kind") or ""
        if since is None or until is None or since >= until or (kind and kind not in self._config().plays):
            return "refused"
        account.expected.append((since, until, kind, at_ms, day))
        return None


def worse(before: list[Listed], now: list[Listed]) -> bool:
    """Tell whether an alert is more severe than it was, or a new one than all were."""
    known = {(each.kind, each.dimension): SEVERITIES.index(each.severity) for each in before if not each.muted}
    if not known:
        return False
    return any(
        SEVERITIES.index(each.severity) > known.get((each.kind, each.dimension), max(known.values())) for each in now
    )


def act(case: Case, said: dict[str, Any], at_ms: int, day: int) -> str | None:
    """Do to a case what a person says; return what is wrong with it."""
    action, author = said["action"], said["author"]
    if action in {"acknowledge", "snooze"} and case.ended:
        return "refused"
    if action == "acknowledge":
        if case.status == "acknowledged":
            return "unchanged"
        case.seen_by, case.sleeps = (author, said["issued_at"]), None
    elif action == "unacknowledge":
        if not case.seen_by:
            return "unchanged"
        case.seen_by = None
    elif action == "snooze":
        if said.get("until") is None or said["until"] <= at_ms:
            return "refused"
        case.sleeps = said["until"], said.get("note")
    elif action == "wake":
        if not case.sleeps:
            return "unchanged"
        case.sleeps = None
    elif action == "assign":
        if (said.get("assignee") or None) == case.assignee:
            return "unchanged"
        case.assignee = said.get("assignee") or None
    elif action == "comment":
        return None if said.get("note") else "refused"
    elif action == "resolve":
        if case.ended or not said.get("outcome"):
            return "unchanged" if case.ended else "refused"
        case.ended, case.ended_by, case.sleeps = (day, at_ms), (author, said["outcome"]), None
        case.silence_ms, case.rouse = at_ms, False
    elif action == "reopen":
        if not case.ended:
            return "unchanged"
        case.ended = case.ended_by = case.seen_by = case.sleeps = case.silence_ms = None
        case.rouse = True
    elif action == "step_done":
        if not said.get("play_id") or said["play_id"] in case.done:
            return "unchanged" if said.get("play_id") else "refused"
        case.done.append(said["play_id"])
    return None
