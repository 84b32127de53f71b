"""One figure for early detection with few false alarms, after the Numenta Anomaly Benchmark.

Source: Lavin & Ahmad 2015, "Evaluating real-time anomaly detection algorithms".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

from pipeline.scoring.judged import Outcome, Verdict, Warned
from pipeline.scoring.protocol import Protocol
from schemas.topics import DAY_MS


@dataclass(frozen=True, slots=True)
class Costs:
    """What a detection is worth, and what a false alarm and a miss cost."""

    hit: float
    false: float
    miss: float


PROFILES: Mapping[str, Costs] = {
    "standard": Costs(1.0, 0.11, 1.0),
    "low_false_positives": Costs(1.0, 0.22, 1.0),
    "low_misses": Costs(1.0, 0.11, 2.0),
}
_LONGEST_EXPONENT = 40.0


def nab_scores(outcomes: Sequence[Outcome], warned: Sequence[Warned], protocol: Protocol) -> dict[str, float | None]:
    """The score of each profile: 100 for a warning at the beginning of every window, 0 for none at all.

    A window is the time in which a warning is early enough. Within it the first warning counts, the more the
    earlier it is; behind it a warning costs the more the later, and a false one costs all. None without outcomes.
    """
    return {name: _score(outcomes, warned, protocol, costs) for name, costs in PROFILES.items()}


def sigmoid(place: float) -> float:
    """Worth of a place relative to a window: near 1 at its beginning (−1), 0 at its end (0), −1 long after."""
    return 2.0 / (1.0 + exp(min(5.0 * place, _LONGEST_EXPONENT))) - 1.0


def _score(outcomes: Sequence[Outcome], warned: Sequence[Warned], protocol: Protocol, costs: Costs) -> float | None:
    if not outcomes:
        return None
    length = protocol.longest_lead_days - protocol.shortest_lead_days
    of_account: dict[str, list[int]] = {}
    total = 0.0
    for warning in warned:
        of_account.setdefault(warning.account_id, []).append(warning.at_ms)
        if warning.verdict is Verdict.FALSE:
            total -= costs.false
        elif warning.verdict is Verdict.LATE and warning.lead_days is not None:
            total += costs.false * sigmoid((protocol.shortest_lead_days - warning.lead_days) / length)
    for outcome in outcomes:
        leads = [(outcome.at_ms - at_ms) / DAY_MS for at_ms in of_account.get(outcome.account_id, [])]
        within = [lead for lead in leads if protocol.shortest_lead_days <= lead <= protocol.longest_lead_days]
        total += costs.hit * sigmoid((protocol.shortest_lead_days - max(within)) / length) if within else -costs.miss
    nothing = -costs.miss * len(outcomes)
    perfect = costs.hit * sigmoid(-1.0) * len(outcomes)
    return 100.0 * (total - nothing) / (perfect - nothing)
