from __future__ import annotations

import pytest

from agents.worker.reporting import Reporter, counted
from pipeline.books.book import Context
from pipeline.state.belonging import Belonging
from pipeline.state.life import ENDED
from sinks.metrics import Metrics
from tests.support.handmade import TODAY, World


def test_a_country_that_is_none_is_warned_of_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    belonging, metrics = Belonging(4), Metrics()
    reporter = Reporter(metrics)
    for country in ("Atlantis", "Germany", "usa", None, "", "Atlantis", "Lemuria"):
        belonging.put([1], [Context(country=country)])
        reporter.unknown_countries(belonging.unknown_countries)
    assert [record.args for record in caplog.records] == [("Atlantis",), ("Lemuria",)]
    assert metrics.registry.get_sample_value("foreshock_unknown_countries_total") == 2


def test_users_are_counted_by_day_and_month_beside_the_seats() -> None:
    world, yesterday = World(), TODAY - 1
    for name, segment, life in (("a", "smb", 0), ("b", "smb", 0), ("c", "big", 0), ("d", "big", ENDED)):
        row = world.account(name, seats=10, life=life)
        world.accounts.belonging.put([row], [Context(segment=segment)])
        world.use(row, [yesterday - 27], users=("old", "new"))
        world.use(row, [yesterday - 28], users=("gone",))
        world.use(row, [yesterday], users=("new",))
        world.use(row, [TODAY], users=("tomorrow",))
    _, users = counted(world.state)
    assert users == {
        ("day", "smb"): 2, ("month", "smb"): 4, ("seats", "smb"): 20, ("day", "big"): 1, ("month", "big"): 2,
        ("seats", "big"): 10,
    }  # fmt: skip


def test_of_names_without_end_few_are_remembered() -> None:
    belonging = Belonging(4)
    for number in range(1_000):
        belonging.put([1], [Context(country=f"Atlantis {number}")])
    assert len(belonging.unknown_countries) == 100
