"""What is to come of an account: churn, contraction, expansion within a quarter, and what the fleet learns of them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.oracle.alive import gone
from tests.oracle.life import NOBODYS
from tests.oracle.model import BILLING, DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.oracle.view import View

Cell = tuple[str, int, int, int, int, int, int, int]
"""What tells the outcomes, and the bin of each trait."""
OUTCOMES = ("churn", "contraction", "expansion")
USUAL = {"churn": 0.04, "contraction": 0.03, "expansion": 0.04}
STATED = {
    "churn": (
        (0, -0.5, 0, 0.4, 0.8, 1.8),
        (0, 0.3, 0.1, -0.1, -0.3),
        (0.4, 0.1, 0, -0.1),
        (0, 0.4, 0.1, -0.3),
        (0, 0.3, 0.8, 4),
        (0, 0.7, -1, -0.2),
        (0, 0.2, 0, -0.3),
    ),
    "contraction": (
        (0,) * 6,
        (0,) * 5,
        (0.6, 0.3, 0, -0.1),
        (0,) * 4,
        (0, 0.3, 0.6, -0.1),
        (0, 0.4, -0.5, 0),
        (0, 0, 0, 0.2),
    ),
    "expansion": (
        (0, 0, -0.1, -0.3, -0.6, -1.5),
        (0,) * 5,
        (-0.5, -0.2, 0, 0.5),
        (0, -0.2, 0, 0.2),
        (0, -0.1, -0.5, -2),
        (0, 0.2, 0, -0.3),
        (0, 0.4, 0.6, 0.6),
    ),
}
LEVEL = 1
IN_ORDER = ((1, 2, 3, 4, 5), (1, 2, 3, 4), (0, 1, 2, 3), (1, 2, 3), (0, 1, 2, 3), (1, 2), ())
AGE = {"billing": 91, "use": 273}
FROM_90 = 1.6449


def has_outlook(view: View) -> bool:
    return view.account.life not in {*NOBODYS, "trial"}


def renews_at(view: View) -> int | None:
    today = view.days.start(view.day)
    named = (view.account.profile or {}).get("renewal_at")
    if named is not None and named >= today:
        return int(named)
    running = [each for each in view.account.subscriptions.values() if each.active]
    first = min((each.term_ms for each in running if each.term_ms is not None), default=-1)
    return first if first >= today else None


def cell_of(view: View) -> Cell:
    basis = "billing" if BILLING in view.account.topics_seen else "use"
    return (basis, _use(view), _level(view), _trend(view), _people(view), _trouble(view), _term(view), _growth(view))


def _use(view: View) -> int:
    days, first = view.account.active_days, view.account.first_usage_day
    known_since = min(x for x in (first, view.account.first_day, view.day + 1) if x is not None)
    if known_since > view.day - 27:
        return 0
    gap = min((view.day - x for x in days if view.day - 127 <= x <= view.day), default=128)
    if gap >= 28 or (gap >= 7 and gone(view)[0] >= 0.5) or first is None:
        return 5
    active = sum(any(view.day - 7 * back - x in days for x in range(7)) for back in range(13))
    share = 10 * active / min(13, max(1, (view.day - first + 1) // 7))
    return next((number for number, least in ((1, 9), (2, 6), (3, 3)) if share >= least), 4)


def _level(view: View) -> int:
    mine, levels = _weekly_level(view), [each for each in view.all_levels() if each > 0]
    if not view.used_since(view.day - 27) or not levels:
        return 0
    below = sum(each < mine for each in levels) + (levels.count(mine) / 2 if mine else 0)
    return 1 + min(3, math.floor(4 * below / len(levels)))


def _trend(view: View) -> int:
    first, actions = view.account.first_usage_day, view.account.actions
    if first is None or first > view.day - 55:
        return 2
    twelve, four = (sum(actions.get(x, 0) for x in range(view.day - n + 1, view.day + 1)) for n in (84, 28))
    days = min(84, view.day - first + 1)
    hundredths = 100 * (four + 1000) * days
    usual = 28 * twelve + 1000 * days
    return sum(hundredths >= least * usual for least in (50, 85, 115))


def _people(view: View) -> int:
    return 0 if view.account.unseen else min(3, view.users_active(view.day - 27, view.day))


def _trouble(view: View) -> int:
    account, end_ms = view.account, view.end_ms
    running = [each for each in account.subscriptions.values() if each.active]
    if any(each.stops_at_ms is not None for each in running):
        return 3
    owed = [each for each in account.invoices.values() if not each.costs_nothing()]
    if any(each.failed or each.overdue for each in owed):
        return 2
    if any(each.due_at_ms is not None and each.due_at_ms + 3 * DAY_MS <= end_ms for each in owed):
        return 2
    if any(each.fall and each.mrr_minor is not None and each.fall[1] + 84 * DAY_MS > end_ms for each in running):
        return 2
    if len(account.tickets) >= 3 or any(each.priority == "p1" for each in account.tickets.values()):
        return 1
    last = [answers[-1] for answers in account.nps_answers.values()]
    return int(any(value <= 0.6 and at_ms + 180 * DAY_MS > end_ms for at_ms, value in last))


def _term(view: View) -> int:
    at_ms = renews_at(view)
    if at_ms is not None:
        return 1 if view.days.of(at_ms) <= view.day + 90 else 2
    first = view.account.first_day
    return 3 if first is not None and first <= view.day - 365 else 0


def _growth(view: View) -> int:
    account = view.account
    if account.expanded_ms is not None and account.expanded_ms > view.end_ms - 182 * DAY_MS:
        return 3
    if view.seats > 0 and 10 * view.users_active(view.day - 27, view.day) >= 8 * view.seats and not account.unseen:
        return 2
    return int(account.first_day is None or account.first_day > view.day - 182)


def note(view: View) -> None:
    """Remember the cell on the account's own day of four weeks."""
    if (view.day + view.config.id_hash(view.account.account_id)) % 28 == 0 and has_outlook(view):
        view.account.notes[view.day] = (cell_of(view), _weekly_level(view))


