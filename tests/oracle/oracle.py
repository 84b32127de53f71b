"""One partition, one record at a time: barriers, fates and the close of a day."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.oracle.activity import activity, power_users
from tests.oracle.ageing import steps, still_silent
from tests.oracle.alerts import SEVERITIES, Alerts, Finding, Opening
from tests.oracle.books import Books
from tests.oracle.days import Days
from tests.oracle.detectors import AFTER_SCORE, AT_STAKE, BEFORE_SCORE, REEVALUATED, Detector
from tests.oracle.fleet import ID_KINDS, PART_KINDS, USAGE_KINDS, FleetLog, alarmed, level_of_use, observed, wandered
from tests.oracle.identity import may_have_moved
from tests.oracle.judge import HEALTH_KINDS, Judge
from tests.oracle.life import ALONE, NOBODYS, OF_PEOPLE, OF_USE, UNNAMED, life_of, speaks_alone, status_of
from tests.oracle.model import COMMANDS, DAY_MS, PROFILES, TOPICS, Account, Episode, OracleConfig, Record
from tests.oracle.outlook import happened, note
from tests.oracle.view import View
from tests.oracle.work import Work, shown_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CLEAR_DAYS, EXPIRY_DAYS = 5, 84
LASTING = {
    "silence": 5,
    "single_user_dependence": 5,
    "seat_saturation": 28,
    "quota_burn": 5,
    "users_unnamed": 5,
    "renewal_at_risk": 1,
}
"""Kinds that end when they are clear only, after so many days."""
FADING = {"usage_decline": 28, "sustained_growth": 28}
"""Days after which those end that are not raised any more."""
REST_DAYS = 400
DAILY = {each.kind for each in (*BEFORE_SCORE, *AFTER_SCORE)} | set(HEALTH_KINDS)


class Oracle:
    """The result that pipeline/SEMANTICS.md defines for one partition."""

    def __init__(self, config: OracleConfig | None = None, number: int = 0, fleet: FleetLog | None = None) -> None:
        """`fleet` is shared by the oracles of several partitions."""
        self.config = config or OracleConfig()
        self.days = Days(self.config.timezone)
        self.fleet = fleet or FleetLog(self.config, self.days)
        self.suppressed: Counter[str] = Counter()
        self._number = number
        self.fates: dict[str, Counter[str]] = {topic: Counter() for topic in TOPICS}
        self.fate_of: dict[tuple[str, int], str] = {}
        self.positions: dict[str, int] = dict.fromkeys(TOPICS, 0)
        self.open_day = 0
        self.accounts: dict[str, Account] = {}
        self._log = Alerts(lambda: self.config)
        self.work = Work(lambda: self.config, self.days)
        self._books = Books(self.config, self._log)
        self._judge = Judge(lambda: self.config, self._log)
        self.health, self.verdicts = self._judge.health, self._judge.verdicts
        self.lives: dict[tuple[str, int], str] = {}
        """By account and day."""
        self.outlooks: dict[tuple[str, int], dict[str, Any] | None] = {}
        """By account and day."""
        self.daily: dict[tuple[str, int], tuple[dict[str, Any] | None, list[dict[str, Any]]]] = {}
        """The last days of each and its power users, by account and day."""
        self._waiting: dict[str, deque[Record]] = {topic: deque() for topic in TOPICS}
        self._newest_ms: dict[str, int | None] = dict.fromkeys(TOPICS)
        self._applied_ids: dict[tuple[str, str, str], int] = {}

    @property
    def alerts(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Every revision of every alert, by id and revision; those of the fleet with the first partition's."""
        return self._log.records | (self.fleet.log.records if self._number == 0 else {})

    @property
    def cases(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Every revision of every case, alike."""
        return self.work.records | (self.fleet.work.records if self._number == 0 else {})

    def feed(self, partition_log: Mapping[str, Iterable[Record]]) -> None:
        """Take more records of each topic and go as far as the barriers allow."""
        for topic, records in partition_log.items():
            self._waiting[topic].extend(records)
        self._advance()

    def offer(self, topic: str, record: Record) -> None:
        """Take one more record of one topic and go as far as the barriers allow."""
        self._waiting[topic].append(record)
        self._advance()

    def go_on(self) -> bool:
        """Go as far as the barriers and the other partitions allow; tell whether a day was closed."""
        before = self.open_day
        self._advance()
        return self.open_day > before

    # Barriers

    def _advance(self) -> None:
        while True:
            for topic in TOPICS:
                self._drain(topic)
            watermark = self.watermark_ms
            if watermark is None or watermark < self.days.end(self.open_day) or not self._close(watermark):
                return

    @property
    def watermark_ms(self) -> int | None:
        """Minimum of the own watermarks; nothing while a topic has none."""
        newest = [at_ms for at_ms in self._newest_ms.values() if at_ms is not None]
        return min(newest) - self.config.out_of_orderness_ms if len(newest) == len(TOPICS) else None

    def _drain(self, topic: str) -> None:
        waiting = self._waiting[topic]
        while waiting:
            self._count_watermark(topic, waiting[0])
            newest = self._newest_ms[topic]
            own = None if newest is None else newest - self.config.out_of_orderness_ms
            if own is not None and own >= self.days.end(self.open_day):
                return
            self._settle(topic, waiting.popleft())

    def _count_watermark(self, topic: str, record: Record) -> None:
        if self._is_dead(topic, record) or record.kind in {"tombstone", "rerouted"}:
            return
        if topic == PROFILES and record.event is not None and record.event.get("updated_at") is None:
            return
        newest = self._newest_ms[topic]
        at_ms = record.occurred_at_ms
        self._newest_ms[topic] = at_ms if newest is None else max(newest, at_ms)

    # Fates

    def _is_dead(self, topic: str, record: Record) -> bool:
        if record.kind == "bad" or (record.kind == "tombstone" and topic != PROFILES):
            return True
        if record.kind == "rerouted":
            return False
        return record.occurred_at_ms > record.seen_at_ms + self.config.max_skew_ms

    def _settle(self, topic: str, record: Record) -> None:
        fate = self._fate(topic, record)
        self.fates[topic][fate] += 1
        self.fate_of[topic, record.offset] = fate
        self.positions[topic] = record.offset + 1

    def _fate(self, topic: str, record: Record) -> str:
        log, self._log.day = self._log, self.open_day
        log.closing, log.heeded = False, (self.open_day - 1, self.days.start(self.open_day))
        if self._is_dead(topic, record):
            return "dead_lettered"
        if record.kind == "rerouted":
            return "rerouted"
        if record.kind == "tick" or record.event is None:
            return "applied"
        if topic == PROFILES:
            self._profile(record.event, tombstone=record.kind == "tombstone")
            return "applied"
        event_day = self.days.of(record.occurred_at_ms)
        if self._is_too_late(event_day):
            return "too_late"
        name = "command_id" if topic == COMMANDS else "event_id"
        identity = (topic, record.event["account_id"], record.event[name])
        remembered_day = self._applied_ids.get(identity)
        if remembered_day is not None and not self._is_too_late(remembered_day):
            return "duplicate"
        self._applied_ids[identity] = max(self.open_day, event_day)
        account = self._account(record.event["account_id"])
        account.heard_day = self.open_day
        if topic == COMMANDS:
            self.work.command(account, record.event, self.open_day)
            return "applied" if event_day >= self.open_day else "late_applied"
        self._books.apply(topic, account, record.event, record.occurred_at_ms, event_day)
        if event_day >= self.open_day:
            return "applied"
        earliest = account.earliest_amended_day
        account.earliest_amended_day = event_day if earliest is None else min(earliest, event_day)
        return "late_applied"

    def _is_too_late(self, day: int) -> bool:
        return self.days.end(day) + self.config.allowed_lateness_ms <= self.days.start(self.open_day)

    def _account(self, account_id: str) -> Account:
        if account_id not in self.accounts:
            self.accounts[account_id] = Account(account_id)
            self.health[account_id] = []
        return self.accounts[account_id]

    def _profile(self, event: dict[str, Any], *, tombstone: bool) -> None:
        if tombstone:
            if event["account_id"] in self.accounts:
                self.accounts[event["account_id"]].profile = None
                self.accounts[event["account_id"]].heard_day = self.open_day
            return
        account = self._account(event["account_id"])
        account.heard_day = self.open_day
        known = account.profile
        before_everything = -1
        if known is not None:
            known_at, at = (
                before_everything if each.get("updated_at") is None else each["updated_at"] for each in (known, event)
            )
            if at < known_at:
                return
        since = event.get("updated_at") if event.get("lifecycle_stage") is not None else None
        if known is not None and known.get("lifecycle_stage") == event.get("lifecycle_stage"):
            since = known["stage_since"]
        account.profile, former = event | {"stage_since": since}, status_of(account)
        account.profile["status_since"] = event.get("updated_at")
        if known is not None and status_of(account) == former:
            account.profile["status_since"] = known["status_since"]
        elif former == "paused" and known is not None:
            paused, until = known["status_since"], event.get("updated_at")
            if paused is not None and until is not None:
                account.shutdowns[paused] = (until, until)

    # Closing a day

    def _close(self, watermark_ms: int) -> bool:
        rested_yesterday = all(self._rests(account, self.open_day - 1) for account in self.accounts.values())
        if self.open_day == 0 or rested_yesterday:
            self.open_day = self.days.of(watermark_ms)
            self.fleet.publish(self._number, self.open_day - 1, [], [])
            return True
        if not self.fleet.covered(self.open_day - 1):
            return False
        self._log.day, self._log.closing = self.open_day, True
        self._log.heeded = (self.open_day, self.days.end(self.open_day))
        for account in self.accounts.values():
            if not self._rests(account, self.open_day):
                self._live(account, self.open_day)
        views = [self._view(each, self.open_day) for each in self.accounts.values() if each.life not in NOBODYS]
        seen = observed(views)
        in_use = [(view.account.context.get("segment"), level_of_use(view)) for view in views]
        drifts = [wandered(view) for view in views]
        peopled = [view for view in views if view.users_active(self.open_day - 27, self.open_day) >= 3]
        renamed = sum(may_have_moved(view) for view in views)
        awake = [each for each in self.accounts.values() if not self._rests(each, self.open_day)]
        became = Counter(each for account in awake for each in happened(self._view(account, self.open_day)))
        ranked = Counter((kind, "at stake") for kind, counts in AT_STAKE.items() for view in views if counts(view))
        for account in self.accounts.values():
            self._log.suppressed = []
            self._close_account(account, self.open_day)
            account.context = dict(account.profile or {})
            self._follow_work(account, self.open_day)
            self._forget(account.users, self.config.max_users)
            self._forget(account.features, self.config.max_features)
            account.roles = {user: told for user, told in account.roles.items() if user in account.users}
        about = Counter(
            name
            for each in self.accounts.values()
            for name, day in each.components.items()
            if day == self.open_day and each.life not in NOBODYS
        )
        open_since = [(e.kind, e.opened_day) for each in self.accounts.values() for e in each.episodes.values()]
        ranked += Counter((kind, "opened") for kind, day in open_since if day == self.open_day)
        ranked += Counter((kind, "lasted") for kind, day in open_since if day == self.open_day - 91)
        of_people = (renamed, len(peopled))
        used = sum(self.open_day in view.account.active_days for view in views)
        told = (seen, alarmed(self.accounts.values()), of_people, ranked, in_use, about, became, used, drifts)
        self.fleet.publish(self._number, self.open_day, *told)
        self.open_day += 1
        return True

    def _view(self, account: Account, day: int, *, gone_by: bool = False) -> View:
        return View(account, day, self.days, self.config, self.fleet, gone_by=gone_by)

    def _forget(self, table: dict[str, set[int]], most: int) -> None:
        """Drop who was not active for 125 days, and beyond the maximum those whose last day is the oldest."""
        latest = sorted(table, key=lambda each: (max(table[each]), self.config.id_hash(each)), reverse=True)
        for place, each in enumerate(latest):
            if place >= most or max(table[each]) < self.open_day - 125:
                del table[each]

    def _rests(self, account: Account, day: int) -> bool:
        return day - account.heard_day > REST_DAYS

    def _live(self, account: Account, day: int) -> None:
        """Let subscriptions end, judge amended days again, and decide what the account is."""
        end_ms = self.days.end(day)
        for each in account.subscriptions.values():
            if each.stops_at_ms is not None and each.stops_at_ms <= end_ms:
                each.active = False
        self._reevaluate(account, day)
        account.former_life = account.life
        account.life = life_of(account, end_ms, self.config)
        if account.life in {"active", "onboarding"} and self._goes_quiet(account, day):
            account.life = "gone_quiet"
        if account.former_life in NOBODYS and account.life not in NOBODYS:
            account.back_ms = end_ms
        self.lives[account.account_id, day] = account.life

    def _goes_quiet(self, account: Account, day: int) -> bool:
        """Tell whether an alert that says so opens today, by what is open before."""
        if self.fleet.inhibitor(account, day) is not None:
            return False
        for detector in BEFORE_SCORE:
            if detector.kind not in ALONE or self._log.is_off(account, detector.kind):
                continue
            held_back = any(kind in detector.yields_to for kind, _ in account.episodes)
            if not held_back and detector.raises(self._view(account, day)) is not None:
                return True
        return False

    def _close_account(self, account: Account, day: int) -> None:
        view = self._view(account, day)
        if self._rests(account, day):
            account.notes.clear()
            self._log.benchmark = self.fleet.benchmark(view)
            for episode in [each for each in account.episodes.values() if each.kind in DAILY]:
                self._log.resolve(account, episode, "expired", view.end_ms)
            self._log.benchmark = None
            return
        account.unseen = UNNAMED in account.episodes
        note(view)
        self.outlooks[account.account_id, day] = self.fleet.learning.outlook(view)
        self.daily[account.account_id, day] = activity(view), power_users(view)
        self._log.benchmark = self.fleet.benchmark(view)
        self._books.rules.expire(account, day, view.end_ms)
        self.work.silence(account, day, self._log)
        if account.life in NOBODYS:
            self._judge.judge(view)
            self._log.benchmark = None
            return
        for detector in BEFORE_SCORE:
            self._evaluate(view, detector)
        if speaks_alone(account):
            for episode in list(account.episodes.values()):
                if episode.kind in OF_USE and episode.kind not in ALONE:
                    self._log.resolve(account, episode, "inhibited", view.end_ms)
        self._raise_overdue(view)
        self._books.relations.overdue(account, day, view.end_ms)
        self._judge.judge(view)
        for detector in AFTER_SCORE:
            self._evaluate(view, detector)
        self._log.benchmark = None

    def _follow_work(self, account: Account, day: int) -> None:
        """Let cases follow what the account shows now, what is open, and what did not open."""
        shown = shown_of(account)
        changed, account.shown = shown != (account.shown or shown_of(Account(""))), shown
        found, told = account.suppressed, self._log.suppressed
        self.suppressed.update(by for _, by, _ in told)
        if self._rests(account, day - 1):
            return
        since = {(kind, by): first for kind, by, _, first in found}
        first_of = {kind: (by, alert) for kind, by, alert in reversed(told)}
        account.suppressed = sorted(
            (kind, by, alert, since.get((kind, by), day)) for kind, (by, alert) in first_of.items()
        )
        self.work.close(account, day, shown_changed=changed, suppressed_changed=found != account.suppressed)

    def _reevaluate(self, account: Account, day: int) -> None:
        earliest = account.earliest_amended_day
        account.earliest_amended_day = None
        if earliest is None:
            return
        at_ms = self.days.end(day)
        for episode in list(account.episodes.values()):
            if episode.kind not in REEVALUATED or not earliest <= episode.opened_day < day:
                continue
            as_of_opening = self._view(account, episode.opened_day, gone_by=True)
            finding = REEVALUATED[episode.kind](as_of_opening)
            if finding is None:
                self._log.retract(account, episode, at_ms)
            elif _differs(finding, episode):
                self._log.update(account, episode, replace(finding, severity=episode.severity), "late_data", at_ms)

    def _evaluate(self, view: View, detector: Detector) -> None:
        account, day = view.account, view.day
        episode = account.episodes.get((detector.kind, detector.dimension))
        if episode is None:
            finding = detector.raises(view)
            if finding is None:
                return
            usage = detector.kind in USAGE_KINDS or detector.kind in PART_KINDS
            by = self.fleet.inhibitor(account, day) if usage else None
            if by is None and detector.kind in ID_KINDS and self.fleet.ids_change():
                by = "fleet"
            says: str | None = None
            if by is None and detector.kind in OF_USE and (account.life == "paused" or speaks_alone(account)):
                by = "account"
                says = next((each.alert_id for each in account.episodes.values() if each.kind in ALONE), None)
            if by is None:
                stronger = [
                    each.alert_id
                    for key, each in account.episodes.items()
                    if each.kind in detector.yields_to or (detector.kind in OF_PEOPLE and key == UNNAMED)
                ]
                by, says = ("account", stronger[0]) if stronger else (None, None)
            if by is not None:
                self._log.suppressed.append((detector.kind, by, says))
            else:
                self._open(view, detector.kind, detector.dimension, detector.family, finding)
            return
        finding, clear = detector.raises(view), detector.is_clear(view, episode)
        fades = detector.kind not in LASTING and day - episode.opened_day >= FADING.get(detector.kind, EXPIRY_DAYS)
        episode.clear_days = episode.clear_days + 1 if clear or (fades and finding is None) else 0
        follows_health = detector.kind == "renewal_at_risk"
        if episode.clear_days >= LASTING.get(detector.kind, CLEAR_DAYS):
            self._log.resolve(account, episode, "recovered" if clear else "expired", view.end_ms)
            return
        if finding is None and detector.kind in ALONE and not clear:
            finding = still_silent(view, episode)
        if finding is None:
            return
        rise = SEVERITIES.index(finding.severity) - SEVERITIES.index(episode.severity)
        if rise > 0:
            self._log.update(account, episode, finding, "worsened", view.end_ms)
        elif rise < 0 and follows_health:
            episode.severity = finding.severity
            self._log.update(account, episode, finding, "recovered", view.end_ms)
        elif steps(detector.kind, finding.observed) != steps(detector.kind, episode.observed):
            self._log.update(account, episode, finding, "detected", view.end_ms)

    def _open(self, view: View, kind: str, dimension: str, family: str, finding: Finding) -> None:
        starts_at_ms = self.days.start(view.day)
        opening = Opening(kind, dimension, family, starts_at_ms, view.end_ms, view.day)
        self._log.open(view.account, opening, finding)

    def _raise_overdue(self, view: View) -> None:
        account = view.account
        for key, invoice in sorted(account.invoices.items()):
            due_at = invoice.due_at_ms
            if due_at is None or due_at + 3 * DAY_MS > view.end_ms:
                continue
            if ("invoice_overdue", key) in account.episodes:
                continue
            paid_at = invoice.paid_at_ms
            starts_at = max(account.back_ms, due_at if paid_at is None else max(due_at, paid_at + 1))
            amount = float(invoice.left_minor())
            finding = Finding("error", amount, 0.0, (view.end_ms - due_at) / DAY_MS)
            opening = Opening("invoice_overdue", key, "risk", starts_at, view.end_ms, view.day)
            self._log.open(account, opening, finding)


def _differs(finding: Finding, episode: Episode) -> bool:
    pairs = ((finding.observed, episode.observed), (finding.evidence, episode.evidence))
    return any(abs(new - old) > 1e-9 * max(1.0, abs(old)) for new, old in pairs)
