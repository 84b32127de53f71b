"""What alerts at random would find: the yardstick for every recall.

Random alerts come on any watched account in any watched week with one probability `p`, and never within the
cool-down after another. So an account's alerts are a renewal process with rate `f = p / (1 + c p)` and a dead time
of `c` weeks; that none falls into `w` weeks has the probability `(1 − p)^(w − c) / (1 + c p)`, or `1 − f w` if
`w < c`: the tail of its forward recurrence time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def chance_of_hit(rate: float, weeks: int, cool_weeks: int) -> float:
    """Probability that a random alert falls into a window.

    Args:
        rate: alerts per watched account-week, cool-downs included.
        weeks: watched weeks of the window.
        cool_weeks: after an alert without another.
    """
    if rate <= 0 or weeks <= 0:
        return 0.0
    if weeks < cool_weeks:
        return min(1.0, rate * weeks)
    if rate * (cool_weeks + 1) >= 1:
        return 1.0
    p = rate / (1 - rate * cool_weeks)
    return float(1 - (1 - p) ** (weeks - cool_weeks) / (1 + cool_weeks * p))


def random_recall(
    rate: float, windows: Iterable[int], cool_weeks: int, weights: Sequence[float] | None = None
) -> float | None:
    """Expected share of windows that random alerts hit; None without windows.

    Args:
        rate: alerts per watched account-week.
        windows: watched weeks of each.
        cool_weeks: after an alert without another.
        weights: of the windows, by default 1.
    """
    chances = [chance_of_hit(rate, weeks, cool_weeks) for weeks in windows]
    of = [1.0] * len(chances) if weights is None else weights
    total = sum(of)
    return sum(weight * chance for weight, chance in zip(of, chances, strict=True)) / total if total > 0 else None


def lift(recall: float | None, random: float | None) -> float | None:
    """How many times more is found than at random."""
    return recall / random if recall is not None and random else None


def skill(recall: float | None, random: float | None) -> float | None:
    """The share found of what random alerts would miss: 1 is perfect, 0 is chance."""
    if recall is None or random is None or random >= 1:
        return None
    return (recall - random) / (1 - random)