def _weekly_level(view: View) -> int:
    first = view.account.first_usage_day
    if first is None or first > view.day:
        return 0
    used = sum(view.account.actions.get(x, 0) for x in range(view.day - 83, view.day + 1))
    return min(79, math.floor(4 * math.log2(1 + 7.0 * used / 1000.0 / min(84, view.day - first + 1))))


def happened(view: View) -> Iterable[tuple[Cell, frozenset[str]]]:
    """Tell what has become of a cell that is old enough."""
    account = view.account
    if account.life == "test":
        return
    for basis, age in AGE.items():
        cell, level = account.notes.get(view.day - age, (None, 0))
        if cell is None or cell[0] != basis:
            continue
        if basis == "billing":
            since = view.days.end(view.day - age)
            running = [each for each in account.subscriptions.values() if each.active]
            fell = any(each.fall and each.mrr_minor is not None and each.fall[1] > since for each in running)
            grew = account.expanded_ms is not None and account.expanded_ms > since
            left = account.life == "ended"
        else:
            now = _weekly_level(view)
            fell, grew = now <= level - 4 and level >= 9, now >= level + 4 and now >= 9
            weeks = range((view.day - 181) // 7, (view.day - 121) // 7 + 1)
            left = not any(x // 7 in weeks or view.day - 127 <= x for x in account.active_days)
        if left:
            yield cell, frozenset({"churn"})
        else:
            yield cell, frozenset(name for name, so in (("contraction", fell), ("expansion", grew)) if so)


Weights = dict[Any, float]
"""By ``(trait, bin)``; that of everybody by ``()``."""


def stated(outcome: str) -> Weights:
    base = USUAL[outcome]
    found: Weights = {(): math.log(base / (1 - base))}
    for trait, row in enumerate(STATED[outcome]):
        found |= {(trait, number): weight for number, weight in enumerate(row)}
    return found


def keys(cell: Cell) -> list[Any]:
    return [(), *((trait, number) for trait, number in enumerate(cell[1:]))]


def odds(weights: Weights, cell: Cell) -> float:
    return sum(weights[key] for key in keys(cell))


def chance(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@dataclass
class Learnt:
    """What was learned of one outcome by one basis."""

    fits: list[Weights] = field(default_factory=list)
    losses: list[tuple[float, float]] = field(default_factory=list)
    misses: list[tuple[float, float]] = field(default_factory=list)
    doubt: float = 0.7
    common: float = 0.7
    through: int | None = None
    outcomes: float = 0.0

    @property
    def in_force(self) -> bool:
        recent = self.losses[-2:]
        better = len(recent) == 2 and sum(own for own, _ in recent) < sum(other for _, other in recent)
        return better and self.outcomes >= 50


class Learning:
    """Learns from the outcomes of the whole fleet."""

    def __init__(self) -> None:
        self._newest: Counter[tuple[Cell, frozenset[str]]] = Counter()
        self._known: dict[tuple[Cell, frozenset[str]], int] = {}
        """Thousandths of accounts."""
        self.learnt: dict[tuple[str, str], Learnt] = defaultdict(Learnt)

    def advance(self, day: int, told: Counter[tuple[Cell, frozenset[str]]]) -> None:
        self._newest += told
        if (day + 1) % 91 == 0:
            faded = {key: count * 15 // 16 for key, count in self._known.items()}
            self._known = {key: count for key, count in faded.items() if count >= 10}
            for key, accounts in self._newest.items():
                self._known[key] = self._known.get(key, 0) + 1000 * accounts
            for basis in AGE:
                for outcome in OUTCOMES:
                    self._learn(day, basis, outcome)
            self._newest = Counter()

    def _table(self, counts: Mapping[Any, float], basis: str, outcome: str) -> dict[Cell, tuple[float, float]]:
        """Return account-quarters and outcomes by cell."""
        table: dict[Cell, tuple[float, float]] = {}
        for (cell, what), count in counts.items():
            if cell[0] == basis:
                n, k = table.get(cell, (0.0, 0.0))
                table[cell] = (n + count * 28 / 91, k + count * 28 / 91 * (outcome in what))
        return table

    def _learn(self, day: int, basis: str, outcome: str) -> None:
        known = self._table({key: count / 1000 for key, count in self._known.items()}, basis, outcome)
        if not known:
            return
        learnt, prior = self.learnt[basis, outcome], stated(outcome)
        newest = self._table(self._newest, basis, outcome)
        lag = AGE[basis] // 91 + 1
        if newest and len(learnt.fits) >= lag:
            before = learnt.fits[-lag]
            learnt.losses.append((_loss(before, newest), _loss(prior, newest)))
            expected = sum(n * chance(odds(before, cell)) for cell, (n, _) in newest.items())
            spread = sum(
                n * chance(odds(before, cell)) * (1 - chance(odds(before, cell))) for cell, (n, _) in newest.items()
            )
            came = sum(k for _, k in newest.values())
            learnt.misses.append(((came - expected) ** 2 - spread, spread**2))
        weights, variance, curve = _likeliest(known, prior)
        for trait, bins in enumerate(IN_ORDER):
            if len({prior[trait, number] for number in bins}) > 1:
                floor = -math.inf
                for number in sorted(bins, key=lambda number: prior[trait, number]):
                    floor = weights[trait, number] = max(floor, weights[trait, number])
        weights[()] += _shift(known, weights)
        learnt.fits.append({key: round(weight, 4) for key, weight in weights.items()})
        excess, information = (sum(pair[which] for pair in learnt.misses[-8:]) for which in (0, 1))
        drift = max(0.0, (0.35**2 * 100 + excess) / (100 + information))
        learnt.doubt = round(math.sqrt(drift + variance), 4)
        learnt.common = round(math.sqrt(drift + _of_all(known, weights, curve)), 4)
        learnt.through, learnt.outcomes = day, learnt.outcomes + sum(k for _, k in newest.values())

    def outlook(self, view: View) -> dict[str, Any] | None:
        """Say what is to come of an account."""
        if not has_outlook(view):
            return None
        cell = cell_of(view)
        found: dict[str, Any] = {"basis": cell[0], "renewal_at": renews_at(view)}
        for outcome in OUTCOMES:
            learnt = self.learnt.get((cell[0], outcome), Learnt())
            by_fleet = stated(outcome)
            alone = by_fleet | {(LEVEL, number): 0.0 for number in range(5)}
            layers = {"stated": odds(alone, cell), "fleet": odds(by_fleet, cell)}
            if learnt.fits:
                layers["learned"] = odds(learnt.fits[-1], cell)
            layer = "learned" if learnt.in_force else "fleet" if cell[1 + LEVEL] else "stated"
            doubt = FROM_90 * (learnt.doubt if learnt.in_force else 0.7)
            found[outcome] = {
                "probability": chance(layers[layer]),
                "low": chance(layers[layer] - doubt),
                "high": chance(layers[layer] + doubt),
                "common_doubt": learnt.common if learnt.in_force else 0.7,
                "layer": layer,
                "version": len(learnt.fits),
                "learned_through": learnt.through,
                "outcomes": round(learnt.outcomes),
                "layers": {name: chance(value) for name, value in layers.items()},
            }
        return found


def _loss(weights: Weights, table: dict[Cell, tuple[float, float]]) -> float:
    total = 0.0
    for cell, (n, k) in table.items():
        p = chance(odds(weights, cell))
        total -= k * math.log(p) + (n - k) * math.log1p(-p)
    return round(total, 4)


def _of_all(table: dict[Cell, tuple[float, float]], weights: Weights, curve: list[list[float]]) -> float:
    """Return the variance of what is foretold of all accounts together, by what a unit of log odds makes of it."""
    place = {name: number for number, name in enumerate(weights)}
    unit = [0.0] * len(place)
    for cell, (n, _) in table.items():
        p = chance(odds(weights, cell))
        for key in keys(cell):
            unit[place[key]] += n * p * (1 - p)
    return sum(a * b for a, b in zip(unit, _solved(curve, unit), strict=True)) / unit[place[()]] ** 2


def _likeliest(table: dict[Cell, tuple[float, float]], prior: Weights) -> tuple[Weights, float, list[list[float]]]:
    """Return the likeliest weights, the mean variance of the log odds over the accounts, and the curvature."""
    names = list(prior)
    held = [0.25 if name == () else 4.0 for name in names]
    place = {name: number for number, name in enumerate(names)}
    start = [prior[name] for name in names]
    weights = list(start)
    curve: list[list[float]] = []
    for _ in range(40):
        slope = [-h * (w - s) for h, w, s in zip(held, weights, start, strict=True)]
        curve = [[h if row == column else 0.0 for column in range(len(names))] for row, h in enumerate(held)]
        for cell, (n, k) in table.items():
            own = [place[key] for key in keys(cell)]
            p = chance(sum(weights[each] for each in own))
            for row in own:
                slope[row] += k - n * p
                for column in own:
                    curve[row][column] += n * p * (1 - p)
        step = _solved(curve, slope)
        longest = max(1.0, *(abs(each) for each in step))
        weights = [w + each / longest for w, each in zip(weights, step, strict=True)]
        if max(map(abs, step)) < 1e-9:
            break
    variance = 0.0
    for cell, (n, _) in table.items():
        own = [place[key] for key in keys(cell)]
        unit = [float(number in own) for number in range(len(names))]
        answer = _solved(curve, unit)
        variance += n * sum(answer[each] for each in own)
    return dict(zip(names, weights, strict=True)), variance / sum(n for n, _ in table.values()), curve


def _shift(table: dict[Cell, tuple[float, float]], weights: Weights) -> float:
    shift = 0.0
    for _ in range(60):
        slope, curve = -0.25 * shift, 0.25
        for cell, (n, k) in table.items():
            p = chance(odds(weights, cell) + shift)
            slope, curve = slope + k - n * p, curve + n * p * (1 - p)
        shift += max(-1.0, min(1.0, slope / curve))
    return shift


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve by Gauss; the matrix is positive definite."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for pivot in range(size):
        for below in range(pivot + 1, size):
            factor = rows[below][pivot] / rows[pivot][pivot]
            if factor:
                rows[below] = [a - factor * b for a, b in zip(rows[below], rows[pivot], strict=True)]
    found = [0.0] * size
    for pivot in reversed(range(size)):
        known = sum(rows[pivot][column] * found[column] for column in range(pivot + 1, size))
        found[pivot] = (rows[pivot][size] - known) / rows[pivot][pivot]
    return found
