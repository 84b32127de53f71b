"""Customer signals and the alerts that they raise: people, meetings, plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.alerts import Finding
from tests.oracle.model import DAY_MS, Contact, Goal

if TYPE_CHECKING:
    from tests.oracle.model import Account
    from tests.oracle.rules import Rules

ROLE_OF_TYPE = {"sponsor_left": "sponsor", "sponsor_changed": "sponsor", "champion_left": "champion"}
PEOPLE = {"contact_joined", "contact_changed", "contact_left", *ROLE_OF_TYPE}
HELD = {"meeting_held", "review_held"}
KEPT_MEETINGS = 12


class Relations:
    """Writes signals into accounts and raises what they mean."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def apply(self, account: Account, event: dict[str, Any], at_ms: int, value: float | None) -> None:
        """Take one signal; `value` is its answer in 0…1, if it has one."""
        kind = event["type"]
        subject, who = event.get("subject") or "", event.get("contact_id") or ""
        if kind in PEOPLE:
            self._people(account, event, at_ms)
        elif kind in HELD or kind == "meeting_missed":
            self._meeting(account, kind, at_ms)
        elif kind == "training_completed":
            known = account.contacts.get(event.get("contact_id") or "", Contact())
            account.roles_trained |= {event.get("role") or known.role or ""} - {""}
        elif kind == "nps" and value is not None:
            self._nps(account, who, value, at_ms)
        elif kind == "csat" and value is not None:
            self._csat(account, who, value, at_ms)
        elif kind == "qa_scored" and value is not None:
            self._quality(account, value, at_ms)
        elif kind == "pulse" and value is not None:
            if value > 0.25:
                self._rules.end(account, "pulse_red", "pulse", at_ms)
            else:
                finding = ("error", 1.0 + 4.0 * value, 3.0, 2.0 - 4.0 * value)
                self._once(account, "pulse_red", "pulse", finding, at_ms)
        elif kind.startswith(("milestone_", "outcome_")):
            self._goal(account, kind, subject, event.get("due_at"), at_ms, who)
        elif kind in {"integration_connected", "integration_disconnected"}:
            self._integration(account, subject, kind == "integration_connected", at_ms)
        elif kind == "risk_raised":
            self._once(account, "risk_opened", subject, ("error", 1.0, 0.0, 1.0), at_ms, who)
        elif kind == "risk_cleared":
            self._rules.end(account, "risk_opened", subject, at_ms)
        elif kind in {"reference_given", "referral_given"}:
            account.references.append(at_ms)
            self._once(account, "referral_given", subject, ("info", 1.0, 0.0, 1.0), at_ms, who)

    def _once(
        self, account: Account, kind: str, key: str, finding: tuple[str, float, float, float], at_ms: int, who: str = ""
    ) -> None:
        self._rules.begin(account, kind, key, Finding(*finding, who=who), at_ms, again=False)

    def _delight(self, account: Account, who: str, at_ms: int) -> None:
        account.delights.append((at_ms, len(account.delights), who))

    def _people(self, account: Account, event: dict[str, Any], at_ms: int) -> None:
        kind = event["type"]
        contact = account.contacts.setdefault(event.get("contact_id") or "", Contact())
        if at_ms < contact.as_of_ms:
            return
        contact.as_of_ms = at_ms
        was = contact.role if contact.there else None
        contact.there = not kind.endswith("_left")
        contact.role = ROLE_OF_TYPE.get(kind) or event.get("role") or contact.role
        for role, alert, severity in (
            ("sponsor", "sponsor_left", "critical"),
            ("champion", "champion_left", "error"),
        ):
            still_there = [each for each in account.contacts.values() if each.there and each.role == role]
            if contact in still_there or role in (was, ROLE_OF_TYPE.get(kind)):
                account.roles_had.add(role)
            if contact in still_there:
                self._rules.end(account, alert, role, at_ms)
            elif not still_there and role in (was, ROLE_OF_TYPE.get(kind)):
                self._once(account, alert, role, (severity, 1.0, 0.0, 1.0), at_ms, event.get("contact_id") or "")

    def _meeting(self, account: Account, kind: str, at_ms: int) -> None:
        entry = (at_ms, len(account.meetings), kind in HELD)
        account.meetings.append(entry)
        if kind == "review_held":
            account.reviews_ms.append(at_ms)
        if kind in HELD:
            self._rules.end(account, "meetings_missed", "meetings", at_ms)
            return
        run = []
        for each in reversed(sorted(account.meetings)[-KEPT_MEETINGS:]):
            if each[2]:
                break
            run.append(each)
        if entry in run and len(run) >= 2:
            finding = Finding("error" if len(run) >= 3 else "warning", float(len(run)), 0.0, float(len(run)))
            self._rules.begin(account, "meetings_missed", "meetings", finding, at_ms, again=True)

    def _nps(self, account: Account, key: str, value: float, at_ms: int) -> None:
        answers = account.nps_answers.setdefault(key, [])
        if answers and at_ms < answers[-1][0]:
            return
        answers.append((at_ms, value))
        if value >= 0.9:
            self._delight(account, key, at_ms)
        if value > 0.6:
            self._rules.end(account, "survey_detractor", key, at_ms)
            self._rules.end(account, "promoter_lost", key, at_ms)
            return
        bad = 0
        while bad < len(answers) and answers[-1 - bad][1] <= 0.6:
            bad += 1
        promoted = key != "" and bad < len(answers) and answers[-1 - bad][1] >= 0.9
        kind, severity = ("promoter_lost", "error") if promoted else ("survey_detractor", "warning")
        self._once(account, kind, key, (severity, 10.0 * value, 7.0, 7.0 - 10.0 * value), at_ms, key)

    def _csat(self, account: Account, key: str, value: float, at_ms: int) -> None:
        if value >= 1:
            self._delight(account, key, at_ms)
        if value > 0.25:
            self._rules.end(account, "csat_low", key, at_ms)
            return
        points = 1.0 + 4.0 * value
        self._once(account, "csat_low", key, ("warning", points, 3.0, 3.0 - points), at_ms, key)

    def _quality(self, account: Account, value: float, at_ms: int) -> None:
        if value >= 0.6:
            self._rules.end(account, "support_quality_low", "support", at_ms)
            return
        points = 100.0 * value
        self._once(account, "support_quality_low", "support", ("warning", points, 60.0, 60.0 - points), at_ms)

    def _goal(self, account: Account, kind: str, key: str, due_at_ms: int | None, at_ms: int, who: str) -> None:
        goal_kind, step = kind.split("_")
        alert = f"{goal_kind}_overdue"
        goal = account.goals.setdefault((goal_kind, key), Goal())
        if step == "planned":
            if at_ms < goal.planned_ms:
                return
            goal.planned_ms = at_ms
            goal.due_at_ms = due_at_ms
            if at_ms >= goal.judged_ms and (due_at_ms is None or due_at_ms > at_ms):
                self._rules.end(account, alert, key, at_ms, backdated=True)
            return
        if at_ms < goal.judged_ms:
            return
        goal.judged_ms = at_ms
        goal.reached = step == "reached"
        if kind == "outcome_reached":
            self._delight(account, who, at_ms)
        if goal.reached:
            self._rules.end(account, alert, key, at_ms, backdated=True)
        else:
            self._once(account, alert, key, ("warning", 0.0, 0.0, 0.0), at_ms)

    def overdue(self, account: Account, day: int, end_ms: int) -> None:
        """Raise at a close what was not reached by its date."""
        for (goal_kind, key), goal in account.goals.items():
            alert = f"{goal_kind}_overdue"
            if goal.reached or goal.due_at_ms is None or goal.due_at_ms > end_ms:
                continue
            if (alert, key) in account.episodes:
                continue
            ended = account.ended_at_ms.get((alert, key), -1)
            starts_at = max(goal.due_at_ms, goal.planned_ms, ended + 1, account.back_ms)
            days = (end_ms - goal.due_at_ms) / DAY_MS
            self._rules.open_at_close(account, alert, key, starts_at, Finding("warning", days, 0.0, days), day, end_ms)

    def _integration(self, account: Account, key: str, connected: bool, at_ms: int) -> None:
        if at_ms < account.integrations.get(key, -1):
            return
        account.integrations[key] = at_ms
        account.connected[key] = connected
        if connected:
            self._rules.end(account, "integration_disconnected", key, at_ms)
        else:
            self._once(account, "integration_disconnected", key, ("error", 1.0, 0.0, 1.0), at_ms)
