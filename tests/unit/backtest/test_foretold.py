"""How well an outcome was foretold: watched accounts in use, every four weeks, by layer, in tenths, and its number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.backtest.charts import foretold_chart
from pipeline.scoring.foretold import IN_FORCE, Foretold, foretold
from pipeline.scoring.judged import Outcome
from pipeline.scoring.panel import Panel, panel_of
from pipeline.scoring.protocol import WEEK_MS, Protocol
from schemas.topics import DAY_MS

BASE_MS = 4 * DAY_MS
"""A Monday."""
WEEKS, LEFT_WEEK = 100, 70
NAMES = [*(f"left-{number}" for number in range(10)), *(f"here-{number}" for number in range(30)), "idle"]
RULES = Protocol()


def panel() -> Panel:
    """All are used every week, those that leave until they do, and one until week 40."""
    last = [LEFT_WEEK] * 10 + [WEEKS] * 30 + [40]
    account = np.repeat(np.arange(len(NAMES)), last)
    week = np.concatenate([np.arange(weeks) for weeks in last])
    return panel_of(NAMES, account, BASE_MS + week * WEEK_MS + DAY_MS, RULES)


def told(surely: float, hardly: float, every: int = 2) -> list[Foretold]:
    """What is said every two weeks: a quarter before they leave, more of those that do."""
    found = []
    for week in range(30, WEEKS, every):
        for name in NAMES:
            likely = surely if name.startswith("left") and week > LEFT_WEEK - 13 else hardly
            chance: dict[str, Any] = {
                "probability": likely,
                "common_doubt": 0.2,
                "layers": {"stated": 0.04, "fleet": likely},
            }
            outlook = dict.fromkeys(("churn", "contraction", "expansion"), chance)
            found.append(Foretold(name, BASE_MS + (week + 1) * WEEK_MS, outlook))
    return found


OUTCOMES = [Outcome(name, "churned", BASE_MS + LEFT_WEEK * WEEK_MS) for name in NAMES[:10]]


def test_what_is_foretold_is_held_against_what_happened_within_a_quarter() -> None:
    churn, contraction, expansion = foretold(told(0.9, 0.02), OUTCOMES, panel(), RULES, declared=False)
    assert [each.outcome for each in (churn, contraction, expansion)] == ["churn", "contraction", "expansion"]
    layers = {each.layer: each for each in churn.layers}
    assert list(layers) == [IN_FORCE, "stated", "fleet"]
    # Weeks 31, 35 … 59, as later it is not known who has been silent for half a year; the idle one in three of them.
    assert layers[IN_FORCE].snapshots == 8 * 40 + 3
    assert layers[IN_FORCE].happened == 10
    assert layers[IN_FORCE].auc == pytest.approx(1.0)
    assert layers["stated"].auc == pytest.approx(0.5)
    assert layers[IN_FORCE].log_loss < layers[IN_FORCE].log_loss_of_base < layers["stated"].log_loss + 0.1
    assert (churn.tenths[-1].happened, churn.tenths[0].happened) == (10, 0)
    assert sum(each.snapshots for each in churn.tenths) == 8 * 40 + 3
    assert contraction.layers[0].happened == 0


def test_it_is_counted_how_often_the_number_lies_within_its_bounds() -> None:
    right, *_ = foretold(told(0.9, 0.02), OUTCOMES, panel(), RULES, declared=True)
    wrong, *_ = foretold(told(0.9, 0.4), OUTCOMES, panel(), RULES, declared=True)
    assert right.covered == right.quarters > wrong.covered
    assert right.held > 0.8 > wrong.held


def test_what_was_said_long_ago_counts_for_nothing() -> None:
    assert foretold(told(0.9, 0.02, every=100), OUTCOMES, panel(), RULES, declared=False)[0].layers[0].snapshots == 41
    assert foretold([], OUTCOMES, panel(), RULES, declared=False) == []


def test_a_chart_of_nothing_foretold_is_a_chart() -> None:
    assert foretold_chart([]).endswith("</svg>")
