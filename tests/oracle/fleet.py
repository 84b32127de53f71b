"""What all partitions know of each other: who did how on which day, and what follows for the fleet."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.oracle.alerts import SEVERITIES, Alerts, Finding, Opening
from tests.oracle.model import Account, Episode, OracleConfig
from tests.oracle.outlook import Learning
from tests.oracle.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.oracle.days import Days
    from tests.oracle.view import View

ALL = None
USAGE_KINDS = ("usage_drop", "silence")
PART_KINDS = (
    "users_drop", "time_drop", "breadth_drop", "feature_abandonment", "combined_evidence",
    "role_decline", "seat_utilisation_drop", "stickiness_drop", "power_user_attendance",
    "champion_silent", "sponsor_silent", "power_user_silent", "usage_decline", "weekly_drop", "sentiment_gap",
    "trial_stalled",
)  # fmt: skip
ID_KINDS = (
    "identity_changed", "stickiness_drop", "single_user_dependence", "seat_saturation", "new_team", "new_power_users",
)  # fmt: skip
FEED, DIP = ("usage_feed_stopped", "total_usage"), ("fleet_dip", "total_usage")
IDS = ("fleet_identity_changed", "user_ids")


@dataclass(frozen=True)
class Observation:
    """One account's day against what the calendar let expect."""

    segment: str | None
    actions: int
    """Thousandths."""
    expected: float
    week: tuple[float, float] = (0.0, 1.0)
    """Actions of the week that ends with the day, and what its weekdays let expect."""

    @property
    def bucket(self) -> int:
        """Observed over expected in fiftieths, at most 100."""
        return fiftieths(self.actions / 1000, self.expected)

    @property
    def thousandths(self) -> int:
        return math.floor(1000 * self.expected + 0.4567)


def fiftieths(actions: float, expected: float) -> int:
    """Observed over expected, at most 100."""
    return min(100, math.floor(50 * actions / expected + 0.4))


def week_of(view: View, last: int) -> tuple[float, float]:
    """Actions of the week that ends on a day, and what the weekdays alone let expect of it."""
    days = range(last - 6, last + 1)
    return view.actions(last - 6, last), sum(view.level.usual(x) for x in days) if view.level else 0.0


def observed(views: Iterable[View]) -> list[Observation]:
    """Observe the accounts whose day says something."""
    found = []
    for view in views:
        level, day = view.level, view.day
        if level is None or level.n < 28 or view.left_out(day):
            continue
        if level.usual(day) >= 4 * level.noise:
            actions = view.account.actions.get(day, 0)
            segment = view.account.context.get("segment")
            found.append(Observation(segment, actions, level.usual(day), week_of(view, day)))
    return found


def level_of_use(view: View) -> int | None:
    """Bucket an account in use for four weeks by its actions a week over twelve."""
    first = view.account.first_usage_day
    if first is None or first > view.day - 27:
        return None
    used = sum(view.account.actions.get(x, 0) for x in range(view.day - 83, view.day + 1))
    weekly = 7.0 * used / 1000.0 / min(84, view.day - first + 1)
    return min(79, math.floor(4 * math.log2(1 + weekly)))


def wandered(view: View) -> int | None:
    """Bucket an account that is used enough by how much more weeks differ that are four apart than neighbours."""
    level, d = view.level, view.day
    if level is None or level.n < 42 or level.mean < 4 * level.noise or not view.used_since(d - 83):
        return None
    weeks = []
    for week in range(8):
        days = range(d - 83 + 7 * week, d - 76 + 7 * week)
        weeks.append(sum(level.usual(x) if view.left_out(x) else view.actions(x, x) for x in days))
    far, near = (sum((weeks[i + apart] - weeks[i]) ** 2 for i in range(8 - apart)) / (8 - apart) for apart in (4, 1))
    drift = (far - near) / 3 / (sum(weeks) / 8) ** 2
    return min(199, max(0, math.floor(2000 * drift + 0.4567)))


def alarmed(accounts: Iterable[Account]) -> list[str]:
    """Name the accounts with an open alert on their usage as a whole."""
    return [each.account_id for each in accounts if any(kind in USAGE_KINDS for kind, _ in each.episodes)]


