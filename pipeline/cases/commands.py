"""What a command of a person does to a case or an account, or why it does nothing.

A command is read with what was known as of the last close, and with the commands since: the order in which the other
topics are read changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.alerts.case_ids import REOPEN_DAYS, SHADOW, current_id, standing_case
from pipeline.alerts.records import alert_id
from pipeline.books.book import Book
from pipeline.books.cases import Case, Expected, Said
from pipeline.cases.records import Desk
from schemas.event_types import CASE_SUBJECTS

KEYS = tuple(prefix + subject for prefix in ("", SHADOW) for subject in CASE_SUBJECTS)
UNKNOWN = f"no such case is open, nor was it closed within {REOPEN_DAYS} days"
CLOSED = "the case is closed; reopen it first"


class Why(NamedTuple):
    """Why a command does nothing."""

    result: str
    reason: str


def refused(reason: str) -> Why:
    """It cannot apply."""
    return Why("refused", reason)


def unchanged(reason: str) -> Why:
    """It is so already."""
    return Why("unchanged", reason)


class Given(NamedTuple):
    """A command and when it applies: as it was issued, but not before the day that is open."""

    said: Mapping[str, Any]
    at_ms: int
    day: int


class Answer(NamedTuple):
    """What came of a command."""

    result: dict[str, Any]
    """As in schemas/command_result.avsc."""
    case: dict[str, Any] | None
    """The case that it changed, as in schemas/case.avsc."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Applies commands to books."""

    desk: Desk
    limit: int
    """Most entries of each sort in a book."""

    def apply(self, account_id: str, book: Book, said: Mapping[str, Any], day: int) -> Answer:
        """Apply a command, with the fields of schemas/alert_command.avsc, while a day is open."""
        last_close_ms = self.desk.alerting.days.start_ms(day)
        given = Given(said, max(said["issued_at"], last_close_ms), day)
        key = _find(account_id, book, said, day)
        case = None if key is None else standing_case(book, key, day)
        of_account = _OF_ACCOUNT.get(said["action"])
        if of_account is not None:
            why = of_account(self, book, given)
        elif key is None:
            why = refused(UNKNOWN)
        else:
            case = case or Case(opened_day=day, opened_ms=given.at_ms)
            why = _OF_CASE[said["action"]](case, given, self.limit)
        record = None
        if why is None and key is not None and case is not None:
            book.cases[key] = case
            case.said = Said(said["command_id"], said["action"], said["author"], said["issued_at"], said["note"])
            case.records += 1
            case.updated_ms = max(case.updated_ms, given.at_ms)
            record = self.desk.record(account_id, book, key, last_close_ms, by_command=True)
        result = {
            **{name: said[name] for name in ("command_id", "account_id", "author", "action")},
            "case_id": said["case_id"] if key is None else current_id(account_id, book, key, day),
            "result": "applied" if why is None else why.result,
            "reason": None if why is None else why.reason,
            "case_revision": None if record is None else record["revision"],
            "at": said["issued_at"],
        }
        return Answer(result, record)

    def expect(self, book: Book, given: Given) -> Why | None:
        """Days that were unlike others leave the baseline; a kind that is named is quiet until they are over."""
        since_ms, until_ms, kind = given.said["since"], given.said["until"], given.said["kind"] or ""
        if since_ms is None or until_ms is None or since_ms >= until_ms:
            return refused("it does not say from when until when")
        if kind and kind not in self.desk.kinds:
            return refused(f"there is no kind of alert called {kind}")
        book.expected.append(Expected(since_ms, until_ms, kind, given.at_ms, given.day))
        if len(book.expected) > self.limit:
            book.expected.remove(min(book.expected, key=lambda each: (each.until_ms, each.since_ms, each.kind)))
        return None

    def hear(self, _book: Book, given: Given) -> Why | None:
        """An opinion changes nothing; it is counted where it is stored."""
        said = given.said
        if said["verdict"] is None:
            return refused("it has no verdict")
        if said["alert_id"] is None and said["kind"] is None and said["case_id"] is None:
            return refused("it does not say of which alert or kind")
        return None


