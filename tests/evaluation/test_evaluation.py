"""What must be shown of the detectors, on fewer accounts than `make evaluate` draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.backtest.outcomes import score_outcomes
from agents.backtest.run import replay
from agents.eventfiles.files import write_events
from pipeline.config import EngineConfig
from pipeline.scoring.foretold import auc
from pipeline.scoring.protocol import GAINS, LOSSES
from pipeline.simulate import SimulatedStream, SimulationSettings, simulate
from pipeline.terms.days import weekday
from schemas.topics import DAY_MS
from tests.evaluation import feeds, others, people
from tests.evaluation.budget import upper_bound
from tests.evaluation.crowd import Crowd
from tests.evaluation.data import Health
from tests.evaluation.draws import FIRST_DAY, counts, negative_binomial
from tests.evaluation.outcomes import Heard, Opening, outcomes
from tests.evaluation.sets import DataSet
from tests.evaluation.task import FULL, QUICK
from tests.evaluation.watch import Watch, close
from tests.evaluation.worlds import CALM, CHANGE_DAY, WORLDS, Scene, World


def test_counts_have_the_mean_and_the_dispersion_that_were_asked_for() -> None:
    rng = np.random.default_rng(3)
    drawn = negative_binomial(np.full(200_000, 10.0), 5.0, rng)
    assert drawn.mean() == pytest.approx(10.0, rel=0.01)
    assert drawn.var() / drawn.mean() == pytest.approx(5.0, rel=0.03)


def test_user_days_have_the_dispersion_that_was_asked_for() -> None:
    crowd = people.People(20_000, 70, 1.5, np.random.default_rng(3))
    one = np.ones(crowd.accounts)
    power = crowd.active(FIRST_DAY, one, one)[:, : crowd.power].sum(axis=1)
    usual = crowd.week[weekday(FIRST_DAY)] * people.POWER_DAYS / 7 * crowd.power
    assert ((power - usual) ** 2).mean() / usual.mean() == pytest.approx(1.5, rel=0.1)


def test_the_upper_bound_of_no_event_is_three() -> None:
    assert upper_bound(0, 1.0) == pytest.approx(2.996, abs=0.01)
    assert upper_bound(260, 2000.0) == pytest.approx(0.1444, abs=0.0005)


def test_a_condition_that_comes_back_within_five_days_is_one_alert() -> None:
    raised = np.zeros((20, 1), dtype=np.bool_)
    raised[[3, 4, 8, 15]] = True
    assert np.flatnonzero(others.openings(raised)[:, 0]).tolist() == [3, 15]


def test_a_lower_threshold_counts_at_least_the_alerts_of_a_higher_one() -> None:
    drawn = counts(np.full(300, 10.0), 2.0, 140, np.random.default_rng(5))
    drawn[120:] //= 3
    crowd = Crowd(300, FIRST_DAY)
    watches = [Watch("usage_drop", arl) for arl in (300.0, 2800.0, 50_000.0)]
    for today in drawn:
        crowd.live(today)
        close(crowd, watches)
        crowd.pass_midnight()
    still_open = [len(watch.open) for watch in watches]
    assert still_open[0] >= still_open[1] >= still_open[2]
    assert still_open[1] > 200
    days = [np.median(watch.first_since(np.full(300, FIRST_DAY + 120))) for watch in watches]
    assert days[0] <= days[1]


def test_a_watch_at_a_higher_threshold_sees_what_it_would_see_alone() -> None:
    drawn = counts(np.full(400, 3.0), 2.0, 150, np.random.default_rng(6))
    drawn[115:125] //= 2

    def openings(arls: tuple[float, ...]) -> list[tuple[int, int]]:
        crowd = Crowd(400, FIRST_DAY)
        watches = [Watch("usage_drop", arl) for arl in arls]
        for today in drawn:
            crowd.live(today)
            close(crowd, watches)
            crowd.pass_midnight()
        return watches[-1].openings

    alone = openings((900.0,))
    assert alone
    assert openings((100.0, 900.0)) == alone


def test_a_method_is_set_to_no_more_alarms_than_allowed_and_to_nearly_as_many() -> None:
    calm = counts(np.full(400, 10.0), 2.0, 203, np.random.default_rng(7)).astype(np.float64)
    for name in ("week over week", "a week against 4, z", "4 weeks against 13, z"):
        method = others.METHODS[name]

        def alarms(setting: float, method: others.Method = method) -> float:
            return float(others.openings(method.raised(calm, setting)).sum())

        assert 15 <= alarms(others.tuned(method.quiet, method.loud, alarms, 20)) <= 20, name


def test_deviations_are_those_of_the_last_periods_from_the_ones_before() -> None:
    steady = np.array([3.0, 1.0] * 10)[:, None]
    z = others.deviations(np.vstack([steady, [[0.0], [0.0]]]), 2, 20)
    assert np.isnan(z[:21]).all()
    assert z[21, 0] == pytest.approx(-4.0 / np.sqrt(4.0))


def test_a_gap_is_told_in_gaps_of_the_account() -> None:
    days = np.zeros((40, 2))
    days[0:16:2, 0] = 1.0
    days[[0, 1, 4, 5, 10, 14], 1] = 1.0
    regular, irregular = others.gaps(days)[14 + 12]
    assert regular == pytest.approx(6.0)
    assert irregular < 3.0


def test_the_area_counts_equal_risks_half() -> None:
    positive = np.array([True, True, False, False])
    assert auc(positive, np.array([2.0, 1.0, 1.0, 0.0])) == pytest.approx(3.5 / 4)
    assert auc(positive, np.array([3.0, 2.0, 1.0, 0.0])) == 1.0
    assert auc(np.array([True]), np.array([1.0])) is None


def test_gates_and_trials_have_seeds_of_their_own() -> None:
    assert abs(FULL.seed - QUICK.seed) > 50


SETTINGS = SimulationSettings(seed=3, accounts=12, days=CHANGE_DAY + 60, kinds=())


@pytest.fixture(scope="module")
def stream() -> SimulatedStream:
    return simulate(SETTINGS)


@pytest.fixture
def scene(stream: SimulatedStream) -> Scene:
    chosen = frozenset(f"acc-{number:05d}" for number in range(1, 7))
    return Scene(stream, SETTINGS, chosen, np.random.default_rng(1))


@pytest.mark.parametrize("world", [world for world in WORLDS if world.share < 1.0], ids=lambda world: world.name)
def test_a_world_leaves_the_other_accounts_and_the_time_before_as_they_are(world: World, scene: Scene) -> None:
    changed = world.change(scene)
    before_ms = scene.at_ms()
    for name in ("usage", "billing", "tickets", "signals"):
        table, usual = getattr(changed, name), getattr(scene.stream, name)
        kept, as_before = (
            one.filter(~scene.concerned(one) | (one["occurred_at"].to_numpy() < before_ms)) for one in (table, usual)
        )
        assert kept.equals(as_before), name
    assert changed != scene.stream


def test_who_is_replaced_is_followed_by_others_who_come_less_at_first(scene: Scene) -> None:
    [world] = [world for world in WORLDS if world.name.endswith("who learn for four weeks")]
    usage = world.change(scene).usage
    own = scene.concerned(usage)
    new = np.array([name is not None and name.endswith(".new") for name in usage["user_id"].to_pylist()])
    assert not new[~own].any()
    late = usage["occurred_at"].to_numpy() >= scene.at_ms(60)
    named = usage["user_id"].is_valid().to_numpy()
    assert new[own & late & named].all()
    usual = int(scene.concerned(scene.stream.usage).sum())
    before = int((own & (usage["occurred_at"].to_numpy() < scene.at_ms())).sum())
    assert 0.8 < (int(own.sum()) - before) / (usual - before) < 0.9


def test_what_is_told_in_a_world_only_was_caused_by_it() -> None:
    world = next(world for world in WORLDS if world.name.startswith("holiday"))
    usual = [Opening("a", "usage_drop", "usage", (CHANGE_DAY + 10) * DAY_MS)]
    after = [
        Opening("a", "usage_drop", "usage", (CHANGE_DAY + 20) * DAY_MS),
        Opening("a", "silence", "usage", (CHANGE_DAY + 3) * DAY_MS),
        Opening("b", "silence", "usage", (CHANGE_DAY + 3) * DAY_MS),
        Opening("fleet", "fleet_dip", "usage", (CHANGE_DAY + 3) * DAY_MS),
    ]
    heard = [Heard(CALM[1].name, 0, frozenset("ab"), usual), Heard(world.name, 0, frozenset("a"), after)]
    row = [*outcomes(heard)][1]
    assert row.by_kind == {"usage_drop": 1, "silence": 1}
    assert row.caused == {"silence": 1}
    assert (row.alarmed, row.lost, row.of_fleet) == (1, {}, {"fleet_dip": 1})


def test_a_set_is_scored_as_a_backtest_scores_it(tmp_path: Path) -> None:
    stream = simulate(
        SimulationSettings(
            seed=5, accounts=40, days=330, incidents_per_kind=8, kinds=("silence",), first_incident_day=210
        )
    )
    write_events(stream, tmp_path, "csv")
    rows = [f"{row['account_id']},churned,{row['at']}" for row in stream.labels.to_pylist()]
    (tmp_path / "labels.csv").write_text("\n".join(["account_id,kind,at", *rows]), encoding="utf-8")
    data = DataSet.of(tmp_path)
    health = Health(data)
    alerts = replay(data.files, EngineConfig(), seen_at_ms=2_000_000_000_000, on_outcome=health.keep).alerts
    scored = score_outcomes(data.outcomes, data.files, alerts)
    risks = [alert for alert in alerts if alert["revision"] == 1 and alert["family"] == "risk" and not alert["shadow"]]
    assert data.figures(risks, LOSSES) == scored.down
    assert scored.down.churns >= 5
    assert data.figures([], GAINS).shifts == 0
    # Another method that says so in the last week before each churn finds them all.
    raised = data.churn_ahead()
    raised[:-1] &= ~raised[1:]
    assert data.figures_of(raised, LOSSES).churn_recall_early == 1.0
    scores, bands = health.by_week()
    assert scores.shape == bands.shape == raised.shape
    assert np.isfinite(scores[-1]).mean() > 0.5


def test_a_feed_of_months_alarms_nobody_who_stays_and_finds_who_misses_two_deliveries() -> None:
    [feed] = feeds.measure(feeds.SHAPES[2], seed=7, accounts=48, days=feeds.LEARNT_DAYS + feeds.HORIZON_DAYS + 40)
    assert (feed.got, feed.left_found) == (0.0, feed.left)
    assert feed.left_days is not None
    assert 58 < feed.left_days < 64