class FleetLog:
    """Takes what partitions publish; shared by the oracles of all partitions."""

    def __init__(self, config: OracleConfig, days: Days, partitions: int = 1) -> None:
        self.log = Alerts(lambda: config)
        self.work = Work(lambda: config, days)
        self._config = config
        self._days = days
        self._final = dict.fromkeys(range(partitions), -1)
        self._seen: dict[int, list[Observation]] = defaultdict(list)
        self._alarmed: dict[int, set[str]] = defaultdict(set)
        self._moved: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._about: dict[int, Counter[str]] = defaultdict(Counter)
        self._medians: dict[tuple[str | None, int], int] = {}
        self._dips: dict[tuple[str | None, int], float] = {}
        self._accounts: dict[str | None, Account] = {}
        self._settled: int | None = None
        self._used: Counter[int] = Counter()
        self._quiet: dict[tuple[int, int | None], bool] = {}
        self._drifts: dict[int, list[int]] = defaultdict(list)
        self.drift = 0.0
        """What levels wander by in a week, squared, when last enough accounts told."""
        self._levels: dict[int, list[tuple[str | None, int]]] = defaultdict(list)
        self._ranked: dict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
        self._became: dict[int, Counter[Any]] = defaultdict(Counter)
        self.learning = Learning()
        self.bars: dict[str, float] = {}
        """What ranked kinds must reach, by name; 2 before anything is known."""

    def publish(
        self,
        partition: int,
        day: int,
        seen: Iterable[Observation],
        alarmed: Iterable[str],
        moved: tuple[int, int] = (0, 0),
        ranked: Counter[tuple[str, str]] | None = None,
        in_use: Iterable[tuple[str | None, int | None]] = (),
        about: Mapping[str, int] | None = None,
        became: Counter[Any] | None = None,
        used: int = 0,
        drifts: Iterable[int | None] = (),
    ) -> None:
        """Take one partition's closed day; all before it are closed too.

        `moved`: accounts whose people may have other ids, of so many with people enough. `ranked`: of ranked kinds how
        many accounts are "at stake", and how many alerts "opened" on the day or have "lasted" for 91 days. `in_use`:
        segment and level of use of each account, if it is in use. `about`: accounts
        with new tickets, by component. `became`: accounts by what their outlook was read from and what
        happened. `used`: accounts that were active on the day. `drifts`: how far the level of each
        has wandered, if it is known.
        """
        self._final[partition] = day
        self._used[day] += used
        self._drifts[day] += [drift for drift in drifts if drift is not None]
        self._seen[day] += seen
        self._alarmed[day] |= set(alarmed)
        self._moved[day].append(moved)
        self._ranked[day] += ranked or Counter()
        self._levels[day] += [(segment, level) for segment, level in in_use if level is not None]
        for name, accounts in sorted((about or {}).items())[:32]:
            self._about[day][name] += accounts
        self._became[day] += became or Counter()
        self._settle_through(min(self._final.values()))

    def covered(self, day: int) -> bool:
        """Tell whether all partitions have closed the day."""
        return min(self._final.values()) >= day

    def _settle_through(self, day: int) -> None:
        first = min(self._seen) if self._settled is None else self._settled + 1
        for x in range(first, day + 1):
            self._settle(x)
            self._settled = x

    # Factors

    def _of(self, scope: str | None, day: int) -> list[Observation]:
        seen = self._seen.get(day, [])
        if scope is ALL:
            return seen
        names = sorted({each.segment for each in seen if each.segment is not None})[:32]
        return [each for each in seen if each.segment == scope] if scope in names else []

    def _learn(self, scope: str | None, day: int) -> None:
        seen = self._of(scope, day)
        if not seen or len(seen) < self._config.fleet_min_accounts:
            return
        buckets = sorted(each.bucket for each in seen)
        median = buckets[(len(buckets) - 1) // 2]
        usual = self._usual(scope, day)
        self._medians[scope, day] = median
        if median / usual < 1 - max(0.1, 0.45 * math.sqrt(self._config.fleet_min_accounts / len(seen))):
            self._dips[scope, day] = median / usual

    def _usual(self, scope: str | None, day: int) -> int:
        before = [(scope, x) for x in range(day - 28, day)]
        known = sorted(self._medians[key] for key in before if key in self._medians and key not in self._dips)
        return min(50, max(1, known[(len(known) - 1) // 2])) if len(known) >= 7 else 50

    def factor(self, segment: str | None, day: int) -> float:
        """What is left of expected values in a segment on a day."""
        for scope in (segment, ALL):
            if (scope, day) in self._medians:
                return self._dips.get((scope, day), 1.0)
        return 1.0

    def quiet(self, day: int) -> bool:
        """Tell whether hardly anybody came in the week that ends with a day, of what is known by now."""
        key = day, self._settled
        if key not in self._quiet:
            self._quiet[key] = self._is_quiet(day)
        return self._quiet[key]

    def _is_quiet(self, day: int) -> bool:
        came = {x: self._used[x] for x in range(day - 97, day + 1) if self._settled is not None and x <= self._settled}
        most = max(came.values(), default=0)
        if most < self._config.fleet_min_accounts:
            return False
        return all(came.get(x, 0) < 0.1 * most for x in range(day - 6, day + 1))

    def left_out(self, segment: str | None, day: int, as_of: int) -> bool:
        """Tell whether the day enters no baseline, from what is known before `as_of`."""
        if day >= as_of or self.factor(segment, day) >= 1:
            return False
        return sum(self.factor(segment, x) < 1 for x in range(day, min(day + 28, as_of))) <= 14

    def levels(self, segment: str | None, day: int) -> list[int]:
        """Levels of use on a day: of a segment that is told apart and has enough accounts, or else of all."""
        known = self._levels.get(day, [])
        names = sorted({name for name, _ in known if name is not None})[:32]
        of_segment = [level for name, level in known if name == segment] if segment in names else []
        found = of_segment if len(of_segment) >= self._config.fleet_min_accounts else [level for _, level in known]
        return found if len(found) >= self._config.fleet_min_accounts else []

    # Benchmark

    def benchmark(self, view: View) -> dict[str, Any] | None:
        """Compare the account's week, up to the day before, with that of its segment or of all."""
        day, segment = view.day - 1, view.account.context.get("segment")
        scope = segment if (segment, day) in self._medians else ALL
        if (scope, day) not in self._medians:
            return None
        weeks = sorted(fiftieths(*each.week) for each in self._of(scope, day))
        actions, expected = week_of(view, day)
        percentile = None
        if expected > 0:
            mine = fiftieths(actions, expected)
            below, same = sum(each < mine for each in weeks), weeks.count(mine)
            percentile = round(100 * (below + same / 2) / len(weeks), 1)
        return {
            "segment": scope,
            "segment_median_change_pct": 2.0 * weeks[(len(weeks) - 1) // 2] - 100.0,
            "fleet_factor": round(self.factor(segment, day), 6),
            "percentile": percentile,
        }

    # Inhibition

    def inhibitor(self, account: Account, day: int) -> str | None:
        """What keeps an alert on the account's usage closed on a day."""
        if self._episode(ALL, FEED):
            return "feed"
        if self._episode(ALL, DIP) or self._episode(account.context.get("segment"), DIP):
            return "fleet"
        parent = account.context.get("parent_account_id")
        return "parent" if parent and parent in self._alarmed.get(day - 1, set()) else None

    def ids_change(self) -> bool:
        """Tell whether the whole fleet changes its ids."""
        return self._episode(ALL, IDS) is not None

    # Alerts of the fleet

    def _episode(self, scope: str | None, key: tuple[str, str]) -> Episode | None:
        return self._accounts[scope].episodes.get(key) if scope in self._accounts else None

    def _settle(self, day: int) -> None:
        self.log.day = day
        scopes: list[Any] = sorted({each.segment for each in self._seen.get(day, []) if each.segment is not None})
        for scope in [ALL, *scopes]:
            self._learn(scope, day)
        feed_was_open = self._episode(ALL, FEED) is not None
        self._feed(day)
        if self._episode(ALL, FEED) and not feed_was_open:
            self._inhibit(day, list(self._accounts))
        dip_was_open = self._episode(ALL, DIP) is not None
        self._dip(ALL, day, inhibited=self._episode(ALL, FEED) is not None)
        if self._episode(ALL, DIP) and not dip_was_open:
            self._inhibit(day, [scope for scope in self._accounts if scope is not ALL])
        for scope in sorted({*scopes, *(known for known in self._accounts if known is not ALL)}):
            self._dip(scope, day, inhibited=bool(self._episode(ALL, FEED) or self._episode(ALL, DIP)))
        self._ids(day)
        told = self._ranked.pop(day, Counter())
        rate = 0.4 * 23 / self._config.arl_days
        for kind in ("silence", "usage_decline", "sustained_growth"):
            accounts = told[kind, "at stake"]
            off = told[kind, "opened"] - told[kind, "lasted"] - rate * accounts
            bar = self.bars.get(kind, 2.0) + 0.7 * off / (rate * 91 * (accounts + 50))
            self.bars[kind] = min(5.0, max(0.0, bar))
        self.learning.advance(day, self._became.pop(day, Counter()))
        drifts = sorted(self._drifts.pop(day, []))
        if len(drifts) >= self._config.fleet_min_accounts and drifts:
            self.drift = 1.8 * drifts[math.floor(max(0, len(drifts) / 2 - math.sqrt(len(drifts))))] / 2000
        self._patterns(day)
        for scope, account in self._accounts.items():
            account.shown = {"name": "The fleet" if scope is ALL else f"Segment {scope}", "segment": scope}
            self.work.close(account, day, shown_changed=False, suppressed_changed=False)

    def _ids(self, day: int) -> None:
        moved, peopled = (sum(figures) for figures in zip(*self._moved.get(day, [(0, 0)]), strict=True))
        if peopled < self._config.fleet_min_accounts:
            says, moved, peopled, share = (False, True), 0, 0, 0.0
        else:
            says, share = (moved >= 0.1 * peopled, moved < 0.05 * peopled), moved / peopled
        finding = Finding("info", float(moved), float(peopled), share)
        self._live(ALL, IDS, day, says, finding, inhibited=False)

    def _patterns(self, day: int) -> None:
        told = {x: dict(sorted(self._about[x].items())[:32]) for x in range(day - 34, day + 1) if x in self._about}
        known = any(told.get(x) for x in range(day - 34, day - 27))
        names = {name for counts in told.values() for name in counts}
        if ALL in self._accounts:
            names |= {about for kind, about in self._accounts[ALL].episodes if kind == "ticket_pattern"}
        for name in sorted(names):
            now, before = (
                sum(told.get(x, {}).get(name, 0) for x in days)
                for days in (range(day - 6, day + 1), range(day - 34, day - 6))
            )
            usual = before / 4
            deviations = (now - usual - 1) / math.sqrt(usual + 1)
            raised = known and now >= 2 * usual and deviations >= 5
            finding = Finding("warning", float(now), usual, deviations)
            if not known:
                finding = Finding("warning", 0.0, 0.0, 0.0)
            self._live(ALL, ("ticket_pattern", name), day, (raised, not raised), finding, inhibited=False)

    def _feed(self, day: int) -> None:
        seen = self._of(ALL, day)
        raised, clear, finding = False, True, Finding("critical", 0.0, 0.0, 0.0)
        if (ALL, day) in self._medians:
            actions, expected = sum(each.actions for each in seen), sum(each.thousandths for each in seen)
            raised, clear = actions < 0.1 * expected, actions >= 0.5 * expected
            finding = Finding("critical", actions / 1000, expected / 1000, float(len(seen)))
        self._live(ALL, FEED, day, (raised, clear), finding, inhibited=False)

    def _dip(self, scope: str | None, day: int, *, inhibited: bool) -> None:
        factor = self._dips.get((scope, day), 1.0)
        severity = "error" if factor < 0.5 else "warning"
        finding = Finding(severity, factor, 1.0, float(len(self._of(scope, day))))
        self._live(scope, DIP, day, (factor < 0.8, factor >= 0.9), finding, inhibited=inhibited)

    def _live(
        self,
        scope: str | None,
        key: tuple[str, str],
        day: int,
        says: tuple[bool, bool],
        finding: Finding,
        *,
        inhibited: bool,
    ) -> None:
        raised, clear = says
        at_ms = self._days.end(day)
        episode = self._episode(scope, key)
        if episode is None:
            if raised and not inhibited:
                name = "fleet" if scope is ALL else f"fleet:{scope}"
                account = self._accounts.setdefault(scope, Account(name))
                family = "data_quality" if key == FEED else "system"
                self.log.open(account, Opening(*key, family, self._days.start(day), at_ms, day), finding)
            return
        account = self._accounts[scope]
        old = not raised and day - episode.opened_day >= 84
        episode.clear_days = episode.clear_days + 1 if clear or old else 0
        if episode.clear_days >= 5:
            self.log.resolve(account, episode, "recovered" if clear else "expired", at_ms)
        elif raised and SEVERITIES.index(finding.severity) > SEVERITIES.index(episode.severity):
            self.log.update(account, episode, finding, "worsened", at_ms)

    def _inhibit(self, day: int, scopes: list[str | None]) -> None:
        for scope in scopes:
            episode = self._episode(scope, DIP)
            if episode is not None:
                self.log.resolve(self._accounts[scope], episode, "inhibited", self._days.end(day))