def _find(account_id: str, book: Book, said: Mapping[str, Any], day: int) -> str | None:
    """The key of the case that a command is about."""
    if said["case_id"] is not None:
        return next((key for key in KEYS if current_id(account_id, book, key, day) == said["case_id"]), None)
    if said["alert_id"] is None:
        return None
    return next((key for key in sorted(book.cases) if _lists(account_id, book, key, said["alert_id"], day)), None)


def _lists(account_id: str, book: Book, key: str, known_as: str, day: int) -> bool:
    case = standing_case(book, key, day)
    return case is not None and any(
        str(alert_id(account_id, seen.kind, seen.dimension, seen.starts_at_ms)) == known_as for seen in case.alerts
    )


def _acknowledge(case: Case, given: Given, _limit: int) -> Why | None:
    if case.closed_ms is not None:
        return refused(CLOSED)
    if case.status == "acknowledged":
        return unchanged(f"{case.acknowledged_by} has acknowledged it")
    case.acknowledged_by, case.acknowledged_ms = given.said["author"], given.said["issued_at"]
    case.snoozed_until_ms = case.snooze_reason = None
    return None


def _unacknowledge(case: Case, _given: Given, _limit: int) -> Why | None:
    if case.acknowledged_by is None:
        return unchanged("nobody has acknowledged it")
    case.acknowledged_by = case.acknowledged_ms = None
    return None


def _snooze(case: Case, given: Given, _limit: int) -> Why | None:
    until_ms = given.said["until"]
    if case.closed_ms is not None:
        return refused(CLOSED)
    if until_ms is None or until_ms <= given.at_ms:
        return refused("it does not say until when" if until_ms is None else "the time until when is over")
    case.snoozed_until_ms, case.snooze_reason = until_ms, given.said["note"]
    return None


def _wake(case: Case, _given: Given, _limit: int) -> Why | None:
    if case.snoozed_until_ms is None:
        return unchanged("it is not snoozed")
    case.snoozed_until_ms = case.snooze_reason = None
    return None


def _assign(case: Case, given: Given, _limit: int) -> Why | None:
    assignee = given.said["assignee"] or None
    if assignee == case.assignee:
        return unchanged(f"{assignee or 'the owner'} has it already")
    case.assignee = assignee
    return None


def _comment(_case: Case, given: Given, _limit: int) -> Why | None:
    return None if given.said["note"] else refused("it says nothing")


def _resolve(case: Case, given: Given, _limit: int) -> Why | None:
    if case.closed_ms is not None:
        return unchanged("the case is closed")
    if given.said["outcome"] is None:
        return refused("it does not say the outcome")
    case.close(given.day, given.at_ms)
    case.closed_by, case.outcome = given.said["author"], given.said["outcome"]
    case.known_ms, case.waking = given.at_ms, False
    return None


def _reopen(case: Case, _given: Given, _limit: int) -> Why | None:
    if case.closed_ms is None:
        return unchanged("the case is not closed")
    case.reopen()
    case.waking = True
    return None


def _step_done(case: Case, given: Given, limit: int) -> Why | None:
    play_id = given.said["play_id"]
    if not play_id:
        return refused("it does not say which step")
    if play_id in case.steps_done:
        return unchanged("the step is done")
    case.steps_done = [*case.steps_done, play_id][-limit:]
    return None


_OF_CASE: Mapping[str, Callable[[Case, Given, int], Why | None]] = {
    "acknowledge": _acknowledge,
    "unacknowledge": _unacknowledge,
    "snooze": _snooze,
    "wake": _wake,
    "assign": _assign,
    "comment": _comment,
    "resolve": _resolve,
    "reopen": _reopen,
    "step_done": _step_done,
}
_OF_ACCOUNT: Mapping[str, Callable[[Commands, Book, Given], Why | None]] = {
    "expected": Commands.expect,
    "feedback": Commands.hear,
}
"""What needs no case; one that is named says so too."""
